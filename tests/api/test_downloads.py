# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Downloads connect to checked addresses only, under the host's name, and within bounds of size and time."""

from __future__ import annotations

import itertools
import socket
import ssl
import time
from asyncio.selector_events import BaseSelectorEventLoop

import httpx
import pytest

from airflow_provider_music.api import transports
from airflow_provider_music.exceptions import ApiUnreachableError, AudioHostError, LinkExpiredError
from airflow_provider_music.generation.fetch import download
from airflow_provider_music.storage.audio_writer import RequestedAudio
from airflow_provider_music.storage.folder import Folder

CDN = "93.184.216.34"
OTHER = "151.101.1.69"
IPV6 = "2606:4700::1111"
PROXY = "10.9.9.9"


class Internet:
    """A name service and a network: public addresses lead to servers of this test, and everything is counted."""

    def __init__(self):
        self.names = {"api.example.org": ["1.1.1.1"]}
        self.hosts = {}
        self.looked_up = []
        self.connected = []

    def getaddrinfo(self, host, port, *args, **kwargs):
        host = host.decode() if isinstance(host, bytes) else host
        self.looked_up.append(host)
        found = self.names.get(host, [])
        found = next(found) if isinstance(found, itertools.cycle) else found
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, 1, 6, "", (text, port or 0)) for text in found]

    async def connect(self, real, loop, sock, address):
        host, port = address[:2]
        self.connected.append((host, port))
        if host not in self.hosts:
            raise ConnectionRefusedError(111, "Connection refused")
        await real(loop, sock, ("127.0.0.1", self.hosts[host]))


@pytest.fixture
def internet(monkeypatch):
    made, real = Internet(), BaseSelectorEventLoop.sock_connect
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    monkeypatch.setattr(
        BaseSelectorEventLoop, "sock_connect", lambda loop, sock, address: made.connect(real, loop, sock, address)
    )
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


async def get(settings, url):
    async with transports.download_client(settings, httpx.URL(url)) as http:
        return await http.get(url)


async def test_the_name_is_looked_up_once_and_a_checked_address_connected_to(
    internet, serve, answer, settings_for, tls, ca_file
):
    server = serve(answer(b"song"), tls("cdn.example.org"))
    internet.names["cdn.example.org"] = [CDN]
    internet.hosts[CDN] = server.port
    response = await get(settings_for(verify=ca_file), "https://cdn.example.org/a%2Fb?c=%2B")
    assert response.content == b"song"
    assert internet.looked_up == ["cdn.example.org"]
    assert internet.connected == [(CDN, 443)]
    assert tls.asked == ["cdn.example.org"]
    assert server.requests[0].startswith(b"GET /a%2Fb?c=%2B HTTP/1.1\r\nHost: cdn.example.org\r\n")


async def test_a_name_whose_answer_changes_is_not_asked_a_second_time(internet, serve, answer, settings_for):
    server = serve(answer(b"song"))
    internet.names["cdn.example.org"] = itertools.cycle([[CDN], ["127.0.0.1"]])
    internet.hosts[CDN] = server.port
    settings = settings_for(allow_http=True)
    assert (await get(settings, "http://cdn.example.org/a")).content == b"song"
    with pytest.raises(AudioHostError, match=r"127\.0\.0\.1 is a loopback address"):
        await get(settings, "http://cdn.example.org/a")
    assert internet.connected == [(CDN, 80)]


async def test_the_certificate_has_to_name_the_host_and_not_the_address(
    internet, serve, answer, settings_for, tls, ca_file
):
    server = serve(answer(b"song"), tls(CDN, "other.example.org"))
    internet.names["cdn.example.org"] = [CDN]
    internet.hosts[CDN] = server.port
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        await get(settings_for(verify=ca_file), "https://cdn.example.org/a")
    assert server.requests == []


async def test_two_names_at_one_address_are_verified_each_on_a_connection_of_its_own(
    internet, serve, answer, settings_for, tls, ca_file
):
    server = serve(answer(b"song"), tls("a.example.org", "b.example.org"))
    internet.names.update({"a.example.org": [CDN], "b.example.org": [CDN]})
    internet.hosts[CDN] = server.port
    url = httpx.URL("https://a.example.org/")
    async with transports.download_client(settings_for(verify=ca_file), url) as http:
        for name in ("a", "b", "a"):
            assert (await http.get(f"https://{name}.example.org/")).content == b"song"
    assert tls.asked == ["a.example.org", "b.example.org", "a.example.org"]
    assert internet.looked_up == tls.asked


@pytest.mark.parametrize("found", [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], [CDN, "10.0.0.1"], ["0.0.0.0"]])
async def test_a_name_that_leads_inside_is_refused_and_nothing_connected_to(found, internet, settings_for):
    internet.names["cdn.example.org"] = found
    with pytest.raises(AudioHostError, match=r"The song's host cdn\.example\.org is refused") as caught:
        await get(settings_for(), "https://cdn.example.org/song?Signature=hush")
    assert "hush" not in str(caught.value)
    assert internet.connected == []


