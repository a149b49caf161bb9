# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a process costs: CPU time, memory at its peak, and how long its event loop stood still."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from pathlib import Path
from typing import Any, Self

_TICK_SECONDS = 0.005
_CALIBRATION_SECONDS = 0.5
_STATUS = Path("/proc/self/status")


def rss_bytes() -> int:
    """Resident memory of this process now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """Resident memory of this process at its highest since :func:`forget_peak`, as the kernel kept it."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Let the kernel count the peak from here; where it cannot, the peak is that of the whole process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _status(name: str) -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) * 1024


class Ticker:
    """A timer in the loop, due every few milliseconds: how late it comes is how long the loop stood still.

    Two things come on top of what the loop's own code does: a machine that others use too, and full garbage
    collections, whose length goes by all that Airflow has in memory. So ``own`` is the longest block counted in the
    CPU that the loop's thread burned, collections left out.
    """

    def __init__(self) -> None:
        self.late = self.late_at = self.own = 0.0
        self.longest_gc = self._gc = self._gc_began = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.late = self.late_at = self.own = self.longest_gc = self._gc = 0.0
        self._cpu = time.thread_time()
        gc.callbacks.append(self._on_gc)
        self._next()

    def stop(self) -> None:
        gc.callbacks.remove(self._on_gc)
        if self._handle is not None:
            self._handle.cancel()

    def _next(self) -> None:
        self._due = self._loop.time() + _TICK_SECONDS
        self._handle = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        late, cpu = self._loop.time() - self._due, time.thread_time()
        if late > self.late:
            self.late, self.late_at = late, self._loop.time() - self._began
        self.own = max(self.own, min(late, cpu - self._cpu) - self._gc)
        self._cpu, self._gc = cpu, 0.0
        self._next()

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._gc_began = now
        else:
            self._gc += now - self._gc_began
            self.longest_gc = max(self.longest_gc, now - self._gc_began)


class Meter:
    """Measures a block of asynchronous work; ``async with Meter() as meter: ...``, then ``meter.result``."""

    #: What measuring needs before it begins.
    before_seconds = _CALIBRATION_SECONDS

    def __init__(self) -> None:
        self._ticker = Ticker()
        self.result: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self._tick_cpu = await self._cost_of_ticking()
        gc.collect()
        forget_peak()
        self._rss, self._wall, self._cpu = rss_bytes(), time.perf_counter(), time.process_time()
        self._ticker.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        # The last callbacks belong to the block: a loop that stands still at the very end counts too.
        await asyncio.sleep(2 * _TICK_SECONDS)
        self._ticker.stop()
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        self.result = {
            "cpu": max(0.0, cpu - self._tick_cpu * wall),
            "wall": wall,
            "rss": max(0, peak_bytes() - self._rss),
            "block": self._ticker.late,
            "block_at": self._ticker.late_at,
            "block_own": self._ticker.own,
            "longest_gc": self._ticker.longest_gc,
        }

    async def _cost_of_ticking(self) -> float:
        """CPU seconds per second that the ticker itself takes in an idle loop."""
        began, cpu = time.perf_counter(), time.process_time()
        self._ticker.start()
        await asyncio.sleep(_CALIBRATION_SECONDS)
        self._ticker.stop()
        return (time.process_time() - cpu) / (time.perf_counter() - began)
