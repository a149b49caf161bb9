# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A response's status line and headers within a bound of size, with all the interim responses (1xx) before them.

httpx reads interim responses for as long as they come: an endless flood of them would keep an event loop busy until
the time for the whole response is over, half an hour for a download.
"""

from __future__ import annotations

from typing import Any

import httpcore
import httpx

MAX_HEAD_BYTES = 2**18


class BoundedHeadTransport(httpx.AsyncBaseTransport):
    """httpx's own transport, which gives up on a response whose head is larger than ``MAX_HEAD_BYTES``.

    :param inner: its connections are the ones bounded.
    """

    def __init__(self, inner: httpx.AsyncHTTPTransport) -> None:
        self._inner = inner
        pool = inner._pool  # noqa: SLF001 - httpcore takes another backend; httpx has no argument for it
        pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request.

        :raises httpx.RemoteProtocolError: among others, for a head that is too large.
        """
        response = await self._inner.handle_async_request(request)
        # The body has bounds of its own.
        response.extensions["network_stream"].head_left = None
        return response

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.connect_tcp(*args, **kwargs))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self.head_left: int | None = MAX_HEAD_BYTES

    async def read(self, *args: Any, **kwargs: Any) -> bytes:
        data = await self._inner.read(*args, **kwargs)
        if self.head_left is not None:
            self.head_left -= len(data)
            if self.head_left < 0:
                raise httpcore.RemoteProtocolError(f"the response's head is larger than {MAX_HEAD_BYTES} bytes")
        return data

    async def write(self, *args: Any, **kwargs: Any) -> None:
        # HTTP/1.1 has one request at a time on a connection: what is read from now on is the next response.
        self.head_left = MAX_HEAD_BYTES
        await self._inner.write(*args, **kwargs)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
