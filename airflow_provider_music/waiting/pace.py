# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""When to ask next. Delays are seconds and carry jitter, so that songs asked for together do not poll together."""

from __future__ import annotations

import random
from dataclasses import dataclass

_JITTER = 0.1
_FIRST = 3.0
_CLOSE = 4.0
_SLOWEST = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of polls for one song.

    A refused request shows early, so the first polls come soon and then thin out; near the model's usual
    time they come close together, and after it they back off to one a minute.

    :param usual_seconds: how long such a song usually takes.
    :param fixed: an interval that the DAG's author set; it replaces the model's pace.
    """

    usual_seconds: float
    fixed: float | None = None

    def delay(self, elapsed: float) -> float:
        """Seconds to wait after ``elapsed`` seconds since the song was asked for."""
        return self.plain(elapsed) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load

    def plain(self, elapsed: float) -> float:
        """Return the delay before jitter."""
        if self.fixed is not None:
            return self.fixed
        left = self.usual_seconds * 0.9 - elapsed
        if left > 0:
            return max(min(max(elapsed, _FIRST), left / 2), _FIRST)
        return min(_CLOSE + max(0.0, elapsed - self.usual_seconds) * 0.2, _SLOWEST)


def backoff(failures: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Seconds to wait after that many failures in a row: doubling, with jitter."""
    return min(first * 2.0 ** min(failures - 1, 16), longest) * random.uniform(0.75, 1.25)  # noqa: S311
