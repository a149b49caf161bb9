# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import io
import json
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from airflow_provider_music import exceptions
from airflow_provider_music.api import bounded_body, endpoints
from airflow_provider_music.api.bounded_body import MAX_ANSWER_BYTES
from airflow_provider_music.api.client import MusicClient, SyncMusicClient
from airflow_provider_music.api.hex_stream import HexStream
from airflow_provider_music.api.poll_transport import poll_transport
from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.sandbox.songs import SongSpec, make

BODY = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}
IDS = {"voice_id": "v-1"}
BILLING = {"current_balance": 12.5, "currency": "USD"}


@contextlib.asynccontextmanager
async def asking(settings, transport=None):
    client = MusicClient(settings, transport)
    try:
        yield client
    finally:
        await client.aclose()


def blocking_call(settings, *calls):
    """The answers of free calls over one blocking client; in a thread without an event loop."""
    with contextlib.closing(SyncMusicClient(settings)) as client:
        return [client.call(call) for call in calls]


async def free_call(lane, settings, call):
    """A free call over a client of that kind."""
    if lane == "blocking":
        (found,) = await asyncio.to_thread(blocking_call, settings, call)
        return found
    async with asking(settings, poll_transport(settings) if lane == "triggerer" else None) as client:
        return await client.call(call)


every_client = pytest.mark.parametrize("lane", ["blocking", "worker", "triggerer"])


@pytest.fixture
def sandbox_settings(music_sandbox, settings_for):
    settings = settings_for(music_sandbox.url)
    object.__setattr__(settings, "api_key", music_sandbox.key)
    return settings


# Against the sandbox


@every_client
async def test_a_free_call_reaches_the_api(lane, sandbox_settings):
    assert (await free_call(lane, sandbox_settings, endpoints.billing())).amount > 0


@every_client
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
    upload = endpoints.upload(io.BytesIO(_track()), "reference.mp3", "audio/mpeg", "song")
    (ids,) = await asyncio.to_thread(blocking_call, sandbox_settings, upload)
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
    "gzip bomb": large(b"Content-Encoding: gzip\r\n", gzip.compress(b" " * 2**27, mtime=0), 1),
    "deflate bomb": large(b"Content-Encoding: deflate\r\n", zlib.compress(b" " * 2**27), 1),
    "unknown encoding": large(b"Content-Encoding: br\r\n", b"abc", 1),
    "two encodings": large(b"Content-Encoding: gzip, gzip\r\n", gzip.compress(gzip.compress(b"{}"), mtime=0), 1),
    "no gzip": large(b"Content-Encoding: gzip\r\n", b"{}", 1),
    "cut gzip": large(b"Content-Encoding: gzip\r\n", gzip.compress(b'{"current_balance": 1}', mtime=0)[:-12], 1),
    "deep": large(b"", b"[" * 100_000, 1),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@every_client
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
@every_client
async def test_a_proxy_may_compress_all_the_same(lane, pack, serve, settings_for, answer):
    name = "gzip" if pack is gzip.compress else "deflate"
    server = serve(answer(pack(json.dumps(BILLING).encode()), headers=[f"Content-Encoding: {name}"]))
    assert (await free_call(lane, settings_for(server.url), endpoints.billing())).amount == 12.5


@every_client
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


@every_client
async def test_a_slow_drip_ends(lane, serve, settings_for, monkeypatch, answer):
    hours = Hours()
    monkeypatch.setattr(bounded_body, "time", hours)
    server = serve(answer(json.dumps(BILLING).encode()))
    with pytest.raises(exceptions.ApiUnreachableError, match="too slowly"):
        await free_call(lane, settings_for(server.url), endpoints.billing())
    assert hours.looks == 2


HEADERS_DRIP = (b"HTTP/1.1 200 OK\r\nX: ", b"a")
DRIPS = {
    "status": (b"HTTP/1.1 200 ", b"a"),
    "headers": HEADERS_DRIP,
    "interim": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "chunk extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
    "trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: a\r\n"),
}


@pytest.mark.parametrize(("before", "piece"), DRIPS.values(), ids=DRIPS)
@every_client
async def test_a_drip_anywhere_in_an_answer_ends_with_the_time_for_the_whole(
    lane, before, piece, serve, dripping, settings_for
):
    server = serve(dripping(before, piece))
    settings = settings_for(server.url, connect_timeout=0.1, read_timeout=0.1)
    began = time.monotonic()
    with pytest.raises(exceptions.ApiUnreachableError, match=r"no whole answer within 0\.5 s|comes too slowly"):
        await free_call(lane, settings, endpoints.billing())
    assert time.monotonic() - began < 2.0
    assert len(server.requests) == 1


