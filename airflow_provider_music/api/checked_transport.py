# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The transport of downloads: it connects to checked addresses only, and no host keeps it longer than it may.

The name is looked up once, every address is checked, and one of the checked ones is connected to: there is no
second look-up whose answer could differ. TLS still verifies the host's name. Where the environment names a proxy,
the proxy looks the name up, so only what the URL itself says can be checked (:func:`~.addresses.check_url`).
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from airflow_provider_music.api import addresses
from airflow_provider_music.api.proxies import environment_proxies

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_music.api.settings import MusicSettings

#: An answer's status line and headers, with all the interim answers (1xx) before them.
MAX_HEAD_BYTES = 2**18
_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def checked_transport(settings: MusicSettings, context: ssl.SSLContext) -> httpx.BaseTransport:
    """Make the transport for hosts that are reached without a proxy; its time runs from now on."""

    def checked(host: str) -> list[str]:
        try:
            found = addresses.look_up(host)
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        addresses.check_addresses(settings, host, found)
        return [str(address) for address in found]

    backend = _Backend(settings.max_body_seconds, checked)
    # No connection is kept: the next hop of a redirect makes its own, checked again.
    pool = httpcore.ConnectionPool(ssl_context=context, max_keepalive_connections=0, network_backend=backend)
    return _Transport(pool, backend)


def proxied_transports(settings: MusicSettings, context: ssl.SSLContext) -> dict[str, httpx.BaseTransport | None]:
    """Make the transports for hosts behind the environment's proxies, by httpx's URL pattern.

    :raises ValueError: a proxy's URL cannot be used.
    :raises ImportError: a SOCKS proxy, and httpx was installed without support for it.
    """
    return {
        pattern: None if url is None else _proxied(settings, context, httpx.Proxy(url))
        for pattern, url in environment_proxies().items()
    }


def _proxied(settings: MusicSettings, context: ssl.SSLContext, proxy: httpx.Proxy) -> httpx.BaseTransport:
    backend = _Backend(settings.max_body_seconds, lambda host: [host])
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    given: dict[str, Any] = {"ssl_context": context, "max_keepalive_connections": 0, "network_backend": backend}
    if proxy.url.scheme.startswith("socks5"):
        import socksio  # type: ignore[import-not-found]  # noqa: F401 - httpcore says it less plainly

        return _Transport(httpcore.SOCKSProxy(url, proxy_auth=proxy.raw_auth, **given), backend)
    pool = httpcore.HTTPProxy(url, proxy_auth=proxy.raw_auth, proxy_headers=proxy.headers.raw, **given)
    return _Transport(pool, backend)


class _Backend(httpcore.NetworkBackend):
    """Connects, and bounds the time of all that happens on its connections, and the size of an answer's head.

    :param seconds: for everything together, from now on.
    :param checked: gives the addresses to connect to for a host, or raises.
    """

    def __init__(self, seconds: float, checked: Callable[[str], list[str]]) -> None:
        self._plain = httpcore.SyncBackend()
        self._checked = checked
        self._until = time.monotonic() + seconds
        self.head_left: int | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        error: Exception = httpcore.ConnectError("the host has no address")
        for address in self._checked(host):
            try:
                stream = self._plain.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                error = exc
            else:
                return _Stream(stream, self)
        raise error

    def left(self, timeout: float | None) -> float:
        """Seconds that the next step on a connection may take."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole download is over")
        return left if timeout is None else min(left, timeout)

    def took(self, count: int) -> None:
        """Count bytes against what a head may have."""
        if self.head_left is None:
            return
        self.head_left -= count
        if self.head_left < 0:
            raise httpcore.RemoteProtocolError(f"the answer's head is larger than {MAX_HEAD_BYTES} bytes")


class _Stream(httpcore.NetworkStream):
    """A connection within its backend's bounds."""

    def __init__(self, inner: httpcore.NetworkStream, backend: _Backend) -> None:
        self._inner = inner
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, self._backend.left(timeout))
        self._backend.took(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._backend.left(timeout)), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Transport(httpx.BaseTransport):
    """httpx's interface over a pool of httpcore's."""

    def __init__(self, pool: httpcore.ConnectionPool, backend: _Backend) -> None:
        self._pool = pool
        self._backend = backend

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        self._backend.head_left = MAX_HEAD_BYTES
        with _as_httpx():
            response = self._pool.handle_request(asked)
        self._backend.head_left = None
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    """Make httpx's errors of httpcore's, which have the same names."""
    try:
        yield
    except _ERRORS as exc:
        raise getattr(httpx, type(exc).__name__, httpx.TransportError)(str(exc)) from exc
