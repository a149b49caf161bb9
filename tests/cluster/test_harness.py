# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The harness does what it says, on whichever Airflow runs it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.cluster

_DAG = "wait_a_little"
_START_AND_HANG = """
import sys
from pathlib import Path
from harness.processes import leave_nothing_behind
from harness.standalone import Standalone
leave_nothing_behind()
home = Path(sys.argv[1])
Standalone(home, home / "dags").start()
"""


@pytest.fixture(scope="module")
def ended(cluster):
    """Return a run that went through worker, triggerer and worker."""
    run = cluster.run(_DAG, {"seconds": 6})
    return cluster.finish(run)


def test_a_run_is_watched_from_the_worker_over_the_triggerer_to_its_end(ended):
    states = ended.states("wait")
    assert "deferred" in states
    assert states[-1] == "success"


def test_a_deferred_task_holds_no_slot(ended):
    slots = next(change.slots for change in ended.changes if change.state == "deferred")
    assert slots["running_slots"] + slots["queued_slots"] == 0
    assert slots["deferred_slots"] == 1
    assert ended.slots_held_while_waiting == 0


def test_xcom_comes_back_as_the_objects_that_were_handed_on(cluster, ended):
    assert cluster.api.xcom_keys(_DAG, ended.run_id, "wait") == {"return_value", "word"}
    assert cluster.api.xcom(_DAG, ended.run_id, "wait")["waited"] is True
    assert cluster.api.xcom(_DAG, ended.run_id, "wait", "word") == "done"
    assert cluster.api.xcom(_DAG, ended.run_id, "take", map_index=1) == [2, True]


def test_the_log_of_a_try_has_what_worker_and_triggerer_said(cluster, ended):
    log = cluster.task_log(ended, "wait")
    assert "waiting 6.0 s" in log
    assert "trigger starting" in log


def test_a_cleared_task_runs_again_with_a_higher_max_tries(cluster, ended):
    before = _tasks(cluster, ended)["take[0]"]
    cluster.api.clear(_DAG, ended.run_id, "take")
    cluster.finish(ended)
    after = _tasks(cluster, ended)["take[0]"]
    assert after.state == "success"
    assert after.try_number == before.try_number + 1
    assert after.max_tries > before.max_tries


def test_a_wait_outlives_its_triggerer(cluster):
    run = cluster.run(_DAG, {"seconds": 10})
    run.until_seen("wait", "deferred")
    assert cluster.kill_triggerer()
    cluster.start_triggerer()
    cluster.finish(run)


def test_a_task_marked_failed_ends_at_once(cluster):
    run = cluster.run(_DAG, {"seconds": 600})
    run.until_seen("wait", "deferred")
    cluster.api.mark_failed(_DAG, run.run_id, "wait")
    assert run.until_end() == "failed"
    assert _tasks(cluster, run)["wait"].state == "failed"
    assert "wait failed" in cluster.explain(run)


def test_a_dag_file_that_cannot_be_read_is_named(cluster, dags_folder):
    broken = dags_folder / "broken.py"
    broken.write_text("from airflow import there_is_no_such_thing  # in a dag file\n")
    try:
        deadline = time.monotonic() + 60
        while not (errors := cluster.api.import_errors()) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert [Path(name).name for name in errors] == ["broken.py"]
        assert "there_is_no_such_thing" in "".join(errors.values())
    finally:
        broken.unlink()
        while cluster.api.import_errors() and time.monotonic() < deadline + 60:
            time.sleep(0.5)


def test_a_signal_in_mid_start_leaves_no_process(tmp_path):
    env = {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, "-c", _START_AND_HANG, str(tmp_path)], env=env)
    started = _wait_for_children(process.pid, count=3)
    sessions = {os.getsid(child.pid) for child in started} - {os.getsid(0)}
    process.terminate()
    process.wait(60)
    assert sessions
    assert [pid for pid in psutil.pids() if _is_in(pid, sessions)] == []


def _wait_for_children(pid: int, count: int) -> list[psutil.Process]:
    """Wait until `airflow standalone` has started so many processes of its own."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if len(found := psutil.Process(pid).children(recursive=True)) > count:
            return found
        time.sleep(0.2)
    raise AssertionError("airflow standalone started nothing")


def _is_in(pid: int, sessions: set[int]) -> bool:
    try:
        return os.getsid(pid) in sessions and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def _tasks(cluster, run):
    return {task.name: task for task in cluster.api.tasks(run.dag_id, run.run_id)}
