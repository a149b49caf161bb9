# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Sent or not, against real sockets: what breaks below is what httpx really raises for it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import ssl
import struct
import time

import httpx
import pytest

from airflow_provider_music import exceptions
from airflow_provider_music.api import endpoints, transports
from airflow_provider_music.api.client import MusicClient, SyncMusicClient
from airflow_provider_music.api.outcome import is_failed_look_up, outcome_of
from airflow_provider_music.api.poll_transport import poll_transport

trustme = pytest.importorskip("trustme")

ACCEPTED = json.dumps({"id": "g-1", "status": "queued"}).encode()
BODY = {"model": "minimax/music-2.6", "prompt": "a song"}


def cut(connection, request):
    connection.close()


def reset(connection, request):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def silence(connection, request):
    time.sleep(3)


def sends(data):
    def send(connection, request):
        connection.sendall(data)
        connection.close()

    return send


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def _proxied(place, answer):
    def make(request, monkeypatch):
        proxy = request.getfixturevalue("serve")(answer)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        return place

    return make


def _refused(request, monkeypatch):
    return f"http://127.0.0.1:{request.getfixturevalue('closed_port')}"


def _no_such_name(request, monkeypatch):
    def look_up(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return "http://no-such-name.example"


def _black_hole(request, monkeypatch):
    return f"http://127.0.0.1:{request.getfixturevalue('black_hole')}"


def _tls_refused(request, monkeypatch):
    return request.getfixturevalue("serve")(cut, server_context()).url


def _no_tls(request, monkeypatch):
    return request.getfixturevalue("serve")(cut, greeting=b"220 mail\r\n").url.replace("http:", "https:")


def _tls_silent(request, monkeypatch):
    return f"https://127.0.0.1:{request.getfixturevalue('silent_port')}"


def _proxy_refused(request, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{request.getfixturevalue('closed_port')}")
    return "https://api.example.org"


def _serving(what):
    def make(request, monkeypatch):
        return request.getfixturevalue("serve")(what).url

    return make


@pytest.fixture
def silent_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + ACCEPTED
CHUNKED_HALF = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + ACCEPTED
GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>nothing</h1"
NEVER_LEFT = {
    "refused": (_refused, httpx.ConnectError),
    "no such name": (_no_such_name, httpx.ConnectError),
    "black hole": (_black_hole, httpx.ConnectTimeout),
    "certificate not trusted": (_tls_refused, httpx.ConnectError),
    "no TLS behind https": (_no_tls, httpx.ConnectError),
    "silence in the TLS handshake": (_tls_silent, httpx.ConnectTimeout),
    "proxy refused": (_proxy_refused, httpx.ConnectError),
    "proxy wants a password": (
        _proxied("https://api.example.org", sends(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")),
        httpx.ProxyError,
    ),
    "proxy finds nobody": (
        _proxied("https://api.example.org", sends(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")),
        httpx.ProxyError,
    ),
}
UNKNOWN = {
    "cut before the answer": (_serving(cut), httpx.RemoteProtocolError),
    "reset before the answer": (_serving(reset), httpx.ReadError),
    "cut in the status line": (_serving(sends(b"HTTP/1.1 2")), httpx.RemoteProtocolError),
    "cut in the body": (_serving(sends(HALF)), httpx.RemoteProtocolError),
    "cut in a chunk": (_serving(sends(CHUNKED_HALF)), httpx.RemoteProtocolError),
    "silence": (_serving(silence), httpx.ReadTimeout),
    "no HTTP": (_serving(sends(b"\x00\x01\x02\r\n\r\n")), httpx.RemoteProtocolError),
    "a gateway's page": (_serving(sends(GATEWAY)), exceptions.UnknownOutcomeError),
    "the proxy cuts the tunnel": (
        _proxied("https://api.example.org", cut),
        (httpx.RemoteProtocolError, httpx.ReadError),
    ),
}


def cases(*tables):
    return [pytest.param(*case, id=name) for table in tables for name, case in table.items()]


@pytest.fixture
def short(settings_for):
    def make(base_url):
        return settings_for(base_url, connect_timeout=0.3, read_timeout=0.3)

    return make


async def submit(settings):
    client = MusicClient(settings)
    try:
        return await client.submit(BODY, "id-1")
    finally:
        await client.aclose()


async def generate(settings):
    client = MusicClient(settings)
    try:
        async with client.open_generation(BODY, "id-1"):
            pass
    finally:
        await client.aclose()


@pytest.mark.parametrize(("place", "raised"), cases(NEVER_LEFT))
async def test_what_breaks_before_a_byte_of_the_request_leaves_was_never_sent(
    place, raised, request, monkeypatch, short
):
    with pytest.raises(raised) as caught:
        await submit(short(place(request, monkeypatch)))
    assert type(caught.value) is raised
    assert outcome_of(caught.value) == "never_left"


@pytest.mark.parametrize(("place", "raised"), cases(UNKNOWN))
async def test_what_breaks_once_the_request_left_is_unknown(place, raised, request, monkeypatch, short):
    with pytest.raises(raised) as caught:
        await submit(short(place(request, monkeypatch)))
    assert outcome_of(caught.value) == "unknown"


@pytest.mark.parametrize("what", [cut, reset, silence, sends(HALF)])
async def test_no_layer_sends_a_paid_post_twice(what, serve, short):
    server = serve(what)
    with pytest.raises(httpx.HTTPError):
        await submit(short(server.url))
    assert len(server.requests) == 1
    assert server.connections == 1


@pytest.mark.parametrize("what", [cut, reset, silence, sends(HALF)])
async def test_no_layer_sends_a_synchronous_paid_post_twice(what, serve, short):
    server = serve(what)
    client = MusicClient(dataclasses.replace(short(server.url), generation_timeout=0.3))
    with pytest.raises(httpx.HTTPError) as caught:
        async with client.open_generation(BODY, "id-1") as response:
            await response.aread()
    await client.aclose()
    assert outcome_of(caught.value) == "unknown"
    assert len(server.requests) == server.connections == 1


async def test_a_connection_that_the_server_closes_after_its_answer_does_not_confuse_the_next_paid_post(
    serve, settings_for, answer
):
    def once(connection, request):
        connection.sendall(answer(ACCEPTED, headers=["Connection: keep-alive"]))
        connection.close()

    server = serve(once)
    client = MusicClient(settings_for(server.url))
    for _ in range(5):
        assert (await client.submit(BODY, "id-1")).id == "g-1"
    await client.aclose()
    assert server.connections == len(server.requests) == 5


async def test_every_paid_post_has_a_connection_of_its_own(serve, settings_for, answer):
    server = serve(answer(ACCEPTED))
    client = MusicClient(settings_for(server.url))
    await asyncio.gather(*(client.submit(BODY, f"id-{n}") for n in range(5)))
    await client.submit(BODY, "id-6")
    await client.aclose()
    assert server.connections == len(server.requests) == 6


async def test_every_paid_post_over_a_proxy_has_a_connection_of_its_own_too(serve, settings_for, answer, monkeypatch):
    proxy = serve(answer(ACCEPTED))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    client = MusicClient(settings_for("http://api.example.org"))
    for n in range(3):
        assert (await client.submit(BODY, f"id-{n}")).id == "g-1"
    await client.aclose()
    assert proxy.connections == len(proxy.requests) == 3


async def test_a_paid_post_never_goes_over_a_connection_that_a_free_call_left_open(serve, settings_for, answer):
    server = serve(answer(ACCEPTED))
    client = MusicClient(settings_for(server.url))
    for _ in range(2):
        await client.call(endpoints.poll("g-1"))
    assert server.connections == 1
    for n in range(2):
        await client.submit(BODY, f"id-{n}")
        await client.call(endpoints.poll("g-1"))
    await client.aclose()
    assert server.connections == 3


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        ("429 Too Many Requests", {"message": "slow down", "statusCode": 429}, "not_accepted"),
        ("400 Bad Request", {"message": "no", "statusCode": 400}, "failed"),
        ("401 Unauthorized", {"message": "no", "statusCode": 401}, "failed"),
        ("403 Forbidden", {"message": "You've run out of funds", "statusCode": 403}, "failed"),
        ("404 Not Found", {"message": "no", "statusCode": 404}, "failed"),
        ("500 Internal Server Error", {"message": "broken", "statusCode": 500}, "failed"),
        ("502 Bad Gateway", {"message": "broken", "statusCode": 502}, "unknown"),
        ("503 Service Unavailable", {"title": "t", "status": 503, "message": "broken"}, "unknown"),
        ("504 Gateway Timeout", {"message": "Downstream service error.", "statusCode": 504}, "unknown"),
        ("200 OK", {"base_resp": {"status_code": 1002, "status_msg": "rate"}}, "not_accepted"),
        ("200 OK", {"base_resp": {"status_code": 1026, "status_msg": "words"}}, "failed"),
        ("504 Gateway Timeout", {"message": "Generation timeout", "statusCode": 504}, "unknown"),
        ("503 Service Unavailable", {"title": "Error 503", "status": 503, "detail": "a gateway's"}, "unknown"),
        ("408 Request Timeout", {"message": "late", "statusCode": 408}, "unknown"),
        ("200 OK", {"status": "queued"}, "unknown"),
        ("200 OK", ["no object"], "unknown"),
        ("301 Moved Permanently", {}, "unknown"),
        ("302 Found", {}, "unknown"),
        ("307 Temporary Redirect", {}, "unknown"),
        ("308 Permanent Redirect", {"message": "moved", "statusCode": 308}, "unknown"),
    ],
)
@pytest.mark.parametrize("lane", ["queued", "synchronous"])
async def test_what_the_api_says_decides_the_bill(lane, status, body, outcome, serve, settings_for, answer):
    if lane == "synchronous" and status.startswith("200"):
        pytest.skip("the body of a good answer is read where it streams: tests/hostile/test_generate_bodies.py")
    server = serve(answer(json.dumps(body).encode(), status))
    with pytest.raises(exceptions.MusicError) as caught:
        await (submit if lane == "queued" else generate)(settings_for(server.url))
    assert outcome_of(caught.value) == outcome
    if outcome == "unknown":
        assert type(caught.value) is exceptions.UnknownOutcomeError


@pytest.mark.parametrize(
    "exc",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        OSError("disk"),
        ValueError("anything"),
        httpx.ReadTimeout("late"),
        httpx.WriteError("cut"),
        httpx.WriteTimeout("slow"),
        httpx.CloseError("cut"),
        httpx.NetworkError("some"),
        httpx.TimeoutException("some"),
        httpx.TransportError("some"),
        httpx.DecodingError("junk"),
        httpx.LocalProtocolError("odd"),
        httpx.TooManyRedirects("many"),
        exceptions.MusicError("some"),
        exceptions.ApiUnreachableError("some"),
        exceptions.AudioError("some"),
        exceptions.OutputError("some"),
    ],
    ids=repr,
)
def test_what_the_table_does_not_know_is_unknown(exc):
    assert outcome_of(exc) == "unknown"


@pytest.mark.parametrize("kind", [httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL])
def test_what_httpx_refuses_by_itself_was_never_sent(kind):
    assert outcome_of(kind("no")) == "never_left"


@pytest.mark.parametrize(("place", "raised"), cases(NEVER_LEFT, UNKNOWN))
def test_to_the_blocking_client_it_is_all_no_answer(place, raised, request, monkeypatch, short):
    client = SyncMusicClient(short(place(request, monkeypatch)))
    with pytest.raises(exceptions.ApiUnreachableError, match="GET /v2/billing"), contextlib.closing(client):
        client.call(endpoints.billing())


@pytest.mark.parametrize(("place", "raised"), cases(NEVER_LEFT, UNKNOWN))
async def test_to_a_poll_it_is_all_no_answer(place, raised, request, monkeypatch, short):
    settings = short(place(request, monkeypatch))
    client = MusicClient(settings, poll_transport(settings))
    with pytest.raises(exceptions.ApiUnreachableError, match="GET /v2/generate/audio"):
        await client.call(endpoints.poll("g-1"))
    await client.aclose()


async def test_the_poll_transport_does_not_tell_a_lost_answer_from_a_failed_connect_so_no_paid_post_goes_over_it(
    serve, settings_for
):
    server = serve(cut)
    settings = settings_for(server.url)
    async with transports.free_client(settings, poll_transport(settings)) as http:
        with pytest.raises(httpx.HTTPError) as caught:
            await http.post("/", json=BODY)
    assert outcome_of(caught.value) == "never_left"
    assert len(server.requests) == 1


def after(error, *, cause=None, context=None):
    """An error as it is caught, with what it came from: named by who raised it, or only what went before."""
    error.__cause__, error.__context__ = cause, context or cause
    return error


NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_LABEL = UnicodeError("label empty or too long")
REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (NO_NAME, True),
        (after(httpx.ConnectError("x"), cause=NO_NAME), True),
        (after(httpx.ConnectError("x"), context=NO_LABEL), True),
        (after(httpx.ConnectError("x"), cause=after(OSError("y"), context=NO_NAME)), True),
        (after(httpx.ConnectError("x"), cause=REFUSED), False),
        (httpx.ConnectError("x"), False),
    ],
    ids=["a look-up", "its cause", "what it followed", "the cause's", "a refusal", "nothing"],
)
def test_a_failed_look_up_is_told_from_a_refused_connection_however_deep_it_lies(error, failed):
    assert is_failed_look_up(error) is failed
