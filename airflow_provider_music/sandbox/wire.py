# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Below HTTP: the TCP connection of a request, to cut it and to write what no web framework lets through."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

TRANSPORT = "sandbox.transport"
MAX_UNSENT_BYTES = 1024 * 1024


class OpenProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's HTTP protocol, but the application sees the transport that its request came over."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the application so that every scope of this connection carries the transport."""
        super().connection_made(transport)
        inner: ASGIApp = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope[TRANSPORT] = transport
            try:
                await inner(scope, receive, send)
            except asyncio.CancelledError:  # the server stops; two turns let the protocol see its own end
                transport.abort()
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        self.app: ASGIApp = app


def transport_of(scope: Scope) -> asyncio.Transport:
    """Return the transport that this request came over."""
    return cast("asyncio.Transport", scope[TRANSPORT])


async def read_body(receive: Receive) -> None:
    """Read the request's body to its end and forget it."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until this connection is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def cut(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """End the TCP connection now, unsent bytes lost: with FIN, or with RST if ``reset``."""
    transport = transport_of(scope)
    if reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await wait_for_disconnect(receive)


async def write_raw(scope: Scope, receive: Receive, pieces: Iterable[bytes], *, pause: float = 0.0) -> None:
    """Write bytes past uvicorn, with a pause in seconds after each piece; close once they are out."""
    transport = transport_of(scope)
    gone = asyncio.ensure_future(wait_for_disconnect(receive))
    for piece in pieces:
        transport.write(piece)
        await asyncio.wait([gone], timeout=pause)
        while not gone.done() and transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            await asyncio.wait([gone], timeout=0.005)
        if gone.done():
            break
    transport.close()
    await gone


def head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a response's status line and headers as bytes; the connection closes after it."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])


def without(headers: Iterable[tuple[bytes, bytes]], *names: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers but the named ones (lower case)."""
    return [(name, value) for name, value in headers if name.lower() not in names]


def scope_header(scope: Scope, name: bytes) -> str | None:
    """Return a request header's value, or None."""
    values: list[Any] = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if values else None
