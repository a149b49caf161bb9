# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import socket
import ssl
import time

import httpcore
import httpx
import pytest

from airflow_provider_music.api import transports
from airflow_provider_music.api.bounded_transport import MAX_HEAD_BYTES
from airflow_provider_music.exceptions import AudioHostError

CDN = "93.184.216.34"
OTHER = "151.101.1.69"


class Internet:
    """A name service and a network: public addresses lead to servers of this test, and everything is counted."""

    def __init__(self):
        self.names = {"api.example.org": ["1.1.1.1"]}
        self.hosts = {}
        self.looked_up = []
        self.connected = []

    def getaddrinfo(self, host, port, *args, **kwargs):
        self.looked_up.append(host)
        found = self.names.get(host, [])
        found = next(found) if isinstance(found, itertools.cycle) else found
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, 1, 6, "", (text, 0)) for text in found]

    def create_connection(self, address, timeout=None, source_address=None):
        host, port = address
        self.connected.append((host, port))
        if host not in self.hosts:
            raise ConnectionRefusedError(111, "Connection refused")
        found = socket.socket()
        found.settimeout(timeout)
        found.connect(("127.0.0.1", self.hosts[host]))
        return found


@pytest.fixture
def internet(monkeypatch):
    made = Internet()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", made.create_connection)
    return made


@pytest.fixture
def ca_file(tmp_path):
    transports.ssl_context.cache_clear()
    return str(tmp_path / "ca.pem")


@pytest.fixture
def tls(ca_file):
    """TLS for a server with certificates of these names; the names that clients asked for are kept."""
    ca = pytest.importorskip("trustme").CA()
    ca.cert_pem.write_to_path(ca_file)

    def make(*names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(*names).configure_cert(context)
        make.asked = []
        context.sni_callback = lambda _, name, __: make.asked.append(name)
        return context

    return make


def get(settings, url):
    with transports.download_client(settings) as http:
        return http.get(url)


def test_the_name_is_looked_up_once_and_a_checked_address_connected_to(
    internet, serve, answer, settings_for, tls, ca_file
):
    server = serve(answer(b"song"), tls("cdn.example.org"))
    internet.names["cdn.example.org"] = [CDN]
    internet.hosts[CDN] = server.port
    response = get(settings_for(verify=ca_file), "https://cdn.example.org/a%2Fb?c=%2B")
    assert response.content == b"song"
    assert internet.looked_up == ["cdn.example.org"]
    assert internet.connected == [(CDN, 443)]
    assert tls.asked == ["cdn.example.org"]
    assert server.requests[0].startswith(b"GET /a%2Fb?c=%2B HTTP/1.1\r\nHost: cdn.example.org\r\n")


def test_a_name_whose_answer_changes_is_not_asked_a_second_time(internet, serve, answer, settings_for):
    server = serve(answer(b"song"))
    internet.names["cdn.example.org"] = itertools.cycle([[CDN], ["127.0.0.1"]])
    internet.hosts[CDN] = server.port
    settings = settings_for(allow_http=True)
    assert get(settings, "http://cdn.example.org/a").content == b"song"
    with pytest.raises(AudioHostError, match=r"127\.0\.0\.1 is a loopback address"):
        get(settings, "http://cdn.example.org/a")
    assert internet.connected == [(CDN, 80)]


def test_the_certificate_has_to_name_the_host_and_not_the_address(internet, serve, answer, settings_for, tls, ca_file):
    server = serve(answer(b"song"), tls(CDN, "other.example.org"))
    internet.names["cdn.example.org"] = [CDN]
    internet.hosts[CDN] = server.port
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        get(settings_for(verify=ca_file), "https://cdn.example.org/a")
    assert server.requests == []


def test_two_names_at_one_address_are_verified_each_on_a_connection_of_its_own(
    internet, serve, answer, settings_for, tls, ca_file
):
    server = serve(answer(b"song"), tls("a.example.org", "b.example.org"))
    internet.names.update({"a.example.org": [CDN], "b.example.org": [CDN]})
    internet.hosts[CDN] = server.port
    with transports.download_client(settings_for(verify=ca_file)) as http:
        for name in ("a", "b", "a"):
            assert http.get(f"https://{name}.example.org/").content == b"song"
    assert tls.asked == ["a.example.org", "b.example.org", "a.example.org"]
    assert internet.looked_up == tls.asked


@pytest.mark.parametrize("found", [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], [CDN, "10.0.0.1"], ["0.0.0.0"]])
def test_a_name_that_leads_inside_is_refused_and_nothing_connected_to(found, internet, settings_for):
    internet.names["cdn.example.org"] = found
    with pytest.raises(AudioHostError, match=r"The song's host cdn\.example\.org is refused") as caught:
        get(settings_for(), "https://cdn.example.org/song?Signature=hush")
    assert "hush" not in str(caught.value)
    assert internet.connected == []


def test_a_host_inside_is_reached_where_the_apis_own_host_is_one(internet, serve, answer, settings_for):
    server = serve(answer(b"song"))
    internet.names.update({"api.internal": ["10.0.0.1"], "store.internal": ["10.0.0.2"]})
    internet.hosts["10.0.0.2"] = server.port
    settings = settings_for("http://api.internal", allow_http=True)
    assert get(settings, "http://store.internal:9000/a").content == b"song"
    assert internet.connected == [("10.0.0.2", 9000)]


