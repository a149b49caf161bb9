# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The table of a run, and what it ran on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PACKAGES = (
    "apache-airflow",
    "airflow-provider-music",
    "apache-airflow-providers-http",
    "httpx",
    "httpx-aiohttp",
    "aiohttp",
    "s3fs",
)
_HEAD = ("measure", "ours", "beside it", "ratio", "target", "met")


@dataclass(frozen=True)
class Row:
    """One line of the table; ``met`` is None where nothing was promised."""

    measure: str
    ours: str
    peers: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        met = "" if self.met is None else "yes" if self.met else "**no**"
        return self.measure, self.ours, self.peers, self.ratio, self.target, met


def table(rows: Iterable[Row]) -> str:
    """Markdown."""
    lines = [_HEAD, tuple("---" for _ in _HEAD), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def head() -> str:
    """Date, machine and versions, in Markdown."""
    versions = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {cpu_model()}, {os.cpu_count()} cores, load {load} · "
        f"Python {platform.python_version()} on {platform.system()} {platform.release()}\n\n{versions}\n"
    )


def cpu_model() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def at_most(value: float, limit: float) -> bool:
    """Whether a figure meets its target, as it is printed: two digits."""
    return round(value, 2) <= limit


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
