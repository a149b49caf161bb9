# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The settings in an Airflow connection of type ``music``: read, checked, in one value. No other type is read."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_music.api.connection_slips import call_in_host, key_elsewhere, path_in_schema, unknown_extras
from airflow_provider_music.exceptions import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONN_TYPE = "music"
DEFAULT_BASE_URL = "https://api.aimlapi.com"
#: Signs of a key that was copied with its quotes, or of a placeholder that nobody filled in.
_NOT_IN_KEYS = frozenset(" \"'`<>{}")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_BOUNDS = {
    "connect_timeout": (0.1, 300),
    "read_timeout": (0.1, 3600),
    "generation_timeout": (1, 7200),
    "max_audio_bytes": (1, 2**40),
    "max_body_seconds": (1, 86400),
    "max_open_generations": (1, 10_000),
    "max_polls_per_second": (0.1, 10_000),
}
#: A host name or address; or a dot (or ``*.``) and a domain, for all hosts below it.
_HOSTS = re.compile(r"(\*?\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")
#: Every extra that is read.
EXTRAS = (*_BOUNDS, "verify", "allow_http", "audio_hosts")
_WHOLE_NUMBERS = ("max_audio_bytes", "max_open_generations")


@dataclass(frozen=True)
class MusicSettings:
    """How to reach the API.

    Times are seconds, sizes bytes. The key is left out of every ``repr``.

    :param base_url: scheme and host, with no slash at the end.
    :param connect_timeout: for a TCP and TLS connection.
    :param read_timeout: for the response of a quick call, and between two pieces of a download.
    :param generation_timeout: for the response of a synchronous generation, whose POST stays open.
    :param verify: False turns certificate checks off; a path names a CA bundle.
    :param max_audio_bytes: a larger song is refused while it is downloaded.
    :param max_body_seconds: for the whole of one download, and for the body of a synchronous generation's response.
    :param max_open_generations: synchronous generations open at once, in one triggerer.
    :param max_polls_per_second: in one triggerer.
    :param allow_http: whether plain HTTP may go to a machine other than this one.
    :param audio_hosts: hosts of songs; ``.example.org`` means all hosts below it, an empty list any host.
    """

    conn_id: str
    base_url: str
    api_key: str = field(repr=False)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    generation_timeout: float = 900.0
    verify: bool | str = True
    max_audio_bytes: int = 2**30
    max_body_seconds: float = 1800.0
    max_open_generations: int = 256
    max_polls_per_second: float = 200.0
    allow_http: bool = False
    audio_hosts: tuple[str, ...] = ()

    @classmethod
    def from_connection(cls, conn: Any, conn_id: str) -> MusicSettings:
        """Read an Airflow ``Connection``.

        :raises CredentialsError: another type, no key, a base URL that cannot be used, or an extra out of its range;
            all problems in one message.
        """
        wrong = _wrong_type(conn.conn_type)
        if wrong:
            # Nothing else of it is read: its password is the secret of another service.
            del conn
            raise CredentialsError(f"Connection {conn_id!r} cannot be used; nothing was sent:\n  - {wrong}")
        problems: list[str] = []
        extra = _extra(conn, problems)
        key = (conn.password or "").strip()
        if not key:
            problems.append(f"it has no API key: put it into the password field{key_elsewhere(_login(conn))}")
        elif not key.isascii() or not key.isprintable() or _NOT_IN_KEYS & set(key):
            # Also because the HTTP library quotes a header it refuses, and the key would be in a log.
            problems.append("its API key (password) has white space or characters no key has: copy it again, bare")
        allow_http = _allow_http(extra.get("allow_http"), problems)
        base_url = _base_url(conn, allow_http, problems)
        numbers: dict[str, Any] = {name: _number(extra, name, getattr(cls, name), problems) for name in _BOUNDS}
        numbers |= {name: int(numbers[name]) for name in _WHOLE_NUMBERS}
        verify = _verify(extra.get("verify"), problems)
        audio_hosts = _audio_hosts(extra.get("audio_hosts"), problems)
        problems += unknown_extras(extra, EXTRAS)
        if problems:
            # A traceback that shows local variables would show the key.
            del conn, key, extra
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise CredentialsError(f"Connection {conn_id!r} cannot be used; nothing was sent:\n{listed}")
        return cls(
            conn_id=conn_id,
            base_url=base_url,
            api_key=key,
            verify=verify,
            allow_http=allow_http,
            audio_hosts=audio_hosts,
            **numbers,
        )

    @property
    def is_loopback(self) -> bool:
        """Whether the API is on this machine (the sandbox)."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


def conn_id_of(value: Any) -> str:
    """Return a connection's id as text; one of digits is a number where templates are rendered to Python's own types.

    :raises CredentialsError: it is no id.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip() not in ("", "None"):
        return value
    raise CredentialsError(
        f"conn_id: {value!r:.60} names no connection; nothing was sent. Give the id of a connection of type "
        f"{CONN_TYPE!r}; where it is a template, look at what it came out as."
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine by its spelling (no look-up)."""
    host = host.lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wrong_type(conn_type: Any) -> str | None:
    """Return what is wrong with a connection's type, None where it is ours."""
    if conn_type == CONN_TYPE:
        return None
    if not conn_type:
        return f'it has no type: write it with "conn_type": "{CONN_TYPE}", or as a URI {CONN_TYPE}://:KEY@'
    return (
        f"its type is {str(conn_type)!r:.60}, so its password is another service's: give the id of a connection of "
        f"type {CONN_TYPE!r}, or set its type (conn_type) to that if the password is the API key"
    )


def _extra(conn: Any, problems: list[str]) -> Mapping[str, Any]:
    raw = conn.extra
    try:
        # Not ``extra_dejson``: that reads what is no JSON as "no extras", and the defaults would apply.
        extra = json.loads(raw) if raw and raw.strip() else {}
    except (ValueError, RecursionError):
        extra = None
    if isinstance(extra, dict):
        return extra
    problems.append('its extra is no JSON object: write it as {"read_timeout": 60}')
    return {}


def _login(conn: Any) -> Any:
    return getattr(conn, "login", None)


def _base_url(conn: Any, allow_http: bool, problems: list[str]) -> str:  # noqa: FBT001 - as it is named in the extra
    host = (conn.host or "").strip()
    lost = path_in_schema(_redacted(host), conn.schema)
    if lost is not None:
        problems.append(lost)
        return ""
    if not host:
        return DEFAULT_BASE_URL
    if "://" not in host:
        # From a URI such as music://:KEY@127.0.0.1:8080; Airflow keeps a scheme in the schema field.
        if _is_ipv6(host):
            host = f"[{host}]"
        hostname = (urlsplit(f"//{host}").hostname if _splits(f"//{host}") else None) or ""
        scheme = conn.schema if conn.schema in ("http", "https") else "http" if is_loopback(hostname) else "https"
        host = f"{scheme}://{host}"
    parts = urlsplit(host if _splits(host) else "")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not _is_host(parts.hostname)
        or not host.isprintable()
        or parts.netloc.endswith(":")
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        problems.append(f"its base URL (host) {_redacted(host)!r:.200} is no http(s)://host[:port]")
        return ""
    if parts.port and conn.port and parts.port != conn.port:
        problems.append(f"its host names port {parts.port}, and its port field {conn.port}: give one of them")
    port = parts.port or conn.port
    if parts.scheme == "http" and not is_loopback(parts.hostname) and not allow_http:
        problems.append(
            f"its base URL (host) {_redacted(host)!r} would send the key unencrypted: "
            'use https, or set the extra "allow_http": true for a trusted network'
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # The paths of this API carry their own version: a base URL copied from another SDK ends in /v1.
    path = parts.path.rstrip("/").removesuffix("/v1").removesuffix("/v2")
    base_url = f"{parts.scheme}://{name}{f':{port}' if port else ''}{path}"
    is_call = call_in_host(base_url)
    if is_call is not None:
        problems.append(is_call)
    return base_url


def _splits(url: str) -> bool:
    """Whether ``urlsplit`` can parse it: no broken brackets, and a port from 0 to 65535 if any."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True


def _is_host(name: str) -> bool:
    if _is_ipv6(name):
        return True
    # A name in other scripts has to be written in ASCII (xn--...), as DNS has it.
    return name.isascii() and name.isprintable() and not set(name) & set(" \\/:%<>\"'`{}|^[]$&+,;=!*()~")


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6  # noqa: PLR2004 - the IP version
    except ValueError:
        return False


def _redacted(host: str) -> str:
    return host.rsplit("@", 1)[-1]


def _number(extra: Mapping[str, Any], name: str, default: float, problems: list[str]) -> float:
    value = extra.get(name)
    if value is None or value == "":
        return default
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    low, high = _BOUNDS[name]
    whole = name in _WHOLE_NUMBERS
    if not low <= number <= high or (whole and not number.is_integer()):
        kind = "whole number" if whole else "number"
        problems.append(f"its extra {name} is {value!r:.60}: give a {kind} from {low:g} to {high:g}")
        return default
    return number


def _allow_http(value: Any, problems: list[str]) -> bool:
    if value is None or value == "":
        return False
    known = _boolean(value)
    if known is None:
        problems.append(f"its extra allow_http is {value!r:.60}: give true or false")
    return bool(known)


def _audio_hosts(value: Any, problems: list[str]) -> tuple[str, ...]:
    entries = value.split(",") if isinstance(value, str) else [] if value is None else value
    names = [entry.strip() for entry in entries if isinstance(entry, str)] if isinstance(entries, list) else []
    if not isinstance(entries, list) or len(names) != len(entries) or not all(map(_is_host_pattern, names)):
        problems.append(
            f"its extra audio_hosts is {value!r:.200}: give host names without scheme, port or path, as a list or "
            'with commas, such as "cdn.example.org, .example.net"; empty means any public host'
        )
    return tuple(name.lower() for name in names if name)


def _is_host_pattern(name: str) -> bool:
    return not name or _HOSTS.fullmatch(name) is not None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        # Longer than any path, or with a NUL in it.
        return False


def _verify(value: Any, problems: list[str]) -> bool | str:
    if value is None or value == "":
        return True
    known = _boolean(value)
    if known is not None:
        return known
    if not isinstance(value, str) or not _exists(value):
        problems.append(f"its extra verify is {value!r:.200}: give true, false, or the path of a CA bundle that exists")
    return str(value)
