# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import threading
import tracemalloc
import zlib

import httpx
import pytest

from airflow_provider_music import exceptions
from airflow_provider_music.api import bounded_body, endpoints
from airflow_provider_music.api.bounded_body import MAX_ANSWER_BYTES
from airflow_provider_music.api.client import MusicClient
from airflow_provider_music.api.hex_stream import HexStream
from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.sandbox.songs import SongSpec, make

BODY = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}
BILLING = {"current_balance": 12.5, "currency": "USD"}


@contextlib.asynccontextmanager
async def asking(settings):
    client = MusicClient(settings)
    try:
        yield client
    finally:
        await client.aclose()


async def free_call(lane, settings, call):
    """A free call over either client."""
    if lane == "async":
        async with asking(settings) as client:
            return await client.call(call)
    with contextlib.closing(MusicClient(settings)) as client:
        return await asyncio.to_thread(client.call, call)


either_client = pytest.mark.parametrize("lane", ["sync", "async"])


@pytest.fixture
def sandbox_settings(music_sandbox, settings_for):
    settings = settings_for(music_sandbox.url)
    object.__setattr__(settings, "api_key", music_sandbox.key)
    return settings


# Against the sandbox


@either_client
async def test_a_free_call_reaches_the_api(lane, sandbox_settings):
    assert (await free_call(lane, sandbox_settings, endpoints.billing())).amount > 0


@either_client
async def test_a_wrong_key_is_refused_in_the_apis_words(lane, sandbox_settings, music_sandbox):
    music_sandbox.fault("billing:status=401")
    with pytest.raises(exceptions.AuthenticationError, match="GET /v2/billing"):
        await free_call(lane, sandbox_settings, endpoints.billing())


async def test_a_queued_song_is_asked_for_and_polled(sandbox_settings, music_sandbox):
    music_sandbox.settings(delay=0)
    async with asking(sandbox_settings) as client:
        asked = await client.submit(BODY, "id-1")
        found = await client.call(endpoints.poll(asked.id))
        while not found.done:
            found = await client.call(endpoints.poll(asked.id))
    assert found.id == asked.id
    assert found.audio_url.startswith(music_sandbox.url)
    assert music_sandbox.posts("submit") == 1


async def test_a_synchronous_song_streams_past(sandbox_settings, music_sandbox):
    music_sandbox.settings(delay=0)
    with contextlib.closing(MusicClient(sandbox_settings)) as blocking:
        ids = blocking.call(endpoints.upload(io.BytesIO(_track()), "reference.mp3", "audio/mpeg", "song"))
    song, taken = HexStream(), 0
    body = {"model": "music-01", "lyrics": "la", "refer_voice": ids.voice_id}
    async with asking(sandbox_settings) as client, client.open_generation(body, "id-1") as response:
        async for chunk in response.aiter_bytes():
            taken += len(song.feed(chunk))
    assert song.finish()["base_resp"]["status_code"] == 0
    assert taken > 10_000
    assert music_sandbox.posts("generate") == 1


def _track():
    return make(SongSpec(text="la", seed="", seconds=11, rate=16000, bitrate=32000, format="mp3")).data


async def test_a_withdrawn_models_404_names_what_replaces_it(sandbox_settings, music_sandbox):
    music_sandbox.withdraw("minimax/music-2.6", replaced_by="minimax/music-3.0")
    async with asking(sandbox_settings) as client:
        with pytest.raises(exceptions.ModelUnavailableError) as caught:
            await client.submit(BODY, "id-1")
    assert "withdrawn the model 'minimax/music-2.6'" in str(caught.value)
    assert "Use 'minimax/music-3.0' instead." in str(caught.value)
    assert caught.value.status == 404
    assert music_sandbox.posts("submit") == 1


async def test_a_withdrawn_synchronous_model_is_said_too(sandbox_settings, music_sandbox):
    music_sandbox.withdraw("music-01", replaced_by="minimax/music-2.6")
    async with asking(sandbox_settings) as client:
        with pytest.raises(exceptions.ModelUnavailableError, match=r"Use 'minimax/music-2\.6' instead"):
            async with client.open_generation({"model": "music-01", "lyrics": "la", "refer_voice": "v"}, "id-1"):
                pytest.fail("there is no answer to read")


# Against a function in place of the network


@pytest.fixture
def api():
    """Answers by path, and what was asked."""

    class Api:
        def __init__(self):
            self.answers = {}
            self.asked = []

        def __call__(self, request):
            self.asked.append(request)
            found = self.answers[request.url.path]
            return found(request) if callable(found) else found

    made = Api()
    transport = httpx.MockTransport(made)
    with use_transport(transport):
        yield made


