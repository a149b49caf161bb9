# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

import pytest

from airflow_provider_music.exceptions import (
    AuthenticationError,
    InvalidReferenceError,
    InvalidRequestError,
    RequestRejectedError,
    ResubmissionLostError,
    UnknownOutcomeError,
)
from airflow_provider_music.operators.music import GenerateMusicOperator, PreprocessCoverOperator
from airflow_provider_music.sandbox.songs import SongSpec, make

URL = "https://example.org/reference.mp3"
KEYS = [
    *("cover_feature_id", "formatted_lyrics", "structure_result", "audio_duration"),
    *("expires_at", "sha256", "usage", "submissions", "trace_id", "record_uri"),
]


def track(seconds, audio_format="mp3"):
    return make(SongSpec(text="la la", seed="", seconds=seconds, rate=16000, bitrate=32000, format=audio_format)).data


@pytest.fixture
def preprocess(output_dir):
    def make_task(**arguments):
        given = {"record_dir": str(output_dir)} | ({} if "file" in arguments else {"reference_audio_url": URL})
        return PreprocessCoverOperator(task_id="analyse", **{**given, **arguments})

    return make_task


def test_the_words_come_back_and_a_cover_of_them_is_made(music_sandbox, airflow, preprocess, output_dir):
    features = airflow.run(preprocess())

    assert list(features) == KEYS
    assert features["formatted_lyrics"].startswith("[Verse]\n")
    assert json.loads(features["structure_result"])["num_segments"] == 2
    assert features["audio_duration"] == 30
    assert features["usage"] == {"credits_used": 20_000, "usd_spent": 0.01}
    left = datetime.fromisoformat(features["expires_at"]) - datetime.now().astimezone()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    song = GenerateMusicOperator(
        task_id="song",
        model="minimax/music-cover",
        prompt="a slow waltz for strings",
        cover_feature_id=features["cover_feature_id"],
        lyrics=features["formatted_lyrics"].replace("lantern", "harbour"),
        output_dir=str(output_dir),
        deferrable=False,
    )
    assert airflow.run(song)["status"] == "completed"
    assert (music_sandbox.posts("preprocess"), music_sandbox.posts("submit")) == (1, 1)


