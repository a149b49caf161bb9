# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "batch": a hundred songs as mapped tasks, beside one task that asks for all of them."""

from collections.abc import Iterator

from harness.sandbox import SandboxProcess

from cluster.report import Line
from cluster.stage import Measured, Stage

_SONGS, _DELAY_S = 100, 4.0
_TIMEOUT_S = 600.0
_SHARE = 15


def measure(stage: Stage, sandbox: SandboxProcess) -> Iterator[Line]:
    """Mapped first, then the batch; the "peer" is the mapped side."""
    sandbox.settings(delay=_DELAY_S, song_bytes=None, song_seconds=5.0)
    for dag in ("batch_mapped_1", "batch_one_1"):
        stage.warm_up(dag)
    mapped = stage.run("batch_mapped_100", _SONGS, _TIMEOUT_S)
    begun = len(sandbox.generations())
    batch = stage.run("batch_one_100", _SONGS, _TIMEOUT_S)
    made = len(sandbox.generations()) - begun
    yield from _lines(batch, mapped, made)


def _lines(batch: Measured, mapped: Measured, made: int) -> Iterator[Line]:
    row = f"{_SONGS} songs, one batch task; peer: {_SONGS} mapped tasks"
    done = made if batch.done == 1 else 0
    yield Line(row, "songs done", done, mapped.done, "all", met=done == mapped.done == _SONGS)
    yield Line(row, "wall, s", batch.seconds, mapped.seconds)
    ours, theirs = batch.each["scheduler"], mapped.each["scheduler"]
    met = ours <= theirs / _SHARE
    yield Line(row, "scheduler and workers, CPU a song over idle, s", ours, theirs, f"<= 1/{_SHARE} of mapped", met)
    for name in ("triggerer", "api-server", "postgres"):
        yield Line(row, f"{name}, CPU a song over idle, s", batch.each[name], mapped.each[name])
    growth = [each.growth.total / each.count for each in (batch, mapped)]
    yield Line(row, "database growth a song, bytes", *growth)
    yield Line(row, '"blocked" lines of the triggerer', len(batch.blocks), len(mapped.blocks))
    yield Line(row, "... that a machine with a core to spare had seen too", batch.own_blocks, mapped.own_blocks)
