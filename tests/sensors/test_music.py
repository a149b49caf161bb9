# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_music.compat import AirflowSensorTimeout
from airflow_provider_music.exceptions import (
    GenerationFailedError,
    InvalidRequestError,
    ModelUnavailableError,
    OutputError,
)
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor


@pytest.fixture
def accepted(music_sandbox, airflow, output_dir):
    """What the operator returns when it does not wait."""
    task = GenerateMusicOperator(
        task_id="ask",
        model="minimax/music-2.6",
        prompt="a calm song of the sea",
        wait_for_completion=False,
        audio_setting={"format": "pcm", "sample_rate": 16000, "bitrate": 128000},
        output_dir=str(output_dir),
    )
    return airflow.run(task)


@pytest.fixture
def ask(airflow, output_dir):
    """Ask for a song without waiting for it."""

    def accept():
        return airflow.run(
            GenerateMusicOperator(
                task_id="ask",
                model="stable-audio",
                prompt="rain",
                wait_for_completion=False,
                output_dir=str(output_dir),
            )
        )

    return accept


@pytest.fixture
def sensor(output_dir):
    def make(generation, **more):
        settings = {"task_id": "wait", "poll_interval": 0.05, "output_dir": str(output_dir)}
        return MusicGenerationSensor(generation=generation, **{**settings, **more})

    return make


@pytest.mark.parametrize("given", [dict, json.dumps, str], ids=["dict", "json", "rendered by a template"])
def test_what_the_operator_returned_becomes_a_song_of_the_format_asked_for(given, accepted, sensor, airflow):
    result = airflow.run(sensor(given(accepted)))

    assert list(result) == list(accepted)
    assert result["status"] == "completed"
    assert result["generation_id"] == accepted["generation_id"]
    assert result["audio"]["format"] == "pcm"
    assert result["audio"]["sample_rate_hz"] == 16000
    assert result["usage"] == accepted["usage"]
    assert result["submissions"] == 1
    assert Path(result["audio_uri"].removeprefix("file://")).stat().st_size == result["audio"]["size_bytes"]
    fact = json.loads(Path(result["record_uri"].removeprefix("file://")).read_text())
    assert fact.pop("written_at")
    assert fact == result


def test_a_bare_id_that_anyone_asked_for_will_do(accepted, sensor, airflow, music_sandbox):
    result = airflow.run(sensor(accepted["generation_id"], audio_format="pcm"))

    assert result["audio"]["sha256"] == music_sandbox.generations()[0]["sha256"]
    assert result["model"] is None
    assert music_sandbox.posts("submit") == 1


def test_a_song_that_takes_its_time_is_waited_for_in_the_triggerer(music_sandbox, sensor, airflow, ask):
    music_sandbox.settings(delay=0.5)
    later = ask()
    result = airflow.run(sensor(later))

    assert result["status"] == "completed"
    assert len(airflow.deferrals) == 1
    assert airflow.events == [{"status": "ready", "generation_id": later["generation_id"]}]


def test_without_a_triggerer_it_pokes(accepted, sensor, airflow):
    result = airflow.run(sensor(accepted, deferrable=False))

    assert result["status"] == "completed"
    assert airflow.deferrals == []


def test_a_second_try_finds_the_song_landed_and_asks_nothing(accepted, sensor, airflow, music_sandbox):
    first = airflow.run(sensor(accepted))
    polls = music_sandbox.requests("poll")
    airflow.retry()

    assert airflow.run(sensor(accepted)) == first
    assert music_sandbox.requests("poll") == polls


def test_a_song_that_the_operator_landed_itself_is_handed_on(music_sandbox, airflow, sensor, output_dir):
    done = airflow.run(
        GenerateMusicOperator(
            task_id="song",
            model="stable-audio",
            prompt="rain",
            poll_interval=0.05,
            output_dir=str(output_dir),
        )
    )
    polls = music_sandbox.requests("poll")

    assert airflow.run(sensor(done)) == done
    assert music_sandbox.requests("poll") == polls
    Path(done["audio_uri"].removeprefix("file://")).unlink()
    with pytest.raises(OutputError, match="no longer there"):
        airflow.run(sensor(done))


@pytest.mark.parametrize(
    "bad", ["None", "", {}, {"generation_id": None}, "two\nlines", 7, {"generation_id": "x" * 600}]
)
def test_what_names_no_song_is_refused_by_name(bad, music_sandbox, sensor, airflow):
    with pytest.raises(InvalidRequestError, match="generation"):
        airflow.run(sensor(bad))


def test_an_id_that_the_api_does_not_know_is_said_at_once(music_sandbox, sensor, airflow):
    with pytest.raises(ModelUnavailableError, match="404"):
        airflow.run(sensor("no-such-generation"))


def test_a_failed_generation_is_said_with_the_apis_reason(music_sandbox, sensor, airflow, ask):
    music_sandbox.fault("submit:error")
    asked = ask()
    with pytest.raises(GenerationFailedError, match="the API says error"):
        airflow.run(sensor(asked))


def test_a_missed_deadline_is_airflows_sensor_timeout_so_that_soft_fail_skips(music_sandbox, sensor, airflow, ask):
    music_sandbox.settings(delay=30)
    asked = ask()
    with pytest.raises(AirflowSensorTimeout, match="keeps running"):
        airflow.run(sensor(asked, timeout=0.2))


def test_an_api_that_is_away_for_a_while_does_not_fail_the_wait(accepted, sensor, airflow, music_sandbox, quick_clock):
    music_sandbox.fault("poll:status=503,times=3", "poll:cut-before,times=2")

    assert airflow.run(sensor(accepted))["status"] == "completed"
