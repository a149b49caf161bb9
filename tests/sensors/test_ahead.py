# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_music.api.models import find
from airflow_provider_music.exceptions import (
    AuthenticationError,
    CredentialsError,
    GenerationFailedError,
    GenerationSensorTimeout,
    InvalidRequestError,
    ModelUnavailableError,
)
from airflow_provider_music.generation import clock
from airflow_provider_music.generation.sensed import USUAL_SECONDS
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.sensors import ahead
from airflow_provider_music.sensors.begin import _airflow, _song
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.triggers.sensed import SensedSongTrigger


@pytest.fixture
def ask(airflow, output_dir, music_sandbox):
    """Ask for another song each time, without waiting for it."""

    def accept():
        task_id = f"ask_{music_sandbox.posts('submit')}"
        settings = {"model": "stable-audio", "prompt": "rain", "output_dir": str(output_dir)}
        return airflow.run(GenerateMusicOperator(task_id=task_id, wait_for_completion=False, **settings))

    return accept


@pytest.fixture
def sensor(output_dir):
    def make(generation, **more):
        settings = {"task_id": "wait", "poll_interval": 0.05, "output_dir": str(output_dir), "timeout": 60}
        return MusicGenerationSensor(generation=generation, **{**settings, **more})

    return make


class Triggerer:
    """Begins a sensor's wait as the scheduler and the triggerer do, and goes on with it on a worker."""

    def __init__(self, airflow):
        self.airflow = airflow
        self.events = []
        self.contexts = []

    def wait(self, task, *, xcoms=None, begun_ago=0.0):
        """The event of the wait; ``begun_ago`` seconds have passed since the scheduler began it."""
        trigger = SensedSongTrigger(song=_song(task))
        ends = clock.now() - begun_ago + trigger.song["limit"]
        trigger.timeout_after = datetime.fromtimestamp(ends, UTC)
        ti = SimpleNamespace(
            **vars(self.airflow.context(task)["ti"]),
            task=task,
            xcom_pull=lambda task_ids, key, map_indexes: (xcoms or {}).get((task_ids, key)),
        )
        self.contexts.append({"ti": ti, "run_id": self.airflow.run_id})
        trigger.render_template_fields(context=self.contexts[-1])
        event = asyncio.run(self.airflow.fire(trigger))
        self.events.append(event)
        return event

    def run(self, task, **more):
        """One try, from the trigger to its end on a worker."""
        return self.go_on(task, self.wait(task, **more))

    def go_on(self, task, event):
        """The rest of a try, on a worker and wherever it leads."""
        try:
            return task.execute_complete(self.airflow.context(task), event)
        except TaskDeferred as deferred:
            return self.airflow.resume(task, deferred)


@pytest.fixture
def triggerer(airflow):
    return Triggerer(airflow)


@pytest.fixture
def watched(monkeypatch):
    """What the wait itself was asked for; it ends at once."""
    calls = []

    async def watch(conn_id, generation_id, **arguments):
        calls.append({"conn_id": conn_id, "generation_id": generation_id, **arguments})
        return {"status": "ready", "generation_id": generation_id}

    monkeypatch.setattr(ahead, "watch", watch)
    return calls


def test_a_song_is_waited_for_and_landed_with_one_worker(ask, sensor, triggerer, music_sandbox, airflow):
    music_sandbox.settings(delay=0.5)
    asked = ask()
    result = triggerer.run(sensor(asked))

    assert result["status"] == "completed"
    assert result["generation_id"] == asked["generation_id"]
    assert result["audio"]["sha256"] == music_sandbox.generations()[0]["sha256"]
    assert triggerer.events == [{"status": "ready", "generation_id": asked["generation_id"]}]
    assert airflow.deferrals == []


def test_the_result_is_the_one_that_a_worker_alone_comes_to(ask, sensor, triggerer, airflow):
    asked = ask()
    early, late = triggerer.run(sensor(asked)), airflow.run(sensor(asked, task_id="late"))

    same = set(early) - {"audio_uri", "record_uri"}
    assert {key: early[key] for key in same} == {key: late[key] for key in same}
    assert list(early) == list(late)