@pytest.mark.parametrize("audio_format", ["mp3", "wav"])
def test_a_file_travels_inside_the_request(audio_format, music_sandbox, airflow, preprocess, tmp_path):
    path = tmp_path / f"reference.{audio_format}"
    path.write_bytes(track(8, audio_format))
    features = airflow.run(preprocess(file=str(path)))

    assert features["audio_duration"] == pytest.approx(8, abs=0.2)
    assert features["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert music_sandbox.posts("preprocess") == 1


def test_a_retry_of_what_was_returned_returns_it_again(music_sandbox, airflow, preprocess):
    first = airflow.run(preprocess())
    airflow.retry()
    assert airflow.run(preprocess()) == first
    assert music_sandbox.posts("preprocess") == 1


def test_a_clear_submits_a_new_request(music_sandbox, airflow, preprocess):
    first = airflow.run(preprocess())
    airflow.clear()
    assert airflow.run(preprocess())["cover_feature_id"] != first["cover_feature_id"]
    assert music_sandbox.posts("preprocess") == 2


def test_a_lost_answer_ends_the_task_and_only_a_clear_submits_again(music_sandbox, airflow, preprocess, quick_clock):
    music_sandbox.fault("preprocess:cut-after")
    with pytest.raises(UnknownOutcomeError, match=r"It is billed, under X-Client-Request-Id airflow-music-"):
        airflow.run(preprocess())
    airflow.retry()
    with pytest.raises(UnknownOutcomeError, match="Nothing is sent again by itself"):
        airflow.run(preprocess())
    assert music_sandbox.posts("preprocess") == 1
    airflow.clear()
    assert airflow.run(preprocess())["submissions"] == 2
    assert music_sandbox.posts("preprocess") == 2


def test_on_unknown_resubmit_submits_again_once_a_try(music_sandbox, airflow, preprocess, quick_clock):
    music_sandbox.fault("preprocess:cut-after,times=2")
    with pytest.raises(ResubmissionLostError):
        airflow.run(preprocess(on_unknown="resubmit"))
    assert music_sandbox.posts("preprocess") == 2
    airflow.retry()
    assert airflow.run(preprocess(on_unknown="resubmit"))["cover_feature_id"]
    assert music_sandbox.posts("preprocess") == 3


def test_what_was_not_accepted_is_submitted_again_within_the_try(music_sandbox, airflow, preprocess, quick_clock):
    music_sandbox.fault("preprocess:rate-limit=1,times=2")
    assert airflow.run(preprocess())["cover_feature_id"]
    assert music_sandbox.posts("preprocess") == 3


@pytest.mark.parametrize(
    ("fault", "error"), [("status=401", AuthenticationError), ("base-resp=2013", RequestRejectedError)]
)
def test_a_refusal_ends_the_task_and_is_not_billed(fault, error, music_sandbox, airflow, preprocess):
    music_sandbox.fault(f"preprocess:{fault}")
    with pytest.raises(error, match="not billed"):
        airflow.run(preprocess())
    assert music_sandbox.posts("preprocess") == 1


@pytest.mark.parametrize("kind", ["html", "empty", "list", "truncated"])
def test_an_answer_without_features_is_unknown(kind, music_sandbox, airflow, preprocess, quick_clock):
    music_sandbox.fault(f"preprocess:junk={kind}")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(preprocess())
    airflow.retry()
    with pytest.raises(UnknownOutcomeError):
        airflow.run(preprocess())
    assert music_sandbox.posts("preprocess") == 1


def test_a_worker_that_died_while_the_post_was_open_costs_no_second_request(
    music_sandbox, airflow, preprocess, output_dir, quick_clock
):
    airflow.run(preprocess())
    (take,) = (path.parent for path in output_dir.rglob("intent.json"))
    for fact in ("completed", "delivered"):
        (take / f"{fact}.json").unlink()
    airflow.retry()
    with pytest.raises(UnknownOutcomeError, match="It is billed"):
        airflow.run(preprocess())
    assert music_sandbox.posts("preprocess") == 1


def test_a_worker_that_died_before_the_post_left_costs_a_retry(
    music_sandbox, airflow, preprocess, output_dir, quick_clock
):
    airflow.run(preprocess())
    (take,) = (path.parent for path in output_dir.rglob("intent.json"))
    for fact in ("sent", "completed", "delivered"):
        (take / f"{fact}.json").unlink()
    airflow.retry()
    assert airflow.run(preprocess())["cover_feature_id"]
    assert music_sandbox.posts("preprocess") == 2


def test_a_changed_reference_is_refused_at_a_retry(music_sandbox, airflow, preprocess):
    airflow.run(preprocess())
    airflow.retry()
    with pytest.raises(Exception, match="The request differs"):
        airflow.run(preprocess(reference_audio_url="https://example.org/another.mp3"))
    assert music_sandbox.posts("preprocess") == 1


def test_a_try_that_finds_no_record_asks_the_usage_log_first(music_sandbox, airflow, preprocess, tmp_path, quick_clock):
    airflow.run(preprocess())
    airflow.retry()
    with pytest.raises(UnknownOutcomeError, match="billed"):
        airflow.run(preprocess(record_dir=str(tmp_path / "another")))
    assert music_sandbox.posts("preprocess") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"reference_audio_url": None}, "neither is given"),
        ({"reference_audio_url": "None"}, "is not what minimax/music-cover takes"),
        ({"reference_audio_url": "data:audio/mpeg;base64,abc"}, "no whole data URI|not a whole data URI"),
        ({"file": "/nowhere.mp3", "reference_audio_url": URL}, "both are given"),
        ({"file": "None"}, "names no file"),
        ({"file": "/nowhere.mp3"}, "does not exist"),
    ],
)
def test_a_wrong_reference_is_refused_before_anything_is_sent(arguments, problem, music_sandbox, airflow, preprocess):
    with pytest.raises(InvalidRequestError, match=problem):
        airflow.run(preprocess(**arguments))
    assert music_sandbox.posts() == 0


def test_a_track_of_another_length_is_refused_before_anything_is_sent(music_sandbox, airflow, preprocess, tmp_path):
    (tmp_path / "short.mp3").write_bytes(track(3))
    (tmp_path / "words.mp3").write_bytes(b"no music at all, but a text of some length")
    with pytest.raises(InvalidReferenceError, match="6 s to 360 s"):
        airflow.run(preprocess(file=str(tmp_path / "short.mp3")))
    with pytest.raises(InvalidReferenceError, match="not audio"):
        airflow.run(preprocess(file=str(tmp_path / "words.mp3")))
    assert music_sandbox.posts() == 0


def test_the_record_holds_no_url_and_no_key(music_sandbox, airflow, preprocess, output_dir):
    airflow.run(preprocess(reference_audio_url=f"{URL}?signature=abc123"))
    text = "".join(path.read_text() for path in output_dir.rglob("*.json"))
    assert "abc123" not in text
    assert music_sandbox.key not in text


def test_a_misspelled_argument_is_named_when_the_dag_is_parsed():
    with pytest.raises(TypeError, match="did you mean reference_audio_url"):
        PreprocessCoverOperator(task_id="analyse", reference_audio_ur=URL)
