# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import tracemalloc

import httpx
import pytest

from airflow_provider_music.api import transports
from airflow_provider_music.api.bounded_head import MAX_HEAD_BYTES
from airflow_provider_music.api.client import MusicClient
from airflow_provider_music.api.outcome import outcome_of

KINDS = {
    "free": lambda settings, _: transports.free_client(settings),
    "paid": lambda settings, _: transports.paid_client(settings),
    "download": lambda settings, url: transports.download_client(settings, httpx.URL(url)),
}
every_client = pytest.mark.parametrize("kind", KINDS)
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
FLOODS = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "early hints": (b"", HINT * 1000),
    "headers": (b"HTTP/1.1 200 OK\r\nA: ", b"X-Filler: " + b"a" * 1000 + b"\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nA: ", b"a" * 10_000),
}
every_flood = pytest.mark.parametrize(("before", "piece"), FLOODS.values(), ids=FLOODS)


def pouring(before, piece):
    """An answer that goes on until nobody listens."""

    def send(connection, request):
        connection.sendall(before)
        while True:
            connection.sendall(piece)

    return send


async def get(kind, settings, url):
    async with asyncio.timeout(4.0), KINDS[kind](settings, url) as http:
        return await http.get(url)


@every_flood
@every_client
async def test_a_head_without_end_is_cut_off_in_little_memory(kind, before, piece, serve, settings_for):
    server = serve(pouring(before, piece))
    tracemalloc.start()
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            await get(kind, settings_for(server.url), server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**23


@every_client
async def test_behind_a_proxy_it_is_cut_off_too(kind, serve, settings_for, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", serve(pouring(*FLOODS["early hints"])).url)
    with pytest.raises(httpx.RemoteProtocolError):
        await get(kind, settings_for("http://api.example.org"), "http://api.example.org/")


@every_client
async def test_a_proxy_that_floods_before_its_tunnel_opens_is_cut_off_too(kind, serve, settings_for, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", serve(pouring(*FLOODS["early hints"])).url)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ProxyError)):
        await get(kind, settings_for("https://api.example.org"), "https://api.example.org/")


@every_client
async def test_interim_answers_are_passed_over_and_do_not_count_for_the_body(kind, serve, answer, settings_for):
    body = bytes(2 * MAX_HEAD_BYTES)
    server = serve(HINT * 9 + answer(body))
    assert (await get(kind, settings_for(server.url), server.url)).content == body


async def test_every_answer_of_a_kept_connection_has_a_head_of_its_own(serve, answer, settings_for):
    body = bytes(MAX_HEAD_BYTES)
    hints = HINT * (MAX_HEAD_BYTES // 2 // len(HINT))
    server = serve(hints + answer(body))
    async with transports.free_client(settings_for(server.url)) as http:
        for _ in range(5):
            assert (await http.get("/")).content == body
    assert server.connections == 1


async def test_a_flood_on_a_kept_connection_is_cut_off_too(serve, answer, settings_for):
    def first_good(connection, request):
        if len(server.requests) == 1:
            connection.sendall(answer(b"{}"))
        else:
            pouring(*FLOODS["early hints"])(connection, request)

    server = serve(first_good)
    async with asyncio.timeout(4.0), transports.free_client(settings_for(server.url)) as http:
        await http.get("/")
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/")
    assert server.connections == 1


async def test_a_large_body_may_be_sent(serve, answer, settings_for):
    server = serve(answer(json.dumps({}).encode()))
    async with transports.free_client(settings_for(server.url)) as http:
        assert (await http.post("/", content=bytes(3 * MAX_HEAD_BYTES))).status_code == 200


async def test_a_paid_post_that_is_answered_by_a_flood_may_have_been_taken(serve, settings_for):
    server = serve(pouring(*FLOODS["early hints"]))
    client = MusicClient(settings_for(server.url))
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        await client.submit({"model": "minimax/music-2.6", "prompt": "a song"}, "id-1")
    await client.aclose()
    assert outcome_of(caught.value) == "unknown"
    assert len(server.requests) == server.connections == 1
