# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The faults of the conversation itself: an ASGI middleware around the API, and below HTTP the TCP connection.

A fault that comes after the API did its work holds the API's response back and changes what is sent of it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import zlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_provider_music.sandbox.responses import FAULT, MESSAGES, client_request_id, discard_body, error_body
from airflow_provider_music.sandbox.settings import route_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_music.sandbox.faults import Fault
    from airflow_provider_music.sandbox.state import State

_TRANSPORT = "sandbox.transport"
_MAX_UNSENT_BYTES = 1024 * 1024
_MEGABYTE = 1024 * 1024
_DRIPS_PER_SECOND = 20
_GATEWAY_PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center>nginx</body></html>\n"


class ProtocolWithTransport(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's HTTP protocol, but the application sees the transport that its request came over."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the application so that every scope of this connection carries the transport."""
        super().connection_made(transport)
        inner: ASGIApp = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_TRANSPORT] = transport
            try:
                await inner(scope, receive, send)
            except asyncio.CancelledError:  # the server stops; two turns let the protocol see its own end
                transport.abort()
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        self.app: ASGIApp = app


@dataclass
class _BufferedResponse:
    """What the API responded, held back."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


@dataclass
class _Exchange:
    """One request on its connection."""

    scope: Scope
    receive: Receive
    send: Send
    fault: Fault
    state: State

    async def reply(self, status: int, body: bytes, content_type: bytes, **extra: str) -> None:
        """Send a well-formed response."""
        headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in extra.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


class FaultMiddleware:
    """Counts what comes in, and injects the fault that hits it."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        route = route_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        self._state.count(route, scope["method"], client_request_id(_scope_header(scope, b"x-client-request-id")))
        fault = self._state.faults.fault_for(route)
        scope[FAULT] = fault
        if fault is None or fault.is_content:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, fault, self._state)
        if fault.after:
            response = await self._buffered(scope, receive)
        else:
            await discard_body(receive)
            response = _BufferedResponse()
        await _inject(exchange, response)

    async def _buffered(self, scope: Scope, receive: Receive) -> _BufferedResponse:
        response, parts = _BufferedResponse(), []

        async def buffer(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.status, response.headers = message["status"], list(message.get("headers", []))
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, buffer)
        response.body = b"".join(parts)
        return response


async def _inject(exchange: _Exchange, response: _BufferedResponse) -> None:
    """Send what the fault makes of the response."""
    kind, value = exchange.fault.kind, exchange.fault.value or ""
    if kind in {"cut-before", "cut-after", "hang"}:
        if kind == "hang":
            await _stay_silent(exchange)
        await _cut(exchange.scope, exchange.receive, reset="reset" in exchange.fault.flags)
    elif kind == "status":
        await _status(exchange, int(value))
    elif kind == "rate-limit":
        await _status(exchange, 429, retry_after=value)
    elif kind == "redirect":
        await exchange.reply(302, b"", b"text/html", location=value)
    elif kind == "base-resp":
        body = {
            "trace_id": "0" * 32,
            "base_resp": {"status_code": int(value), "status_msg": "fault on demand"},
        }
        await exchange.reply(200, json.dumps(body).encode(), b"application/json")
    elif kind == "late":
        await _stay_silent(exchange)
        await _write(exchange, response, [response.body])
    elif kind == "junk":
        await exchange.reply(200, _junk(value, response.body), b"text/html" if value == "html" else b"application/json")
    else:
        await _inject_raw(exchange, response)


async def _inject_raw(exchange: _Exchange, response: _BufferedResponse) -> None:
    kind, amount = exchange.fault.kind, exchange.fault.number()
    if kind == "cut-body":
        part = response.body[: int(len(response.body) * min(amount, 1.0))]
        await _write(exchange, response, [part[:-1] if part == response.body else part])
    elif kind == "slow":
        size = max(1, int(amount / _DRIPS_PER_SECOND))
        drips = [response.body[i : i + size] for i in range(0, len(response.body), size)]
        await _write(exchange, response, drips, pause=size / max(amount, 1.0))
    elif kind == "wrong-length":
        headers = _without(response.headers, b"content-length")
        headers.append((b"content-length", str(max(0, len(response.body) + int(amount))).encode()))
        await _write_raw(exchange.scope, exchange.receive, [_head(response.status, headers), response.body])
    else:
        headers = _without(response.headers, b"content-length")
        if kind == "gzip-bomb":
            headers.append((b"content-encoding", b"gzip"))
        await _write_raw(exchange.scope, exchange.receive, _flood(exchange, response, headers))


def _flood(exchange: _Exchange, response: _BufferedResponse, headers: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    yield _head(response.status, headers)
    megabytes = int(exchange.fault.number())
    if exchange.fault.kind == "gzip-bomb":
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # one gzip member
        yield packer.compress(response.body[:-1])
        yield from (packer.compress(b" " * _MEGABYTE) for _ in range(megabytes))
        yield packer.compress(response.body[-1:]) + packer.flush()
    else:
        yield response.body[:-1]
        yield from (b" " * _MEGABYTE for _ in range(megabytes))
        yield response.body[-1:]


async def _stay_silent(exchange: _Exchange) -> None:
    """Say nothing for the fault's seconds, or until the client gives up."""
    gone = asyncio.ensure_future(_wait_for_disconnect(exchange.receive))
    await asyncio.wait([gone], timeout=exchange.fault.number())
    gone.cancel()


async def _status(exchange: _Exchange, status: int, **extra: str) -> None:
    if "gateway" in exchange.fault.flags:
        await exchange.reply(status, _GATEWAY_PAGE % (status, status), b"text/html", **extra)
        return
    body, media_type = error_body(
        exchange.state.settings.envelope, status, MESSAGES.get(status, "Error"), exchange.scope["path"]
    )
    await exchange.reply(status, json.dumps(body).encode(), media_type.encode(), **extra)


async def _write(exchange: _Exchange, response: _BufferedResponse, pieces: list[bytes], *, pause: float = 0.0) -> None:
    headers = _without(response.headers, b"content-length")
    headers.append((b"content-length", str(len(response.body)).encode()))
    await _write_raw(exchange.scope, exchange.receive, [_head(response.status, headers), *pieces], pause=pause)


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


def _transport_of(scope: Scope) -> asyncio.Transport:
    """Return the transport that this request came over."""
    return cast("asyncio.Transport", scope[_TRANSPORT])


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until this connection is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cut(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """End the TCP connection now, unsent bytes lost: with FIN, or with RST if ``reset``."""
    transport = _transport_of(scope)
    if reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _wait_for_disconnect(receive)


async def _write_raw(scope: Scope, receive: Receive, pieces: Iterable[bytes], *, pause: float = 0.0) -> None:
    """Write bytes past uvicorn, with a pause in seconds after each piece; close once they are out."""
    transport = _transport_of(scope)
    gone = asyncio.ensure_future(_wait_for_disconnect(receive))
    for piece in pieces:
        transport.write(piece)
        await asyncio.wait([gone], timeout=pause)
        while not gone.done() and transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            await asyncio.wait([gone], timeout=0.005)
        if gone.done():
            break
    transport.close()
    await gone


def _head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a response's status line and headers as bytes; the connection closes after it."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])


def _without(headers: Iterable[tuple[bytes, bytes]], *names: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers but the named ones (lower case)."""
    return [(name, value) for name, value in headers if name.lower() not in names]


def _scope_header(scope: Scope, name: bytes) -> str | None:
    """Return a request header's value, or None."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if values else None
