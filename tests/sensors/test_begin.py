# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG, Param, task, task_group
from airflow.serialization import serialized_objects

from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.sensors import begin
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.triggers.sensed import SensedSongTrigger

MEASURED = begin._airflow() >= begin._MEASURED
only_3_3 = pytest.mark.skipif(begin._airflow() < (3, 3), reason="only there a wait can begin in the triggerer")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def dag():
    with DAG("dag", start_date=START, schedule=None) as dag:
        yield dag


def sensor(generation="an-id", **more):
    return MusicGenerationSensor(**{"task_id": "wait", "generation": generation, **more})


def ask(**more):
    return GenerateMusicOperator(task_id="ask", model="stable-audio", prompt="rain", wait_for_completion=False, **more)


def as_airflow_keeps_it(make):
    """The task as it lies in Airflow's database, as plain JSON; what is as it always is may be left out."""
    with DAG("dag", start_date=START, schedule=None) as dag:
        make()
    kept = getattr(serialized_objects, "DagSerialization", serialized_objects.SerializedDAG)
    tasks = [each["__var"] for each in json.loads(json.dumps(kept.to_dict(dag)))["dag"]["tasks"]]
    return next(each for each in tasks if each["task_id"] == "wait")


def song_of(task):
    return task.start_trigger_args.trigger_kwargs["song"]


def test_by_itself_a_sensor_begins_in_the_triggerer_where_that_was_measured(dag):
    wait = sensor()

    assert wait.start_from_trigger is MEASURED
    assert (wait.start_trigger_args is not None) is MEASURED
    assert as_airflow_keeps_it(sensor).get("start_from_trigger", False) is MEASURED


@only_3_3
def test_what_airflow_keeps_makes_the_trigger():
    more = {"model": "stable-audio", "poll_interval": timedelta(seconds=7), "timeout": 90}
    kept = as_airflow_keeps_it(lambda: sensor("{{ run_id }}", start_from_trigger=True, **more))
    arguments = kept["start_trigger_args"]
    trigger = SensedSongTrigger(**serialized_objects.BaseSerialization.deserialize(arguments["trigger_kwargs"]))

    assert kept["start_from_trigger"] is True
    assert arguments["trigger_cls"] == trigger.serialize()[0]
    assert arguments["next_method"] == "execute_complete"
    assert arguments["timeout"] == 90 + begin.GRACE_SECONDS
    assert trigger.song == {
        "generation": "{{ run_id }}",
        "model": "stable-audio",
        "conn_id": "music_default",
        "poll_interval": 7.0,
        "timeout": 90.0,
        "limit": 90 + begin.GRACE_SECONDS,
    }


@only_3_3
def test_airflow_keeps_the_same_at_every_parse():
    # Another would be a new version of the DAG each time.
    once, again = (as_airflow_keeps_it(lambda: sensor(ask().output, start_from_trigger=True)) for _ in range(2))

    assert once == again


@only_3_3
def test_an_xcom_becomes_the_template_that_pulls_it(dag):
    asked = ask()
    wait = sensor(asked.output, model=asked.output["model"], start_from_trigger=True)

    assert song_of(wait)["generation"] == "{{ ti.xcom_pull(task_ids='ask', key='return_value') }}"
    assert song_of(wait)["model"] == "{{ ti.xcom_pull(task_ids='ask', key='model') }}"
    assert wait.upstream_task_ids == {"ask"}


@only_3_3
def test_an_xcom_inside_a_dict_does_too(dag):
    wait = sensor({"generation_id": ask().output["generation_id"], "model": "stable-audio"}, start_from_trigger=True)

    assert song_of(wait)["generation"] == {
        "generation_id": "{{ ti.xcom_pull(task_ids='ask', key='generation_id') }}",
        "model": "stable-audio",
    }


@only_3_3
def test_what_was_changed_after_the_sensor_was_made_counts(dag):
    wait = sensor(start_from_trigger=True)
    wait.generation = "another"
    wait.timeout = 30

    assert song_of(wait)["generation"] == "another"
    assert wait.start_trigger_args.timeout == timedelta(seconds=30 + begin.GRACE_SECONDS)
    wait.deferrable = False
    assert wait.start_from_trigger is False


@only_3_3
def test_a_copy_begins_where_its_original_does(dag):
    wait = copy.copy(sensor(start_from_trigger=True))

    assert wait.start_from_trigger is True


@only_3_3
def test_a_shorter_execution_timeout_is_the_limit_that_airflow_sets(dag):
    wait = sensor(timeout=90, execution_timeout=timedelta(seconds=20), start_from_trigger=True)

    assert song_of(wait)["limit"] == 20
    assert song_of(wait)["timeout"] == 90


def test_a_sensor_without_a_dag_can_be_asked():
    assert sensor().start_from_trigger is MEASURED


def test_false_begins_on_a_worker(dag):
    wait = sensor(start_from_trigger=False)

    assert wait.start_from_trigger is False
    assert wait.start_trigger_args is None
    assert as_airflow_keeps_it(lambda: sensor(start_from_trigger=False)).get("start_trigger_args") is None


@pytest.mark.parametrize("wanted", [None, True])
@pytest.mark.parametrize("version", [(2, 11, 2), (3, 0, 0), (3, 2, 9)])
def test_before_airflow_3_3_it_begins_on_a_worker(dag, monkeypatch, wanted, version):
    monkeypatch.setattr(begin, "_airflow", lambda: version)

    assert sensor(start_from_trigger=wanted).start_from_trigger is False


