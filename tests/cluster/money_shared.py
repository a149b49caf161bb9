# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Mapped songs that share one budget, or one request, while the worker of one of them is killed."""

import time
from collections.abc import Iterator

from harness import logs
from harness.songs import SONGS, Outcome, Song, Stage
from money_many import delivered

_PATIENCE_S = 300.0


def of_one_budget(stage: Stage, songs: int) -> list[Outcome]:
    """Ask for more songs than a budget pays."""
    song = stage.prepared("budget", "of-one-budget", "submit:late=600,times=1")
    return [_ended(song, songs, f"{songs} mapped songs, a budget for 5, kill -9 of the worker of one after its POST")]


def of_one_request(stage: Stage, songs: int) -> list[Outcome]:
    """Ask for the same song so many times at once."""
    song = stage.prepared("reuse", "of-one-request", "submit:late=600,times=1")
    return [_ended(song, songs, f"{songs} mapped tasks of one request, kill -9 of the worker that pays after its POST")]


def _ended(song: Song, songs: int, scenario: str) -> Outcome:
    cluster = song.stage.cluster
    song.start(songs=songs)
    song.until_asked()
    died = cluster.kill_worker(_waits_for_its_answer(song))
    rows = song.until_run_ended(_PATIENCE_S)
    ended = [row[1] for row in rows]
    outcome = Outcome(
        scenario,
        song.sandbox.posts(),
        delivered(song),
        "/".join(sorted(set(ended))),
        max(row[2] for row in rows),
        time.monotonic() - died,
    )
    outcome.result = {
        "succeeded": ended.count("success"),
        "refused": sum("BudgetExceededError" in _log(song, row[3], row[2]) for row in rows if row[1] == "failed"),
    }
    return outcome


def _log(song: Song, map_index: int, try_number: int) -> str:
    home = song.stage.cluster.home
    return logs.of_task(home, song.dag_id, song.run_id, "song", try_number=try_number, map_index=map_index)


def _waits_for_its_answer(song: Song) -> str:
    """Return the task instance that has sent its request and has no answer yet."""

    def alone() -> set[int] | None:
        open_ones = set(_records(song, "sent")) - set(_records(song, "accepted"))
        return open_ones if len(open_ones) == 1 else None

    (index,) = song.until(alone, "one that waits for its answer")
    return next(row[0] for row in song.rows() if row[3] == index)


def _records(song: Song, fact: str) -> Iterator[int]:
    """Yield the map index of each song that has such a fact."""
    for path in (song.stage.cluster.home / SONGS / song.dag_id).glob(f"*/{song.run_id}/song/*/take-*/{fact}.json"):
        yield int(path.parts[-3])
