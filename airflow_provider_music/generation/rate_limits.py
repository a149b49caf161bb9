# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a thousand waits in one event loop may do at once, so that they are no burst on API, memory or loop.

Each limit counts in one event loop: the triggerer's, for all of its tasks together.
"""

from __future__ import annotations

import asyncio
import math
import weakref
from typing import TYPE_CHECKING

from airflow_provider_music.generation import runtime

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from airflow_provider_music.api.connection import MusicSettings

#: Waits that read their record at once; a thousand that start together would block the loop for a second.
_STARTS_AT_ONCE = 4
#: Songs of the synchronous lane whose bytes are taken at once; the others' bytes wait in their sockets.
_BODIES_AT_ONCE = 8
#: The longest pause that one response can impose on all waits.
_LONGEST_PAUSE_SECONDS = 120.0
#: Polls that may follow each other at once after a quiet while.
_BURST = 10


class _Share:
    """What the waits of one event loop share."""

    def __init__(self) -> None:
        self.starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self.bodies = asyncio.Semaphore(_BODIES_AT_ONCE)
        self.generations: dict[tuple[str, int], asyncio.Semaphore] = {}
        self.polls: dict[tuple[str, float], TokenBucket] = {}


_shares: weakref.WeakKeyDictionary[AbstractEventLoop, _Share] = weakref.WeakKeyDictionary()


def _share() -> _Share:
    loop = asyncio.get_running_loop()
    found = _shares.get(loop)
    if found is None:
        found = _shares[loop] = _Share()
    return found


def starts() -> asyncio.Semaphore:
    """Slots for waits that begin, as an async context manager."""
    return _share().starts


def bodies() -> asyncio.Semaphore:
    """Slots for songs that are being taken from the network, as an async context manager."""
    return _share().bodies


async def slot_before(deadline: float, slots: asyncio.Semaphore) -> bool:
    """Take one of the slots, to be released by the caller; False where the deadline comes first.

    :param deadline: seconds since 1970.
    """
    left = deadline - runtime.now()
    if left <= 0:
        return False
    try:
        async with asyncio.timeout(left):
            return await slots.acquire()
    except TimeoutError:
        return False


def open_generations(settings: MusicSettings) -> asyncio.Semaphore:
    """Slots for synchronous generations whose POST is open: ``max_open_generations`` of the connection."""
    key = (settings.conn_id, settings.max_open_generations)
    known = _share().generations
    if key not in known:
        known[key] = asyncio.Semaphore(settings.max_open_generations)
    return known[key]


def polls(settings: MusicSettings) -> TokenBucket:
    """Return the token bucket of the connection's polls: ``max_polls_per_second``."""
    key = (settings.conn_id, settings.max_polls_per_second)
    known = _share().polls
    if key not in known:
        known[key] = TokenBucket(settings.max_polls_per_second)
    return known[key]


class TokenBucket:
    """Lets so many through a second, in order; the rest wait for their turn.

    It keeps one time instead of a queue (the generic cell rate algorithm), so ten thousand waiters cost nothing.
    That time is monotonic: by a wall clock that is set back by minutes all polls would stop for as long.

    :param rate: turns a second.
    """

    def __init__(self, rate: float) -> None:
        self._every = 1.0 / rate
        self._next = -math.inf

    async def turn(self, deadline: float = math.inf) -> bool:
        """Wait for a turn; False where the deadline (seconds since 1970) comes first."""
        now, left = runtime.monotonic(), deadline - runtime.now()
        at = max(self._next, now - _BURST * self._every)
        if at - now > left:
            await runtime.sleep(max(left, 0.0))
            return False
        self._next = at + self._every
        if at > now:
            await runtime.sleep(at - now)
        return True

    def pause(self, seconds: float) -> None:
        """Give no turn for so long, within reason: a response said ``Retry-After``."""
        self._next = max(self._next, runtime.monotonic() + min(seconds, _LONGEST_PAUSE_SECONDS))
