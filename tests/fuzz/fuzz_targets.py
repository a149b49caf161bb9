# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: functions of bytes that raise only where they found something.

``make fuzz`` feeds them by coverage; test_fuzz_targets.py feeds them by hypothesis, and what was found before.
"""

from __future__ import annotations

import io
import json
from dataclasses import fields, is_dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.bounded_body import BufferedResponse
from airflow_provider_music.api.connection import MusicSettings
from airflow_provider_music.api.hex_stream import HexStream, HexStreamError
from airflow_provider_music.api.responses import check_base_resp, retry_after
from airflow_provider_music.audio.facts import NotAudioError
from airflow_provider_music.audio.formats import describe_head
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import CredentialsError, MusicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_DEPTH = 64
_MAX_WORDS = 3000
_WHITE = " \t\r\n"


class Found(AssertionError):  # noqa: N818 - what a fuzzer finds
    """Something that must not be."""


def expect(*, that: bool, what: object) -> None:
    if not that:
        raise Found(str(what)[:2000])


# HexStream against json and bytes.fromhex


def song_body(data: bytes) -> None:
    """The first bytes say where the rest is cut."""
    count = data[0] % 8 if data else 0
    cuts, body = data[1 : 1 + count], data[1 + count :]
    places = sorted({cut * len(body) // 255 for cut in cuts} | ({cuts[0] % 97} if cuts and len(body) > 97 else set()))
    whole, cut, by_byte = _decoded(body, []), _decoded(body, places), _decoded(body, range(len(body)))
    expect(that=whole == cut == by_byte, what=("depends on the cut", places, whole, cut, by_byte))
    plain = _plainly(body)
    if plain is not None:
        expect(that=whole == plain, what=("not what json and fromhex give", whole, plain))
    if whole is not None:
        _check_taken(body, whole)


def _decoded(body: bytes, cuts: Any) -> tuple[bytes, str | None, Any] | None:
    song, audio = HexStream(), b""
    try:
        for start, end in pairwise([0, *cuts, len(body)]):
            audio += song.feed(body[start:end])
        rest = song.finish()
    except HexStreamError:
        return None
    return audio, song.text, _same(rest)


def _same(value: Any) -> str:
    """JSON in one spelling: NaN is unlike itself."""
    return json.dumps(value, sort_keys=True)


def _plainly(body: bytes) -> tuple[bytes, str | None, Any] | None:
    """What a plain reader makes of a good answer; None where it is not plainly one."""
    if body.count(b"[") + body.count(b"{") > _MAX_DEPTH:
        return None
    try:
        rest = json.loads(body.decode(), object_pairs_hook=_no_key_twice)
        data = rest.get("data")
        if not (isinstance(data, dict) and isinstance(data.get("audio"), str)):
            return None
        text = data["audio"]
        if not set(text) <= set("0123456789abcdefABCDEF" + _WHITE):
            return None
        audio = bytes.fromhex(text)
    except (ValueError, RecursionError, AttributeError):
        return None
    data["audio"] = ""
    return audio, None, _same(rest)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("twice")
    return found


def _check_taken(body: bytes, taken: tuple[bytes, str | None, Any]) -> None:
    """What was taken is what a lenient reader finds."""
    audio, text, _ = taken
    plain = json.loads(body.decode("utf-8-sig", "surrogateescape"), strict=False)
    data = plain.get("data")
    told = data.get("audio") if isinstance(data, dict) else None
    if not isinstance(told, str):
        expect(that=audio == b"" and text is None, what=("audio from nowhere", taken))
    elif text is not None:
        same = told.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
        expect(that=audio == b"" and text == same, what=("another text", text, same))
    else:
        expect(that=audio == bytes.fromhex("".join(told.split())), what=("other audio", audio, told))


# Every reader of answers

_CALLS: tuple[endpoints.Call[Any], ...] = (
    endpoints.billing(),
    endpoints.upload(None, "reference.mp3", "audio/mpeg", "song"),
    endpoints.submit({"model": "minimax/music-2.6"}, "request-1"),
    endpoints.poll("a:b"),
    endpoints.logs("24h", 0),
    endpoints.deprecations(),
    endpoints.pricing("minimax/music-2.6"),
)
_STATUSES = (200, 200, 201, 204, 299, 302, 307, 400, 401, 402, 403, 404, 408, 422, 429, 499, 500, 502, 503, 504, 599)
_HEADERS = (
    *("retry-after", "x-inference-id", "x-request-id", "content-type"),
    *("x-aimlapi-usd-spent", "x-aimlapi-credits-used"),
)


def answers(data: bytes) -> None:
    """Call, status and headers from the first bytes and lines; the body is the rest."""
    head, _, body = data.partition(b"\n\n")
    which, status, *_ = (*head[:2], 0, 0)
    lines = head[2:].split(b"\n")
    headers = httpx.Headers([(_HEADERS[line[0] % len(_HEADERS)].encode(), line[1:].strip()) for line in lines if line])
    reply = BufferedResponse(_STATUSES[status % len(_STATUSES)], headers, body)
    wait = retry_after(reply)
    expect(that=wait is None or 0 <= wait <= 3600, what=("waits", wait))
    call = _CALLS[which % len(_CALLS)]
    try:
        found = call.read(reply, call.what)
    except MusicError as exc:
        _check_words(str(exc))
        _check_words(str(vars(exc)))
        return
    for name, value in _leaves(found):
        if name not in ("audio_url", "status", "names"):
            expect(that=not isinstance(value, str) or "\n" not in value, what=(name, value))
        if name in ("id", "inference_id", "voice_id", "instrumental_id") and value is not None:
            expect(that=0 < len(value) <= 512 and value.isascii() and value.isprintable(), what=(name, value))
    repr(found)


def base_resp(data: bytes) -> None:
    """The end of a synchronous answer."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(body, dict) and data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        try:
            check_base_resp(body, "POST")
        except MusicError as exc:
            _check_words(str(exc))


