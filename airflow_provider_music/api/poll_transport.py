# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""httpx's interface over aiohttp's connections, for polls: plain httpx takes several times the CPU per poll.

Never for a paid POST: httpx-aiohttp reports a lost answer as a failed connect.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, cast

import httpx

from airflow_provider_music.api.transports import environment_proxy, ssl_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from airflow_provider_music.api.connection import MusicSettings

_POLL_CONNECTIONS = 100


def poll_transport(settings: MusicSettings) -> httpx.AsyncBaseTransport:
    """Make the transport; the environment's proxy for the API's host is honoured."""
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    context, proxy = ssl_context(settings.verify), environment_proxy(httpx.URL(settings.base_url))
    if proxy is not None and proxy.url.scheme not in ("http", "https"):
        # aiohttp knows no SOCKS.
        return httpx.AsyncHTTPTransport(verify=context, proxy=proxy, trust_env=False)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=context, limit=_POLL_CONNECTIONS, keepalive_timeout=75)
        # Not trust_env: that reads ~/.netrc at every request, and refuses the request where it knows the host.
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), max_line_size=2**14)

    return _Mapped(AiohttpTransport(verify=context, client=session, proxy=proxy))


class _Mapped(httpx.AsyncBaseTransport):
    """Makes httpx's errors of those of aiohttp that its transport passes on as they are (a broken status line)."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _mapped():
            response = await self._transport.handle_async_request(request)
        response.stream = _MappedStream(cast("httpx.AsyncByteStream", response.stream))
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


class _MappedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _mapped():
            async for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        with _mapped():
            await self._stream.aclose()


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError:
        raise
    except Exception as exc:
        raise httpx.NetworkError(f"{type(exc).__name__}: {exc}") from exc
