# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Reads what ``python -X importtime`` writes after a mark: what was imported, and what that took."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "-- measured from here"
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")
#: Of these two a name's first part says too little.
_SPLIT = {"airflow_provider_music": 2, "airflow": 3}


@dataclass(frozen=True)
class Imported:
    """One module; milliseconds of its own, and with what it imported in turn."""

    name: str
    own: float
    all: float


def imported_after_mark(text: str) -> list[Imported]:
    """Return the modules that were imported after the mark, in the order in which they were done."""
    _, _, after = text.partition(MARK)
    return [
        Imported(found[4], int(found[1]) / 1000, int(found[2]) / 1000)
        for line in after.splitlines()
        if (found := _LINE.match(line))
    ]


def by_package(modules: Iterable[Imported], most: int = 15) -> list[tuple[str, float, int]]:
    """Return packages with their modules' own milliseconds and number, dearest first."""
    own: defaultdict[str, float] = defaultdict(float)
    count: defaultdict[str, int] = defaultdict(int)
    for module in modules:
        parts = module.name.split(".")
        package = ".".join(parts[: _SPLIT.get(parts[0], 1)])
        own[package] += module.own
        count[package] += 1
    dearest = sorted(own, key=lambda package: -own[package])[:most]
    return [(package, own[package], count[package]) for package in dearest]


def dearest_trees(modules: Iterable[Imported], most: int = 15) -> list[Imported]:
    """Return the modules that take the longest with what they import."""
    return sorted(modules, key=lambda module: -module.all)[:most]
