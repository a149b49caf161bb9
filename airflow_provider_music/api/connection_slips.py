# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a connection that would be ignored, each named with the right place or the nearest right name.

An ignored setting is worse than an error: a slip in ``audio_hosts`` would leave all hosts open.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Extras that are meant for a field of the connection.
_FIELDS = {
    **dict.fromkeys(("api_key", "apikey", "key", "token", "password", "secret", "bearer"), "password"),
    **dict.fromkeys(("base_url", "baseurl", "url", "host", "endpoint", "endpoint_url", "api_url", "api_base"), "host"),
}
#: Extras of other clients, and what they are called here.
_MEANT = {
    **dict.fromkeys(("hosts", "allowed_hosts", "trusted_hosts", "allow_hosts", "hosts_of_songs"), "audio_hosts"),
    **dict.fromkeys(("ssl", "tls", "insecure", "ca_bundle", "cert", "verify_ssl", "check_hostname"), "verify"),
    **dict.fromkeys(("http", "insecure_http", "plain_http"), "allow_http"),
}
#: Paths of this API's calls, behind which no base URL goes on.
_CALL = re.compile(
    r"/(?:v[12]/)?(?:generate/audio|chat/completions)\b.*"
    r"|/v[12]/(?:generate|chat|models|billing|logs|usage|images|audio|embeddings|key)(?:/.*)?$"
)
#: Pages about the API, at which it does not answer.
_PAGES = ("aimlapi.com", "www.aimlapi.com", "docs.aimlapi.com", "app.aimlapi.com", "help.aimlapi.com")
_VERSIONS = ("v1", "v2")
_SCHEMES = ("http", "https")
_PREFIX = "extra__music__"
_NEAR = 0.6


def unknown_extras(extra: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    """Yield the problems of extras that are none; a name that begins with ``_`` is a note of the user's own."""
    names = tuple(known)
    for name in extra:
        if name in names or name.startswith("_"):
            continue
        plain = re.sub(r"[\s-]+", "_", name.strip().lower()).removeprefix(_PREFIX)
        near = [_MEANT[plain]] if plain in _MEANT else difflib.get_close_matches(plain, names, n=1, cutoff=_NEAR)
        if plain in _FIELDS:
            fix = f"it belongs into the {_FIELDS[plain]} field"
        elif near:
            fix = f"did you mean {near[0]}?"
        else:
            fix = f"leave it out; there are {', '.join(names)}"
        yield f"its extra {name!r:.60} is none: {fix}"


def path_in_schema(host: str, schema: object) -> str | None:
    """Name a path behind the host of a URI: Airflow keeps it in the field "schema", where nobody looks for a path."""
    path = str(schema or "").strip().strip("/")
    if path in ("", *_SCHEMES, *_VERSIONS):
        return None
    base = host if "://" in host else f"https://{host or 'api.aimlapi.com'}"
    url = f"{base}/{path}"
    return (
        f"its schema is {path!r:.100}, which is not used; in a URI that is the path behind the host. Put the whole "
        f"base URL into the host, in a URI percent-encoded: music://:KEY@{quote(url, safe='')[:200]}"
    )


def call_in_host(base_url: str) -> str | None:
    """Name a base URL that is the URL of one call, or of a page about the API."""
    parts = urlsplit(base_url)
    call = _CALL.search(parts.path)
    if call is not None:
        right = f"{parts.scheme}://{parts.netloc}{parts.path[: call.start()]}"
        return f"its base URL (host) {base_url!r:.200} is the URL of one call: give {right}"
    if parts.hostname in _PAGES:
        return f"its base URL (host) {base_url!r:.200} is a page about the API: give https://api.aimlapi.com"
    return None


def key_elsewhere(login: object) -> str:
    """Say where a missing key stands instead, as far as that is known."""
    return "; what stands in the login field is not used (in a URI: music://:KEY@)" if login else ""


def unreadable_variable(name: str, value: str | None) -> str | None:
    """Say why Airflow found no connection in an environment variable that is set; its value is not shown."""
    if not value or not value.strip():
        return None
    if value.strip().startswith("{"):
        return f"{name} is set, but cannot be read: it is no JSON object of a connection's fields."
    return (
        f"{name} is set, but cannot be read as a URI: a key with characters such as / ? # @ or : has to be "
        "percent-encoded there (music://:sk%2Fabc@ for sk/abc), or the connection written as JSON: "
        '{"conn_type": "music", "password": "sk/abc"}.'
    )