def test_a_song_that_is_there_already_is_not_waited_for(ask, sensor, triggerer, music_sandbox, watched):
    asked = ask()

    assert triggerer.wait(sensor(asked)) == {"status": "ready", "generation_id": asked["generation_id"]}
    assert music_sandbox.requests("poll") == 1
    assert watched == []


def test_templates_and_xcoms_are_looked_up_in_the_triggerer(ask, sensor, triggerer, watched, music_sandbox):
    music_sandbox.settings(delay=30)
    asked = ask()
    xcoms = {("ask", "return_value"): asked, ("ask", "conn"): "default"}
    pull = "{{ ti.xcom_pull(task_ids='ask') }}"
    for generation in (pull, "{{ ti.xcom_pull(task_ids='ask')['generation_id'] }}"):
        triggerer.wait(sensor(generation, conn_id="music_{{ ti.xcom_pull('ask', key='conn') }}"), xcoms=xcoms)

    assert [each["generation_id"] for each in watched] == [asked["generation_id"]] * 2
    assert [each["conn_id"] for each in watched] == ["music_default"] * 2


@pytest.mark.parametrize(
    ("given", "told", "usual"),
    [
        ({"model": "minimax/music-2.6"}, None, find("minimax/music-2.6").usual_seconds),
        ({}, "google/lyria2", find("google/lyria2").usual_seconds),
        ({}, "a-model-of-tomorrow", USUAL_SECONDS),
        ({}, None, USUAL_SECONDS),
    ],
)
def test_the_pace_is_that_of_the_model(given, told, usual, ask, sensor, triggerer, watched, music_sandbox):
    music_sandbox.settings(delay=30)
    generation = {"generation_id": ask()["generation_id"], **given}
    triggerer.wait(sensor(generation, model=told, poll_interval=None))

    assert watched[0]["usual_seconds"] == usual
    assert watched[0]["poll_interval"] is None


def test_the_deadline_counts_from_the_beginning_and_no_restart_extends_it(
    ask, sensor, triggerer, watched, music_sandbox
):
    music_sandbox.settings(delay=30)
    asked, now = ask(), clock.now()
    for begun_ago in (0.0, 20.0, 55.0):
        triggerer.wait(sensor(asked), begun_ago=begun_ago)

    for call, begun_ago in zip(watched, (0.0, 20.0, 55.0), strict=True):
        assert call["asked_at"] == pytest.approx(now - begun_ago, abs=10)
        assert call["deadline"] - call["asked_at"] == pytest.approx(60)


def test_a_triggerer_that_comes_back_after_the_deadline_looks_once(ask, sensor, triggerer, music_sandbox):
    music_sandbox.settings(delay=30)
    late = ask()
    assert triggerer.wait(sensor(late), begun_ago=90)["status"] == "timeout"
    polls = music_sandbox.requests("poll")
    assert polls == 1

    music_sandbox.settings(delay=0)
    done = ask()
    assert triggerer.wait(sensor(done), begun_ago=90)["status"] == "ready"
    assert music_sandbox.requests("poll") == polls + 1


def test_a_missed_deadline_is_said_as_ever(ask, sensor, triggerer, music_sandbox):
    music_sandbox.settings(delay=30)
    asked = ask()
    with pytest.raises(GenerationSensorTimeout, match="goes on making it"):
        triggerer.run(sensor(asked, timeout=0.2))


def test_a_second_try_begins_on_a_worker_which_finds_the_song_landed(ask, sensor, triggerer, airflow, music_sandbox):
    asked = ask()
    first = triggerer.run(sensor(asked))
    polls = music_sandbox.requests("poll")
    airflow.retry()

    assert triggerer.run(sensor(asked)) == first
    assert triggerer.events[-1]["status"] == "look"
    assert music_sandbox.requests("poll") == polls


