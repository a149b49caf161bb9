# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The seam between this package and the network: httpx clients, each for what it may be used for.

What may be repeated, what is paid and what anyone may have named want different connections:

* free: short calls that may be repeated, connections kept alive. On a worker over httpx's own transport; in a
  triggerer over :mod:`~airflow_provider_music.api.poll_transport`, since plain httpx takes several times the CPU.
* paid: httpx's own transport, a fresh connection each time: a kept-alive one that the server has just
  closed looks like a lost answer.
* download: hosts that the API names; only checked addresses, and never the key.

Proxies (``HTTPS_PROXY``, ``NO_PROXY``) and CA bundles (``SSL_CERT_FILE``, ``SSL_CERT_DIR``,
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``) are taken from the environment, as Airflow's users expect.
"""

from __future__ import annotations

import functools
import os
import platform
import ssl
import urllib.request
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

import httpx

from airflow_provider_music import __version__
from airflow_provider_music.api.bounded_head import BoundedHeadTransport
from airflow_provider_music.api.ssrf import CheckedTransport
from airflow_provider_music.api.testing import testing_transport
from airflow_provider_music.exceptions import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Generator

    from airflow_provider_music.api.connection import MusicSettings

USER_AGENT = f"airflow-provider-music/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
_KEPT_ALIVE = httpx.Limits(max_connections=100, max_keepalive_connections=20)
_FRESH = httpx.Limits(max_connections=None, max_keepalive_connections=0)


def free_client(settings: MusicSettings, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Client for free calls.

    :param transport: what they are sent over; None is httpx's own.
    """
    chosen = testing_transport() or transport or _network(settings, settings.base_url, _KEPT_ALIVE)
    return httpx.AsyncClient(**_common(settings), transport=chosen)


def paid_client(settings: MusicSettings) -> httpx.AsyncClient:
    """Client for paid POSTs: httpx's own transport, every request on a connection of its own."""
    transport = testing_transport() or _network(settings, settings.base_url, _FRESH)
    return httpx.AsyncClient(**_common(settings), transport=transport)


def download_client(settings: MusicSettings, url: httpx.URL) -> httpx.AsyncClient:
    """Client for the audio's host, which never sees the API's key.

    Where the environment names a proxy for ``url``, the proxy looks the host up, so only what the URL itself says
    can be checked; otherwise every address is.
    """
    transport = testing_transport()
    if transport is None and environment_proxy(url) is None:
        transport = CheckedTransport(settings, ssl_context(settings.verify))
    elif transport is None:
        transport = _network(settings, url, _FRESH)
    return httpx.AsyncClient(
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        timeout=_timeout(settings),
        follow_redirects=False,
        trust_env=False,
        transport=transport,
    )


def with_key(settings: MusicSettings, request: httpx.Request) -> httpx.Request:
    """Put the key into a request that is sent past a client; its URL is of the connection's own host."""
    return next(_BearerAuth(settings).auth_flow(request))


def environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """Proxy that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for this URL.

    :raises CredentialsError: it cannot be used.
    """
    # An entry of NO_PROXY may name a port, and an address in brackets would match none.
    if urllib.request.proxy_bypass(url.host) or urllib.request.proxy_bypass(url.netloc.decode("ascii")):
        return None
    named = urllib.request.getproxies()
    found = named.get(url.scheme) or named.get("all")
    if not found:
        return None
    proxy = _proxy_of(found)
    if isinstance(proxy, httpx.Proxy):
        return proxy
    # A traceback that shows local variables would show its password, and so would the cause.
    del found, named
    raise CredentialsError(
        f"The proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used: {proxy}; nothing was sent."
    )


_NO_PROXY_URL = (
    "it is no http://, https:// or socks5:// URL of a host and a port; "
    "a user or password in it has to be percent-encoded"
)


def _proxy_of(url: str) -> httpx.Proxy | str:
    """Return the proxy of a URL, or what is wrong with it, in words that hold no part of it."""
    try:
        proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
        if "@" in f"{proxy.url.raw_path!r}{proxy.url.fragment}":
            # The rest of a password with a slash, a question mark or a hash in it.
            return _NO_PROXY_URL
        if proxy.url.scheme.startswith("socks5"):
            import socksio  # type: ignore[import-not-found]  # noqa: F401 - httpx says it at the first request
    except ImportError:
        return "SOCKS needs the package socksio (httpx[socks])"
    except (ValueError, httpx.InvalidURL):
        return _NO_PROXY_URL
    return proxy


def _network(settings: MusicSettings, url: str | httpx.URL, limits: httpx.Limits) -> httpx.AsyncBaseTransport:
    """Make httpx's own transport, by way of the environment's proxy for ``url``."""
    proxy = environment_proxy(httpx.URL(url))
    # Not trust_env: httpx would read proxies, CA bundles and ~/.netrc by rules of its own.
    return BoundedHeadTransport(
        httpx.AsyncHTTPTransport(verify=ssl_context(settings.verify), limits=limits, proxy=proxy, trust_env=False)
    )


def _common(settings: MusicSettings) -> dict[str, Any]:
    return {
        "base_url": settings.base_url,
        "headers": {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
        "auth": _BearerAuth(settings),
        "timeout": _timeout(settings),
        "trust_env": False,
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
