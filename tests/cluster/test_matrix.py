# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One short run on every Airflow: both lanes, a triggerer killed in mid-wait, S3, a clear; what was paid is counted.

On Airflow 3.4 also task loops, and tasks that wait for a top-up without spending a try.

`make test-matrix` runs it on each version beside what its day had; the tests of the oldest and the newest do more.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness.processes import leave_nothing_behind
from harness.s3 import S3Server
from harness.sandbox import SandboxProcess, make_reference
from harness.standalone import Standalone

from airflow_provider_music.compat import AIRFLOW

pytestmark = [pytest.mark.cluster, pytest.mark.matrix]

_DAGS = Path(__file__).parent / "dags"
_IS_3_4 = AIRFLOW >= (3, 4, 0)
#: Until the story lets the songs be done: however slow the machine is, the triggerer dies while they are made.
_LONG_SECONDS = 900.0
_SONG_SECONDS = 5.0
_SHORT_SONG_SECONDS = 5.0
_REPLACED = "triggerer-after-kill"
#: What a triggerer of Airflow 3 says before it exits because its supervisor and its runner lost each other.
_DEATHS = ("Trigger runner process has died", "Response read out of order", "attached to a different loop")


@dataclass
class Stage:
    """What it is played on; the sandboxes of loops and of the empty account have no other songs."""

    folder: Path
    airflow: Standalone
    s3: S3Server
    sandbox: SandboxProcess
    loop: SandboxProcess
    empty: SandboxProcess


@dataclass
class Story:
    """What happened, and what is left when all is over."""

    posts: dict[str, int]
    made: list[dict[str, Any]]
    songs: dict[str, dict[str, Any]]
    audio: dict[str, bytes]
    tries: dict[str, int]
    killed: int
    triggerer: str
    triggerer_log: str


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """One Airflow, its store, and the sandboxes."""
    leave_nothing_behind()
    folder = tmp_path_factory.mktemp("matrix")
    dags = folder / "dags"
    dags.mkdir()
    for name in ("matrix.py", *(("matrix_3_4.py",) if _IS_3_4 else ())):
        shutil.copy(_DAGS / name, dags)
    short = ("--delay", str(_SHORT_SONG_SECONDS), "--any-reference")
    sandbox = SandboxProcess(folder / "sandbox", "--delay", str(_LONG_SECONDS), key="matrix-key")
    loop = SandboxProcess(folder / "loop", *short, key="loop-key")
    empty = SandboxProcess(folder / "empty", *short, "--balance", "0", key="empty-key")
    s3 = S3Server(folder / "s3")
    env = {
        "AIRFLOW_CONN_MUSIC_DEFAULT": sandbox.connection_json(),
        "AIRFLOW_CONN_MUSIC_LOOP": loop.connection_json(),
        "AIRFLOW_CONN_MUSIC_EMPTY": empty.connection_json(),
        "AIRFLOW_CONN_AWS_MUSIC": s3.connection_json(),
        "AIRFLOW_VAR_MUSIC_REFERENCE": str(make_reference(folder / "reference.mp3")),
        "AIRFLOW__MUSIC__OUTPUT_DIR": str(folder / "songs"),
    }
    try:
        with Standalone(folder / "airflow", dags, env) as airflow:
            yield Stage(folder, airflow, s3, sandbox, loop, empty)
        assert airflow.processes.members() == []
    finally:
        for server in (s3, sandbox, loop, empty):
            server.stop()


@pytest.fixture(scope="module")
def story(stage):
    """Play it once: queued songs, the triggerer's death, the card's DAG beside them, a clear."""
    airflow, sandbox, s3 = stage.airflow, stage.sandbox, stage.s3
    queued = airflow.run("matrix_queued")
    for task in ("wait", "stored"):
        queued.until_seen(task, "deferred")
    killed = airflow.kill_triggerer()
    airflow.start_triggerer(_REPLACED)
    sandbox.settings(delay=_SONG_SECONDS)
    sandbox.finish()
    card = airflow.run("matrix_card")
    airflow.finish(queued)
    songs = {"wait": _song(airflow, queued, "wait"), "stored": _song(airflow, queued, "stored")}
    airflow.api.clear(queued.dag_id, queued.run_id, "stored")
    airflow.finish(card)
    songs["song"] = _song(airflow, card, "song")
    airflow.finish(queued)
    songs["stored again"] = _song(airflow, queued, "stored")
    tasks = [task for run in (queued, card) for task in airflow.api.tasks(run.dag_id, run.run_id)]
    state = sandbox.state()
    return Story(
        posts={route: count for route, count in state["posts"].items() if count},
        made=state["generations"],
        songs=songs,
        audio={name: _audio(song, s3) for name, song in songs.items()},
        tries={task.task_id: task.try_number for task in tasks},
        killed=len(killed),
        triggerer=str(airflow.api.health().get("triggerer")) if _lives(airflow) else "dead",
        triggerer_log=airflow.processes.log_path(_REPLACED).read_text(errors="replace"),
    )


def _song(airflow, run, task_id) -> dict[str, Any]:
    return dict(airflow.api.xcom(run.dag_id, run.run_id, task_id))