@every_client
async def test_a_flood_of_interim_answers_ends(lane, serve, settings_for):
    def flood(connection, request):
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)

    settings = settings_for(serve(flood).url, connect_timeout=0.1, read_timeout=0.3)
    began = time.monotonic()
    with pytest.raises(exceptions.ApiUnreachableError):
        await free_call(lane, settings, endpoints.billing())
    assert time.monotonic() - began < 4.0


async def test_a_paid_post_to_a_server_that_drips_ends_and_is_sent_once(serve, dripping, settings_for):
    server = serve(dripping(*HEADERS_DRIP))
    async with asking(settings_for(server.url, connect_timeout=0.1, read_timeout=0.1)) as client:
        with pytest.raises(httpx.ReadTimeout, match=r"no whole answer within 0\.5 s"):
            await client.submit(BODY, "id-1")
    assert len(server.requests) == 1


async def test_an_upload_has_the_time_of_a_body_besides(serve, answer, settings_for):
    def slow(connection, request):
        time.sleep(0.7)
        connection.sendall(answer(json.dumps(IDS).encode()))

    upload = endpoints.upload(io.BytesIO(b"song"), "reference.mp3", "audio/mpeg", "song")
    server = serve(slow)
    settings = settings_for(server.url, connect_timeout=0.01, read_timeout=0.15, max_body_seconds=5.0)
    async with asking(settings) as client:
        client._free.timeout = httpx.Timeout(5.0)
        assert (await client.call(upload)).voice_id == "v-1"
        with pytest.raises(exceptions.ApiUnreachableError, match="no whole answer"):
            await client.call(endpoints.billing())


async def test_an_upload_to_a_server_that_drips_ends_too(serve, dripping, settings_for):
    upload = endpoints.upload(io.BytesIO(b"song"), "reference.mp3", "audio/mpeg", "song")
    server = serve(dripping(*HEADERS_DRIP))
    settings = settings_for(server.url, connect_timeout=0.1, read_timeout=0.1, max_body_seconds=0.5)
    with pytest.raises(exceptions.ApiUnreachableError, match="no whole answer within 1 s"):
        await free_call("blocking", settings, upload)


@every_client
async def test_the_time_of_an_answer_runs_from_its_own_request(lane, serve, answer, settings_for):
    server = serve(answer(json.dumps(BILLING).encode()))
    settings = settings_for(server.url, connect_timeout=0.1, read_timeout=0.1)

    def blocking():
        with contextlib.closing(SyncMusicClient(settings)) as client:
            for _ in range(3):
                assert client.call(endpoints.billing()).amount == 12.5
                time.sleep(0.6)

    if lane == "blocking":
        await asyncio.to_thread(blocking)
        return
    async with asking(settings, poll_transport(settings) if lane == "triggerer" else None) as client:
        for _ in range(3):
            assert (await client.call(endpoints.billing())).amount == 12.5
            await asyncio.sleep(0.6)


async def test_a_cancelled_poll_is_cancelled_and_no_timeout(serve, settings_for):
    server = serve(lambda connection, request: None)
    async with asking(settings_for(server.url)) as client:
        task = asyncio.create_task(client.call(endpoints.billing()))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@every_client
async def test_no_error_tells_the_key(lane, serve, settings_for, answer):
    server = serve(answer(b'{"message": "no", "statusCode": 401}', "401 Unauthorized"))
    with pytest.raises(exceptions.AuthenticationError) as caught:
        await free_call(lane, settings_for(server.url), endpoints.billing())
    assert "sk-secret" not in f"{caught.value!r} {caught.value} {vars(caught.value)}"


# Calls that are made many times


POLLED = json.dumps({"id": "g 1&x", "status": "generating"}).encode()
every_loop = pytest.mark.parametrize("lane", ["worker", "triggerer"])


@every_loop
async def test_a_repeated_call_sends_what_the_call_itself_would(lane, serve, answer, settings_for):
    server = serve(answer(POLLED))
    settings = settings_for(server.url)
    async with asking(settings, poll_transport(settings) if lane == "triggerer" else None) as client:
        once = await client.call(endpoints.poll("g 1&x"))
        repeated = client.repeated(endpoints.poll("g 1&x"))
        assert [await repeated.send() for _ in range(3)] == [once] * 3
    assert len(server.requests) == 4
    lines = [sorted(request.lower().split(b"\r\n")) for request in server.requests]
    assert lines[1] == lines[2] == lines[3] == lines[0]
    assert b"authorization: bearer sk-secret" in lines[1]


