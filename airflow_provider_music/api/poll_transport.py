# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""httpx's interface over aiohttp's connections, for polls: plain httpx takes several times the CPU per poll.

Never for a paid POST: httpx-aiohttp reports a lost answer as a failed connect.
"""

from __future__ import annotations

import contextlib
import urllib.request
from typing import TYPE_CHECKING, cast

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator

_POLL_CONNECTIONS = 100


def aiohttp_transport(base_url: str, context: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """Make the transport; the environment's proxy for ``base_url`` is honoured."""
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    proxy = _env_proxy(base_url)
    if proxy is not None and proxy.url.scheme not in ("http", "https"):
        # aiohttp knows no SOCKS.
        return httpx.AsyncHTTPTransport(verify=context, proxy=proxy)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=context, limit=_POLL_CONNECTIONS, keepalive_timeout=75)
        # Not trust_env: that reads ~/.netrc at every request, and refuses the request where it knows the host.
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), max_line_size=2**14)

    return _Mapped(AiohttpTransport(verify=context, client=session, proxy=proxy))


def _env_proxy(base_url: str) -> httpx.Proxy | None:
    """Proxy that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for this URL."""
    url = httpx.URL(base_url)
    if urllib.request.proxy_bypass(url.host):
        return None
    named = urllib.request.getproxies()
    found = named.get(url.scheme) or named.get("all")
    if not found:
        return None
    return httpx.Proxy(found if "://" in found else f"http://{found}")


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
