# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What may come back for a submit and its polls: the song or a named error; asked for once."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import struct
import time
import zlib
from urllib.parse import parse_qs, urlsplit

import pytest
from hostile_api import GENERATION, JSON, MIB, OK, whole

from airflow_provider_music.exceptions import (
    AudioError,
    AudioHostError,
    GenerationFailedError,
    GenerationTimeoutError,
    MusicError,
    RateLimitedError,
    RequestRejectedError,
    ServerFailureError,
    UnknownOutcomeError,
)
from airflow_provider_music.generation.state_machine import watch_generation
from airflow_provider_music.hooks.clients import close_clients

ACCEPTED = {"id": GENERATION, "status": "queued"}


def polled_ids(api):
    """The ids that were asked for, as a server reads them."""
    heads = [request.split(b" ")[1].decode() for route, request in api.requests if route == "poll"]
    return {parse_qs(urlsplit(head).query)["generation_id"][0] for head in heads}


def zeros(count, byte=b" "):
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(byte * MIB) for _ in range(count)), packer.flush()])


IDS = ["a/b", "../../etc/passwd", "a:b:c", "a?generation_id=b&x=%2F#c", "NMDk4_Yh8DjqiZ7Ub_7WB", "x" * 512, "%00", 17]


@pytest.mark.parametrize("number", IDS, ids=lambda number: str(number)[:20])
@pytest.mark.parametrize("key", ["id", "generation_id"])
def test_an_id_of_any_spelling_is_asked_for_as_it_is(attempt, api, number, key):
    api.sends("submit", whole({key: number, "status": "queued"}))
    ended = attempt("queued")
    assert ended.error is None, ended
    assert ended.result["generation_id"] == str(number)
    assert polled_ids(api) == {str(number)}
    assert "etc" not in ended.result["audio_uri"]


BAD_IDS = ["", " ", "a\nb", "a\r\nX-Evil: 1", "x" * 10_240, "\u00e9", "a\0b", None, True, 1.5, ["a"], {"id": "a"}]


@pytest.mark.parametrize("number", BAD_IDS, ids=lambda number: repr(number)[:20])
def test_an_id_that_cannot_be_kept_is_a_lost_answer_which_the_usage_log_finds(attempt, api, number):
    api.sends("submit", whole({"id": number, "status": "queued"}))
    ended = attempt("queued")
    assert ended.error is None, ended
    assert ended.result["generation_id"] == GENERATION


