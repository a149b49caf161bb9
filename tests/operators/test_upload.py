# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib

import pytest

from airflow_provider_music.exceptions import AuthenticationError, CredentialsError, InvalidReferenceError
from airflow_provider_music.operators.music import UploadReferenceOperator
from airflow_provider_music.sandbox.songs import SongSpec, make


def track(seconds):
    spec = SongSpec(text="la la", seed="", seconds=seconds, rate=16000, bitrate=32000, format="mp3")
    return make(spec).data


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "reference.mp3"
    path.write_bytes(track(12))
    return path


def upload(file, purpose="song", **more):
    return UploadReferenceOperator(task_id="upload", file=str(file), purpose=purpose, **more)


@pytest.mark.parametrize(
    ("purpose", "voice", "instrumental"),
    [("song", True, True), ("voice", True, False), ("instrumental", False, True)],
)
def test_each_purpose_gives_its_ids(purpose, voice, instrumental, music_sandbox, airflow, reference):
    result = airflow.run(upload(reference, purpose))

    assert list(result) == ["voice_id", "instrumental_id", "purpose", "file", "sha256", "trace_id"]
    assert (result["voice_id"] is not None, result["instrumental_id"] is not None) == (voice, instrumental)
    assert result["sha256"] == hashlib.sha256(reference.read_bytes()).hexdigest()
    assert result["file"] == str(reference)
    assert result["purpose"] == purpose
    assert music_sandbox.posts("upload") == 1


def test_a_url_is_read_like_a_path(music_sandbox, airflow, reference):
    assert airflow.run(upload(f"file://{reference}"))["voice_id"]


def test_every_problem_is_told_at_once_and_nothing_is_sent(music_sandbox, airflow, tmp_path):
    short = tmp_path / "short.wav"
    short.write_bytes(track(5))
    task = upload(short, "{{ params.purpose }}")
    task.purpose = "melody"
    with pytest.raises(InvalidReferenceError) as caught:
        airflow.run(task)

    assert len(caught.value.problems) == 3
    assert music_sandbox.posts() == 0


def test_a_missing_connection_is_said_before_anything_is_sent(airflow, reference):
    with pytest.raises(CredentialsError, match="AIRFLOW_CONN_NOWHERE"):
        airflow.run(upload(reference, conn_id="nowhere"))


def test_a_refused_key_ends_the_task(music_sandbox, airflow, reference):
    music_sandbox.fault("upload:status=401")
    with pytest.raises(AuthenticationError):
        airflow.run(upload(reference))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (2013, "RequestRejectedError"),
        (1002, "RateLimitedError"),
        (1008, "OutOfCreditsError"),
        (2037, "RequestRejectedError"),
    ],
)
def test_an_error_inside_a_good_answer_is_raised(code, error, music_sandbox, airflow, reference):
    music_sandbox.fault(f"upload:base-resp={code}")
    with pytest.raises(Exception, match=str(code)) as caught:
        airflow.run(upload(reference))
    assert type(caught.value).__name__ == error


def test_the_upload_is_not_repeated_within_a_try(music_sandbox, airflow, reference):
    music_sandbox.fault("upload:cut-after")
    with pytest.raises(Exception, match="no answer"):
        airflow.run(upload(reference))
    assert music_sandbox.posts("upload") == 1
