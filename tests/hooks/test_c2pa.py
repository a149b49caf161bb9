# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import http.server
import json
import threading
import traceback

import pytest

from airflow_provider_music.exceptions import SigningError
from airflow_provider_music.get_provider_info import C2PA_FIELDS
from airflow_provider_music.hooks import c2pa as hook_module
from airflow_provider_music.hooks.c2pa import EXTRAS, C2paHook
from tests.certificates import chain, connection

pytest.importorskip("c2pa")


@pytest.fixture(scope="module")
def made():
    return chain()


def problems(monkeypatch, **fields):
    monkeypatch.setenv("AIRFLOW_CONN_C2PA_DEFAULT", json.dumps({"conn_type": "c2pa", **fields}))
    with pytest.raises(SigningError) as caught:
        C2paHook().get_signer()
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ["es256", "es384", "ps256", "ed25519"])
def test_certificate_and_key_of_every_kind_sign(algorithm, monkeypatch):
    connection(chain(algorithm=algorithm), monkeypatch, algorithm=algorithm.upper())
    assert C2paHook().test_connection() == (
        True,
        "Certificate and key sign; whether others trust the certificate is not checked.",
    )


@pytest.mark.parametrize("joint", ["", " ", "\\n", "\r\n"])
def test_pem_is_read_however_a_form_or_a_shell_left_its_lines(joint, made, monkeypatch):
    connection(
        type(made)(certificates=made.certificates.replace("\n", joint), private_key=made.private_key),
        monkeypatch,
        password=made.private_key.replace("\n", joint),
    )
    signer = C2paHook().get_signer()
    assert (signer.certificates, signer.private_key) == (made.certificates, made.private_key)


@pytest.mark.parametrize(
    ("days", "says"), [((-30, -1), "not valid at time of signing"), ((1, 30), "not valid at time of signing")]
)
def test_a_certificate_that_is_not_valid_now_is_said(days, says, monkeypatch):
    connection(chain(days=days), monkeypatch)
    ok, words = C2paHook().test_connection()
    assert not ok
    assert says in words


def test_a_key_of_another_certificate_is_said(made, monkeypatch):
    connection(made, monkeypatch, password=chain().private_key)
    with pytest.raises(SigningError, match="does not match the provided data or public key"):
        C2paHook().check()


def test_all_that_is_wrong_is_said_at_once_and_no_secret_among_it(monkeypatch):
    said = problems(
        monkeypatch,
        password="-----BEGIN SECRET-----",
        extra={"algorithm": "rot13", "certificate": "x", "tsa_url": "ftp://x", "_note": "mine"},
    )
    assert "SECRET" not in said
    for each in (
        "its extra 'certificate' is none: leave it out; there are certificates, algorithm, service_url, tsa_url",
        "holds no certificate",
        "its extra algorithm is 'rot13': give one of es256",
        "its extra tsa_url is no https URL",
        "its password is no private key in PEM; or name a key service",
    ):
        assert each in said
    assert "_note" not in said


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"conn_type": "music", "password": "sk-secret"}, "its type is 'music'"),
        ({"password": "sk-secret", "extra": "[]"}, "its extra is no JSON object"),
        ({"password": "a b\n", "extra": {"service_url": "https://s.example"}}, "holds no certificate"),
        ({"password": "t\u00f6", "extra": {"service_url": "https://s.example"}}, "characters no token has"),
        ({"extra": {"service_url": "http://s.example/sign"}}, "its extra service_url is no https URL"),
        ({"extra": {"service_url": "https://me:pw@s.example/sign"}}, "has a user in it"),
        ({"extra": {"service_url": "https://[::1"}}, "its extra service_url is no https URL"),
    ],
)
def test_a_connection_that_cannot_be_used_is_said(fields, says, monkeypatch):
    said = problems(monkeypatch, **fields)
    assert says in said
    assert "sk-secret" not in said
    assert "me:pw" not in said


