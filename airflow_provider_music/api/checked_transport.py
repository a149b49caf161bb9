# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which addresses the blocking clients connect to: the API's own as its name says, a download's checked first.

A download's host is looked up once, every address is checked, and one of the checked ones is connected to: there is
no second look-up whose answer could differ. TLS still verifies the host's name. Where the environment names a proxy,
the proxy looks the name up, so only what the URL itself says can be checked (:func:`~.addresses.check_url`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from airflow_provider_music.api import ssrf
from airflow_provider_music.api.bounded_transport import BoundedBackend, BoundedTransport
from airflow_provider_music.api.proxies import environment_proxies

if TYPE_CHECKING:
    import ssl

    from airflow_provider_music.api.connection import MusicSettings

_KEPT_ALIVE_SECONDS = 30.0


def own_transport(context: ssl.SSLContext) -> httpx.BaseTransport:
    """Make the transport to the API's own host; each answer's time is bounded by itself."""
    backend = BoundedBackend(None, _as_named)
    pool = httpcore.ConnectionPool(ssl_context=context, keepalive_expiry=_KEPT_ALIVE_SECONDS, network_backend=backend)
    return BoundedTransport(pool, backend)


def checked_transport(settings: MusicSettings, context: ssl.SSLContext) -> httpx.BaseTransport:
    """Make the transport for hosts that are reached without a proxy; its time runs from now on."""

    def checked(host: str) -> list[str]:
        try:
            found = ssrf.look_up(host)
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        ssrf.check_addresses(settings, host, found)
        return [str(address) for address in found]

    backend = BoundedBackend(settings.max_body_seconds, checked)
    # No connection is kept: the next hop of a redirect makes its own, checked again.
    pool = httpcore.ConnectionPool(ssl_context=context, max_keepalive_connections=0, network_backend=backend)
    return BoundedTransport(pool, backend)


def proxied_transports(context: ssl.SSLContext, seconds: float | None) -> dict[str, httpx.BaseTransport | None]:
    """Make the transports for hosts behind the environment's proxies, by httpx's URL pattern.

    :param seconds: for everything together, from now on; None bounds each answer by itself.
    :raises ValueError: a proxy's URL cannot be used.
    :raises ImportError: a SOCKS proxy, and httpx was installed without support for it.
    """
    return {
        pattern: None if url is None else _proxied(context, httpx.Proxy(url), seconds)
        for pattern, url in environment_proxies().items()
    }


def _as_named(host: str) -> list[str]:
    return [host]


def _proxied(context: ssl.SSLContext, proxy: httpx.Proxy, seconds: float | None) -> httpx.BaseTransport:
    backend = BoundedBackend(seconds, _as_named)
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    given: dict[str, Any] = {"ssl_context": context, "max_keepalive_connections": 0, "network_backend": backend}
    if proxy.url.scheme.startswith("socks5"):
        import socksio  # type: ignore[import-not-found]  # noqa: F401 - httpcore says it less plainly

        return BoundedTransport(httpcore.SOCKSProxy(url, proxy_auth=proxy.raw_auth, **given), backend)
    pool = httpcore.HTTPProxy(url, proxy_auth=proxy.raw_auth, proxy_headers=proxy.headers.raw, **given)
    return BoundedTransport(pool, backend)
