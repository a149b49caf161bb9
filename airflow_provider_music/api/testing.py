# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The testing switch: another transport in place of the network, for this package's tests and its users'."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Override:
    """Transports that stand in for the network."""

    sync: httpx.BaseTransport | None = None
    asynchronous: httpx.AsyncBaseTransport | None = None


_override = Override()


@contextlib.contextmanager
def use_transport(
    sync: httpx.BaseTransport | None = None, asynchronous: httpx.AsyncBaseTransport | None = None
) -> Iterator[None]:
    """Send everything through another transport, such as ``httpx.MockTransport``; for tests of DAGs.

    Clients made inside the block use it; the hook keeps no client across its borders.
    """
    global _override  # noqa: PLW0603 - one process, one switch, restored on the way out
    before = _override
    _override = Override(
        _Unread(sync) if sync is not None else None,
        _AsyncUnread(asynchronous) if asynchronous is not None else None,
    )
    try:
        yield
    finally:
        _override = before


def current() -> Override:
    """Return what is in force; None in it is the network."""
    return _override


def overridden() -> object | None:
    """Identity of the transport in force, for caches; None is the network."""
    return None if _override == Override() else _override


class _Unread(httpx.BaseTransport):
    """Hands out what another transport answers as a stream that nobody has read; a mock's is read already."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return _unread(self._transport.handle_request(request))

    def close(self) -> None:
        self._transport.close()


class _AsyncUnread(httpx.AsyncBaseTransport):
    """The same for event loops."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return _unread(await self._transport.handle_async_request(request))

    async def aclose(self) -> None:
        await self._transport.aclose()


def _unread(response: httpx.Response) -> httpx.Response:
    if not response.is_stream_consumed:
        return response
    return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(response.content))
