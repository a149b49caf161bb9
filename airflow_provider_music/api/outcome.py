# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Sent or not: what a failed paid POST means for the bill. One table, used by every paid POST.

It holds for httpx's own transport only, which tells a failed connect from a lost response.
"""

from __future__ import annotations

import socket
from typing import Literal

import httpx

from airflow_provider_music.exceptions import ApiError, RateLimitedError

#: never_left: no byte of the request reached the API; it may be submitted again.
#: not_accepted: the API rejected it before it began (429); it may be submitted again, later.
#: failed: the API reports that it failed; failed requests are not billed. The task's retries decide.
#: unknown: it may have been billed; it is not submitted again.
Outcome = Literal["never_left", "not_accepted", "failed", "unknown"]

_NEVER_LEFT: tuple[type[BaseException], ...] = (
    httpx.ConnectError,  # name resolution, refused, unreachable, TLS handshake
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,  # the proxy did not open the tunnel
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def outcome_of(exc: BaseException) -> Outcome:
    """Sort the error of a paid POST. What the table does not know is unknown, never unsent."""
    if isinstance(exc, _NEVER_LEFT):
        return "never_left"
    if isinstance(exc, RateLimitedError):
        return "not_accepted"
    if isinstance(exc, ApiError):
        return "failed"
    return "unknown"


def is_failed_look_up(exc: BaseException) -> bool:
    """Whether a connection failed because the host's name has no address, or the name service did not say one."""
    seen: BaseException | None = exc
    while seen is not None:
        # A name that no name service can look up ("a..b") is a UnicodeError.
        if isinstance(seen, socket.gaierror | UnicodeError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
