# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How long a host that has no address is tried: a misspelled base URL should not use up a task's whole deadline.

Only while the host has never answered in this process, see :func:`airflow_provider_music.api.client.has_answered`;
after that, a name service that is away is waited for like any other outage.
"""

from __future__ import annotations

from airflow_provider_music.generation import runtime

#: From the first failed look-up; with the last one, a task fails within two minutes.
UNKNOWN_HOST_SECONDS = 100.0
#: Between two look-ups.
_LONGEST_PAUSE = 15.0
#: Failures further apart than this are of two outages.
_SAME_OUTAGE_SECONDS = 60.0
#: The first and the last failed look-up, on the elapsed clock, by base URL: a batch's songs share them.
_failures: dict[str, tuple[float, float]] = {}


def seconds_without_address(base_url: str) -> float:
    """Note that a look-up failed now, and return for how long that has gone on."""
    now = runtime.monotonic()
    first, last = _failures.get(base_url, (now, now))
    if now - last > _SAME_OUTAGE_SECONDS:
        first = now
    _failures[base_url] = (first, now)
    return now - first


def pause_before_next(seconds: float, pause: float) -> float | None:
    """Return how long to wait before the next look-up; None once it has failed for long enough.

    :param seconds: for how long it has failed, see :func:`seconds_without_address`.
    :param pause: what would be waited after any other failure.
    """
    left = UNKNOWN_HOST_SECONDS - seconds
    return min(pause, _LONGEST_PAUSE, left) if left > 0 else None


def after(message: str, seconds: float) -> str:
    """Add to an error's message for how long it was tried."""
    return f"{message.rstrip('.')}. Tried for {seconds:.0f} s."
