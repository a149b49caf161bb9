# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""When to ask next. Delays are seconds and carry jitter, so that songs asked for together do not poll together."""

from __future__ import annotations

import random
from dataclasses import dataclass

_JITTER = 0.1
_FIRST = 4.0
_SLOWEST = 60.0
#: In parts of the model's usual time: where the close polls begin, how far apart they are, and where they thin out.
_NEAR, _STEP, _LATE = 0.6, 0.1, 1.3
_CLOSEST = 2.0
_THINNING = 0.12


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of polls for one song.

    The first come soon, since a refusal and a quick song show early, each after twice the time of the one before;
    near the model's usual time they come at a tenth of it, and long after it they thin out to one a minute.

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
        step = max(_STEP * self.usual_seconds, _CLOSEST)
        before = _NEAR * self.usual_seconds - elapsed
        # A poll just short of the close ones would only double the first of them.
        if before > step / 2:
            return max(min(max(elapsed, _FIRST), before), _CLOSEST)
        return min(step + max(0.0, elapsed - _LATE * self.usual_seconds) * _THINNING, _SLOWEST)


def backoff(failures: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Seconds to wait after that many failures in a row: doubling, with jitter."""
    return min(first * 2.0 ** min(failures - 1, 16), longest) * random.uniform(0.75, 1.25)  # noqa: S311