NOT_FOUND = {"message": "Not Found", "statusCode": 404, "requestId": "r-1"}


async def refused(settings):
    async with asking(settings) as client:
        with pytest.raises(exceptions.MusicError) as caught:
            await client.submit(BODY, "id-1")
    return caught.value


async def test_a_404_of_a_model_that_is_not_withdrawn_says_what_to_check(api, settings_for):
    api.answers["/v2/generate/audio"] = httpx.Response(404, json=NOT_FOUND)
    api.answers["/v1/models/deprecations"] = httpx.Response(200, json={"data": []})
    error = await refused(settings_for())
    assert type(error) is exceptions.ModelUnavailableError
    assert "check its name and the base URL" in str(error)
    assert (error.status, error.request_id) == (404, "r-1")


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: httpx.Response(500, json={}),
        lambda _: httpx.Response(200, content=b"["),
        lambda _: httpx.Response(200, content=b"<html>"),
        lambda _: httpx.Response(401, json=NOT_FOUND),
        lambda request: (_ for _ in ()).throw(httpx.ConnectError("away", request=request)),
    ],
)
async def test_a_404_stays_a_404_where_nobody_can_say_what_replaces_the_model(broken, api, settings_for):
    api.answers["/v2/generate/audio"] = httpx.Response(404, json=NOT_FOUND)
    api.answers["/v1/models/deprecations"] = broken
    error = await refused(settings_for())
    assert type(error) is exceptions.ModelUnavailableError
    assert str(error).endswith("not found (404): Not Found")


async def test_a_model_is_known_by_its_aliases_and_the_servers_words_are_one_line(api, settings_for):
    row = {"id": "x", "aliases": [BODY["model"]], "status": "with\ndrawn", "reason": "a\r\nb"}
    api.answers["/v2/generate/audio"] = httpx.Response(404, json=NOT_FOUND)
    api.answers["/v1/models/deprecations"] = httpx.Response(200, json=[row])
    told = str(await refused(settings_for()))
    assert "(with drawn). Reason: a b." in told
    assert told.isprintable()


async def test_a_paid_post_raises_what_broke_as_it_is(api, settings_for):
    def break_off(request):
        raise httpx.ReadTimeout("late", request=request)

    api.answers["/v2/generate/audio"] = break_off
    async with asking(settings_for()) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.submit(BODY, "id-1")
    assert len(api.asked) == 1


async def test_a_synchronous_post_waits_as_long_as_the_connection_says(api, settings_for):
    api.answers[endpoints.SYNCHRONOUS_PATH] = httpx.Response(200, json={})
    settings = settings_for(generation_timeout=77.0, connect_timeout=3.0)
    async with asking(settings) as client, client.open_generation({"model": "music-01"}, "id-7"):
        pass
    (request,) = api.asked
    assert request.extensions["timeout"] == {"connect": 3.0, "read": 77.0, "write": 77.0, "pool": 77.0}
    assert request.headers["x-client-request-id"] == "id-7"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(400, json=NOT_FOUND), exceptions.RequestRejectedError),
        (httpx.Response(500, json=NOT_FOUND), exceptions.ServerFailureError),
        (httpx.Response(502, content=b"<html>"), exceptions.UnknownOutcomeError),
        (httpx.Response(302, headers={"location": "https://evil.example/"}), exceptions.UnknownOutcomeError),
    ],
)
async def test_a_synchronous_post_that_is_refused_gives_no_body_to_read(answer, kind, api, settings_for):
    api.answers[endpoints.SYNCHRONOUS_PATH] = answer
    async with asking(settings_for()) as client:
        with pytest.raises(kind):
            async with client.open_generation({"model": "music-01"}, "id-1"):
                pytest.fail("there is no answer to read")
    assert len(api.asked) == 1


# Hostile answers, over real sockets


