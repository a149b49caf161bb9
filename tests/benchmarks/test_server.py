# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The server of the benchmarks answers as the API does, and counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import httpx
import pytest
from inprocess.server import Connection, State


@pytest.fixture
async def server():
    state = State()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", trust_env=False
    ) as client:
        yield client
    listener.close()


def generation(run, seconds_from_now, number=0):
    return f"{run}~{number}~{int((time.time() + seconds_from_now) * 1000)}"


async def poll(client, generation_id):
    return (await client.get("/v2/generate/audio", params={"generation_id": generation_id})).json()


async def test_a_song_is_generating_until_its_id_says_that_it_is_done(server):
    assert (await poll(server, generation("a", 60)))["status"] == "generating"
    done = await poll(server, generation("a", -1))
    assert done["status"] == "completed"
    assert done["audio_file"]["url"]


async def test_a_sensor_sees_404_until_the_song_is_done(server):
    early = await server.get(f"/sensor?generation_id={generation('a', 60)}")
    late = await server.get(f"/sensor?generation_id={generation('a', -1)}")
    assert (early.status_code, late.status_code) == (404, 200)


async def test_polls_are_counted_by_run_and_the_end_is_noticed_once_a_song(server):
    for seconds in (60, -5, -7):
        await poll(server, generation("one", seconds))
    await poll(server, generation("other", -1))
    counts = (await server.get("/control/polls?run=one")).json()
    assert (counts["polls"], counts["noticed"]) == (3, 1)
    assert counts["lag"] >= 5
    assert (await server.get("/control/polls?run=nobody")).json() == {"polls": 0, "noticed": 0, "lag": 0.0}


async def test_songs_are_held_back_until_all_are_asked_for_and_come_whole(server):
    await server.post("/control/gather", json={"count": 2, "audio_format": "mp3", "size": 2**14})
    path = "/v2/generate/audio/minimax/generate"
    first = asyncio.create_task(server.post(path, json={"model": "music-01"}))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(first), 0.2)
    assert not first.done()
    answers = [await server.post(path, json={"model": "music-01"}), await first]
    sizes = {len(bytes.fromhex(answer.json()["data"]["audio"])) for answer in answers}
    assert sizes == {2**14}
    assert answers[0].headers["x-inference-id"]


async def test_a_file_comes_with_its_length(server):
    answer = await server.get("/song/wav/5000000")
    assert len(answer.content) == int(answer.headers["content-length"]) == 5_000_000


async def test_a_request_that_comes_in_pieces_is_read_whole(server):
    reader, writer = await asyncio.open_connection(server.base_url.host, server.base_url.port)
    body = json.dumps({"count": 3, "audio_format": "mp3", "size": 2**14}).encode()
    head = f"POST /control/gather HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for piece in (head[:20], head[20:] + body[:5], body[5:]):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_what_it_does_not_know_is_404(server):
    assert (await server.get("/v1/models")).status_code == 404