async def test_a_host_inside_is_reached_where_the_apis_own_host_is_one(internet, serve, answer, settings_for):
    server = serve(answer(b"song"))
    internet.names.update({"api.internal": ["10.0.0.1"], "store.internal": ["10.0.0.2"]})
    internet.hosts["10.0.0.2"] = server.port
    settings = settings_for("http://api.internal", allow_http=True)
    assert (await get(settings, "http://store.internal:9000/a")).content == b"song"
    assert internet.connected == [("10.0.0.2", 9000)]


async def test_the_next_address_is_tried_where_one_lets_nobody_in(internet, serve, answer, settings_for):
    server = serve(answer(b"song"))
    internet.names["cdn.example.org"] = [OTHER, CDN]
    internet.hosts[CDN] = server.port
    assert (await get(settings_for(allow_http=True), "http://cdn.example.org/")).content == b"song"
    assert internet.connected == [(OTHER, 80), (CDN, 80)]


async def test_the_next_address_is_tried_where_one_drops_what_comes(internet, serve, answer, settings_for, black_hole):
    internet.names["cdn.example.org"] = [OTHER, CDN]
    internet.hosts.update({OTHER: black_hole, CDN: serve(answer(b"song")).port})
    settings = settings_for(allow_http=True, connect_timeout=0.3)
    assert (await get(settings, "http://cdn.example.org/")).content == b"song"
    assert internet.connected == [(OTHER, 80), (CDN, 80)]


async def test_the_next_address_is_tried_where_one_has_another_hosts_certificate(
    internet, serve, answer, settings_for, tls, ca_file
):
    internet.names["cdn.example.org"] = [OTHER, CDN]
    wrong, right = serve(answer(b"wrong"), tls("other.example.org")), serve(answer(b"song"), tls("cdn.example.org"))
    internet.hosts.update({OTHER: wrong.port, CDN: right.port})
    assert (await get(settings_for(verify=ca_file), "https://cdn.example.org/")).content == b"song"
    assert wrong.requests == []


async def test_an_address_of_ipv6_is_connected_to_as_one(internet, serve, answer, settings_for):
    internet.names["cdn.example.org"] = [IPV6, CDN]
    internet.hosts[CDN] = serve(answer(b"song")).port
    assert (await get(settings_for(allow_http=True), "http://cdn.example.org:8080/")).content == b"song"
    assert internet.connected == [(IPV6, 8080), (CDN, 8080)]


async def test_an_address_that_took_the_request_is_the_last_one_tried(internet, serve, answer, settings_for):
    cut, other = serve(lambda connection, request: connection.close()), serve(answer(b"song"))
    internet.names["cdn.example.org"] = [OTHER, CDN]
    internet.hosts.update({OTHER: cut.port, CDN: other.port})
    with pytest.raises(httpx.RemoteProtocolError):
        await get(settings_for(allow_http=True), "http://cdn.example.org/")
    assert other.connections == 0


async def test_where_no_address_lets_anybody_in_the_connect_failed(internet, settings_for):
    internet.names["cdn.example.org"] = [OTHER, CDN]
    with pytest.raises(httpx.ConnectError):
        await get(settings_for(), "https://cdn.example.org/")
    assert internet.connected == [(OTHER, 443), (CDN, 443)]


async def test_an_address_in_the_url_is_checked_and_verified_as_one(
    internet, serve, answer, settings_for, tls, ca_file
):
    internet.names[CDN] = [CDN]
    internet.hosts[CDN] = serve(answer(b"song"), tls(CDN)).port
    assert (await get(settings_for(verify=ca_file), f"https://{CDN}/")).content == b"song"
    internet.names["169.254.169.254"] = ["169.254.169.254"]
    with pytest.raises(AudioHostError):
        await get(settings_for(verify=ca_file), "https://169.254.169.254/")
    assert internet.connected == [(CDN, 443)]


async def test_a_name_that_nobody_knows_is_a_failed_connect(internet, settings_for):
    with pytest.raises(httpx.ConnectError, match="Name or service not known"):
        await get(settings_for(), "https://cdn.example.org/")


async def test_behind_a_proxy_the_proxy_looks_names_up(internet, serve, answer, settings_for, monkeypatch):
    proxy = serve(answer(b"by proxy"))
    internet.names["proxy.internal"] = [PROXY]
    internet.hosts[PROXY] = proxy.port
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.internal:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example.org")
    settings = settings_for(allow_http=True)
    assert (await get(settings, "http://cdn.example.org/a")).content == b"by proxy"
    assert internet.looked_up == ["proxy.internal"]
    assert internet.connected == [(PROXY, 3128)]
    internet.names["direct.example.org"] = ["10.0.0.1"]
    with pytest.raises(AudioHostError):
        await get(settings, "http://direct.example.org/")
    assert len(internet.connected) == 1


async def test_no_connection_is_kept(serve, answer, settings_for):
    server = serve(answer(b"song"))
    async with transports.download_client(settings_for(server.url), httpx.URL(server.url)) as http:
        for _ in range(3):
            assert (await http.get(server.url)).content == b"song"
    assert server.connections == 3


