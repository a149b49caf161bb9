# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The triggerer's one thread: when it says that it was blocked, and whether it only lacked a core."""

import re
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_LINE = re.compile(r"^(\S+Z) .*async thread was blocked for ([0-9.]+) seconds")
_EVERY_S = 0.02
#: Airflow's watchdog sleeps a tenth of a second, and complains when that took longer than two.
_THRESHOLD_S = 0.2


@dataclass(frozen=True)
class Block:
    """A complaint of the watchdog.

    :param seconds: how long its nap took, of which 0.1 s were wanted.
    :param starved: of these, seconds for which the thread was ready to run and had no core.
    """

    at: float
    seconds: float
    starved: float

    @property
    def own(self) -> bool:
        """Whether there had been a complaint on a machine with a core to spare."""
        return self.seconds - self.starved > _THRESHOLD_S


class LoopThread:
    """Watches, from outside, how long the thread that runs all triggers waits for a core (Linux's schedstat)."""

    def __init__(self, pid: int, log: Path) -> None:
        """Take the process that runs the triggers, and the log of the triggerer."""
        self._stat = Path(f"/proc/{pid}/task/{pid}/schedstat")
        self._log = log
        self._times: list[float] = []
        self._starved: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-thread", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stop.set()
        self._thread.join()

    def starved(self, begin: float, end: float) -> float:
        """Seconds without a core between two times (seconds since 1970)."""
        return self._until(end) - self._until(begin)

    def blocks(self, begin: float, end: float) -> list[Block]:
        """Read the complaints that were logged between two times."""
        found = read_blocks(self._log.read_text(errors="replace").splitlines())
        return [
            # The kernel counts a wait for a core when it ends, just before the thread complains.
            Block(at, seconds, min(seconds, self.starved(at - seconds, at)))
            for at, seconds in found
            if begin <= at <= end
        ]

    def _until(self, moment: float) -> float:
        """Between two samples the time without a core is taken to have grown evenly."""
        return interpolated(self._times, self._starved, moment)

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                starved = int(self._stat.read_text().split()[1]) / 1e9
            except OSError:  # the triggerer has ended
                return
            self._starved.append(starved)
            self._times.append(time.time())


def interpolated(times: Sequence[float], values: Sequence[float], moment: float) -> float:
    """Read a value between two samples; before the first and after the last it is theirs."""
    if not times:
        return 0.0
    place = bisect_right(times, moment)
    if place in (0, len(times)):
        return values[max(0, place - 1)]
    (begin, end), (low, high) = times[place - 1 : place + 1], values[place - 1 : place + 1]
    return low + (high - low) * (moment - begin) / (end - begin)


def read_blocks(lines: Iterable[str]) -> list[tuple[float, float]]:
    """Read when and for how long the thread was blocked, from what the triggerer printed."""
    found = (_LINE.search(line) for line in lines)
    return [(datetime.fromisoformat(match[1]).timestamp(), float(match[2])) for match in found if match]
