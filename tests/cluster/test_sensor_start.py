# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A sensor's wait begins in the triggerer, costs one worker, and ends as one that began on a worker."""

import hashlib
from pathlib import Path

import pytest
from harness.settings import IS_3
from harness.watch import Watch

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not IS_3, reason="2.11 begins every wait on a worker"),
]

_ONE_WORKER = "Filling up the DagBag"  # each worker says it once, before it does anything else
_SENSORS = ("early", "early_by_template", "needs_a_worker")


@pytest.fixture(scope="module")
def runs(cluster) -> tuple[Watch, Watch]:
    both = cluster.run("sensors_begin"), cluster.run("sensors_begin_with_params", {"needed": "given"})
    return cluster.finish(both[0]), cluster.finish(both[1])


@pytest.fixture(scope="module")
def run(runs) -> Watch:
    return runs[0]


def _workers(cluster, run, task_id) -> int:
    (tries,) = [task.try_number for task in cluster.api.tasks(run.dag_id, run.run_id) if task.task_id == task_id]
    return sum(cluster.task_log(run, task_id, n).count(_ONE_WORKER) for n in range(1, tries + 1))


@pytest.mark.parametrize("task_id", ["early", "early_by_template"])
def test_a_wait_costs_one_worker(cluster, run, task_id):
    assert run.states(task_id)[0] == "deferred"
    assert _workers(cluster, run, task_id) == 1


def test_what_only_a_worker_can_render_is_begun_there(cluster, run):
    assert _workers(cluster, run, "needs_a_worker") >= 1
    assert "'nothing' is undefined" in cluster.task_log(run, "needs_a_worker")


def test_all_come_to_the_same_song(cluster, sandbox, run):
    asked = cluster.api.xcom(run.dag_id, run.run_id, "ask")
    songs = [cluster.api.xcom(run.dag_id, run.run_id, task_id) for task_id in _SENSORS]
    (made,) = [song for song in sandbox.generations() if song["id"] == asked["generation_id"]]
    for song in songs:
        assert song["status"] == "completed"
        assert song["generation_id"] == asked["generation_id"]
        audio = Path(song["audio_uri"].removeprefix("file://")).read_bytes()
        assert hashlib.sha256(audio).hexdigest() == song["audio"]["sha256"] == made["sha256"]
    assert cluster.api.xcom_keys(run.dag_id, run.run_id, "early") >= {*songs[0], "return_value"}


def test_a_param_without_a_default_does_not_reach_the_triggerer(cluster, runs):
    # Begun in the triggerer it would end it, and with it every wait of every DAG.
    assert runs[1].states("needs_params")[-1] == "success"
    assert _workers(cluster, runs[1], "needs_params") == 2
    assert cluster.api.health()["triggerer"] == "healthy"