# Redirects


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "song"))


def redirect(answer, where):
    return answer(status="302 Found", headers=[f"Location: {where}"])


async def test_a_redirects_host_is_looked_up_and_checked_as_the_first_one_was(
    internet, serve, answer, settings_for, folder
):
    internet.names.update({"cdn.example.org": [CDN], "other.example.org": [OTHER]})
    internet.hosts[CDN] = serve(redirect(answer, "http://other.example.org:81/b")).port
    other = serve(answer(status="404 Not Found"))
    internet.hosts[OTHER] = other.port
    with pytest.raises(LinkExpiredError, match=r"other\.example\.org"):
        await download(settings_for(allow_http=True), "http://cdn.example.org/a", folder, RequestedAudio("mp3"))
    assert internet.looked_up == ["cdn.example.org", "other.example.org"]
    assert internet.connected == [(CDN, 80), (OTHER, 81)]
    assert other.requests[0].startswith(b"GET /b HTTP/1.1\r\nHost: other.example.org:81\r\n")


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
@pytest.mark.parametrize("where", ["http://other.example.org/admin", "//other.example.org/admin", "/again"])
async def test_no_redirect_leads_inside_by_a_name_not_even_by_the_same_one(
    where, inside, internet, serve, answer, settings_for, folder
):
    internet.names.update({"cdn.example.org": itertools.cycle([[CDN], [inside]]), "other.example.org": [inside]})
    internet.hosts[CDN] = serve(redirect(answer, where)).port
    with pytest.raises(AudioHostError, match="is refused"):
        await download(settings_for(allow_http=True), "http://cdn.example.org/a", folder, RequestedAudio("mp3"))
    assert internet.connected == [(CDN, 80)]


async def test_a_redirect_may_lead_from_a_proxy_past_it_and_is_checked_then(
    internet, serve, answer, settings_for, folder, monkeypatch
):
    internet.names.update({"proxy.internal": [PROXY], "direct.example.org": ["10.0.0.1"]})
    internet.hosts[PROXY] = serve(redirect(answer, "http://direct.example.org/")).port
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.internal:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example.org")
    with pytest.raises(AudioHostError, match=r"direct\.example\.org is refused"):
        await download(settings_for(allow_http=True), "http://cdn.example.org/a", folder, RequestedAudio("mp3"))
    assert internet.connected == [(PROXY, 3128)]


# Time


TOO_LONG = r"within the 0\.5 s that the connection's max_body_seconds allows"


@pytest.fixture
def given_up(settings_for, folder):
    """Fetch what never comes whole: the download is given up after its half second, and not much later."""

    async def go(url, *, base_url=None, **more):
        settings = settings_for(base_url or url, max_body_seconds=0.5, **more)
        began = time.monotonic()
        with pytest.raises(ApiUnreachableError, match=TOO_LONG):
            await download(settings, url, folder, RequestedAudio("mp3"))
        assert 0.4 < time.monotonic() - began < 3.0

    return go


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a"),
    ],
    ids=["status", "header", "interim", "body", "chunks", "chunk extension", "trailer"],
)
async def test_a_drip_ends_with_the_time_for_the_whole_download(before, piece, serve, dripping, given_up):
    server = serve(dripping(before, piece))
    await given_up(server.url)
    assert len(server.requests) == 1


async def test_the_time_is_for_all_hops_together(serve, answer, given_up):
    def slow(connection, request):
        time.sleep(0.2)
        connection.sendall(redirect(answer, "/again"))

    server = serve(slow)
    await given_up(server.url)
    assert len(server.requests) == 3


async def test_a_drip_through_a_proxy_ends_too(serve, dripping, given_up, monkeypatch):
    proxy = serve(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    await given_up("http://cdn.example.org/", allow_http=True)
    assert len(proxy.requests) == 1


async def test_a_proxy_that_drips_its_answer_to_connect_ends_too(serve, dripping, given_up, monkeypatch):
    proxy = serve(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    await given_up("https://cdn.example.org/")
    assert proxy.requests[0].startswith(b"CONNECT ")


async def test_a_server_that_says_nothing_in_its_tls_handshake_ends_too(serve, given_up):
    server = serve(b"", greeting=b"\x16")
    await given_up(f"https://127.0.0.1:{server.port}/", base_url="https://127.0.0.1:1", connect_timeout=60.0)


async def test_addresses_that_drop_what_comes_end_too(internet, black_hole, given_up):
    internet.names["cdn.example.org"] = [CDN, OTHER]
    internet.hosts.update(dict.fromkeys([CDN, OTHER], black_hole))
    await given_up("http://cdn.example.org/", allow_http=True, connect_timeout=0.35)
    assert internet.connected == [(CDN, 80), (OTHER, 80)]


async def test_a_name_service_that_says_nothing_ends_too(internet, given_up, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1.0))
    await given_up("http://cdn.example.org/", allow_http=True)
