# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One large song, to a folder and to S3."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inprocess.measures.plan import MIB, Plan, median, paired, say
from inprocess.report import Row, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIN_SPEED = 0.7
_MAX_MIB = {"a folder": 16.0, "S3": 32.0}
_MB = 10**6


def landing(plan: Plan) -> Iterator[Row]:
    """Both lanes, each beside the few lines of httpx that anybody would write; those check nothing."""
    size = (40 if plan.quick else 200) * _MB
    yield from _into(plan, "a folder", f"file://{plan.bench.folder}/landing", size, 1 if plan.quick else 2)
    with _s3(plan) as target:
        yield from _into(plan, "S3", target, size, 1)


def _into(plan: Plan, store: str, target: str, size: int, turns: int) -> list[Row]:
    rows = []
    for lane in ("queued", "synchronous"):
        ours, bare = [], []
        for _ in range(turns):
            ours.append(_run(plan, f"ours, {lane}", target, size))
            bare.append(_run(plan, f"bare, {lane}", target, size))
        title = f"{size // _MB} MB song to {store}, {lane} lane"
        mine, theirs = ([each[name] for each in ours] for name in ("rss", "wall")), [each["wall"] for each in bare]
        rss, walls = mine
        mib, ratio = median(rss) / MIB, 1 / paired(walls, theirs)
        limit = _MAX_MIB[store]
        bare_mib = median([each["rss"] for each in bare]) / MIB
        rows += [
            Row(
                f"{title}: memory over idle",
                f"{mib:.1f} MiB",
                f"bare client {bare_mib:.1f} MiB",
                "",
                f"≤ {limit:.0f} MiB",
                mib <= limit,
            ),
            Row(
                f"{title}: speed",
                f"{size / _MB / median(walls):.0f} MB/s",
                f"bare client {size / _MB / median(theirs):.0f} MB/s",
                f"{ratio:.2f}",
                f"≥ {_MIN_SPEED}",
                at_most(-ratio, -_MIN_SPEED),
            ),
        ]
    return rows


def _run(plan: Plan, what: str, target: str, size: int) -> dict[str, Any]:
    found = plan.bench.run("landing.landing", what=what, url=plan.bench.url, target=target, size=size)
    say(
        f"  {size // _MB} MB to {target.partition(':')[0]}, {what}: {found['rss'] / MIB:.1f} MiB, "
        f"{size / _MB / found['wall']:.0f} MB/s, CPU {found['cpu']:.2f} s"
    )
    return found


@contextmanager
def _s3(plan: Plan) -> Iterator[str]:
    """moto's server with a bucket, as the real-Airflow tests have it."""
    sys.path.append(str(Path(__file__).parents[3] / "cluster"))
    from harness.s3 import S3Server

    server = S3Server(plan.bench.folder / "s3-logs")
    plan.bench.env["AIRFLOW_CONN_BENCH_S3"] = server.connection_json()
    try:
        yield f"s3://bench_s3@{server.bucket}/landing"
    finally:
        server.stop()
