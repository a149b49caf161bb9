# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The helper that runs a task in a plain test function: every kind of task, without a scheduler or a database."""

from __future__ import annotations

import os
import time
import wave
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_music import compat
from airflow_provider_music.compat import DAG, get_current_context, task
from airflow_provider_music.exceptions import GenerationTimeoutError, UnknownOutcomeError
from airflow_provider_music.generation import runtime
from airflow_provider_music.operators.music import (
    GenerateMusicBatchOperator,
    GenerateMusicOperator,
    PreprocessCoverOperator,
    UploadReferenceOperator,
)
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.testing import TaskRunner, run_task
from tests.lanes import LANES

MODEL = "minimax/music-2.6"
DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - Airflow takes it as UTC


@pytest.fixture
def dag():
    with DAG("made_in_a_test", schedule=None, start_date=DAY, params={"mood": "calm"}) as made:
        yield made


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "reference.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, 16000, 0, "NONE", ""))
        # Longer than the 10 s that the API asks for.
        writer.writeframes(bytes(2 * 16000 * 12))
    return path


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("lane", LANES)
def test_a_song_of_either_lane_is_made(run_music_task, music_sandbox, lane, deferrable):
    music_sandbox.settings(any_reference=True)
    song = run_music_task(GenerateMusicOperator(task_id="song", deferrable=deferrable, **LANES[lane]))

    assert song["status"] == "completed"
    assert Path(song["audio_uri"].removeprefix("file://")).is_file()
    assert music_sandbox.posts() == 1


