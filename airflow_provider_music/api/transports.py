# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The seam between this package and the network: httpx clients, each for what it may be used for.

Four kinds, because what may be repeated, what is paid and what anyone may have named want different connections:

* quick: checks and uploads on a worker; connections kept alive, the time of each answer bounded.
* downloads: from hosts that the API names; only to checked addresses, within a bound on the whole time.
* polls: many short free calls in the triggerer, over aiohttp's connections: plain httpx takes several
  times the CPU per poll. Never for a paid POST: httpx-aiohttp reports a lost answer as a failed connect.
* paid: httpx's own transport, a fresh connection each time: a kept-alive one that the server has just
  closed looks like a lost answer.

Proxies (``HTTPS_PROXY``, ``NO_PROXY``) and CA bundles (``SSL_CERT_FILE``, ``SSL_CERT_DIR``,
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``) are taken from the environment, as Airflow's users expect.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import ssl
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

import httpx

from airflow_provider_music import __version__
from airflow_provider_music.api.checked_transport import checked_transport, own_transport, proxied_transports
from airflow_provider_music.api.poll_transport import aiohttp_transport
from airflow_provider_music.api.secrecy import quiet
from airflow_provider_music.api.testing import current, overridden, use_transport
from airflow_provider_music.exceptions import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from airflow_provider_music.api.connection import MusicSettings

USER_AGENT = f"airflow-provider-music/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"

__all__ = [
    "USER_AGENT",
    "download_client",
    "overridden",
    "paid_client",
    "poll_client",
    "poll_transport",
    "quiet",
    "ssl_context",
    "sync_client",
    "use_transport",
    "with_key",
]


def sync_client(settings: MusicSettings) -> httpx.Client:
    """Client for quick calls on a worker."""
    context = ssl_context(settings.verify)
    override = current().sync
    with _proxies_of_environment():
        return httpx.Client(
            **_common(settings),
            transport=override or own_transport(context),
            mounts=None if override else proxied_transports(context, None),
        )


def paid_client(settings: MusicSettings) -> httpx.AsyncClient:
    """Client for paid POSTs: httpx's own transport, every request on a connection of its own."""
    with _proxies_of_environment():
        return httpx.AsyncClient(
            **_common(settings),
            transport=current().asynchronous,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )


def poll_transport(settings: MusicSettings) -> httpx.AsyncBaseTransport:
    """Make what polls are sent over: aiohttp's connections."""
    with _proxies_of_environment():
        return current().asynchronous or aiohttp_transport(settings.base_url, ssl_context(settings.verify))


def poll_client(settings: MusicSettings, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Client for free calls in an event loop; httpx's interface over :func:`poll_transport`."""
    return httpx.AsyncClient(**_common(settings), transport=transport or poll_transport(settings))


def with_key(settings: MusicSettings, request: httpx.Request) -> httpx.Request:
    """Put the key into a request that is sent past a client; its URL is of the connection's own host."""
    return next(_BearerAuth(settings).auth_flow(request))


def download_client(settings: MusicSettings) -> httpx.Client:
    """Client for the audio's host, which never sees the API's key; its ``max_body_seconds`` run from now on."""
    context = ssl_context(settings.verify)
    override = current().sync
    with _proxies_of_environment():
        return httpx.Client(
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=_timeout(settings),
            follow_redirects=False,
            transport=override or checked_transport(settings, context),
            mounts=None if override else proxied_transports(context, settings.max_body_seconds),
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
        "cookies": _NoCookies(),
    }


def _timeout(settings: MusicSettings) -> httpx.Timeout:
    return httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout)


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


class _NoCookies(CookieJar):
    """Keeps none and sends none; not by a policy, which would still read every answer's headers for them."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        pass

    def add_cookie_header(self, request: Any) -> None:
        pass


class _BearerAuth(httpx.Auth):
    """Puts the key into the Authorization header, and only for the connection's own host."""

    def __init__(self, settings: MusicSettings) -> None:
        self._settings = settings
        self._origin = _origin(httpx.URL(settings.base_url))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._settings.api_key}"
        yield request


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