LOST = {
    "nothing": whole(b""),
    "a page": whole(b"<!doctype html><html>one moment</html>", b"Content-Type: text/html"),
    "a list": whole([ACCEPTED]),
    "null": whole("null"),
    "NaN": whole("NaN"),
    "cut": whole(json.dumps(ACCEPTED)[:-1]),
    "two objects": whole(json.dumps(ACCEPTED) * 2),
    "shorter than its length": whole(ACCEPTED, length=1000),
    "longer than its length": whole(ACCEPTED, length=10),
    "negative length": OK + JSON + b"Content-Length: -1\r\n\r\n{}",
    "no id": whole({"status": "queued"}),
    "UTF-16 that is none": whole(b"\xff\xfe{"),
    "deep nesting": whole("[" * 200_000),
    "deep values": whole('{"id": "a", "x": ' + "[" * 900 + "]" * 900 + "}"),
    "ten thousand digits": whole('{"id": ' + "1" * 10_000 + "}"),
    "gzip bomb": whole(zeros(256), b"Content-Encoding: gzip"),
    "gzip cut": whole(gzip.compress(json.dumps(ACCEPTED).encode())[:-9], b"Content-Encoding: gzip"),
    "brotli": whole(ACCEPTED, b"Content-Encoding: br"),
    "too large": whole(b" " * (8 * MIB) + json.dumps(ACCEPTED).encode()),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "307": b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "a 503 in the API's envelope": whole({"message": "maintenance", "statusCode": 503}, status=b"503 No"),
    "302": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "a gateway's 503": whole(b"<html>", b"Content-Type: text/html", status=b"503 No"),
    "a gateway's problem": whole({"title": "Bad Gateway", "status": 502}, status=b"502 No"),
    "408": whole({"message": "slow", "statusCode": 408}, status=b"408 Request Timeout"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "hung up": b"",
    "base_resp without a number": whole({**ACCEPTED, "base_resp": {"status_code": None}}),
}


@pytest.mark.parametrize("script", LOST.values(), ids=LOST)
def test_an_answer_that_gives_no_id_is_found_in_the_usage_log(attempt, api, script):
    api.sends("submit", script)
    ended = attempt("queued", most_bytes=24 * MIB)
    assert ended.error is None, ended
    assert ended.result["generation_id"] == GENERATION


@pytest.mark.parametrize("name", ["a page", "no id", "gzip bomb", "hung up"])
def test_without_a_row_it_is_an_unknown_outcome(attempt, api, name):
    api.logged = False
    api.sends("submit", LOST[name])
    ended = attempt("queued", timeout=1)
    assert isinstance(ended.error, UnknownOutcomeError), ended


DRIPS = {
    "in the body": [OK + JSON + b"Content-Length: 9999\r\n\r\n{"],
    "in the headers": [OK + b"X: "],
    "interim answers": [],
}


@pytest.mark.parametrize("head", DRIPS.values(), ids=DRIPS)
def test_a_dripping_answer_ends_with_the_time_and_is_found(attempt, api, head):
    drop = b" " if head else b"HTTP/1.1 103 Early Hints\r\n\r\n"
    api.sends("submit", lambda: itertools.chain(head, itertools.cycle([drop, 0.05])))
    ended = attempt("queued", connection={"read_timeout": 0.3, "connect_timeout": 0.3})
    assert ended.error is None, ended


def test_an_endless_answer_is_found(attempt, api):
    api.sends("submit", lambda: itertools.chain([OK + JSON + b"\r\n"], itertools.repeat(b" " * MIB)))
    ended = attempt("queued", most_bytes=24 * MIB)
    assert ended.error is None, ended


NO = {
    "400 without words": (whole(b"", status=b"400 No"), RequestRejectedError),
    "400 page": (whole(b"<html>", b"Content-Type: text/\x1b[31mhtml", status=b"400 No"), RequestRejectedError),
    "a million words": (whole({"message": "no " * MIB, "statusCode": 400}, status=b"400 No"), RequestRejectedError),
    "deep details": (
        whole('{"message": "no", "statusCode": 400, "details": ' + "[" * 900 + "]" * 900 + "}", status=b"400 No"),
        RequestRejectedError,
    ),
    "failure": (whole({"message": ["\n"], "statusCode": "500"}, status=b"500 No"), ServerFailureError),
    "base_resp": (whole({"base_resp": {"status_code": "1026", "status_msg": None}}), RequestRejectedError),
    "429 for ever": (
        whole({"message": "slow"}, b"Retry-After: 99999999999999999999", status=b"429 No"),
        RateLimitedError,
    ),
}


@pytest.mark.parametrize(("script", "kind"), NO.values(), ids=NO)
def test_a_no_in_any_words_is_a_no_of_one_line(attempt, api, script, kind):
    api.sends("submit", script)
    ended = attempt("queued", most_bytes=32 * MIB)
    assert isinstance(ended.error, kind), ended
    assert len(str(ended.error)) < 3000
    assert not {"\x1b", "\r"} & set(str(ended.error))


POLLS = {
    **LOST,
    "endless": lambda: itertools.chain([OK + JSON + b"\r\n"], itertools.repeat(b" " * MIB)),
    "of another song": whole({"id": "another-song", "status": "completed", "audio_file": {"url": "http://a/"}}),
    "failed, of another song": whole({"id": "another-song", "status": "error"}),
    "a status of no kind": whole({"id": GENERATION, "status": {"a": 1}}),
    "a status of 10 KB": whole({"id": GENERATION, "status": "x" * 10_240}),
    "an unknown status": whole({"id": GENERATION, "status": "waiting\n"}),
    "no status": whole({"id": GENERATION}),
    "401": whole({"message": "no", "statusCode": 401}, status=b"401 No"),
    "404": whole({"message": "no", "statusCode": 404}, status=b"404 No"),
    "429 in the past": whole({"message": "no"}, b"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", status=b"429 No"),
    "429 of no kind": whole({"message": "no"}, b"Retry-After: soon", status=b"429 No"),
    "429 of NaN": whole({"message": "no"}, b"Retry-After: NaN", status=b"429 No"),
    "500": whole({"message": "no", "statusCode": 500}, status=b"500 No"),
    "a file without a place": whole({"id": GENERATION, "status": "completed", "audio_file": {"url": 5}}),
    "a file of no kind": whole({"id": GENERATION, "status": "completed", "audio_file": ["http://a/"]}),
    "usage of no kind": whole({"id": GENERATION, "status": "queued", "meta": {"usage": {"usd_spent": [1]}}}),
}


@pytest.mark.parametrize("script", POLLS.values(), ids=POLLS)
def test_a_poll_that_says_nothing_of_use_never_fails_a_paid_song(attempt, api, script, quick_clock):
    good = whole({"id": GENERATION, "status": "completed", "audio_file": {"url": f"{api.url}/files/song?Signature=x"}})
    api.sends("poll", script, script, good)
    ended = attempt("queued", most_bytes=24 * MIB)
    assert ended.error is None, ended
    assert api.asked()["poll"] >= 3


@pytest.mark.parametrize("after", [b"99999999999999999999", b"1e300", b"Fri, 31 Dec 9999 23:59:59 GMT", b"86400"])
def test_a_poll_that_is_told_to_wait_for_ever_ends_with_its_deadline(attempt, api, after):
    api.sends("poll", whole({"message": "no"}, b"Retry-After: " + after, status=b"429 No"))
    ended = attempt("queued", timeout=1)
    assert isinstance(ended.error, GenerationTimeoutError), ended


async def test_one_wait_that_is_told_to_wait_for_ever_keeps_no_other_beyond_its_deadline(api):
    later = whole({"message": "no"}, b"Retry-After: 99999999999999999999", status=b"429 No")
    api.sends("poll", later, whole({"id": "second", "status": "queued"}))
    now = time.time()
    times = {"usual_seconds": 1.0, "poll_interval": 0.02, "submitted_at": now}
    async with asyncio.timeout(20):
        first = await watch_generation("music_default", "first", deadline=now + 0.5, **times)
        second = await watch_generation("music_default", "second", deadline=now + 1, **times)
    await close_clients()
    assert (first["status"], second["status"]) == ("timeout", "timeout")


def test_completed_without_a_file_for_good_is_told(attempt, api):
    api.sends("poll", whole({"id": GENERATION, "status": "completed", "audio_file": None}))
    ended = attempt("queued")
    assert isinstance(ended.error, AudioError), ended
    assert "submits nothing" in str(ended.error)


@pytest.mark.parametrize(
    "error", [None, "no", {"message": "x\n" * 9999}, [1], {"name": {"a": 1}}, {}, 5], ids=lambda error: repr(error)[:20]
)
def test_an_error_in_any_words_is_a_failed_generation(attempt, api, error):
    api.sends("poll", whole({"id": GENERATION, "status": "ERROR", "error": error}))
    ended = attempt("queued")
    assert isinstance(ended.error, GenerationFailedError), ended
    assert len(str(ended.error)) < 3000


URLS = {
    "a file": "file:///etc/passwd",
    "a bucket": "s3://bucket/song",
    "inside": "http://169.254.169.254/latest",
    "with a line break": "http://127.0.0.1/\r\nX: y",
    "nowhere": "http://[",
    "empty host": "http:///song",
    "with a name and a password": "http://user:hush@10.0.0.1/",
    "of a megabyte": "http://127.0.0.1/" + "a" * MIB,
    "no URL": "sing it yourself",
    "white": "   ",
    "null byte": "http://127.0.0.1/\0",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_a_file_that_lies_nowhere_good_is_told_and_not_fetched(attempt, api, url):
    api.sends("poll", whole({"id": GENERATION, "status": "completed", "audio_file": {"url": url}}))
    ended = attempt("queued")
    assert isinstance(ended.error, AudioHostError | AudioError | MusicError), ended
    assert type(ended.error) is not MusicError, ended
    assert "hush" not in str(ended.error)
    assert len(str(ended.error)) < 3000


def wav_head(data_bytes):
    """Head of a WAV file of 16000 Hz, 16 bits, one channel."""
    rest = struct.pack("<IHHIIHH4sI", 16, 1, 1, 16000, 32000, 2, 16, b"data", data_bytes)
    return struct.pack("<4sI4s4s", b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ") + rest


SONGS = {
    "an MP3 header with nothing behind it": b"\xff\xfb\x90\x64" + bytes(400),
    "a WAV header with nothing behind it": wav_head(0),
    "a WAV that says more than it has": wav_head(1000) + b"ab",
    "another format": b"fLaC" + bytes(10_000),
    "a page": b"<html>your song is ready</html>",
    "nothing": b"",
}


@pytest.mark.parametrize("song", SONGS.values(), ids=SONGS)
def test_a_file_that_is_no_song_is_told(attempt, api, song):
    api.sends("song", whole(song, b"Content-Type: audio/wav"))
    ended = attempt("queued")
    assert isinstance(ended.error, AudioError), ended


LOGS = {
    "a page": whole(b"<html>"),
    "no rows": whole({"rows": []}),
    "rows of no kind": whole({"data": [None, 5, "x", [], {}], "pagination": []}),
    "endless pages": whole({"data": [], "pagination": {"has_more": True}}),
    "of other times": whole(
        {"data": [{"created": "9999-12-31T23:59:59-23:59", "client_request_id": "x"}], "pagination": {"has_more": 1}}
    ),
    "endless": lambda: itertools.chain([OK + JSON + b"\r\n"], itertools.repeat(b" " * MIB)),
    "deep": whole('{"data": [' + "[" * 900 + "]" * 900 + "]}"),
    "429": whole({"message": "no"}, b"Retry-After: 1e300", status=b"429 No"),
}


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
@pytest.mark.parametrize("script", LOGS.values(), ids=LOGS)
def test_a_usage_log_that_says_nothing_of_use_leaves_the_outcome_unknown(attempt, api, script, lane):
    api.sends("logs", script)
    api.sends("submit", b"")
    api.sends("generate", b"")
    ended = attempt(lane, timeout=2)
    assert isinstance(ended.error, UnknownOutcomeError), ended


def test_a_usage_log_that_names_no_usable_id_leaves_the_outcome_unknown(attempt, api):
    def row():
        found = api._rows()
        return [whole({"data": [{**found[0], "inference_id": "a\nb" * 300}], "pagination": {}})]

    api.sends("logs", row)
    api.sends("submit", b"")
    ended = attempt("queued", timeout=1)
    assert isinstance(ended.error, UnknownOutcomeError), ended
