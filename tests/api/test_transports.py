# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import contextlib
import json
import logging
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import traceback

import aiohttp  # noqa: F401 - its import builds a TLS context of its own, which is not counted here
import httpx
import pytest

from airflow_provider_music import __version__
from airflow_provider_music.api import transports
from airflow_provider_music.api.poll_transport import poll_transport
from airflow_provider_music.api.secrecy import suppress_logs
from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.exceptions import CredentialsError

trustme = pytest.importorskip("trustme")

KINDS = {
    "free": lambda settings, _: transports.free_client(settings),
    "paid": lambda settings, _: transports.paid_client(settings),
    "poll": lambda settings, _: transports.free_client(settings, poll_transport(settings)),
    "download": lambda settings, url: transports.download_client(settings, httpx.URL(url)),
}
every_client = pytest.mark.parametrize("kind", KINDS)
every_api_client = pytest.mark.parametrize("kind", ["free", "paid", "poll"])
BEARER = "Bearer sk-secret"


async def get(kind, settings, url, method="GET"):
    """One request over a client of that kind, closed afterwards."""
    async with KINDS[kind](settings, url) as client:
        return await client.request(method, url)


@pytest.fixture
def seen():
    """Requests that the answering functions below took."""
    return []


@pytest.fixture
def in_its_place(seen):
    """Everything goes to a function in place of the network."""

    def take(request):
        seen.append(request)
        return httpx.Response(200, json={})

    transport = httpx.MockTransport(take)
    with use_transport(transport):
        yield seen


def headers(request):
    lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


@every_api_client
async def test_the_key_goes_to_the_connections_own_host(kind, serve, settings_for, answer):
    server = serve(answer())
    await get(kind, settings_for(server.url), "/v2/billing")
    (request,) = server.requests
    assert request.startswith(b"GET /v2/billing HTTP/1.1")
    assert headers(request)["authorization"] == BEARER
    assert headers(request)["accept"] == "application/json"


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example.org/song.mp3",
        "https://api.example.org.evil.example/",
        "https://api.example.org@evil.example/",
        "http://api.example.org/",
        "https://api.example.org:8443/",
        "https://sub.api.example.org/",
    ],
)
@every_api_client
async def test_the_key_goes_to_no_other_origin(kind, url, in_its_place, settings_for):
    await get(kind, settings_for("https://api.example.org"), url)
    assert "sk-secret" not in in_its_place[0].headers.get("authorization", "")


@pytest.mark.parametrize("url", ["/v2", "https://api.example.org/v2", "https://API.example.org:443/v2"])
@every_api_client
async def test_one_origin_may_be_spelt_in_several_ways(kind, url, in_its_place, settings_for):
    await get(kind, settings_for("https://api.example.org"), url)
    assert in_its_place[0].headers["authorization"] == BEARER


@pytest.mark.parametrize("url", ["https://api.example.org/song.mp3", "https://cdn.example.org/song.mp3"])
async def test_a_download_never_carries_the_key(url, in_its_place, settings_for):
    await get("download", settings_for("https://api.example.org"), url)
    assert "authorization" not in in_its_place[0].headers


