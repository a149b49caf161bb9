# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import httpx
import pytest

from airflow_provider_music.api import endpoints, transports
from airflow_provider_music.api.client import MusicClient, SyncMusicClient
from airflow_provider_music.api.poll_transport import poll_transport
from airflow_provider_music.api.testing import testing_transport as in_force
from airflow_provider_music.api.testing import use_transport

URL = "https://api.example.org/v2"
MAKERS = [
    transports.free_client,
    transports.paid_client,
    lambda settings: transports.free_client(settings, poll_transport(settings)),
    lambda settings: transports.download_client(settings, httpx.URL(URL)),
]


async def test_a_transport_takes_everything_and_ends_with_its_block(settings_for):
    seen = []

    def take(request):
        seen.append(request)
        return httpx.Response(200, json={})

    assert in_force() is None
    with use_transport(httpx.MockTransport(take)):
        outer = in_force()
        assert outer is not None
        for make in MAKERS:
            async with make(settings_for()) as http:
                await http.get(URL)
        with use_transport(httpx.MockTransport(take)):
            assert in_force() not in (None, outer)
        assert in_force() is outer
    assert in_force() is None
    assert len(seen) == len(MAKERS)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_it_goes_before_a_proxy_of_the_environment(name, settings_for, closed_port, monkeypatch):
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    with use_transport(httpx.MockTransport(lambda _: httpx.Response(200, json={"by": "test"}))):
        for make in MAKERS:
            async with make(settings_for()) as http:
                assert (await http.get(URL)).json() == {"by": "test"}


def test_a_block_that_raises_puts_it_back_all_the_same():
    with pytest.raises(RuntimeError), use_transport(httpx.MockTransport(lambda _: None)):
        raise RuntimeError("a test failed")
    assert in_force() is None


async def coroutine(request):
    await asyncio.sleep(0)
    return httpx.Response(200, json={"current_balance": 3.0})


@pytest.mark.parametrize("take", [coroutine, lambda _: httpx.Response(200, json={"current_balance": 3.0})])
def test_both_clients_read_what_a_mock_answers_from_a_function_or_a_coroutine(take, settings_for):
    async def ask():
        client = MusicClient(settings_for())
        found = [await client.call(endpoints.billing()), await client.repeated(endpoints.billing()).send()]
        await client.aclose()
        return found

    with use_transport(httpx.MockTransport(take)):
        blocking = SyncMusicClient(settings_for())
        balances = [*asyncio.run(ask()), blocking.call(endpoints.billing()), blocking.call(endpoints.billing())]
        blocking.close()
    assert [balance.amount for balance in balances] == [3.0] * 4


async def test_a_stream_that_a_mock_answers_with_is_left_as_it_is(settings_for):
    pieces = []

    class Pieces(httpx.AsyncByteStream):
        async def __aiter__(self):
            for piece in (b"a", b"b"):
                pieces.append(piece)
                yield piece

    with use_transport(httpx.MockTransport(lambda _: httpx.Response(200, stream=Pieces()))):
        async with transports.paid_client(settings_for()) as http, http.stream("GET", URL) as response:
            assert pieces == []
            assert [piece async for piece in response.aiter_raw()] == [b"a", b"b"]


async def test_a_client_outlives_the_block_it_was_made_in(settings_for):
    with use_transport(httpx.MockTransport(lambda _: httpx.Response(200, json={"current_balance": 3.0}))):
        client = MusicClient(settings_for())
    assert (await client.call(endpoints.billing())).amount == 3.0
    await client.aclose()