def _check_words(words: str) -> None:
    expect(that=len(words) < _MAX_WORDS, what=("long", len(words), words[:200]))
    expect(that=not set(words) & set("\n\r\x1b\x00\u2028"), what=("not one line", words))


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(value) if is_dataclass(value) else ():
        inner = getattr(value, field.name)
        for one in inner if isinstance(inner, tuple) else (inner,):
            yield field.name, one
            yield from _leaves(one)


# A connection, as a person or a URI may fill it


def settings(data: bytes) -> None:
    """Lines: password, host, schema, port, and the extra behind them."""
    parts = [part.decode("utf-8", "replace") for part in data.split(b"\n", 4)]
    password, host, schema, port, extra = (*parts, *[""] * 5)[:5]
    conn = SimpleNamespace(
        conn_type="music",
        password=password or None,
        host=host or None,
        schema=schema or None,
        port=int(port) if port.isdecimal() and len(port) < 6 else None,
        extra=extra or None,
    )
    # Any other text may be a word of the message, and one that stands in another field too is shown with that.
    key = password.strip()
    apart = len(key) < 12 or not key.startswith("sk-") or any(key in part for part in (host, schema, port, extra))
    try:
        found = MusicSettings.from_connection(conn, "music_default")
    except CredentialsError as exc:
        expect(that=apart or password.strip() not in str(exc), what=("tells the key", str(exc)))
        return
    expect(that=apart or found.api_key not in repr(found), what=repr(found))
    if not found.base_url.isascii():
        # Which of those are names is for IDNA to say; tests/hostile asks.
        return
    url = httpx.URL(found.base_url)
    expect(that=url.scheme in ("http", "https") and bool(url.host) and b"@" not in url.netloc, what=found.base_url)
    expect(that=url.scheme == "https" or found.is_loopback or found.allow_http, what=("in the clear", found.base_url))
    for name in ("connect_timeout", "read_timeout", "generation_timeout", "max_body_seconds", "max_audio_bytes"):
        expect(that=0 < getattr(found, name) < float("inf"), what=name)


# Audio of any kind


class _Counted(io.BytesIO):
    """A file that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.taken += len(found) + 1
        expect(that=self.taken < 64 * len(self.getvalue()) + 2**20, what=("reads without end", self.taken))
        return found


def audio(data: bytes) -> None:
    """The file as it is."""
    _check_words(describe_head(data[:64]))
    try:
        facts = probe(_Counted(data))
    except NotAudioError as exc:
        _check_words(str(exc))
        return
    known = facts.as_dict()
    json.dumps(known, allow_nan=False)
    expect(that=facts.size_bytes == len(data), what=known)
    expect(that=facts.duration_ms is None or 0 <= facts.duration_ms < 2**53, what=known)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "song_body": song_body,
    "answers": answers,
    "base_resp": base_resp,
    "settings": settings,
    "audio": audio,
}
