# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The environment's proxies, read as httpx reads them; it does so only for transports of its own making."""

from __future__ import annotations

import ipaddress
import urllib.request


def environment_proxies() -> dict[str, str | None]:
    """Return the proxy's URL by httpx's URL pattern ("https://", "all://*.example.org"); None goes past all proxies."""
    named = urllib.request.getproxies()
    found: dict[str, str | None] = {
        f"{scheme}://": url if "://" in url else f"http://{url}"
        for scheme in ("http", "https", "all")
        if (url := named.get(scheme))
    }
    for entry in named.get("no", "").split(","):
        host = entry.strip()
        if host == "*":
            return {}
        if host:
            found[_pattern(host)] = None
    return found


def _pattern(host: str) -> str:
    if "://" in host:
        return host
    try:
        version = ipaddress.ip_address(host.partition("/")[0]).version
    except ValueError:
        return f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"
    return f"all://{host}" if version == 4 else f"all://[{host}]"  # noqa: PLR2004 - the IP version