@every_loop
async def test_a_repeated_call_that_breaks_is_no_answer_and_goes_on(lane, serve, answer, settings_for):
    def junk_first(connection, request):
        if len(server.requests) == 1:
            connection.sendall(b"HTTP/1.1 2x0 OK\r\n\r\n")
            connection.close()
        else:
            connection.sendall(answer(POLLED))

    server = serve(junk_first)
    settings = settings_for(server.url)
    async with asking(settings, poll_transport(settings) if lane == "triggerer" else None) as client:
        repeated = client.repeated(endpoints.poll("g 1&x"))
        with pytest.raises(exceptions.ApiUnreachableError, match="no answer"):
            await repeated.send()
        assert (await repeated.send()).id == "g 1&x"


async def test_polls_go_over_what_was_given_and_paid_posts_never_do(serve, answer, settings_for):
    def refuse(request):
        raise httpx.ConnectError("not this way", request=request)

    server = serve(answer(json.dumps({"id": "g-1", "status": "queued"}).encode()))
    async with asking(settings_for(server.url), httpx.MockTransport(refuse)) as client:
        assert (await client.submit(BODY, "id-1")).id == "g-1"
        for call in (client.call(endpoints.poll("g-1")), client.repeated(endpoints.poll("g-1")).send()):
            with pytest.raises(exceptions.ApiUnreachableError, match="not this way"):
                await call
    assert len(server.requests) == 1


# The blocking facade


@pytest.mark.filterwarnings("error")
async def test_inside_a_running_event_loop_the_blocking_client_says_what_to_use(settings_for):
    client = SyncMusicClient(settings_for())
    with pytest.raises(RuntimeError, match=r"use MusicHook\.get_async_conn\(\) here"):
        client.call(endpoints.billing())
    gc.collect()


@pytest.mark.filterwarnings("error")
def test_inside_a_running_event_loop_it_is_not_closed_either_and_works_afterwards(serve, answer, settings_for):
    server = serve(answer(json.dumps(BILLING).encode()))
    client = SyncMusicClient(settings_for(server.url))
    client.call(endpoints.billing())

    async def wrongly():
        for wrong in (client.close, lambda: client.call(endpoints.billing())):
            with pytest.raises(RuntimeError, match="An event loop runs in this thread"):
                wrong()
        gc.collect()

    asyncio.run(wrongly())
    assert client.call(endpoints.billing()).amount == 12.5
    client.close()
    client.close()
    assert len(server.requests) == 2


def test_the_blocking_client_keeps_one_loop_and_its_connection(serve, answer, settings_for):
    server = serve(answer(json.dumps(BILLING).encode()))
    found = blocking_call(settings_for(server.url), *[endpoints.billing()] * 3)
    assert [balance.amount for balance in found] == [12.5] * 3
    assert (len(server.requests), server.connections) == (3, 1)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(serve, answer, settings_for):
    def once(connection, request):
        connection.sendall(answer(json.dumps(BILLING).encode(), headers=["Connection: keep-alive"]))
        connection.close()

    server = serve(once)
    with contextlib.closing(SyncMusicClient(settings_for(server.url))) as client:
        for _ in range(3):
            assert client.call(endpoints.billing()).amount == 12.5
            time.sleep(0.05)
    assert len(server.requests) == server.connections == 3


def test_the_blocking_client_leaves_the_threads_own_event_loop_alone(serve, answer, settings_for):
    server = serve(answer(json.dumps(BILLING).encode()))
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    try:
        with contextlib.closing(SyncMusicClient(settings_for(server.url))) as client:
            client.call(endpoints.billing())
            assert asyncio.get_event_loop() is mine
        assert asyncio.get_event_loop() is mine
    finally:
        asyncio.set_event_loop(None)
        mine.close()


def test_threads_with_a_blocking_client_each_do_not_wait_for_each_other(serve, answer, settings_for):
    together = threading.Barrier(4, timeout=5.0)

    def meet(connection, request):
        together.wait()
        connection.sendall(answer(json.dumps(BILLING).encode()))

    settings = settings_for(serve(meet).url)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: blocking_call(settings, endpoints.billing()), range(4)))
    assert [balance.amount for (balance,) in found] == [12.5] * 4
