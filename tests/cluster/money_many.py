# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Many mapped songs that end at once: Airflow itself fails some of their tasks, and their retries pay nothing."""

import hashlib
import json
from pathlib import Path

from harness.songs import SONGS, Outcome, Song, Stage

_PATIENCE_S = 240.0
#: What the scheduler says when a trigger fired before it had seen the worker's exit.
RACE = "finished with state success, but the task instance's state attribute is"


def many_at_once(stage: Stage, lane: str, songs: int, delay: float) -> list[Outcome]:
    """Ask for so many songs, each of which takes so many seconds."""
    song = stage.prepared(f"many_{lane}", f"many-{lane}", delay=delay)
    log = stage.cluster.processes.log_path("scheduler")
    races = log.read_text(errors="replace").count(RACE)
    song.start(songs=songs)
    rows = song.until_run_ended(_PATIENCE_S)
    states = {row[1] for row in rows}
    outcome = Outcome(
        f"{songs} mapped songs that end at once, {lane}",
        song.sandbox.posts(),
        delivered(song),
        "/".join(sorted(states)),
        max(row[2] for row in rows),
    )
    outcome.result = {
        "tasks": len(rows),
        "failed by Airflow": log.read_text(errors="replace").count(RACE) - races,
        "tried again": sum(row[2] > 1 for row in rows),
    }
    outcome.scenario += f" ({outcome.result['failed by Airflow']} failed by Airflow itself, tried again)"
    return [outcome]


def delivered(song: Song) -> int:
    """Count the takes that were handed on and are, to the byte, songs that the sandbox made."""
    known = {generation["sha256"] for generation in song.sandbox.generations()}
    count = 0
    for fact in (song.stage.cluster.home / SONGS / song.dag_id).glob(f"*/{song.run_id}/song/*/take-*/delivered.json"):
        completed = json.loads(fact.with_name("completed.json").read_text())
        # A song of another task lies where that one landed it.
        audio = Path(completed["audio_uri"].removeprefix("file://")).read_bytes()
        count += hashlib.sha256(audio).hexdigest() in known
    return count
