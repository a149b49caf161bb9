# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Blocking connections that no server can hold for longer than they may be held.

httpx's timeouts are between two bytes. A server that sends a byte now and then, in the headers already, would keep a
worker for days; so the time of all that is read for one answer is bounded here, below httpx, where the bytes come in.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from airflow_provider_music.api.bounded_body import DRIP_FACTOR

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

#: An answer's status line and headers, with all the interim answers (1xx) before them.
MAX_HEAD_BYTES = 2**18
_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class BoundedBackend(httpcore.NetworkBackend):
    """Connects, and bounds the time of all that happens on its connections, and the size of an answer's head.

    :param seconds: for everything together, from now on; None bounds each answer by itself, to a multiple of the
        request's read timeout.
    :param addresses_of: gives the addresses to connect to for a host, or raises.
    """

    def __init__(self, seconds: float | None, addresses_of: Callable[[str], list[str]]) -> None:
        self._plain = httpcore.SyncBackend()
        self._addresses_of = addresses_of
        self._until = None if seconds is None else time.monotonic() + seconds
        self.head_left: int | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers."""
        error: Exception = httpcore.ConnectError("the host has no address")
        for address in self._addresses_of(host):
            try:
                stream = self._plain.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                error = exc
            else:
                return _Stream(stream, self)
        raise error

    def left(self, timeout: float | None, since: float | None = None) -> float | None:
        """Seconds that the next step on a connection may take.

        :param since: when the request was written whose answer is read (monotonic seconds).
        """
        until = self._until
        if until is None and since is not None and timeout is not None:
            until = since + (DRIP_FACTOR + 1) * timeout
        if until is None:
            return timeout
        left = until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole answer is over")
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

    def __init__(self, inner: httpcore.NetworkStream, backend: BoundedBackend) -> None:
        self._inner = inner
        self._backend = backend
        self._written = time.monotonic()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # An answer belongs to what was written last: HTTP/1.1 has one request at a time on a connection.
        data = self._inner.read(max_bytes, self._backend.left(timeout, since=self._written))
        self._backend.took(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout))
        self._written = time.monotonic()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._backend.left(timeout)), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class BoundedTransport(httpx.BaseTransport):
    """httpx's interface over a pool of httpcore's."""

    def __init__(self, pool: httpcore.ConnectionPool, backend: BoundedBackend) -> None:
        self._pool = pool
        self._backend = backend

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer's body is read as it is used."""
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
        """Close its connections."""
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
