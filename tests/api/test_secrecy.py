# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import logging
import traceback

import httpx
import pytest

from airflow_provider_music.api import transports
from airflow_provider_music.api.bounded_body import BufferedResponse, buffered
from airflow_provider_music.api.responses import check, generation_of
from airflow_provider_music.api.secrecy import masked, scrubbed, strip_traceback, suppress_logs
from airflow_provider_music.exceptions import AuthenticationError

URL = "https://cdn.example.org/song?Signature=hush"


async def get(settings, url):
    async with transports.free_client(settings) as http:
        return await http.get(url)


async def test_inside_the_block_signed_urls_stay_out_of_the_log(serve, settings_for, answer, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "httpx")
    server = serve(answer())
    with suppress_logs():
        await get(settings_for(server.url), f"{server.url}/song?Signature=hush")
    assert "hush" not in caplog.text
    await get(settings_for(server.url), f"{server.url}/song?loud")
    assert "loud" in caplog.text


async def test_only_the_task_inside_the_block_is_kept_from_logging(caplog):
    caplog.set_level(logging.DEBUG, "httpx")
    inside = asyncio.Event()

    async def hushed():
        with suppress_logs():
            inside.set()
            await asyncio.sleep(0.01)
            logging.getLogger("httpx").info("hush")

    async def loud():
        await inside.wait()
        logging.getLogger("httpx").info("loud")

    await asyncio.gather(hushed(), loud())
    assert caplog.messages == ["loud"]


def test_a_block_that_raises_ends_all_the_same_and_blocks_nest(caplog):
    caplog.set_level(logging.DEBUG, "httpx")
    with pytest.raises(RuntimeError), suppress_logs():
        with suppress_logs():
            pass
        logging.getLogger("httpx").info("hush")
        raise RuntimeError("broken")
    logging.getLogger("httpx").info("loud")
    assert caplog.messages == ["loud"]


def test_nobody_elses_lines_are_dropped(caplog):
    with suppress_logs():
        logging.getLogger("airflow").warning("said")
    assert caplog.messages == ["said"]


def broken():
    """An error with frames that hold the URL, which was caused by one of httpx, while another was handled."""

    def connect(url):
        raise httpx.ConnectError("away", request=httpx.Request("GET", url))

    def fetch(url):
        try:
            {}[len(url)]
        except KeyError:
            try:
                connect(url)
            except httpx.ConnectError as exc:
                raise ValueError("no song") from exc

    try:
        fetch(URL)
    except ValueError as exc:
        return exc
    raise AssertionError


def shown(error):
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(captured.format())


def test_a_stripped_error_shows_its_causes_but_no_frame_that_led_to_them():
    error = broken()
    assert "hush" in shown(error)
    assert strip_traceback(error) is error
    told = shown(error)
    assert "no song" in told
    assert "ConnectError: away" in told
    assert "hush" not in told
    assert "File" not in told
    with pytest.raises(RuntimeError, match=r"request.*not been set"):
        _ = error.__cause__.request
    for each in (error, error.__cause__, error.__cause__.__context__):
        assert each.__traceback__ is None


def test_errors_that_lead_to_each_other_end():
    one, other = broken(), broken()
    one.__cause__, other.__context__ = other, one
    assert strip_traceback(one).__cause__.__traceback__ is None


KEY = "sk-secret+/key"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("no", "no"),
        ("sk-secret+/key is wrong, sk-secret+/key!", "*** is wrong, ***!"),
        ("Bearer sk-secret+/key", "Bearer ***"),
        ("xsk-secret+/keyx", "x***x"),
        ("?key=sk-secret%2B%2Fkey", "?key=***"),
    ],
)
def test_the_key_is_taken_out_of_what_a_server_said(text, left):
    assert masked(text, KEY) == left
    assert masked(text, "") == text


@pytest.mark.parametrize(
    ("key", "text", "left"),
    [
        ("music", "the key music. is for minimax/music-2.6, music-01 and musicians", None),
        ("id", "id: an invalid id of id_x", "***: an invalid *** of id_x"),
        ("0", "HTTP 500 after 10.0 s, key 0", "HTTP 500 after 10.0 s, key ***"),
    ],
)
def test_a_short_key_is_masked_only_where_it_stands_alone(key, text, left):
    assert masked(text, key) == (left or "the key ***. is for minimax/music-2.6, music-01 and musicians")


def test_other_secrets_are_taken_out_too():
    said = "https://u:pw@cdn.example/a.mp3?Signature=hush#x of https://b.example, Bearer other-key, see a?b"
    assert scrubbed(said, KEY) == "https://cdn.example/a.mp3 of https://b.example, Bearer ***, see a?b"


@pytest.mark.parametrize("where", ["body", "escaped", "header"])
async def test_an_answer_that_quotes_the_key_is_quoted_without_it(where, serve, settings_for, answer):
    said = {
        "body": b'{"message": "no sk-secret for you", "statusCode": 401}',
        "escaped": b'{"error": {"message": "no \\u0073k-secret for you"}}',
        "header": b"{}",
    }[where]
    server = serve(answer(said, "401 Unauthorized", ["X-Request-Id: sk-secret"]))
    settings = settings_for(server.url)
    async with transports.free_client(settings) as http, http.stream("GET", "/") as response:
        read = await buffered(response, settings)
    with pytest.raises(AuthenticationError) as caught:
        check(read, "GET /")
    told = f"{caught.value} {caught.value.request_id}"
    assert "***" in told
    assert "sk-secret" not in told + repr(read)


@pytest.mark.parametrize("key", ["music", "id", "0", "status", "url", "completed", "https", "minimax/music-2.6"])
def test_whatever_the_key_is_ids_urls_and_fields_are_read_as_they_are(key):
    url = "https://cdn.example/music/id/0/song.mp3?status=completed&url=0"
    body = {"id": "0:minimax/music-2.6", "status": "completed", "audio_file": {"url": url}}
    headers = httpx.Headers({"x-aimlapi-credits-used": "100"})
    found = generation_of(
        check(read := BufferedResponse(200, headers, json.dumps(body).encode(), key), "GET"), read, ""
    )
    assert (found.id, found.audio_url, found.done) == (body["id"], url, True)
    assert found.usage.credits_used == 100
    assert url not in repr(read)
