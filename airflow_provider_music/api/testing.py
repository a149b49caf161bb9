# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The testing switch: another transport in place of the network, for this package's tests and its users'."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

_transport: httpx.AsyncBaseTransport | None = None


@contextlib.contextmanager
def use_transport(transport: httpx.AsyncBaseTransport) -> Iterator[None]:
    """Send everything through another transport, such as ``httpx.MockTransport``; for tests of DAGs.

    Clients made inside the block use it; the hook keeps no client across its borders.
    """
    global _transport  # noqa: PLW0603 - one process, one switch, restored on the way out
    before = _transport
    _transport = _Unread(transport)
    try:
        yield
    finally:
        _transport = before


def testing_transport() -> httpx.AsyncBaseTransport | None:
    """Return the transport in force; None is the network."""
    return _transport


class _Unread(httpx.AsyncBaseTransport):
    """Hands out what another transport answers as a stream that nobody has read; a mock's is read already."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        if not response.is_stream_consumed:
            return response
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(response.content))

    async def aclose(self) -> None:
        await self._transport.aclose()
