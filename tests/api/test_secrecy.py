# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging
import traceback

import httpx
import pytest

from airflow_provider_music.api import transports
from airflow_provider_music.api.bounded_body import buffered
from airflow_provider_music.api.secrecy import headers_without_key, strip_traceback, suppress_logs, without_key

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


KEY = b"sk-secret"


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (b"", b""),
        (b'{"message": "no"}', b'{"message": "no"}'),
        (b'{"message": "sk-secret is wrong, sk-secret!"}', b'{"message": "*** is wrong, ***!"}'),
    ],
)
def test_the_key_is_taken_out_of_what_a_server_said(content, left):
    assert without_key(content, KEY) == left
    assert without_key(content, b"") == content


def test_the_key_is_taken_out_of_headers_by_their_values_only():
    headers = httpx.Headers([("X-Echo", "Bearer sk-secret"), ("Retry-After", "3"), ("X-Echo", "two")])
    told = headers_without_key(headers, KEY)
    assert told.multi_items() == [("x-echo", "Bearer ***"), ("retry-after", "3"), ("x-echo", "two")]
    assert headers_without_key(headers, b"") is headers
    plain = httpx.Headers({"Retry-After": "3"})
    assert headers_without_key(plain, KEY) is plain


@pytest.mark.parametrize("where", ["body", "header"])
async def test_an_answer_that_quotes_the_key_is_read_without_it(where, serve, settings_for, answer):
    body, header = (b'"sk-secret"', "X: y") if where == "body" else (b"{}", "X-Request-Id: sk-secret")
    server = serve(answer(body, "401 Unauthorized", [header]))
    settings = settings_for(server.url)
    async with transports.free_client(settings) as http, http.stream("GET", "/") as response:
        read = await buffered(response, settings)
    assert b"***" in read.content + repr(read.headers).encode()
    assert b"sk-secret" not in read.content + repr(read.headers).encode()
