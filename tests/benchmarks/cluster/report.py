# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The table of what was measured."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One figure of ours beside the peer's.

    :param target: what is to be held, in words.
    :param met: whether it is; None where there is no target.
    """

    row: str
    measure: str
    ours: float | str
    peer: float | str | None = None
    target: str = ""
    met: bool | None = None

    def cells(self) -> list[str]:
        """The line as text, cell by cell."""
        met = "" if self.met is None else "yes" if self.met else "NO"
        return [self.row, self.measure, number(self.ours), number(self.peer), self._ratio(), self.target, met]

    def _ratio(self) -> str:
        numbers = isinstance(self.ours, int | float) and isinstance(self.peer, int | float)
        return number(self.ours / self.peer) if numbers and self.peer else ""


def number(value: float | str | None) -> str:
    """Write a count as it is; of a measurement, three digits are all that is worth anything."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0 or math.isnan(value):
        return "0" if value == 0 else "?"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def table(lines: Iterable[Line]) -> str:
    """Markdown; a row's name stands beside its first line."""
    head = ["row", "measure", "ours", "peer", "ours / peer", "target", "met"]
    rows, named = [head, ["---"] * len(head)], ""
    for line in lines:
        name, *cells = line.cells()
        rows.append(["" if name == named else name, *cells])
        named = name
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
