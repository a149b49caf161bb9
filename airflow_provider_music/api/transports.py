# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The seam between this package and the network: httpx clients, each for what it may be used for.

Three kinds, because what may be repeated and what is paid want different connections:

* quick: checks, uploads and downloads on a worker; httpx's own transport, connections kept alive.
* polls: many short free calls in the triggerer, over aiohttp's connections: plain httpx takes several
  times the CPU per poll. Never for a paid POST: httpx-aiohttp reports a lost answer as a failed connect.
* paid: httpx's own transport, a fresh connection each time: a kept-alive one that the server has just
  closed looks like a lost answer.

Proxies (``HTTPS_PROXY``, ``NO_PROXY``) and CA bundles (``SSL_CERT_FILE``, ``SSL_CERT_DIR``,
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``) are taken from the environment, as Airflow's users expect.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import os
import platform
import ssl
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

import httpx

from airflow_provider_music import __version__
from airflow_provider_music.exceptions import CredentialsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from airflow_provider_music.api.settings import MusicSettings

USER_AGENT = f"airflow-provider-music/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"

_POLL_CONNECTIONS = 100


_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("airflow_provider_music_quiet", default=False)


class _Quiet(logging.Filter):
    """Drops httpx's own lines about this package's requests: they show whole URLs, and signed URLs are secrets."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging
        return not _quiet.get()


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_Quiet())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep httpx and httpcore from logging what is requested inside the block."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


@dataclass(frozen=True, slots=True)
class _Override:
    sync: httpx.BaseTransport | None = None
    asynchronous: httpx.AsyncBaseTransport | None = None


_override = _Override()


@contextlib.contextmanager
def use_transport(
    sync: httpx.BaseTransport | None = None, asynchronous: httpx.AsyncBaseTransport | None = None
) -> Iterator[None]:
    """Send everything through another transport, such as ``httpx.MockTransport``; for tests of DAGs.

    Clients made inside the block use it; the hook keeps no client across its borders.
    """
    global _override  # noqa: PLW0603 - one process, one switch, restored on the way out
    before = _override
    _override = _Override(
        _Unread(sync) if sync is not None else None,
        _AsyncUnread(asynchronous) if asynchronous is not None else None,
    )
    try:
        yield
    finally:
        _override = before


def overridden() -> object | None:
    """Identity of the transport in force, for caches; None is the network."""
    return None if _override == _Override() else _override


def sync_client(settings: MusicSettings) -> httpx.Client:
    """Client for quick calls on a worker."""
    with _proxies_of_environment():
        return httpx.Client(**_common(settings), transport=_override.sync, limits=httpx.Limits(keepalive_expiry=30.0))


def paid_client(settings: MusicSettings) -> httpx.AsyncClient:
    """Client for paid POSTs: httpx's own transport, every request on a connection of its own."""
    with _proxies_of_environment():
        return httpx.AsyncClient(
            **_common(settings),
            transport=_override.asynchronous,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )


def poll_client(settings: MusicSettings) -> httpx.AsyncClient:
    """Client for free calls in an event loop: httpx's interface over aiohttp's connections."""
    with _proxies_of_environment():
        return httpx.AsyncClient(**_common(settings), transport=_override.asynchronous or _aiohttp_transport(settings))


def download_client(settings: MusicSettings) -> httpx.Client:
    """Client for the audio's host, which never sees the API's key."""
    with _proxies_of_environment():
        return httpx.Client(
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=_timeout(settings),
            verify=ssl_context(settings.verify),
            follow_redirects=False,
            transport=_override.sync,
        )


@contextlib.contextmanager
def _proxies_of_environment() -> Iterator[None]:
    """Say it in the package's words where the environment names a proxy that cannot be used."""
    try:
        yield
    except (ImportError, ValueError, httpx.InvalidURL) as exc:
        raise CredentialsError(
            f"The proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used ({exc}); nothing was sent."
        ) from exc


def _common(settings: MusicSettings) -> dict[str, Any]:
    return {
        "base_url": settings.base_url,
        "headers": {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
        "auth": _BearerAuth(settings),
        "timeout": _timeout(settings),
        "verify": ssl_context(settings.verify),
        # A redirect could carry the key to another host, and a POST to another meaning.
        "follow_redirects": False,
        "cookies": CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
    }


def _timeout(settings: MusicSettings) -> httpx.Timeout:
    return httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout)


def _aiohttp_transport(settings: MusicSettings) -> httpx.AsyncBaseTransport:
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    context = ssl_context(settings.verify)
    proxy = _env_proxy(settings.base_url)
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
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_MappedStream(cast("httpx.AsyncByteStream", response.stream)),
            extensions=response.extensions,
        )

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


@functools.lru_cache(maxsize=8)
def ssl_context(verify: str | bool) -> ssl.SSLContext:  # noqa: FBT001 - as httpx names and takes it
    """One TLS context per setting and process: building one takes about 30 ms.

    :raises CredentialsError: a CA bundle is missing or is none.
    """
    if verify is False:
        return httpx.create_ssl_context(verify=False)
    source, path = "the extra verify", verify
    if verify is True:
        named = [
            (name, os.environ[name])
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
            if os.environ.get(name)
        ]
        if not named:
            return httpx.create_ssl_context()
        source, path = named[0]
    try:
        return _context_from(str(path))
    except OSError as exc:
        raise CredentialsError(
            f"{source} names the CA bundle {path!r}, which cannot be read as one ({exc}); nothing was sent. "
            "Give a file of certificates in PEM form, or a folder of them."
        ) from exc


def _context_from(path: str) -> ssl.SSLContext:
    if os.path.isdir(path):  # noqa: PTH112 - one call, no Path needed
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


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


class _BearerAuth(httpx.Auth):
    """Puts the key into the Authorization header, and only for the connection's own host."""

    def __init__(self, settings: MusicSettings) -> None:
        self._settings = settings
        self._origin = _origin(httpx.URL(settings.base_url))

    def auth_flow(self, request: httpx.Request) -> Any:
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._settings.api_key}"
        yield request


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
