# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a measure is given, and the few sums that all of them need."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inprocess.processes import Bench

MIB = 2**20


@dataclass(frozen=True)
class Plan:
    """One run of the benchmarks.

    :param quick: smaller sizes and fewer turns, for a look in between.
    :param at_once: let all waits begin at the same moment, so that those without jitter poll in step.
    :param out: where pictures go.
    """

    bench: Bench
    quick: bool
    at_once: bool
    out: Path


def say(text: str) -> None:
    """Tell whoever waits what goes on; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def paired(ours: Sequence[float], peers: Sequence[float]) -> float:
    """Median of the ratios turn by turn: what slows the machine down for a while slows both of a turn."""
    return median([one / other for one, other in zip(ours, peers, strict=True)])
