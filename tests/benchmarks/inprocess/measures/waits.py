# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Many waits in one event loop."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inprocess.chart import draw
from inprocess.measures.plan import median, paired, say
from inprocess.report import Row, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inprocess.measures.plan import Plan

_OURS = ("ours", "ours, recorded")
_SENSOR = "HttpSensorTrigger"
_MAX_OVER_BARE, _MAX_OVER_SENSOR = 1.3, 0.5
_MAX_KB, _MAX_BLOCK_MS, _MAX_GROWTH = 20.0, 50.0, 1.2


@dataclass(frozen=True)
class Load:
    """So many waits.

    :param turns: how often all contenders have their turn.
    :param abreast: contenders that run at the same time, being idle most of it.
    """

    count: int
    interval: float
    song: float
    turns: int
    contenders: tuple[str, ...]
    abreast: int = 1
    conn_id: str = "music_bench"


_ALL = ("bare", "ours", "ours, recorded", _SENSOR)
_FULL = (
    Load(100, 4.0, 12.0, 2, (*_ALL, "bare httpx"), abreast=5),
    Load(1000, 6.0, 12.0, 2, _ALL, abreast=2),
    # Plain httpx queues 5,000 requests for its 100 connections in quadratic time: not a comparison any more.
    Load(5000, 12.0, 14.0, 1, _ALL, conn_id="music_bench_more"),
)
_QUICK = (Load(100, 2.0, 7.0, 1, (*_ALL, "bare httpx"), abreast=5), Load(1000, 6.0, 6.0, 1, _ALL, abreast=2))
#: A start of all at once, and a poll or two of each.
_START = Load(1000, 3.0, 1.5, 2, _ALL)


@dataclass
class Figures:
    """What the turns of one contender gave."""

    cpu_ms: list[float] = field(default_factory=list)
    kb: list[float] = field(default_factory=list)
    block_ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    gc_ms: list[float] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)

    def add(self, found: dict[str, Any], asked: dict[str, Any], count: int) -> None:
        self.cpu_ms.append(found["cpu"] / asked["polls"] * 1000)
        self.kb.append(found["rss"] / count / 1000)
        self.block_ms.append(found["block"] * 1000)
        self.own_ms.append(found["block_own"] * 1000)
        self.gc_ms.append(found["longest_gc"] * 1000)
        self.polls.append(asked["polls"] / count)
        self.lag.append(asked["lag"])


def waits(plan: Plan) -> Iterator[Row]:
    """All loads, warm; then how the cost grows; then the start in a fresh process."""
    series: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    loads = _QUICK if plan.quick else _FULL
    for load in loads:
        found = _measured(plan, load, warm=True, over=0.0 if plan.at_once else load.interval)
        yield from _rows(load, found)
        for name, figures in found.items():
            series[name].append((load.count, median(figures.cpu_ms), median(figures.kb)))
    yield from _growth(series)
    drawn = draw(series, plan.out / "cost-per-wait.png", "Median CPU of a poll and peak memory of a wait, over idle")
    say("drawn: cost-per-wait.png" if drawn else "no picture: matplotlib is not installed")
    yield from _cold(plan)


def _measured(plan: Plan, load: Load, *, warm: bool, over: float) -> dict[str, Figures]:
    found: dict[str, Figures] = {name: Figures() for name in load.contenders}
    for turn in range(load.turns):
        jobs = []
        for name in load.contenders:
            run = f"{load.count}-{turn}-{name.replace(', ', '-').replace(' ', '-')}-{'warm' if warm else 'cold'}"
            arguments = {
                "contender": name,
                "run": run,
                "url": plan.bench.url,
                "count": load.count,
                "interval": load.interval,
                "song_seconds": load.song,
                "folder": str(plan.bench.folder),
                "conn_id": load.conn_id,
                "warm": warm,
                "over": over,
            }
            jobs.append(("polling.polling", arguments))
        done = plan.bench.run_all(jobs, load.abreast)
        for name, (_, arguments), result in zip(load.contenders, jobs, done, strict=True):
            asked = plan.bench.ask(f"polls?run={arguments['run']}")
            found[name].add(result, asked, load.count)
            say(
                f"  {load.count} waits, {name}: {found[name].cpu_ms[-1]:.3f} ms a poll, {found[name].kb[-1]:.1f} KB a "
                f"wait, block {found[name].block_ms[-1]:.0f} ms (own {found[name].own_ms[-1]:.0f}, GC "
                f"{found[name].gc_ms[-1]:.0f}), {found[name].polls[-1]:.2f} polls, noticed after {asked['lag']:.1f} s"
            )
    return found


