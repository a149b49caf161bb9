# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from airflow_provider_music.compat import AirflowSensorTimeout
from airflow_provider_music.exceptions import (
    GenerationFailedError,
    GenerationSensorTimeout,
    InvalidRequestError,
    OutputError,
    RecordError,
    UnknownGenerationError,
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
    "bad", ["None", "", {}, {"generation_id": None}, "two\nlines", True, 7.0, -7, {"generation_id": "x" * 600}]
)
def test_what_names_no_song_is_refused_by_name(bad, music_sandbox, sensor, airflow):
    with pytest.raises(InvalidRequestError, match="generation"):
        airflow.run(sensor(bad))


def test_an_id_that_the_api_does_not_know_is_said_at_once(music_sandbox, sensor, airflow):
    with pytest.raises(UnknownGenerationError, match="404"):
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


def test_an_unknown_id_is_named_with_the_connection_and_what_to_check(music_sandbox, sensor, airflow):
    with pytest.raises(UnknownGenerationError) as caught:
        airflow.run(sensor("no-such-generation"))
    text = str(caught.value)
    for part in ("'no-such-generation'", "'music_default'", music_sandbox.url, "Check the id", "404"):
        assert part in text
    assert json.loads(os.environ["AIRFLOW_CONN_MUSIC_DEFAULT"])["password"] not in text.replace("music", "")


def test_an_id_that_the_api_does_not_know_in_the_triggerer_either_ends_the_wait(
    music_sandbox, sensor, airflow, quick_clock
):
    music_sandbox.fault("poll:status=503,times=1")
    with pytest.raises(UnknownGenerationError, match="no-such-generation"):
        airflow.run(sensor("no-such-generation", poll_interval=None))
    assert music_sandbox.requests("poll") == 4


def test_an_api_that_is_down_for_the_whole_wait_says_what_is_not_known(accepted, sensor, airflow, music_sandbox):
    music_sandbox.fault("poll:status=503,times=all")
    with pytest.raises(AirflowSensorTimeout, match="done or failed is not known") as caught:
        airflow.run(sensor(accepted["generation_id"], timeout=0.3))
    assert "none had a usable response" in str(caught.value)
    assert "503" in str(caught.value)
    assert "keeps running" not in str(caught.value)


def test_a_sensor_that_pokes_says_it_too(accepted, sensor, airflow, music_sandbox):
    music_sandbox.fault("poll:status=503,times=all")
    with pytest.raises(GenerationSensorTimeout, match="done or failed is not known"):
        airflow.run(sensor(accepted["generation_id"], deferrable=False, timeout=0.1))


class LazyXComSequence(Sequence):
    """As much of Airflow's as a sensor sees."""

    def __getitem__(self, index):
        raise AssertionError("nobody has to read it")

    def __len__(self):
        raise AssertionError("nobody has to count it")

    def __eq__(self, other):
        raise AssertionError("nobody has to compare it")

    __hash__ = None

    def __repr__(self):
        return "LazyXComSequence([2 items])"


@pytest.mark.parametrize(
    "several",
    [
        LazyXComSequence(),
        "LazyXComSequence(<unevaluated length>)",
        "LazySelectSequence([2 items])",
        ["gen-1", "gen-2"],
        [{"generation_id": "gen-1"}],
        ({"generation_id": "gen-1"},),
        "[{'generation_id': 'gen-1'}]",
        {"gen-1"},
        [],
    ],
    ids=str,
)
def test_the_results_of_a_mapped_task_have_to_be_mapped_too(several, music_sandbox, sensor, airflow):
    with pytest.raises(InvalidRequestError, match=r"\.expand\(generation=\.\.\.\)"):
        airflow.run(sensor(several))


@pytest.mark.parametrize("given", [12345, {"generation_id": 12345}, "{'generation_id': 12345}", 0])
def test_an_id_of_digits_is_taken_as_text(given, music_sandbox, sensor, airflow):
    wanted = "0" if given == 0 else "12345"
    with pytest.raises(UnknownGenerationError, match=f"'{wanted}'"):
        airflow.run(sensor(given))


@pytest.mark.parametrize(
    "bad", [True, False, 1.5, -1, float("nan"), 10**600, {"generation_id": True}, {"generation_id": -3}]
)
def test_a_number_that_is_no_id_is_named(bad, music_sandbox, sensor, airflow):
    with pytest.raises(InvalidRequestError, match="is no generation's id; give the id as text"):
        airflow.run(sensor(bad))
    assert music_sandbox.requests("poll") == 0


def test_a_batchs_result_is_named_as_one(music_sandbox, sensor, airflow):
    with pytest.raises(InvalidRequestError, match="a batch's result"):
        airflow.run(sensor({"manifest_uri": "file:///m.jsonl", "requested": 2}))


@pytest.mark.parametrize("content", [b"[" * 200_000, b"[]", b"{", b'{"a":' * 900 + b"1" + b"}" * 900])
def test_a_result_of_an_earlier_try_that_is_none_is_named(content, accepted, sensor, airflow):
    first = airflow.run(sensor(accepted))
    Path(first["record_uri"].removeprefix("file://")).write_bytes(content)
    airflow.retry()
    with pytest.raises(RecordError, match="is no result of a sensor"):
        airflow.run(sensor(accepted))
