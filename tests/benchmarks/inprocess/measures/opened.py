# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Synchronous generations that end together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inprocess.measures.plan import MIB, median, say
from inprocess.report import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inprocess.measures.plan import Plan

_MAX_MIB, _MAX_BLOCK_MS = 64.0, 50.0
_MB = 10**6


def opened(plan: Plan) -> Iterator[Row]:
    """2 MB songs beside the HTTP provider's trigger, then 20 MB songs."""
    count, turns = (50, 1) if plan.quick else (200, 2)
    ours, peers = [], []
    for turn in range(turns):
        ours.append(_run(plan, "ours", f"small-{turn}", count, 2))
        peers.append(_run(plan, "http_trigger", f"small-{turn}", count, 2))
    yield from _rows(f"{count} open generations end with 2 MB songs", ours, peers)
    large = [_run(plan, "ours", "large", count, 20)]
    yield from _rows(f"{count} open generations end with 20 MB songs", large, [])


def _run(plan: Plan, who: str, run: str, count: int, megabytes: int) -> dict[str, Any]:
    found = plan.bench.run(
        f"opened.{who}", run=run, url=plan.bench.url, count=count, size=megabytes * _MB, folder=str(plan.bench.folder)
    )
    found["cpu_a_song"] = found["cpu"] / count
    say(
        f"  {count} x {megabytes} MB, {who}: {found['rss'] / MIB:.0f} MiB, block {found['block'] * 1000:.0f} ms (own "
        f"{found['block_own'] * 1000:.0f}, GC {found['longest_gc'] * 1000:.0f}), {found['wall']:.1f} s, CPU a song "
        f"{found['cpu_a_song'] * 1000:.1f} ms"
    )
    return found


def _rows(title: str, ours: list[dict[str, Any]], peers: list[dict[str, Any]]) -> list[Row]:
    def told(figure: str, scale: float, unit: str, digits: int = 0) -> tuple[str, str, float]:
        mine = median([each[figure] for each in ours]) * scale
        theirs = f"HttpTrigger {median([each[figure] for each in peers]) * scale:.{digits}f} {unit}" if peers else ""
        return f"{mine:.{digits}f} {unit}", theirs, mine

    rss, block, own = told("rss", 1 / MIB, "MiB"), told("block", 1000, "ms"), told("block_own", 1000, "ms")
    target = f"≤ {_MAX_BLOCK_MS:.0f} ms"
    return [
        Row(f"{title}: memory over idle, in all", *rss[:2], "", f"≤ {_MAX_MIB:.0f} MiB", rss[2] <= _MAX_MIB),
        Row(f"{title}: longest block of the loop", *block[:2], "", target, block[2] <= _MAX_BLOCK_MS),
        Row(f"{title}: the same in the loop's own CPU", *own[:2], "", target, own[2] <= _MAX_BLOCK_MS),
        Row(f"{title}: CPU a song", *told("cpu_a_song", 1000, "ms", 1)[:2]),
        Row(f"{title}: until all are in place", *told("wall", 1, "s", 1)[:2]),
    ]
