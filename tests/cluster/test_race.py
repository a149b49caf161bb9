# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The race with the scheduler (apache/airflow#66374), on a machine that is busy: songs that are ready at once."""

import collections
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.settings import IS_3

from airflow_provider_music.sandbox.server import Sandbox

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.money,
    pytest.mark.skipif(not IS_3, reason="the processes are those of Airflow 3"),
]
if IS_3:
    from harness.cluster import Cluster
    from harness.processes import leave_nothing_behind

_SONGS = 60
_PATIENCE_S = 480.0
#: What the scheduler says when a trigger fired before it had seen the worker's exit.
_RACE = "finished with state success, but the task instance's state attribute is"
_BUSY = "while True: pass"


@pytest.fixture
def busy():
    """Two processes that take all the CPU they get."""
    burners = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(2)]
    yield
    for burner in burners:
        burner.kill()
        burner.wait()


def test_sixty_songs_that_are_ready_at_once_all_succeed_without_a_retry(tmp_path, busy):
    leave_nothing_behind()
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).parent / "dags" / "race.py", dags)
    with Sandbox(delay=0.5, song_seconds=1.0) as sandbox:
        env = {
            "AIRFLOW_CONN_MUSIC_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__MUSIC__OUTPUT_DIR": str(tmp_path / "songs"),
        }
        with Cluster(tmp_path / "airflow", dags, env, worker_env={}, triggerers=1) as cluster:
            run = cluster.run("race")
            deadline = time.monotonic() + _PATIENCE_S
            while cluster.api.run_state(run.dag_id, run.run_id) not in ("success", "failed"):
                assert time.monotonic() < deadline
                time.sleep(1)
            states = collections.Counter(
                state for (state,) in cluster.sql("SELECT state FROM task_instance WHERE dag_id = %s", run.dag_id)
            )
            races = cluster.processes.log_path("scheduler").read_text(errors="replace").count(_RACE)
        assert (states, races, sandbox.posts("submit")) == ({"success": _SONGS}, 0, _SONGS)
