# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Playing the faults that spoil the conversation itself: an ASGI layer around the API.

Each mishap is a function of the connection and of the fault; those that come after the API did its work
also get the answer that it gave.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_music.sandbox.replies import FAULT, MESSAGES, client_request_id, error_body
from airflow_provider_music.sandbox.routes import route_of
from airflow_provider_music.sandbox.wire import (
    cut,
    head,
    read_body,
    scope_header,
    wait_for_disconnect,
    without,
    write_raw,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_music.sandbox.faults import Fault
    from airflow_provider_music.sandbox.world import World

_MEGABYTE = 1024 * 1024
_DRIPS_PER_SECOND = 20
_GATEWAY_PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center>nginx</body></html>\n"


@dataclass
class Answer:
    """What the API answered, kept back."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


@dataclass
class Call:
    """One request on its connection."""

    scope: Scope
    receive: Receive
    send: Send
    fault: Fault
    world: World

    async def reply(self, status: int, body: bytes, content_type: bytes, **extra: str) -> None:
        """Answer in good form."""
        headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in extra.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


class Mishaps:
    """ASGI layer: counts what comes in, and plays the fault that meets it."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        route = route_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        self._world.count(route, scope["method"], client_request_id(scope_header(scope, b"x-client-request-id")))
        fault = self._world.faults.take(route)
        scope[FAULT] = fault
        if fault is None or fault.is_content:
            await self._app(scope, receive, send)
            return
        call = Call(scope, receive, send, fault, self._world)
        if fault.after:
            answer = await self._answer(scope, receive)
        else:
            await read_body(receive)
            answer = Answer()
        await play(call, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        answer, parts = Answer(), []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message.get("headers", []))
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, keep)
        answer.body = b"".join(parts)
        return answer


async def play(call: Call, answer: Answer) -> None:
    """Play the call's fault."""
    kind, value = call.fault.kind, call.fault.value or ""
    if kind in {"cut-before", "cut-after", "hang"}:
        if kind == "hang":
            await _silence(call)
        await cut(call.scope, call.receive, reset="reset" in call.fault.flags)
    elif kind == "status":
        await _status(call, int(value))
    elif kind == "rate-limit":
        await _status(call, 429, retry_after=value)
    elif kind == "redirect":
        await call.reply(302, b"", b"text/html", location=value)
    elif kind == "base-resp":
        body = {
            "trace_id": "0" * 32,
            "base_resp": {"status_code": int(value), "status_msg": "fault on demand"},
        }
        await call.reply(200, json.dumps(body).encode(), b"application/json")
    elif kind == "late":
        await _silence(call)
        await _write(call, answer, [answer.body])
    elif kind == "junk":
        await call.reply(200, _junk(value, answer.body), b"text/html" if value == "html" else b"application/json")
    else:
        await _play_on_the_wire(call, answer)


async def _play_on_the_wire(call: Call, answer: Answer) -> None:
    kind, amount = call.fault.kind, call.fault.number()
    if kind == "cut-body":
        part = answer.body[: int(len(answer.body) * min(amount, 1.0))]
        await _write(call, answer, [part[:-1] if part == answer.body else part])
    elif kind == "slow":
        size = max(1, int(amount / _DRIPS_PER_SECOND))
        drips = [answer.body[i : i + size] for i in range(0, len(answer.body), size)]
        await _write(call, answer, drips, pause=size / max(amount, 1.0))
    elif kind == "wrong-length":
        headers = without(answer.headers, b"content-length")
        headers.append((b"content-length", str(max(0, len(answer.body) + int(amount))).encode()))
        await write_raw(call.scope, call.receive, [head(answer.status, headers), answer.body])
    else:
        headers = without(answer.headers, b"content-length")
        if kind == "gzip-bomb":
            headers.append((b"content-encoding", b"gzip"))
        await write_raw(call.scope, call.receive, _flood(call, answer, headers))


def _flood(call: Call, answer: Answer, headers: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    yield head(answer.status, headers)
    megabytes = int(call.fault.number())
    if call.fault.kind == "gzip-bomb":
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # one gzip member
        yield packer.compress(answer.body[:-1])
        yield from (packer.compress(b" " * _MEGABYTE) for _ in range(megabytes))
        yield packer.compress(answer.body[-1:]) + packer.flush()
    else:
        yield answer.body[:-1]
        yield from (b" " * _MEGABYTE for _ in range(megabytes))
        yield answer.body[-1:]


async def _silence(call: Call) -> None:
    """Say nothing for the fault's seconds, or until the client gives up."""
    gone = asyncio.ensure_future(wait_for_disconnect(call.receive))
    await asyncio.wait([gone], timeout=call.fault.number())
    gone.cancel()


async def _status(call: Call, status: int, **extra: str) -> None:
    if "gateway" in call.fault.flags:
        await call.reply(status, _GATEWAY_PAGE % (status, status), b"text/html", **extra)
        return
    body, media_type = error_body(
        call.world.settings.envelope, status, MESSAGES.get(status, "Error"), call.scope["path"]
    )
    await call.reply(status, json.dumps(body).encode(), media_type.encode(), **extra)


async def _write(call: Call, answer: Answer, pieces: list[bytes], *, pause: float = 0.0) -> None:
    headers = without(answer.headers, b"content-length")
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await write_raw(call.scope, call.receive, [head(answer.status, headers), *pieces], pause=pause)


def _junk(kind: str, body: bytes) -> bytes:
    if kind == "truncated":
        return body[: len(body) * 2 // 3]
    return {
        "html": b"<!doctype html><html><body>Service temporarily unavailable</body></html>",
        "text": b"OK",
        "empty": b"",
        "list": b"[]",
        "nan": b'{"id":NaN,"status":Infinity,"data":NaN,"base_resp":{"status_code":NaN}}',
        "deep": b"[" * 100_000 + b"]" * 100_000,
    }[kind]