def test_a_landed_song_is_not_fetched_again_though_the_trigger_says_ready(ask, sensor, triggerer, music_sandbox):
    asked = ask()
    first = triggerer.run(sensor(asked))
    polls = music_sandbox.requests("poll")

    assert triggerer.run(sensor(asked)) == first
    assert triggerer.events[-1]["status"] == "ready"
    assert music_sandbox.requests("poll") == polls + 1


def test_a_song_that_the_operator_landed_itself_needs_no_call(airflow, sensor, triggerer, music_sandbox, output_dir):
    task = GenerateMusicOperator(
        task_id="song", model="stable-audio", prompt="rain", poll_interval=0.05, output_dir=str(output_dir)
    )
    done = airflow.run(task)
    polls = music_sandbox.requests("poll")

    assert triggerer.run(sensor(done)) == done
    assert music_sandbox.requests("poll") == polls


@pytest.mark.parametrize("bad", ["None", "", {}, {"generation_id": None}, "two\nlines", {"generation_id": "x" * 600}])
def test_what_names_no_song_is_refused_by_the_worker_in_the_same_words(bad, sensor, triggerer, music_sandbox):
    with pytest.raises(InvalidRequestError, match="generation"):
        triggerer.run(sensor(bad))
    assert music_sandbox.requests("poll") == 0


def test_a_template_that_needs_a_worker_is_rendered_there(ask, sensor, triggerer, mocker):
    log = mocker.patch.object(MusicGenerationSensor, "log")
    task = sensor("{{ macro_of_the_dag() }}")
    event = triggerer.wait(task)
    task.generation = ask()  # what the worker's own rendering comes to

    assert event["status"] == "look"
    assert "macro_of_the_dag" in event["reason"]
    assert triggerer.go_on(task, event)["status"] == "completed"
    (told,) = [call.args for call in log.info.call_args_list if call.args[0].startswith("Begun on a worker")]
    assert "CannotRenderError" in told[1]


def test_a_worker_that_finds_the_song_not_done_waits_as_ever(ask, sensor, triggerer, airflow, music_sandbox):
    music_sandbox.settings(delay=0.5)
    asked = ask()
    airflow.retry()

    assert triggerer.run(sensor(asked))["status"] == "completed"
    assert [event["status"] for event in triggerer.events] == ["look"]
    assert [event["status"] for event in airflow.events] == ["ready"]
    assert airflow.deferrals[0][0].endswith(".MusicGenerationTrigger")


def test_a_worker_that_comes_to_another_song_looks_for_itself(ask, sensor, triggerer):
    one, other = ask(), ask()
    event = triggerer.wait(sensor(one))
    task = sensor(other)

    assert triggerer.go_on(task, event)["generation_id"] == other["generation_id"]


def test_an_id_that_the_api_does_not_know_is_said_at_once(sensor, triggerer, music_sandbox, watched):
    with pytest.raises(ModelUnavailableError, match="404"):
        triggerer.run(sensor("no-such-generation"))
    assert watched == []


def test_a_generation_that_has_failed_is_said_with_the_apis_reason(ask, sensor, triggerer, music_sandbox, watched):
    music_sandbox.fault("submit:error")
    asked = ask()
    with pytest.raises(GenerationFailedError, match="the API says error"):
        triggerer.run(sensor(asked))
    assert watched == []


def test_a_generation_that_fails_meanwhile_is_said_too(ask, sensor, triggerer, monkeypatch):
    async def watch(conn_id, generation_id, **arguments):
        return {"status": "failed", "generation_id": generation_id, "message": "the API says error: no voice"}

    async def not_yet(*arguments):
        return None

    monkeypatch.setattr(ahead, "watch", watch)
    monkeypatch.setattr(ahead, "_first_poll", not_yet)
    asked = ask()
    with pytest.raises(GenerationFailedError, match="no voice"):
        triggerer.run(sensor(asked))


def test_a_missing_connection_is_said_by_name(sensor, triggerer, music_sandbox):
    with pytest.raises(CredentialsError, match="not_there"):
        triggerer.run(sensor("an-id", conn_id="not_there"))
    assert triggerer.events[0]["status"] == "look"


