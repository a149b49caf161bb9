# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The gate in front of an API: it counts POSTs, and at a point stops all songs of a round until their process is dead.

The process never knows: it talks to the API's own address, as in production.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from money.points import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SONG = re.compile(r"song-\d{3,}")
#: Names of a response's fields under which later requests name the song.
_TOKENS = ("id", "url", "output_file_id")
_TRANSPORT = "sandbox.transport"


@dataclass(frozen=True)
class Calls:
    """How an API is called: method and path of the paid POST, of a poll and of the download."""

    submit: tuple[str, str]
    poll: tuple[str, str]
    download: tuple[str, str]

    def kind(self, method: str, path: str) -> str | None:
        """Return which of them a request is."""
        for name in ("submit", "poll", "download"):
            of_kind, pattern = getattr(self, name)
            if method == of_kind and re.fullmatch(pattern, path):
                return name
        return None


@dataclass
class Response:
    """A response, held back."""

    messages: list[Message] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(message.get("body", b"") for message in self.messages)


class Gate:
    """An ASGI middleware.

    ``kill`` ends the processes of this round, at once; ``stop`` stops them before. Both are called in the event loop.
    """

    def __init__(self, app: ASGIApp, calls: Calls) -> None:
        self._app = app
        self._calls = calls
        self._tokens: dict[str, str] = {}
        self.posts: Counter[str] = Counter()
        self.kill: Callable[[], None] = lambda: None
        self.stop: Callable[[], None] = lambda: None
        self._disarm()

    def arm(self, point: Point, songs: Iterable[str]) -> None:
        """Stop each of these songs at its point, once."""
        self._disarm()
        self._point, self._expected = point, set(songs)

    def _disarm(self) -> None:
        self._point: Point | None = None
        self._expected: set[str] = set()
        self._arrived: set[str] = set()
        self._answered: set[str] = set()
        self._all_arrived = asyncio.Event()
        self._dead = asyncio.Event()
        self.done = threading.Event()

    @property
    def arrived(self) -> set[str]:
        """The songs that have reached their point."""
        return set(self._arrived)

    def song_of(self, token: str) -> str | None:
        """Return the song that an id, or a path, stands for."""
        return self._tokens.get(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or stop it."""
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        song = self._song(scope, body)
        kind = self._calls.kind(scope["method"], scope["path"]) if song else None
        point = self._point if song in self._expected - self._arrived else None
        if kind == "submit" and song:
            await self._submit(scope, body, send, song, point)
        elif kind == "poll" and song and point is Point.POLLING:
            await self._stop(scope, song)
        elif kind == "download" and song and point is Point.DOWNLOADING:
            await self._half(scope, body, send, song)
        else:
            await _send(await self._call(scope, body, song), send)

    async def _submit(self, scope: Scope, body: bytes, send: Send, song: str, point: Point | None) -> None:
        if point is Point.BEFORE:
            await self._stop(scope, song)
            return
        self.posts[song] += 1
        response = await self._call(scope, body, song)
        if point is Point.LOST:
            await self._stop(scope, song)
        elif point is Point.CUT:
            self._arrive(song)
            _cut(scope)
        elif point is Point.ACCEPTED:
            self._arrive(song)
            await self._all_arrived.wait()
            # Stopped first: otherwise it would be a race who could note what.
            self.stop()
            await _send(response, send)
            self._answered.add(song)
            if self._answered == self._expected:
                self._end()
        else:
            await _send(response, send)

    async def _half(self, scope: Scope, body: bytes, send: Send, song: str) -> None:
        response = await self._call(scope, body, song)
        content = response.body
        await send(response.messages[0])
        await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
        await self._stop(scope, song)

    async def _stop(self, scope: Scope, song: str) -> None:
        self._arrive(song)
        if self._arrived == self._expected:
            self._end()
        await self._dead.wait()
        _cut(scope)

    def _arrive(self, song: str) -> None:
        self._arrived.add(song)
        if self._arrived == self._expected:
            self._all_arrived.set()
            if self._point is Point.CUT:
                self.done.set()

    def _end(self) -> None:
        self.kill()
        self._dead.set()
        self.done.set()

    async def _call(self, scope: Scope, body: bytes, song: str | None) -> Response:
        response = Response()

        async def keep(message: Message) -> None:
            response.messages.append(message)

        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(dict(scope), receive, keep)
        if song:
            for token in _tokens(response.body):
                self._tokens[token] = song
        return response

    def _song(self, scope: Scope, body: bytes) -> str | None:
        if scope["method"] == "POST" and (found := SONG.search(body.decode("utf-8", "replace"))):
            return found[0]
        raw = (scope.get("raw_path") or scope["path"].encode()).decode().partition("?")[0]
        query = dict(parse_qsl(scope["query_string"].decode()))
        named = [unquote(raw), *unquote(raw).split("/"), *query.values(), *_values(body)]
        return next((self._tokens[token] for token in named if token in self._tokens), None)


def _values(body: bytes) -> list[str]:
    with contextlib.suppress(ValueError):
        found = json.loads(body)
        if isinstance(found, dict):
            return [value for value in found.values() if isinstance(value, str)]
    return []


def _tokens(body: bytes) -> Iterator[str]:
    """Yield what a response gives the song to be named by; of a URL the path."""
    with contextlib.suppress(ValueError):
        yield from _walk(json.loads(body))


def _walk(value: Any) -> Iterator[str]:
    for name, each in value.items() if isinstance(value, dict) else ():
        if name in _TOKENS and isinstance(each, str):
            yield unquote(urlsplit(each).path) if name == "url" else each
        elif isinstance(each, dict):
            yield from _walk(each)


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(response: Response, send: Send) -> None:
    for message in response.messages:
        await send(message)


def _cut(scope: Scope) -> None:
    scope[_TRANSPORT].abort()