@every_client
async def test_every_client_says_who_it_is_and_wants_plain_bytes(kind, serve, settings_for, answer):
    server = serve(answer())
    await get(kind, settings_for(server.url), f"{server.url}/v2")
    said = headers(server.requests[0])
    assert said["user-agent"] == transports.USER_AGENT
    assert said["user-agent"].startswith(f"airflow-provider-music/{__version__} ")
    assert said["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@every_client
async def test_no_client_follows_a_redirect(kind, status, serve, settings_for, answer):
    other = serve(answer())
    server = serve(answer(status=f"{status} Elsewhere", headers=[f"Location: {other.url}/"]))
    response = await get(kind, settings_for(server.url), f"{server.url}/v2")
    assert response.status_code == status
    assert other.connections == 0


@every_api_client
async def test_no_client_keeps_cookies(kind, serve, settings_for, answer):
    server = serve(answer(headers=["Set-Cookie: a=b; Path=/"]))
    async with KINDS[kind](settings_for(server.url), server.url) as client:
        for _ in range(2):
            await client.get("/v2")
    assert len(server.requests) == 2
    assert "cookie" not in headers(server.requests[1])


@every_client
async def test_timeouts_are_the_connections(kind, settings_for):
    settings = settings_for(connect_timeout=1.5, read_timeout=7.0)
    async with KINDS[kind](settings, settings.base_url) as client:
        assert client.timeout == httpx.Timeout(7.0, connect=1.5)


# Proxies


@pytest.fixture
def proxy(serve, answer):
    """A proxy for plain HTTP, which answers by itself."""
    return serve(answer(b'{"by": "proxy"}'))


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@every_client
async def test_a_proxy_of_the_environment_is_used(kind, name, proxy, settings_for, monkeypatch):
    monkeypatch.setenv(name, proxy.url)
    response = await get(kind, settings_for("http://api.example.org"), "http://api.example.org/v2")
    assert response.json() == {"by": "proxy"}
    assert proxy.requests[0].startswith(b"GET http://api.example.org/v2 HTTP/1.1")


@every_client
async def test_a_proxy_without_a_scheme_is_an_http_proxy(kind, proxy, settings_for, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
    response = await get(kind, settings_for("http://api.example.org"), "http://api.example.org/v2")
    assert response.json() == {"by": "proxy"}


@pytest.mark.parametrize("value", ["127.0.0.1", "*", "localhost,127.0.0.1", " 127.0.0.1 , other.example.org"])
@every_client
async def test_no_proxy_goes_past_it(kind, value, proxy, serve, settings_for, answer, monkeypatch):
    server = serve(answer(b'{"by": "server"}'))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", value)
    response = await get(kind, settings_for(server.url), f"{server.url}/v2")
    assert response.json() == {"by": "server"}
    assert proxy.connections == 0


@every_client
async def test_a_proxy_may_want_a_name_and_a_password(kind, proxy, settings_for, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:pass@"))
    await get(kind, settings_for("http://api.example.org"), "http://api.example.org/v2")
    expected = "Basic " + base64.b64encode(b"me:pass").decode()
    assert headers(proxy.requests[0])["proxy-authorization"] == expected


def proxy_for(url):
    found = transports.environment_proxy(httpx.URL(url))
    return found and str(found.url)


PROXY = "http://proxy.example.org:3128"


@pytest.mark.parametrize(
    ("environment", "url", "found"),
    [
        ({}, "https://api.example.org", None),
        ({"HTTPS_PROXY": PROXY}, "https://api.example.org", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://api.example.org", None),
        ({"HTTP_PROXY": PROXY}, "https://api.example.org", None),
        ({"ALL_PROXY": PROXY}, "https://api.example.org", PROXY),
        ({"ALL_PROXY": PROXY}, "http://api.example.org", PROXY),
        ({"HTTPS_PROXY": PROXY, "ALL_PROXY": "http://other:1"}, "https://api.example.org", PROXY),
        ({"HTTPS_PROXY": "http://other:1", "https_proxy": PROXY}, "https://api.example.org", PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": ""}, "https://api.example.org", None),
        ({"HTTPS_PROXY": ""}, "https://api.example.org", None),
        ({"HTTPS_PROXY": "", "ALL_PROXY": PROXY}, "https://api.example.org", PROXY),
        ({"HTTPS_PROXY": "proxy.example.org:3128"}, "https://api.example.org", PROXY),
        ({"HTTPS_PROXY": "https://proxy.example.org"}, "https://api.example.org", "https://proxy.example.org"),
        ({"FTP_PROXY": PROXY}, "https://api.example.org", None),
    ],
)
def test_the_environments_proxies_are_read_by_the_standard_librarys_rules(environment, url, found, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == found


@pytest.mark.parametrize(
    ("no_proxy", "url", "past"),
    [
        ("", "https://api.example.org", False),
        ("*", "https://api.example.org", True),
        ("example.org", "https://api.example.org", True),
        (".example.org", "https://api.example.org", True),
        ("EXAMPLE.org", "https://API.example.org", True),
        ("ample.org", "https://api.example.org", False),
        ("api.example.org.evil.example", "https://api.example.org", False),
        ("a.example, api.example.org", "https://api.example.org", True),
        ("api.example.org:8443", "https://api.example.org:8443", True),
        ("api.example.org:8443", "https://api.example.org", False),
        ("api.example.org:8443", "https://api.example.org:9443", False),
        ("127.0.0.1", "https://127.0.0.1:8443", True),
        ("127.0.0.1:8443", "https://127.0.0.1:8443", True),
        ("::1", "https://[::1]:8443", True),
        ("[::1]", "https://[::1]:8443", True),
        ("::1", "https://[::2]", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_hosts_all_below_them_and_ports(name, no_proxy, url, past, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv(name, no_proxy)
    assert proxy_for(url) == (None if past else PROXY)


def test_the_lower_case_no_proxy_goes_first(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "other.example.org")
    assert proxy_for("https://api.example.org") == PROXY


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@every_client
async def test_a_socks_proxy_whose_package_is_missing_is_said_in_our_words(
    kind, scheme, name, settings_for, monkeypatch
):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, f"{scheme}://me:hush@127.0.0.1:1")
    with pytest.raises(CredentialsError, match=r"HTTPS_PROXY.*socksio") as caught:
        await get(kind, settings_for(), "https://api.example.org/")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["hu#sh", "hu/sh", "hu?sh", "12#sh", "12/sh", "12?sh", "hu[sh/", "h:u/sh", "hu\\#sh"]
)
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_no_part_of_a_proxys_password_stands_in_an_error(scheme, password, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://me:{password}@proxy.example.org:3128")
    with pytest.raises(CredentialsError, match="percent-encoded") as caught:
        transports.environment_proxy(httpx.URL("https://api.example.org"))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    told = shown[shown.index("in environment_proxy") :]
    assert password not in told
    for part in ("hu", "12", "sh@"):
        assert part not in told.replace("authority", "")


ODD = {
    "percent-encoded": "zq7%40%2F%23xw9",
    "a lone percent": "zq7%xw9",
    "no hex": "zq7%zzxw9",
    "an at sign": "zq7@xw9",
    "a colon": "zq7:xw9",
    "a space": "zq7 xw9",
    "a brace": "zq7{xw9}",
    "a bar": "zq7^`|xw9",
    "an ampersand": "zq7&xw9;$",
    "a quote": "zq7'xw9\"",
    "an umlaut": "zq7äxw9",
    "a note": "zq7🎵xw9",
    "no UTF-8": "zq7%FF%FExw9",
    "long": f"zq7{'a' * 300}xw9",
}


@pytest.mark.parametrize("reply", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"", b"no HTTP\r\n\r\n"])
@pytest.mark.parametrize("password", ODD.values(), ids=ODD)
@pytest.mark.parametrize("url", ["https://api.example.org/v2", "http://api.example.org/v2"])
@every_client
async def test_no_part_of_a_proxys_password_stands_in_an_error_a_log_or_a_repr(
    kind, url, password, reply, serve, settings_for, monkeypatch, caplog
):
    def refuse(connection, request):
        connection.sendall(reply)
        connection.close()

    for name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
        caplog.set_level(logging.DEBUG, name)
    proxy = serve(refuse)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://me:{password}@127.0.0.1:{proxy.port}")
    told = []
    try:
        with suppress_logs():
            async with KINDS[kind](settings_for("http://api.example.org", allow_http=True), url) as client:
                told += [repr(client), repr(vars(client))]
                told.append(repr(await client.get(url)))
    except (CredentialsError, httpx.HTTPError) as exc:
        told += traceback.format_exception(exc)
    for text in (*told, caplog.text):
        assert "zq7" not in text
        assert "xw9" not in text


def test_every_logger_of_the_http_library_is_suppressed():
    """httpcore.socks logs the user and the password that a proxy is given."""
    for name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
        record = logging.LogRecord(name, logging.DEBUG, __file__, 1, "line", None, None)
        assert logging.getLogger(name).filter(record)
        with suppress_logs():
            assert not logging.getLogger(name).filter(record)


class Tunnel:
    """A proxy that opens tunnels to one server, whatever it is asked for."""

    def __init__(self, port):
        self.port = port
        self.asked = []

    def __call__(self, connection, request):
        self.asked.append(request)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.port)) as other, contextlib.suppress(OSError):
            back = threading.Thread(target=self._pump, args=(other, connection), daemon=True)
            back.start()
            self._pump(connection, other)
            back.join(5)
        connection.close()

    @staticmethod
    def _pump(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(2**16):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def ca():
    transports.ssl_context.cache_clear()
    return trustme.CA()


@pytest.fixture
def ca_file(ca, tmp_path):
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def ca_folder(ca_file, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl's command to name the files of a CA folder")
    told = subprocess.run([openssl, "x509", "-hash", "-noout", "-in", ca_file], capture_output=True, check=True)
    folder = tmp_path / "certs"
    folder.mkdir()
    shutil.copy(ca_file, folder / f"{told.stdout.decode().strip()}.0")
    return folder


@pytest.fixture
def tls(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "api.example.org").configure_cert(context)
    return context


@every_client
async def test_https_goes_through_the_proxys_tunnel_which_never_sees_the_key(
    kind, serve, settings_for, answer, tls, ca_file, monkeypatch
):
    server = serve(answer(b'{"by": "server"}'), tls)
    tunnel = Tunnel(server.port)
    monkeypatch.setenv("HTTPS_PROXY", serve(tunnel).url)
    settings = settings_for("https://api.example.org", verify=ca_file)
    response = await get(kind, settings, "https://api.example.org/v2")
    assert response.json() == {"by": "server"}
    assert tunnel.asked[0].startswith(b"CONNECT api.example.org:443 ")
    assert b"sk-secret" not in tunnel.asked[0]


UNUSABLE = [
    "ftp://127.0.0.1:1",
    "socks9://127.0.0.1:1",
    "socks4://127.0.0.1:1",
    "http://[::1",
    "http://a:port",
    "a:port",
]


@pytest.mark.parametrize("value", UNUSABLE)
@every_client
async def test_a_proxy_that_cannot_be_used_is_said_in_our_words(kind, value, settings_for, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(CredentialsError, match="HTTPS_PROXY"):
        await get(kind, settings_for(), "https://api.example.org/")


@every_client
async def test_a_netrc_file_changes_nothing(kind, serve, settings_for, answer, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(answer())
    await get(kind, settings_for(server.url), f"{server.url}/v2")
    assert headers(server.requests[0]).get("authorization") == (None if kind == "download" else BEARER)


# TLS


@every_client
async def test_a_server_of_an_unknown_authority_is_refused(kind, serve, settings_for, answer, tls):
    server = serve(answer(), tls)
    with pytest.raises(httpx.TransportError, match="certificate verify failed"):
        await get(kind, settings_for(server.url), f"{server.url}/v2")
    assert server.requests == []


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@every_client
async def test_a_ca_bundle_of_the_environment_is_trusted(
    kind, name, serve, settings_for, answer, tls, ca_file, monkeypatch
):
    monkeypatch.setenv(name, ca_file)
    server = serve(answer(), tls)
    response = await get(kind, settings_for(server.url), f"{server.url}/v2")
    assert response.status_code == 200


async def test_a_ca_folder_of_the_environment_is_trusted(serve, settings_for, answer, tls, ca_folder, monkeypatch):
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_folder))
    server = serve(answer(), tls)
    assert (await get("paid", settings_for(server.url), f"{server.url}/v2")).status_code == 200


@every_client
async def test_the_connections_own_bundle_goes_before_the_environments(
    kind, serve, settings_for, answer, tls, ca_file, tmp_path, monkeypatch
):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    server = serve(answer(), tls)
    response = await get(kind, settings_for(server.url, verify=ca_file), f"{server.url}/v2")
    assert response.status_code == 200


async def test_openssls_own_variable_goes_before_that_of_requests(
    ca_file, serve, settings_for, answer, tls, tmp_path, monkeypatch
):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    server = serve(answer(), tls)
    assert (await get("paid", settings_for(server.url), f"{server.url}/v2")).status_code == 200


@every_client
async def test_a_name_that_the_certificate_does_not_hold_is_refused(kind, serve, settings_for, answer, ca, ca_file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("other.example.org").configure_cert(context)
    server = serve(answer(), context)
    with pytest.raises(httpx.TransportError, match="certificate verify failed"):
        await get(kind, settings_for(server.url, verify=ca_file), f"{server.url}/v2")


@every_client
async def test_verify_false_takes_any_certificate(kind, serve, settings_for, answer, tls):
    server = serve(answer(), tls)
    response = await get(kind, settings_for(server.url, verify=False), f"{server.url}/v2")
    assert response.status_code == 200


@pytest.mark.parametrize("content", [None, "", "no certificate"])
@every_client
async def test_a_ca_bundle_that_is_none_is_said_in_our_words(kind, content, settings_for, tmp_path, monkeypatch):
    transports.ssl_context.cache_clear()
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(CredentialsError, match="the extra verify names the CA bundle"):
        await get(kind, settings_for(verify=str(bundle)), "https://api.example.org/")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(CredentialsError, match="REQUESTS_CA_BUNDLE names the CA bundle"):
        await get(kind, settings_for(), "https://api.example.org/")


async def test_a_process_builds_one_tls_context(settings_for, mocker):
    transports.ssl_context.cache_clear()
    build = mocker.spy(ssl, "create_default_context")
    contexts = {id(transports.ssl_context(settings_for().verify)) for _ in range(3)}
    for number in range(3):
        for make in KINDS.values():
            settings = settings_for(f"https://api{number}.example.org")
            async with make(settings, settings.base_url):
                pass
    assert len(contexts) == 1
    assert build.call_count == 1


# Answers that are none


JUNK = {
    "a broken status line": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2**20,
    "a broken header": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nab",
    "a chunk of no size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
@every_client
async def test_junk_in_place_of_http_is_an_error_of_httpx_in_every_client(kind, junk, serve, settings_for):
    def send(connection, request):
        connection.sendall(junk)
        connection.close()

    server = serve(send)
    with pytest.raises(httpx.HTTPError):
        await get(kind, settings_for(server.url), f"{server.url}/v2")


@every_client
async def test_the_key_is_in_no_repr_and_no_log(kind, serve, settings_for, answer, caplog):
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", "httpx")
    server = serve(answer(json.dumps({}).encode()))
    async with KINDS[kind](settings_for(server.url), server.url) as client:
        told = f"{client!r} {vars(client)!r}"
    await get(kind, settings_for(server.url), f"{server.url}/v2")
    assert "sk-secret" not in told
    assert "sk-secret" not in caplog.text