def test_neither_the_models_pace_nor_the_hold_back_is_waited_for(run_music_task, monkeypatch):
    monkeypatch.setattr("airflow_provider_music.triggers.music.HOLD_BACK_SECONDS", 15.0)
    began = time.monotonic()
    song = run_music_task(GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song"))

    assert song["status"] == "completed"
    assert time.monotonic() - began < 15


def test_the_clock_is_the_real_one_again_after_a_run(run_music_task):
    before = runtime.now, runtime.monotonic, runtime.sleep
    run_music_task(GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song"))
    assert (runtime.now, runtime.monotonic, runtime.sleep) == before


def test_a_song_that_misses_its_deadline_does_so_at_once(run_music_task, music_sandbox):
    music_sandbox.settings(delay=3600)
    with pytest.raises(GenerationTimeoutError, match=r"600 s"):
        run_music_task(GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song", timeout="10m"))


def test_an_upload_and_its_song(run_music_task, reference, music_sandbox):
    ids = run_music_task(UploadReferenceOperator(task_id="upload", file=str(reference)))
    fields = {**LANES["synchronous"], "refer_voice": "{{ ti.xcom_pull('upload')['voice_id'] }}"}
    song = run_music_task(GenerateMusicOperator(task_id="song", **fields), xcoms={"upload": ids})

    assert song["status"] == "completed"
    assert music_sandbox.posts("generate") == 1


def test_a_cover_is_analysed(run_music_task, reference, tmp_path):
    found = run_music_task(
        PreprocessCoverOperator(task_id="listen", file=str(reference), record_dir=str(tmp_path / "records"))
    )
    assert found["cover_feature_id"]


def test_a_batch_of_what_an_upstream_task_returned(run_music_task, music_sandbox, dag):
    @task
    def moods():
        return ["calm", "wild"]

    @task
    def requests(words):
        return [{"model": MODEL, "prompt": f"a {word} song"} for word in words]

    listed = requests(moods())
    batch = GenerateMusicBatchOperator(task_id="songs", requests=listed)
    words = run_music_task(dag.get_task("moods"))
    made = run_music_task(dag.get_task("requests"), xcoms={"moods": words})
    result = run_music_task(batch, xcoms={"requests": made})

    assert made == [{"model": MODEL, "prompt": "a calm song"}, {"model": MODEL, "prompt": "a wild song"}]
    assert result["delivered"] == 2
    assert music_sandbox.posts("submit") == 2


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_sensor_of_another_tasks_song(run_music_task, music_sandbox, dag, deferrable):
    song = GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song", wait_for_completion=False)
    sensor = MusicGenerationSensor(
        task_id="wait",
        generation=song.output["generation_id"],
        deferrable=deferrable,
        mode="poke" if deferrable else "reschedule",
        poke_interval=0.05,
    )
    accepted = run_music_task(song)
    landed = run_music_task(sensor, xcoms={"song": accepted})

    assert (accepted["status"], landed["status"]) == ("accepted", "completed")
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize("how", ["expand", "expand_kwargs"])
def test_one_song_of_a_mapped_task(run_music_task, music_sandbox, dag, how):
    @task
    def moods():
        return ["calm", "wild"]

    partial = GenerateMusicOperator.partial(task_id="song", model=MODEL)
    words = moods()
    if how == "expand":
        song = partial.expand(prompt=words)
    else:
        song = partial.expand_kwargs(words.map(lambda word: {"prompt": word}))
    given = {"moods": ["a calm song", "a wild song"]}
    results = [run_music_task(song, xcoms=given, map_index=index) for index in (0, 1)]

    assert [result["status"] for result in results] == ["completed"] * 2
    assert [Path(result["audio_uri"]).parts[-3] for result in results] == ["0", "1"]
    assert music_sandbox.posts() == 2


def test_a_mapped_task_needs_an_index(run_music_task, dag):
    song = GenerateMusicOperator.partial(task_id="song", model=MODEL).expand(prompt=["a calm song"])
    with pytest.raises(ValueError, match="song is a mapped task: say which one with map_index=0"):
        run_music_task(song)


def test_templates_have_what_every_task_has_and_what_the_test_gives(run_music_task, dag, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_CITY", "Wien")

    @task
    def words(text):
        return [text, get_current_context()["ds"]]

    words("{{ params.mood }} {{ ds }} {{ macros.ds_add(ds, 1) }} {{ var.value.city }} {{ dag.dag_id }} {{ mine }}")
    context = {"logical_date": datetime(2026, 3, 1, tzinfo=UTC), "mine": 7}
    assert run_music_task(dag.get_task("words"), context=context) == [
        "calm 2026-03-01 2026-03-02 Wien made_in_a_test 7",
        "2026-03-01",
    ]
    assert run_music_task(dag.get_task("words"), context={**context, "params": {"mood": "wild"}})[0][:4] == "wild"


def test_an_xcom_that_the_test_did_not_give_is_named(run_music_task, dag):
    song = GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song")
    sensor = MusicGenerationSensor(task_id="wait", generation=song.output)
    with pytest.raises(KeyError, match=r"takes the XCom of 'song': give xcoms=\{'song'"):
        run_music_task(sensor)


def test_the_task_itself_stays_as_it_is(run_music_task, dag):
    song = GenerateMusicOperator(task_id="song", model=MODEL, prompt="a song of {{ ds }}")
    assert run_music_task(song)["record_uri"] != run_music_task(song)["record_uri"]
    assert song.prompt == "a song of {{ ds }}"


def test_a_retry_pays_nothing_again_and_a_clear_makes_a_new_take(run_music_task, music_sandbox):
    del run_music_task  # for its folder
    song = GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song")
    runner = TaskRunner()
    music_sandbox.fault("download:cut-body=0.5,times=20")
    with pytest.raises(Exception, match="paid"):
        runner.run(song)
    music_sandbox.clear_faults()
    runner.retry()
    first = runner.run(song)
    assert music_sandbox.posts("submit") == 1

    runner.clear()
    second = runner.run(song)

    assert music_sandbox.posts("submit") == 2
    assert first["generation_id"] != second["generation_id"]
    assert [path.rpartition(".")[2] for path, _ in runner.deferrals] == ["MusicGenerationTrigger"] * 2
    assert [event["status"] for event in runner.events] == ["ready"] * 2


def test_an_error_of_the_task_is_raised_as_it_is(run_music_task, music_sandbox):
    music_sandbox.fault("submit:status=503", "logs:status=500,times=100")
    with pytest.raises(UnknownOutcomeError, match="X-Client-Request-Id"):
        run_music_task(GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song"))
    assert music_sandbox.posts("submit") == 1


def test_nothing_opens_a_database(run_music_task):
    run_music_task(GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song"))
    assert not list(Path(os.environ["AIRFLOW_HOME"]).glob("*.db"))


def test_a_trigger_that_ends_without_an_event_is_named(music_sandbox, monkeypatch, tmp_path):
    async def nothing(self):
        return
        yield

    monkeypatch.setattr("airflow_provider_music.triggers.music.MusicGenerationTrigger.run", nothing)
    song = GenerateMusicOperator(task_id="song", model=MODEL, prompt="a calm song", output_dir=str(tmp_path))
    with pytest.raises(RuntimeError, match="MusicGenerationTrigger ended without an event"):
        run_task(song)


def test_airflows_own_runner_would_say_the_same_to_execute():
    assert compat.task_runner_sentinel() is not None
