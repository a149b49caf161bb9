# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Sent or not: what a broken paid request means for the bill. One table, used by every paid POST.

It holds for httpx's own transport only, which tells a failed connect from a lost answer.
"""

from __future__ import annotations

from typing import Literal

import httpx

from airflow_provider_music.exceptions import ApiError, RateLimitedError

#: never_left: no byte of the request reached the API; it may be sent again.
#: not_accepted: the API turned it away before it began (429); it may be sent again, later.
#: failed: the API says that it failed; failed requests are not billed. The task's retries decide.
#: unknown: it may have been billed; it is not sent again.
Outcome = Literal["never_left", "not_accepted", "failed", "unknown"]

_NEVER_LEFT: tuple[type[BaseException], ...] = (
    httpx.ConnectError,  # name look-up, refused, unreachable, TLS handshake
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,  # the proxy did not open the tunnel
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def outcome_of(exc: BaseException) -> Outcome:
    """Sort what broke a paid POST. What the table does not know is unknown, never unsent."""
    if isinstance(exc, _NEVER_LEFT):
        return "never_left"
    if isinstance(exc, RateLimitedError):
        return "not_accepted"
    if isinstance(exc, ApiError):
        return "failed"
    return "unknown"
