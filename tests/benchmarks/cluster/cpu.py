# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""CPU time of Airflow's components, each with every process that it ever started."""

import contextlib
from collections.abc import Mapping
from typing import Self

import psutil


def seconds_of(root: psutil.Process) -> float:
    """CPU seconds of a process and of all below it, those that have ended too.

    A process that ended and was waited for counts in its parent's `children_*`; one that nobody has waited for
    yet still stands in /proc. LocalExecutor's workers live as long as the scheduler and wait for the task
    processes that they fork, so nothing is lost.
    """
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


class Cpu(dict[str, float]):
    """CPU seconds by component, at one moment or between two."""

    @classmethod
    def now(cls, roots: Mapping[str, psutil.Process]) -> Self:
        """Read them all."""
        return cls({name: seconds_of(root) for name, root in roots.items()})

    def since(self, before: Mapping[str, float]) -> Self:
        """Subtract an earlier reading."""
        return type(self)({name: value - before[name] for name, value in self.items()})

    def over_idle(self, idle: Mapping[str, float], seconds: float) -> Self:
        """Subtract what the same time costs while nothing runs; `idle` is in CPU seconds a second."""
        return type(self)({name: max(0.0, value - idle[name] * seconds) for name, value in self.items()})

    def each(self, count: float) -> Self:
        """Share it out."""
        return type(self)({name: value / count for name, value in self.items()})

    @property
    def work(self) -> float:
        """Scheduler with its workers and their tasks."""
        return self["scheduler"]