def test_where_nobody_has_measured_only_the_author_can_ask_for_it(dag, monkeypatch):
    monkeypatch.setattr(begin, "_airflow", lambda: (3, 3, 1))

    assert sensor().start_from_trigger is False
    assert sensor(task_id="asked_for", start_from_trigger=True).start_from_trigger is True


@pytest.mark.parametrize(
    ("partial", "expand"),
    [
        ({}, {}),
        ({"start_from_trigger": None}, {}),
        ({"start_from_trigger": True}, {}),
        ({}, {"start_from_trigger": [True, True]}),
        ({"default_args": {"start_from_trigger": True}}, {}),
    ],
)
def test_a_mapped_sensor_begins_on_a_worker(partial, expand):
    # Airflow would start each of them with the arguments of none.
    def make():
        MusicGenerationSensor.partial(task_id="wait", **partial).expand(generation=["one", "two"], **expand)

    kept = as_airflow_keeps_it(make)
    assert not kept.get("start_from_trigger")
    assert kept.get("start_trigger_args") is None
    assert MusicGenerationSensor.start_from_trigger is False
    assert MusicGenerationSensor.start_trigger_args is None


def test_the_other_arguments_of_a_mapped_sensor_stay(dag):
    made = MusicGenerationSensor.partial(task_id="wait", timeout=7, start_from_trigger=True).expand(generation=["one"])

    assert made.partial_kwargs["timeout"] == 7
    assert made.operator_class is MusicGenerationSensor


@pytest.mark.parametrize("wanted", [None, True])
def test_a_sensor_in_a_mapped_group_begins_on_a_worker(dag, wanted):
    made = []

    @task_group
    def group(generation):
        made.append(sensor(generation, start_from_trigger=wanted))

    group.expand(generation=["one", "two"])

    assert made[0].start_from_trigger is False


@pytest.mark.parametrize("wanted", [None, True])
def test_what_a_mapped_task_hands_on_is_looked_up_on_a_worker(dag, wanted):
    asked = GenerateMusicOperator.partial(task_id="ask", model="stable-audio").expand(prompt=["rain", "wind"])

    assert sensor(asked.output, start_from_trigger=wanted).start_from_trigger is False


@pytest.mark.parametrize("wanted", [None, True])
def test_an_xcom_that_has_to_be_computed_is_left_to_a_worker(dag, wanted):
    assert sensor(ask().output.map(dict), start_from_trigger=wanted).start_from_trigger is False


@only_3_3
def test_what_a_decorated_task_hands_on_will_do(dag):
    @task
    def choose():
        return "an-id"

    assert song_of(sensor(choose(), start_from_trigger=True))["generation"].startswith("{{ ti.xcom_pull(")


@pytest.mark.parametrize("wanted", [None, True])
@pytest.mark.parametrize("where", ["dag", "task"])
def test_a_param_without_a_default_begins_on_a_worker_because_it_would_end_the_triggerer(wanted, where):
    params = {"given": "x", "needed": Param(type="string")}
    with DAG("with_params", start_date=START, schedule=None, params=params if where == "dag" else None):
        wait = sensor(params=params if where == "task" else None, start_from_trigger=wanted)

    assert wait.start_from_trigger is False


@only_3_3
def test_params_with_defaults_do_no_harm():
    with DAG(
        "with_params", start_date=START, schedule=None, params={"a": 1, "b": Param(None, type=["null", "string"])}
    ):
        wait = sensor(start_from_trigger=True)

    assert wait.start_from_trigger is True


@pytest.mark.parametrize("more", [{"deferrable": False}, {"timeout": 1e12}])
def test_what_cannot_work_begins_on_a_worker_though_asked_for(dag, more):
    assert sensor(start_from_trigger=True, **more).start_from_trigger is False


LOSES = [
    {"pool": "music"},
    {"execution_timeout": timedelta(hours=2)},
    {"max_active_tis_per_dag": 3},
    {"max_active_tis_per_dagrun": 3},
]


@pytest.mark.parametrize("more", LOSES, ids=lambda more: next(iter(more)))
def test_where_something_would_be_lost_only_the_author_can_ask_for_it(dag, more, monkeypatch):
    monkeypatch.setattr(begin, "_airflow", lambda: begin._MEASURED)

    assert sensor(**more).start_from_trigger is False
    assert begin.why_rather_not(sensor(task_id="other", **more))
    assert sensor(task_id="asked_for", start_from_trigger=True, **more).start_from_trigger is True


def test_triggers_that_are_sorted_into_queues_are_such_a_loss(dag, monkeypatch):
    monkeypatch.setattr(begin, "_airflow", lambda: begin._MEASURED)
    monkeypatch.setenv("AIRFLOW__TRIGGERER__QUEUES_ENABLED", "True")

    assert sensor().start_from_trigger is False
    assert sensor(task_id="asked_for", start_from_trigger=True).start_from_trigger is True


def test_a_subclass_is_such_a_loss(dag, monkeypatch):
    monkeypatch.setattr(begin, "_airflow", lambda: begin._MEASURED)

    class Own(MusicGenerationSensor):
        def execute(self, context):
            return super().execute(context)

    assert Own(task_id="wait", generation="an-id").start_from_trigger is False
    assert Own(task_id="asked_for", generation="an-id", start_from_trigger=True).start_from_trigger is True


def test_a_dag_of_very_many_tasks_is_such_a_loss(dag, monkeypatch):
    monkeypatch.setattr(begin, "_airflow", lambda: begin._MEASURED)
    wait = sensor()
    assert wait.start_from_trigger is True
    for n in range(begin._MANY_TASKS):
        sensor(task_id=f"another_{n}")

    assert wait.start_from_trigger is False
