# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The table of all rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from money.points import ABOUT, Point

if TYPE_CHECKING:
    from collections.abc import Iterable

    from money.rounds import Round

_HEAD = ("", "POSTs", "USD", "songs delivered", "paid and lost", "what a person has to do")


@dataclass
class Result:
    """What a contender did at all points.

    :param broken: why it was not measured, or not to its end.
    """

    name: str
    versions: str = ""
    retold: str = ""
    rounds: dict[Point, Round] = field(default_factory=dict)
    broken: str = ""

    def total(self, figure: str) -> float:
        """Return the sum of a figure over the points."""
        return sum(getattr(each, figure) for each in self.rounds.values())

    @property
    def left(self) -> int:
        """Songs that it leaves to a person."""
        return sum(len(each.left) for each in self.rounds.values())

    def work(self) -> str:
        """Say what a person has to do."""
        said = []
        if self.left:
            said.append(f"{_songs(self.left)}: {self.retold}")
        afters = [(each, each.after) for each in self.rounds.values() if each.after]
        if afters:
            paid = sum(after[1] - each.paid for each, after in afters)
            said.append(f"which brings {_songs(int(self.total('cleared')))} for {paid} bills")
        extra = int(self.total("lost")) - self.left_and_paid()
        if extra > 0:
            said.append(f"{_songs(extra)} paid twice: find it on the bill, nothing else says so")
        return "; ".join(said) or "nothing"

    def left_and_paid(self) -> int:
        """Songs left to a person that are paid: at all points but the first, each."""
        return sum(min(len(each.left), each.lost) for each in self.rounds.values())


def table(results: Iterable[Result]) -> str:
    """Sum up each contender in a line, in Markdown."""
    lines = [_HEAD, ("---",) * len(_HEAD)]
    for result in results:
        if result.broken:
            lines.append((result.name, "", "", "", "", f"not measured: {result.broken}"))
            continue
        counts = [f"{int(result.total(figure))}" for figure in ("posts", "delivered", "lost")]
        lines.append((result.name, counts[0], f"{result.total('usd'):.2f}", *counts[1:], result.work()))
    return _markdown(lines)


def by_point(results: Iterable[Result]) -> str:
    """Say what each did at each point: POSTs / songs delivered, of so many."""
    results = [result for result in results if not result.broken]
    songs = {point: result.rounds[point].songs for result in results[:1] for point in result.rounds}
    lines = [("", *(f"{point}: {songs[point]}" for point in songs)), ("---",) * (len(songs) + 1)]
    lines += [(each.name, *(f"{r.posts} / {r.delivered}" for r in each.rounds.values())) for each in results]
    return _markdown(lines)


def points() -> str:
    """Say what the points are."""
    return "\n".join(f"- **{point}**: {about}." for point, about in ABOUT.items()) + "\n"


def _songs(count: int) -> str:
    return "1 song" if count == 1 else f"{count} songs"


def _markdown(lines: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