def _rows(load: Load, found: dict[str, Figures]) -> list[Row]:
    title = f"{load.count:,} waits"
    rows = []
    for name in _OURS:
        mine, how = found[name], _how(name)
        for peer, limit in (("bare", _MAX_OVER_BARE), (_SENSOR, _MAX_OVER_SENSOR)):
            ratio = paired(mine.cpu_ms, found[peer].cpu_ms)
            rows.append(
                Row(
                    f"{title} {how}: CPU a poll",
                    f"{median(mine.cpu_ms):.2f} ms",
                    f"{_told(peer)} {median(found[peer].cpu_ms):.2f} ms",
                    f"{ratio:.2f}",
                    f"≤ {limit}",
                    at_most(ratio, limit),
                )
            )
        kb = median(mine.kb)
        rows.append(
            Row(
                f"{title} {how}: memory a wait", f"{kb:.1f} KB", _peers(found, "kb", "KB"), "", "≤ 20 KB", kb <= _MAX_KB
            )
        )
        rows += _block_rows(f"{title} {how}", mine, found)
    rows.append(
        Row(
            f"{title}: polls a song ({load.interval:g} s apart, done after {load.song:g} s), noticed after at most",
            f"{median(found['ours'].polls):.1f}, {median(found['ours'].lag):.1f} s",
            ", ".join(
                f"{_told(n)} {median(f.polls):.1f}, {median(f.lag):.1f} s" for n, f in found.items() if n not in _OURS
            ),
        )
    )
    return rows


def _block_rows(title: str, mine: Figures, found: dict[str, Figures]) -> list[Row]:
    block, own = median(mine.block_ms), median(mine.own_ms)
    target = f"≤ {_MAX_BLOCK_MS:.0f} ms"
    return [
        Row(
            f"{title}: longest block of the loop",
            f"{block:.0f} ms (longest collection {median(mine.gc_ms):.0f})",
            _peers(found, "block_ms", "ms"),
            "",
            target,
            block <= _MAX_BLOCK_MS,
        ),
        Row(
            f"{title}: the same in the loop's own CPU, garbage collections left out",
            f"{own:.0f} ms",
            _peers(found, "own_ms", "ms"),
            "",
            target,
            own <= _MAX_BLOCK_MS,
        ),
    ]


def _cold(plan: Plan) -> list[Row]:
    """The start of 1,000 waits at once, in a process that has loaded the trigger's class and no more."""
    found = _measured(plan, _START, warm=False, over=0.0)
    rows = []
    for name in _OURS:
        title = f"{_START.count:,} waits {_how(name)} start at once in a fresh process, first imports included"
        rows += _block_rows(title, found[name], found)
    return rows


def _growth(series: dict[str, list[tuple[int, float, float]]]) -> list[Row]:
    rows = []
    for name in _OURS:
        by_count = {count: cpu for count, cpu, _ in series[name]}
        most, before = max(by_count), sorted(by_count)[-2]
        bare = {count: cpu for count, cpu, _ in series["bare"]}
        ratio = by_count[most] / by_count[before]
        rows.append(
            Row(
                f"CPU a poll at {most:,} waits over {before:,}, {_how(name)}",
                f"{by_count[most]:.2f} / {by_count[before]:.2f} ms",
                f"bare loop {bare[most] / bare[before]:.2f}",
                f"{ratio:.2f}",
                f"≤ {_MAX_GROWTH}",
                at_most(ratio, _MAX_GROWTH),
            )
        )
    return rows


def _how(name: str) -> str:
    return "by id" if name == "ours" else "with spec and record"


def _told(name: str) -> str:
    return {"bare": "bare loop", "bare httpx": "plain httpx"}.get(name, name)


def _peers(found: dict[str, Figures], figure: str, unit: str) -> str:
    digits = 1 if unit == "KB" else 0
    return ", ".join(
        f"{_told(name)} {median(getattr(figures, figure)):.{digits}f} {unit}"
        for name, figures in found.items()
        if name not in _OURS
    )
