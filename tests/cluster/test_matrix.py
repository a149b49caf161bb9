# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One short run on every Airflow: both lanes, a triggerer killed in mid-wait, S3, a clear; what was paid is counted.

`make test-matrix` runs it on each version beside what its day had; the tests of the oldest and the newest do more.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness.processes import leave_nothing_behind
from harness.s3 import S3Server
from harness.sandbox import SandboxProcess, make_reference
from harness.standalone import Standalone

pytestmark = [pytest.mark.cluster, pytest.mark.matrix]

_DAGS = Path(__file__).parent / "dags" / "matrix.py"
_SONG_SECONDS = 12.0
_REPLACED = "triggerer-after-kill"
#: What a triggerer of Airflow 3 says before it exits because its supervisor and its runner lost each other.
_DEATHS = ("Trigger runner process has died", "Response read out of order", "attached to a different loop")


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
def story(tmp_path_factory):
    """Play it once: queued songs, the triggerer's death, the card's DAG beside them, a clear."""
    leave_nothing_behind()
    folder = tmp_path_factory.mktemp("matrix")
    dags = folder / "dags"
    dags.mkdir()
    (dags / _DAGS.name).write_text(_DAGS.read_text())
    sandbox = SandboxProcess(folder / "sandbox", "--delay", str(_SONG_SECONDS), key="matrix-key")
    s3 = S3Server(folder / "s3")
    env = {
        "AIRFLOW_CONN_MUSIC_DEFAULT": sandbox.connection_json(),
        "AIRFLOW_CONN_AWS_MUSIC": s3.connection_json(),
        "AIRFLOW_VAR_MUSIC_REFERENCE": str(make_reference(folder / "reference.mp3")),
        "AIRFLOW__MUSIC__OUTPUT_DIR": str(folder / "songs"),
    }
    try:
        with Standalone(folder / "airflow", dags, env) as airflow:
            yield _play(airflow, sandbox, s3)
        assert airflow.processes.members() == []
    finally:
        s3.stop()
        sandbox.stop()


def _play(airflow: Standalone, sandbox: SandboxProcess, s3: S3Server) -> Story:
    queued = airflow.run("matrix_queued")
    for task in ("wait", "stored"):
        queued.until_seen(task, "deferred")
    killed = airflow.kill_triggerer()
    airflow.start_triggerer(_REPLACED)
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