def _audio(song, s3) -> bytes:
    parts = urlsplit(song["audio_uri"])
    if parts.scheme == "file":
        return Path(parts.path).read_bytes()
    return s3.read(parts.path.lstrip("/")) or b""


def _lives(airflow) -> bool:
    return airflow.processes.root(_REPLACED).is_running()


def test_every_song_is_paid_once_and_the_cleared_one_once_more(story):
    assert story.posts == {"upload": 1, "generate": 1, "submit": 3}, json.dumps(story.tries)
    assert [song["submissions"] for song in story.songs.values()] == [1] * 4
    assert len(story.made) == 4


def test_every_song_lies_in_storage_as_the_api_sent_it(story):
    sent = {each["id"]: each["sha256"] for each in story.made}
    found = {name: hashlib.sha256(audio).hexdigest() for name, audio in story.audio.items()}
    queued = {name: sent[song["generation_id"]] for name, song in story.songs.items() if name != "song"}
    assert len(queued) == 3
    assert found == queued | {"song": found["song"]}
    assert found["song"] in sent.values()
    assert found == {name: song["audio"]["sha256"] for name, song in story.songs.items()}
    assert story.songs["stored"]["audio_uri"].startswith("s3://aws_music@music/songs/")


def test_no_try_failed_but_the_cleared_task_ran_twice(story):
    assert story.tries == {"submit": 1, "wait": 1, "stored": 2, "upload": 1, "song": 1}


def test_the_triggerer_that_was_started_after_the_kill_is_alive_at_the_end(story):
    assert story.killed
    assert story.triggerer == "healthy"
    assert [sign for sign in _DEATHS if sign in story.triggerer_log] == []


@dataclass
class Newest:
    """What happened to the loops and to the tasks that waited for a top-up."""

    loop_posts: dict[str, int]
    loop_posts_after_clear: dict[str, int]
    loop_tries: dict[str, int]
    refused: dict[str, int]
    topped_up: dict[str, tuple[str | None, int]]


@pytest.fixture(scope="module")
def newest(stage, story):
    """Play what only 3.4 has, after the triggerer's death: loops, a clear of one iteration, an empty account."""
    airflow = stage.airflow
    loop, credits_ = airflow.run("matrix_loop"), airflow.run("matrix_credits")
    for task in ("queued", "synchronous"):
        credits_.until_seen(task, "up_for_reschedule")
    refused = _posts(stage.empty)
    stage.empty.settings(balance=10)
    airflow.finish(loop)
    before = _posts(stage.loop)
    cleared = next(task for task in airflow.api.tasks(loop.dag_id, loop.run_id) if task.name == "verses.queued loop 1")
    airflow.api.clear_one(loop.dag_id, loop.run_id, cleared)
    airflow.finish(credits_)
    airflow.finish(loop)
    tasks = airflow.api.tasks(loop.dag_id, loop.run_id)
    return Newest(
        loop_posts=before,
        loop_posts_after_clear=_posts(stage.loop),
        loop_tries={task.name: task.try_number for task in tasks if "gate" not in task.name},
        refused=refused,
        topped_up={
            task.task_id: (task.state, task.try_number) for task in airflow.api.tasks(credits_.dag_id, credits_.run_id)
        },
    )


def _posts(sandbox: SandboxProcess) -> dict[str, int]:
    return {route: count for route, count in sandbox.state()["posts"].items() if count}


def _takes(stage: Stage, dag_id: str) -> list[str]:
    """SHA-256 of the audio of each take that a DAG's tasks delivered."""
    return sorted(
        hashlib.sha256((fact.parent / "song.mp3").read_bytes()).hexdigest()
        for fact in (stage.folder / "songs" / dag_id).rglob("delivered.json")
    )


@pytest.mark.skipif(not _IS_3_4, reason="task loops came with Airflow 3.4")
def test_each_iteration_of_a_loop_pays_once_and_gets_its_own_song(stage, newest):
    assert newest.loop_posts == {"submit": 2, "generate": 2}
    assert newest.loop_posts_after_clear == {"submit": 3, "generate": 2}
    assert newest.loop_tries == {
        "choruses.synchronous loop 0": 1,
        "choruses.synchronous loop 1": 1,
        "verses.queued loop 0": 1,
        "verses.queued loop 1": 2,
    }
    made = sorted(generation["sha256"] for generation in stage.loop.generations())
    # The sandbox sings the cleared iteration's request as it did before.
    assert (len(made), len(set(made))) == (5, 4)
    assert _takes(stage, "matrix_loop") == made


@pytest.mark.skipif(not _IS_3_4, reason="a retry policy can put a task off from Airflow 3.4 on")
def test_a_task_that_is_out_of_credits_is_put_off_until_the_top_up_and_pays_once(stage, newest):
    assert set(newest.refused) == {"submit", "generate"}
    assert newest.topped_up == {"queued": ("success", 1), "synchronous": ("success", 1)}
    # Only what was accepted makes a song, and a bill.
    assert len(stage.empty.generations()) == 2
    assert _takes(stage, "matrix_credits") == sorted(made["sha256"] for made in stage.empty.generations())
