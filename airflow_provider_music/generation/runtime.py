# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where the coroutines of a generation run: two clocks, and an event loop for a worker.

A triggerer has a loop of its own. A worker makes one for as long as it takes, so there is one way to submit and
to wait. Deadlines outlive a process, so they are wall-clock time; durations within a process are monotonic time, which
nobody sets back. Tests replace :func:`now`, :func:`monotonic` and :func:`sleep`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_music.hooks.clients import close_clients

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


def monotonic() -> float:
    """Seconds of a clock that nobody sets, for durations within this process."""
    return time.monotonic()


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


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own and close the loop's connections; for workers."""

    async def closing() -> T:
        try:
            return await work
        finally:
            await close_clients()

    return asyncio.run(closing())