def large(headers, piece, count):
    def send(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n")
        with contextlib.suppress(OSError):
            for _ in range(count):
                connection.sendall(piece)
        connection.close()

    return send


HOSTILE = {
    "endless": large(b"", b"a" * 2**20, 40),
    "endless spaces in JSON": large(b"", b'{"a":' + b" " * 2**20, 40),
    "endless chunks": large(b"Transfer-Encoding: chunked\r\n", b"100000\r\n" + b"a" * 2**20 + b"\r\n", 40),
    "gzip bomb": large(b"Content-Encoding: gzip\r\n", gzip.compress(b" " * 2**27), 1),
    "deflate bomb": large(b"Content-Encoding: deflate\r\n", zlib.compress(b" " * 2**27), 1),
    "unknown encoding": large(b"Content-Encoding: br\r\n", b"abc", 1),
    "two encodings": large(b"Content-Encoding: gzip, gzip\r\n", gzip.compress(gzip.compress(b"{}")), 1),
    "no gzip": large(b"Content-Encoding: gzip\r\n", b"{}", 1),
    "cut gzip": large(b"Content-Encoding: gzip\r\n", gzip.compress(b'{"current_balance": 1}')[:-12], 1),
    "deep": large(b"", b"[" * 100_000, 1),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@either_client
async def test_a_hostile_answer_costs_bounded_memory_and_is_no_answer(lane, hostile, serve, settings_for):
    server = serve(hostile)
    tracemalloc.start()
    try:
        with pytest.raises(exceptions.ApiUnreachableError):
            await free_call(lane, settings_for(server.url), endpoints.billing())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MAX_ANSWER_BYTES


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@either_client
async def test_a_proxy_may_compress_all_the_same(lane, pack, serve, settings_for, answer):
    name = "gzip" if pack is gzip.compress else "deflate"
    server = serve(answer(pack(json.dumps(BILLING).encode()), headers=[f"Content-Encoding: {name}"]))
    assert (await free_call(lane, settings_for(server.url), endpoints.billing())).amount == 12.5


@either_client
async def test_an_answer_as_large_as_allowed_is_read(lane, serve, settings_for, answer):
    body = json.dumps(BILLING).encode()
    server = serve(answer(body + b" " * (MAX_ANSWER_BYTES - len(body))))
    assert (await free_call(lane, settings_for(server.url), endpoints.billing())).amount == 12.5


class Hours:
    """A clock that goes on by an hour at every look."""

    def __init__(self):
        self.looks = 0

    def monotonic(self):
        self.looks += 1
        return self.looks * 3600.0


@either_client
async def test_a_slow_drip_ends(lane, serve, settings_for, monkeypatch, answer):
    hours = Hours()
    monkeypatch.setattr(bounded_body, "time", hours)
    server = serve(answer(json.dumps(BILLING).encode()))
    with pytest.raises(exceptions.ApiUnreachableError, match="too slowly"):
        await free_call(lane, settings_for(server.url), endpoints.billing())
    assert hours.looks == 2


@pytest.fixture
def dripping(serve):
    """A server whose headers never end: one byte at a time, each soon enough for a read timeout."""

    def drip(connection, request):
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.02):
                connection.sendall(b"a")

    over = threading.Event()
    yield serve(drip)
    over.set()


async def test_a_server_that_drips_its_headers_is_left_in_time(dripping, settings_for):
    async with asking(settings_for(dripping.url, connect_timeout=0.1, read_timeout=0.1)) as client:
        with pytest.raises(exceptions.ApiUnreachableError, match="no whole answer"):
            await client.call(endpoints.billing())
        with pytest.raises(httpx.ReadTimeout):
            await client.submit(BODY, "id-1")


async def test_a_worker_leaves_it_in_time_too(dripping, settings_for):
    settings = settings_for(dripping.url, connect_timeout=0.1, read_timeout=0.1)
    with pytest.raises(exceptions.ApiUnreachableError, match=r"ReadTimeout: (the time for the whole answer|timed out)"):
        await free_call("sync", settings, endpoints.billing())
    assert len(dripping.requests) == 1


async def test_the_time_of_an_answer_runs_from_its_own_request(serve, answer, settings_for):
    server = serve(answer(json.dumps(BILLING).encode()))
    with contextlib.closing(MusicClient(settings_for(server.url, read_timeout=0.1))) as client:
        for _ in range(3):
            assert (await asyncio.to_thread(client.call, endpoints.billing())).amount == 12.5
            await asyncio.sleep(0.2)


async def test_a_cancelled_poll_is_cancelled_and_no_timeout(serve, settings_for):
    server = serve(lambda connection, request: None)
    async with asking(settings_for(server.url)) as client:
        task = asyncio.create_task(client.call(endpoints.billing()))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@either_client
async def test_no_error_tells_the_key(lane, serve, settings_for, answer):
    server = serve(answer(b'{"message": "no", "statusCode": 401}', "401 Unauthorized"))
    with pytest.raises(exceptions.AuthenticationError) as caught:
        await free_call(lane, settings_for(server.url), endpoints.billing())
    assert "sk-secret" not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