def test_a_key_that_the_api_refuses_is_left_to_the_worker_whose_key_may_be_newer(
    ask, sensor, triggerer, music_sandbox, watched
):
    asked = ask()
    music_sandbox.fault("poll:status=401")
    result = triggerer.run(sensor(asked))

    assert triggerer.events[0]["status"] == "look"
    assert AuthenticationError.__name__ in triggerer.events[0]["reason"]
    assert result["status"] == "completed"
    assert watched == []


@pytest.mark.parametrize("fault", ["poll:status=503", "poll:status=429", "poll:cut-before"])
def test_an_api_that_is_away_at_first_does_not_end_the_wait(fault, ask, sensor, triggerer, music_sandbox, quick_clock):
    asked = ask()
    music_sandbox.fault(f"{fault},times=2")

    assert triggerer.run(sensor(asked))["status"] == "completed"
    assert [event["status"] for event in triggerer.events] == ["ready"]


def test_while_it_waits_it_keeps_neither_dag_nor_context(ask, sensor, triggerer, music_sandbox, monkeypatch):
    kept = []

    async def watch(conn_id, generation_id, **arguments):
        kept.append(dict(triggerer.contexts[-1]))
        return {"status": "ready", "generation_id": generation_id}

    monkeypatch.setattr(ahead, "watch", watch)
    music_sandbox.settings(delay=30)
    task, asked = sensor("{{ run_id }}"), ask()
    task.generation = asked
    triggerer.wait(task)

    assert kept == [{}]


@pytest.mark.skipif(_airflow() < (3, 3), reason="only there the triggerer is told the run")
def test_what_airflow_itself_tells_the_triggerer_is_enough(triggerer, watched, sensor, ask, music_sandbox, monkeypatch):
    from airflow.executors.workloads.task import TaskInstanceDTO
    from airflow.jobs.triggerer_job_runner import TriggerRunner
    from airflow.sdk import DAG, Param
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.serialization.serialized_objects import DagSerialization

    music_sandbox.settings(delay=30)
    asked = ask()
    with DAG("dag", schedule=None, params={"id": "x", "voice": Param(None, type=["null", "string"])}) as dag:
        task = sensor(
            "{{ ti.xcom_pull('ask')['generation_id'] }}", conn_id="music_{{ params.id }}", start_from_trigger=True
        )
    now = datetime.now(UTC)
    who = TaskInstanceDTO.model_construct(
        id=uuid4(), dag_version_id=uuid4(), task_id="wait", dag_id="dag", run_id="run", try_number=1, map_index=-1
    )
    run = {
        "dag_id": "dag",
        "run_id": "run",
        "run_after": now,
        "start_date": now,
        "run_type": "manual",
        "state": "running",
    }
    run |= {"logical_date": None, "data_interval_start": None, "data_interval_end": None, "end_date": None}
    run |= {"conf": {"id": "default"}, "consumed_asset_events": [], "partition_key": None}
    ti = TriggerRunner.create_runtime_ti(who, json.loads(json.dumps(DagSerialization.to_dict(dag))), run)
    monkeypatch.setattr(RuntimeTaskInstance, "xcom_pull", lambda *_, task_ids, key, map_indexes: asked)
    trigger = SensedSongTrigger(**dict(task.start_trigger_args.trigger_kwargs))
    trigger.task_instance = ti
    trigger.timeout_after = now
    trigger.render_template_fields(context=ti.get_template_context())

    assert asyncio.run(triggerer.airflow.fire(trigger))["status"] == "ready"
    assert watched[0]["generation_id"] == asked["generation_id"]
    assert watched[0]["conn_id"] == "music_default"


def test_no_event_holds_a_secret_or_a_url(ask, sensor, triggerer, music_sandbox):
    for task in (sensor(ask()), sensor("no-such-generation"), sensor("x", conn_id="not_there")):
        triggerer.wait(task)
    triggerer.wait(sensor("{{ unknown" + "x" * 5000 + "}}"))
    said = repr(triggerer.events)

    assert music_sandbox.key not in said
    assert "signature" not in said.lower()
    assert len(said) < 3000
