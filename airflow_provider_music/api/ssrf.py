# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where a song may be fetched from: which URLs, which hosts, which addresses (server-side request forgery).

The API names the song's URL, and a redirect may name another. Whoever can write either could point a worker at
the machines beside it: cloud metadata, databases, admin pages. So songs come from public addresses only, unless
the connection's own host is of the same kind itself: a sandbox on this machine, a proxy in the company's network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import httpx

from airflow_provider_music.api.bounded_head import BoundedHeadTransport
from airflow_provider_music.api.connection import is_loopback
from airflow_provider_music.exceptions import AudioHostError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from airflow_provider_music.api.connection import MusicSettings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["loopback", "link-local", "private", "unspecified", "multicast", "reserved"]

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        "100.64.0.0/10",  # carrier-grade NAT, and what some clouds and VPNs give their own machines
        *("fc00::/7", "fec0::/10"),
        "64:ff9b:1::/48",  # NAT64 of one's own network
    )
)
#: Not public, spelt out because Python's releases disagree on them.
_RESERVED = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20"),
    )
)
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def kind_of(address: Address) -> Kind | None:
    """Return why an address is not public, or None where it is.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is what that is: packets end up there.
    """
    inner = _inner(address)
    if inner is not None:
        return kind_of(inner)
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if _is_in(address, _PRIVATE):
        return "private"
    if _is_in(address, _RESERVED) or not address.is_global:
        return "reserved"
    return "reserved" if address.version == 6 and address not in _PUBLIC_IPV6 else None  # noqa: PLR2004 - IP version


def literal(host: str) -> Address | None:
    """Return the address that a host is without any look-up, in whatever spelling ``connect`` would take, or None."""
    bare = host.strip("[]").removesuffix(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    try:
        # 127.1, 0x7f000001 and 2130706433 are spellings of 127.0.0.1.
        return ipaddress.IPv4Address(socket.inet_aton(bare))
    except (OSError, UnicodeError):
        return None


async def look_up(host: str) -> list[Address]:
    """Return a host's addresses in the system's order.

    :raises OSError: it has none, or nobody can say.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise OSError("the host name cannot be looked up") from exc
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


async def check_url(settings: MusicSettings, url: str) -> httpx.URL:
    """Check what a song's URL alone shows, and return it parsed.

    :raises AudioHostError: nothing may be fetched from there. The message never shows path or query.
    """
    try:
        target = httpx.URL(url)
        _ = urlsplit(str(target)).port  # it refuses ports above 65535, as httpx does not
    except (httpx.InvalidURL, ValueError, TypeError):
        # Not "from exc": a parser may quote what it could not parse, and signed URLs are secrets.
        raise AudioHostError("The API named no usable URL for the song; a retry polls for it again.") from None
    allowed = ("https", "http") if settings.is_loopback or settings.allow_http else ("https",)
    if target.scheme not in allowed or not target.host:
        hint = ' Set the extra "allow_http": true for a trusted network.' if target.scheme == "http" else ""
        raise AudioHostError(
            f"The API named a URL of scheme {target.scheme[:20]!r} for the song; "
            f"only {' and '.join(allowed)} is fetched.{hint}"
        )
    host = target.raw_host.decode("ascii")
    if settings.audio_hosts and not any(_matches(host, pattern) for pattern in settings.audio_hosts):
        raise AudioHostError(
            f"The song lies on {host:.253}, which is not among the connection's audio_hosts "
            f"({', '.join(settings.audio_hosts):.200}). Add it there if it is to be trusted; a retry fetches the song."
        )
    address = literal(host)
    if address is not None:
        await check_addresses(settings, host, [address])
    return target


async def check_addresses(settings: MusicSettings, host: str, addresses: Iterable[Address]) -> None:
    """Check every address of a song's host; the connection's own host may have to be looked up too.

    :raises AudioHostError: one of them is neither public nor of the kind of the connection's own host.
    """
    inside = [(address, kind) for address in addresses if (kind := kind_of(address)) is not None]
    if not inside:
        return
    own = await _own_kinds(settings)
    for address, kind in inside:
        if kind not in own:
            raise AudioHostError(
                f"The song's host {host:.253} is refused: {address} is a {kind} address, and the API's own host has "
                "none of that kind. Songs come from public addresses; if this host is meant, let the worker reach it "
                "through a proxy (HTTPS_PROXY), or ask whoever runs the name service why it leads there."
            )


async def _own_kinds(settings: MusicSettings) -> set[Kind | None]:
    host = urlsplit(settings.base_url).hostname or ""
    if is_loopback(host):
        return {"loopback"}
    try:
        return {kind_of(address) for address in await look_up(host)}
    except OSError:
        return set()


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to the addresses of a host that were checked: there is no second look-up whose result could differ.

    The address stands in the URL, the name in ``Host`` and in TLS, which verifies it. No connection is kept: the
    next hop of a redirect makes its own, checked again.
    """

    def __init__(self, settings: MusicSettings, context: ssl.SSLContext) -> None:
        self._settings = settings
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = BoundedHeadTransport(httpx.AsyncHTTPTransport(verify=context, limits=limits, trust_env=False))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the first of the host's addresses that lets it in.

        :raises AudioHostError: nothing may be fetched from one of them.
        """
        host = request.url.raw_host.decode("ascii")
        try:
            found = await look_up(host)
        except OSError as exc:
            raise httpx.ConnectError(str(exc), request=request) from exc
        await check_addresses(self._settings, host, found)
        refused: httpx.TransportError = httpx.ConnectError("the host has no address", request=request)
        for address in found:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                refused = exc
        raise refused

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()


def _pinned(request: httpx.Request, host: str, address: Address) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


def _matches(host: str, pattern: str) -> bool:
    """Whether a host is the one named, or one below it for ``.example.org`` and ``*.example.org``."""
    host, pattern = host.lower().removesuffix("."), pattern.lower().removesuffix(".")
    if pattern.startswith(("*.", ".")):
        return host.endswith(pattern.removeprefix("*"))
    return host == pattern or (literal(pattern) is not None and literal(host) == literal(pattern))


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_in(address: Address, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address in network for network in networks)