def test_a_connection_that_is_not_there_is_said():
    with pytest.raises(SigningError, match=r"There is no connection 'nowhere'. Create it \(type: c2pa\)"):
        C2paHook("nowhere").get_signer()


def test_no_repr_and_no_error_shows_the_key(made, monkeypatch):
    secret = made.private_key.splitlines()[1]
    connection(made, monkeypatch)
    assert secret not in repr(C2paHook().get_signer())
    broken = made.private_key.replace(secret, secret[:30] + "!!!!" + secret[34:])
    connection(made, monkeypatch, password=broken.replace("!", "A"))
    with pytest.raises(SigningError) as caught:
        C2paHook().check()
    # Without this function's own frame, which knows the key.
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for line in broken.replace("!", "A").splitlines()[1:-1]:
        assert line not in str(caught.value)
        assert line not in shown
    assert "cannot sign Content Credentials" in shown


def test_without_the_library_the_extra_is_named(made, monkeypatch):
    connection(made, monkeypatch)
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    with pytest.raises(SigningError, match=r"pip install 'airflow-provider-music\[c2pa\]'"):
        C2paHook().check()


# A key service


@pytest.fixture
def service(made):
    """A key service on loopback; what it is asked for, and how it responds."""
    asked, how = [], {}

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            from cryptography.hazmat.primitives import hashes
            from cryptography.hazmat.primitives.asymmetric import ec

            data = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((dict(self.headers), data))
            signature = how.get("body", made.key.sign(data, ec.ECDSA(hashes.SHA256())))
            self.send_response(how.get("status", 200))
            for name, value in how.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(signature)))
            self.end_headers()
            self.wfile.write(signature)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/sign", asked, how
    server.shutdown()
    server.server_close()


def test_a_key_service_gets_the_bytes_to_sign_and_its_token_and_no_key_is_here(service, made, monkeypatch):
    url, asked, _ = service
    connection(made, monkeypatch, password="tok-en", service_url=url)
    C2paHook().check()
    assert C2paHook().get_signer().private_key is None
    ((headers, data),) = asked
    assert headers["Authorization"] == "Bearer tok-en"
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Signature-Algorithm"] == "es256"
    assert 0 < len(data) < 10_000


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"status": 403, "body": b"who are you?"}, r"gave no signature \(HTTP 403, 12 bytes\)"),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}, "body": b""}, "HTTP 302"),
        ({"body": b""}, "HTTP 200, 0 bytes"),
        ({"body": bytes(100_000)}, "gave no signature"),
        ({"body": b"x" * 64}, "does not match the provided data or public key"),
    ],
)
def test_a_key_service_that_does_not_sign_is_said_without_its_words(how, says, service, made, monkeypatch, caplog):
    url, _, responds = service
    responds.update(how)
    connection(made, monkeypatch, password="tok-en", service_url=url)
    with pytest.raises(SigningError, match=says) as caught:
        C2paHook().check()
    for secret in ("tok-en", "who are you"):
        assert secret not in str(caught.value) + caplog.text


def test_a_key_service_that_is_down_or_silent_is_said_in_time(made, monkeypatch):
    import socket

    monkeypatch.setattr(hook_module, "_SERVICE_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port, says in ((9, "ConnectError"), (silent.getsockname()[1], "ReadTimeout")):
            connection(made, monkeypatch, password="", service_url=f"http://127.0.0.1:{port}/sign")
            with pytest.raises(SigningError, match=rf"key service at 127.0.0.1 gave no signature \({says}\)"):
                C2paHook().check()


# The form


def test_every_extra_has_its_field_in_the_form():
    assert tuple(C2PA_FIELDS) == EXTRAS


def test_airflow_2_s_form_is_made_of_the_same():
    pytest.importorskip("flask_appbuilder")
    made = C2paHook.get_connection_form_widgets()
    assert tuple(made) == EXTRAS
    assert made["certificates"].field_class.__name__ == "TextAreaField"
    assert C2paHook.get_ui_field_behaviour()["hidden_fields"] == ["schema", "port", "login", "host"]
