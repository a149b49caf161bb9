# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand waits in two processes, as in two triggerers; one is killed, and a third takes its waits over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from inprocess.measures.plan import say
from inprocess.report import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inprocess.measures.plan import Plan

_EACH, _QUICK = 5000, 500
#: Seconds between polls, until one is killed, and until all songs are done.
_PACE, _KILL, _DONE = 60.0, 110.0, 200.0
_END_SECONDS = 900.0
_LEFT, _KEPT = "runner-left", "runner-kept"


def runners(plan: Plan) -> Iterator[Row]:
    """Two runners; the one that lives on, and the one that takes over, say what they cost."""
    each, done_at = _QUICK if plan.quick else _EACH, time.time() + _DONE
    killed, kept = (_start(plan, run, each, done_at) for run in (_LEFT, _KEPT))
    try:
        time.sleep(_KILL)
        killed.kill()
        killed.communicate()
        before = plan.bench.ask(f"polls?run={_LEFT}")
        say(f"  killed one after {before['polls']} polls of its {each} waits, {before['noticed']} songs noticed")
        heir = _start(plan, _LEFT, each, done_at)
        results = [plan.bench.result_of(child, _END_SECONDS) for child in (kept, heir)]
    finally:
        for child in (killed, kept):
            child.kill()
    told = [plan.bench.ask(f"polls?run={run}") for run in (_KEPT, _LEFT)]
    polls = told[0]["polls"], told[1]["polls"] - before["polls"]
    noticed = told[0]["noticed"] + told[1]["noticed"]
    yield from _rows(each, results, polls, noticed)


def _start(plan: Plan, run: str, each: int, done_at: float) -> Any:
    arguments = {
        "contender": "ours",
        "run": run,
        "url": plan.bench.url,
        "count": each,
        "interval": _PACE,
        "song_seconds": _DONE,
        "folder": str(plan.bench.folder),
        "conn_id": "music_bench_more",
        "warm": True,
        "over": _PACE,
        "done_at": done_at,
    }
    return plan.bench.start("polling.polling", **arguments)


def _rows(each: int, results: list[dict[str, Any]], polls: tuple[int, int], noticed: int) -> Iterator[Row]:
    title = f"{2 * each:,} waits in two processes, one killed"
    names = ("lives on", "takes over")
    cpu = [result["cpu"] / count * 1000 for result, count in zip(results, polls, strict=True)]
    figures = {
        "CPU a poll": [f"{value:.2f} ms" for value in cpu],
        "memory a wait": [f"{result['rss'] / each / 1000:.1f} KB" for result in results],
        "longest block of the loop": [f"{result['block'] * 1000:.0f} ms" for result in results],
        "... own CPU, garbage collections left out": [f"{result['block_own'] * 1000:.0f} ms" for result in results],
        "polls": [f"{count:,}" for count in polls],
    }
    for name, values in figures.items():
        yield Row(f"{title}: {name}", ", ".join(f"{who} {value}" for who, value in zip(names, values, strict=True)))
    lost = 2 * each - noticed
    yield Row(f"{title}: songs noticed", f"{noticed:,}", "", "", f"{2 * each:,}", met=lost == 0)