def test_the_next_address_is_tried_where_one_lets_nobody_in(internet, serve, answer, settings_for):
    server = serve(answer(b"song"))
    internet.names["cdn.example.org"] = [OTHER, CDN]
    internet.hosts[CDN] = server.port
    assert get(settings_for(allow_http=True), "http://cdn.example.org/").content == b"song"
    assert internet.connected == [(OTHER, 80), (CDN, 80)]


def test_where_no_address_lets_anybody_in_the_connect_failed(internet, settings_for):
    internet.names["cdn.example.org"] = [OTHER, CDN]
    with pytest.raises(httpx.ConnectError, match="Connection refused"):
        get(settings_for(), "https://cdn.example.org/")
    assert internet.connected == [(OTHER, 443), (CDN, 443)]


def test_a_name_that_nobody_knows_is_a_failed_connect(internet, settings_for):
    with pytest.raises(httpx.ConnectError, match="Name or service not known"):
        get(settings_for(), "https://cdn.example.org/")


def test_behind_a_proxy_the_proxy_looks_names_up(internet, serve, answer, settings_for, monkeypatch):
    proxy = serve(answer(b"by proxy"))
    internet.hosts["proxy.internal"] = proxy.port
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.internal:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example.org")
    settings = settings_for(allow_http=True)
    assert get(settings, "http://cdn.example.org/a").content == b"by proxy"
    assert internet.looked_up == []
    assert internet.connected == [("proxy.internal", 3128)]
    internet.names["direct.example.org"] = ["10.0.0.1"]
    with pytest.raises(AudioHostError):
        get(settings, "http://direct.example.org/")
    assert len(internet.connected) == 1


def test_a_socks_proxy_is_named_if_its_package_is_missing(settings_for, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(transports.CredentialsError, match=r"HTTPS_PROXY.*socksio"):
        get(settings_for(), "https://cdn.example.org/")


def test_no_connection_is_kept(serve, answer, settings_for):
    server = serve(answer(b"song"))
    with transports.download_client(settings_for(server.url)) as http:
        for _ in range(3):
            assert http.get(server.url).content == b"song"
    assert server.connections == 3


# Bounds


def pouring(piece, before=b"", after=0.0):
    """An answer that goes on until nobody listens; with a pause after each piece."""

    def send(connection, request):
        connection.sendall(before)
        while True:
            connection.sendall(piece)
            time.sleep(after)

    return send


@pytest.mark.parametrize(
    "piece",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000,
        b"X-Filler: " + b"a" * 1000 + b"\r\n",
        b"a" * 10_000,
    ],
    ids=["continue", "early hints", "headers", "one header"],
)
def test_a_head_without_end_is_cut_off(piece, serve, settings_for):
    before = b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nA: "
    server = serve(pouring(piece, before))
    with pytest.raises(httpx.RemoteProtocolError):
        get(settings_for(server.url), server.url)


def test_interim_answers_are_passed_over_and_do_not_count_for_the_body(serve, answer, settings_for):
    body = bytes(2 * MAX_HEAD_BYTES)
    server = serve(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 9 + answer(body))
    assert get(settings_for(server.url), server.url).content == body


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a"),
    ],
    ids=["status", "header", "body", "chunks", "chunk extension", "trailer"],
)
def test_a_drip_ends_with_the_time_for_the_whole_download(before, piece, serve, settings_for):
    server = serve(pouring(piece, before, after=0.05))
    with pytest.raises(httpx.ReadTimeout, match=r"the time for the whole answer is over|timed out"):
        get(settings_for(server.url, max_body_seconds=0.5), server.url)


def test_the_time_is_for_all_hops_together(serve, answer, settings_for):
    server = serve(answer(b"song"))
    with transports.download_client(settings_for(server.url, max_body_seconds=0.2)) as http:
        http.get(server.url)
        time.sleep(0.3)
        with pytest.raises(httpx.ReadTimeout):
            http.get(server.url)
    assert server.connections == 1


def test_a_drip_through_a_proxy_ends_too(serve, settings_for, monkeypatch):
    proxy = serve(pouring(b"a", b"HTTP/1.1 200 OK\r\nX: ", after=0.05))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with pytest.raises(httpx.ReadTimeout):
        get(settings_for(allow_http=True, max_body_seconds=0.5), "http://cdn.example.org/")


def test_a_server_that_says_nothing_in_its_tls_handshake_ends_too(serve, settings_for):
    server = serve(b"", greeting=b"\x16")
    settings = settings_for("https://127.0.0.1:1", max_body_seconds=0.5, connect_timeout=60.0)
    with pytest.raises(httpx.TimeoutException):
        get(settings, f"https://127.0.0.1:{server.port}/")


def test_every_error_of_httpcore_has_its_name_in_httpx():
    errors = [getattr(httpcore, name) for name in httpcore.__all__ if name.endswith(("Error", "Timeout", "Protocol"))]
    assert len(errors) > 10
    assert all(issubclass(getattr(httpx, error.__name__), httpx.HTTPError) for error in errors)
