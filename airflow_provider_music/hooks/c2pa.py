# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The connection of type ``c2pa``: with whose certificate and key songs are signed."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_music.api.connection import is_loopback
from airflow_provider_music.audio.content_credentials import ALGORITHMS, INSTALL, CannotSignError, Signer, try_signer
from airflow_provider_music.compat import AirflowNotFoundException, BaseHook
from airflow_provider_music.exceptions import SigningError
from airflow_provider_music.hooks.form import behaviour, widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONN_TYPE = "c2pa"
EXTRAS = ("certificates", "algorithm", "service_url", "tsa_url")
_SERVICE_SECONDS = 30.0
#: A signature of RSA-4096 has 512 bytes.
_MAX_SIGNATURE_BYTES = 16_384
#: A password field of a browser takes one line, and JSON in an environment variable writes a line's end as \\n.
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----")


class C2paHook(BaseHook):
    """Who signs the Content Credentials of songs (``provenance="c2pa"``).

    The connection is of type ``c2pa``: password = private key in PEM, certificate chain and algorithm as extras; or,
    with the extra ``service_url``, a key service signs and the password is its token. It is looked up where a song is
    signed, on a worker, and is in no XCom, trigger or log.

    :param conn_id: Airflow connection id.
    """

    conn_name_attr = "c2pa_conn_id"
    default_conn_name = "c2pa_default"
    conn_type = CONN_TYPE
    hook_name = "Content Credentials (C2PA)"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Fields of the connection form, for Airflow 2; Airflow 3 reads them from the provider's metadata."""
        from airflow_provider_music.get_provider_info import C2PA_FIELD_BEHAVIOUR

        return behaviour(C2PA_FIELD_BEHAVIOUR)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Extra fields of the connection form for Airflow 2, from the same metadata that Airflow 3 reads."""
        from airflow_provider_music.get_provider_info import C2PA_FIELDS

        return widgets(C2PA_FIELDS)

    def get_signer(self) -> Signer:
        """Look the connection up and check it.

        :raises SigningError: it is missing or cannot be used; all problems in one message.
        """
        signer, problems = _signer_of(_connection(self.conn_id))
        if signer is None:
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise SigningError(f"Connection {self.conn_id!r} cannot sign Content Credentials:\n{listed}")
        return signer

    def check(self) -> None:
        """Sign a file of nothing: whether certificate, key and algorithm fit, and the certificate is valid now.

        :raises SigningError: they do not, or c2pa-python is not installed.
        """
        signer = self.get_signer()
        try:
            try_signer(signer)
        except ImportError as exc:
            raise SigningError(f"Content Credentials need c2pa-python: {INSTALL}.") from exc
        except CannotSignError as exc:
            raise SigningError(f"Connection {self.conn_id!r} cannot sign Content Credentials: {exc}.") from None

    def test_connection(self) -> tuple[bool, str]:
        """Sign a file of nothing."""
        try:
            self.check()
        except SigningError as exc:
            return False, str(exc)
        return True, "Certificate and key sign; whether others trust the certificate is not checked."


def _connection(conn_id: str) -> Any:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as exc:
        raise SigningError(
            f"There is no connection {conn_id!r}. Create it (type: {CONN_TYPE}), or name another one: c2pa_conn_id."
        ) from exc
    except Exception as exc:
        raise SigningError(f"Connection {conn_id!r} could not be looked up: {type(exc).__name__}.") from exc


def _signer_of(conn: Any) -> tuple[Signer | None, list[str]]:
    """Return who signs by a connection, or what is wrong with it."""
    if conn.conn_type != CONN_TYPE:
        # Nothing else of it is read: its password is the secret of another service.
        return None, [f"its type is {str(conn.conn_type)!r:.60}; give the id of a connection of type {CONN_TYPE!r}"]
    problems: list[str] = []
    extra, secret = _extra(conn, problems), (conn.password or "").strip()
    problems += [
        f"its extra {name!r:.60} is none: leave it out; there are {', '.join(EXTRAS)}"
        for name in extra
        if name not in EXTRAS and not name.startswith("_")
    ]
    certificates = _pem(_text(extra, "certificates"))
    if "CERTIFICATE" not in certificates:
        problems.append("its extra certificates holds no certificate: give the chain in PEM, the signer's own first")
    algorithm = (_text(extra, "algorithm") or "es256").lower()
    if algorithm not in ALGORITHMS:
        problems.append(f"its extra algorithm is {algorithm!r:.40}: give one of {', '.join(ALGORITHMS)}")
    urls = {name: _url(_text(extra, name), name, problems) for name in ("service_url", "tsa_url")}
    service, key = urls["service_url"], None
    if service is None:
        key = _pem(secret)
        if "PRIVATE KEY" not in key:
            problems.append("its password is no private key in PEM; or name a key service: the extra service_url")
    elif not secret.isascii() or not secret.isprintable():
        # The HTTP library quotes a header that it refuses.
        problems.append("its password, the key service's token, has white space or characters no token has")
    if problems:
        return None, problems
    call = _service(service, secret, algorithm) if service else None
    return Signer(certificates, algorithm, key, call, urls["tsa_url"]), []


def _extra(conn: Any, problems: list[str]) -> Mapping[str, Any]:
    try:
        extra = json.loads(conn.extra) if conn.extra and conn.extra.strip() else {}
    except (ValueError, RecursionError):
        extra = None
    if isinstance(extra, dict):
        return extra
    problems.append("its extra is no JSON object")
    return {}


def _text(extra: Mapping[str, Any], name: str) -> str:
    value = extra.get(name)
    return value.strip() if isinstance(value, str) else ""


def _pem(text: str) -> str:
    """Return PEM with lines as PEM has them, however it was pasted."""
    found = _PEM.findall(text.replace("\\n", "\n"))
    blocks = []
    for label, body in found:
        packed = "".join(body.split())
        lines = "\n".join(packed[at : at + 64] for at in range(0, len(packed), 64))
        blocks.append(f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
    return "".join(blocks)


def _url(text: str, name: str, problems: list[str]) -> str | None:
    if not text:
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    # Time stamps are signed themselves, and most services have plain HTTP only.
    plain_is_fine = name == "tsa_url" or is_loopback(host)
    if not host or "@" in parts.netloc or not (parts.scheme == "https" or (parts.scheme == "http" and plain_is_fine)):
        problems.append(f"its extra {name} is no https URL, or has a user in it")
    return text


def _service(url: str, token: str, algorithm: str) -> Callable[[bytes], bytes]:
    """Return what lets a key service sign: it is sent the bytes to sign, and its response is the signature."""

    def sign(data: bytes) -> bytes:
        import httpx

        from airflow_provider_music.api.secrecy import strip_traceback, suppress_logs
        from airflow_provider_music.api.transports import USER_AGENT

        headers = {
            "Content-Type": "application/octet-stream",
            "Accept": "application/octet-stream",
            "User-Agent": USER_AGENT,
            "X-Signature-Algorithm": algorithm,
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }
        host, until = urlsplit(url).hostname, time.monotonic() + _SERVICE_SECONDS
        try:
            with (
                suppress_logs(),
                httpx.Client(timeout=_SERVICE_SECONDS, follow_redirects=False) as client,
                client.stream("POST", url, content=data, headers=headers) as response,
            ):
                status, signature = response.status_code, b""
                for piece in response.iter_bytes():
                    signature += piece
                    if len(signature) > _MAX_SIGNATURE_BYTES or time.monotonic() > until:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            failed = type(strip_traceback(exc)).__name__
        else:
            if status == httpx.codes.OK and 0 < len(signature) <= _MAX_SIGNATURE_BYTES:
                return signature
            failed = f"HTTP {status}, {len(signature)} bytes"
        raise SigningError(f"the key service at {host} gave no signature ({failed})")

    return sign
