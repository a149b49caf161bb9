# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Wall-clock time for deadlines, which outlive a process; in a module of its own so that tests can hold it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


def now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


async def sleep(seconds: float) -> None:
    """Wait; tests replace it."""
    await asyncio.sleep(seconds)


async def sleep_until(deadline: float, seconds: float) -> bool:
    """Wait that long, but not past the deadline; False when the deadline is reached."""
    left = deadline - now()
    if left <= 0:
        return False
    await sleep(min(seconds, left))
    return True


def seconds_of(value: timedelta | float) -> float:
    """Return a duration in seconds."""
    return float(value) if isinstance(value, int | float) else value.total_seconds()
