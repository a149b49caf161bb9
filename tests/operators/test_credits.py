# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""An account that is empty: without a retry policy the task ends; with one it may wait, and pays once."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest

from airflow_provider_music.compat import AirflowFailException
from airflow_provider_music.exceptions import (
    GenerationTimeoutError,
    HopelessBatchError,
    NoCreditsError,
    OutOfCreditsError,
    PartialBatchError,
    RateLimitedError,
    RequestRejectedError,
)
from airflow_provider_music.operators.music import (
    GenerateMusicBatchOperator,
    GenerateMusicOperator,
    UploadReferenceOperator,
)
from airflow_provider_music.sandbox.songs import SongSpec, make

QUEUED = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}
SYNCHRONOUS = {"model": "music-01", "lyrics": "##we row##", "refer_voice": "vocal-2025082518145625-6XW9wCOF"}
LANES = pytest.mark.parametrize(("fields", "route"), [(QUEUED, "submit"), (SYNCHRONOUS, "generate")])


@pytest.fixture
def song(output_dir, music_sandbox):
    music_sandbox.settings(any_reference=True)

    def build(fields=QUEUED, policy: Any = "a policy", **more):
        task = GenerateMusicOperator(
            task_id="song", output_dir=str(output_dir), **{"poll_interval": 0.05, **fields, **more}
        )
        task.retry_policy = policy
        return task

    return build


@LANES
def test_without_a_retry_policy_an_empty_account_ends_the_task(music_sandbox, airflow, song, fields, route):
    music_sandbox.settings(balance=0)
    with pytest.raises(OutOfCreditsError) as caught:
        airflow.run(song(fields, policy=None))
    assert isinstance(caught.value, AirflowFailException)
    assert music_sandbox.posts(route) == 1


@LANES
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_task_that_is_put_off_until_the_top_up_pays_once(music_sandbox, airflow, song, fields, route, deferrable):
    music_sandbox.settings(balance=0)
    for _ in range(3):
        with pytest.raises(NoCreditsError) as caught:
            airflow.run(song(fields, deferrable=deferrable))
        assert type(caught.value) is NoCreditsError, "Airflow asks a policy about it"
        assert not isinstance(caught.value, AirflowFailException)
        airflow.reschedule()
    assert music_sandbox.generations() == []

    music_sandbox.settings(balance=10)
    result = airflow.run(song(fields, deferrable=deferrable))
    airflow.reschedule()
    again = airflow.run(song(fields, deferrable=deferrable))

    assert again["audio_uri"] == result["audio_uri"]
    assert result["submissions"] == 4, "three were refused and are not billed"
    assert len(music_sandbox.generations()) == 1
    assert music_sandbox.posts(route) == 4


def test_a_refusal_for_the_rate_leaves_its_wait_to_the_policy(music_sandbox, airflow, song):
    music_sandbox.fault("submit:rate-limit=90,times=all")
    with pytest.raises(RateLimitedError) as caught:
        airflow.run(song(timeout=1))
    assert caught.value.retry_after == 90
    music_sandbox.clear_faults()
    airflow.reschedule()
    assert airflow.run(song())["submissions"] == 1
    assert len(music_sandbox.generations()) == 1


def test_a_policy_is_not_asked_about_what_may_be_billed_or_cannot_be_mended(music_sandbox, airflow, song):
    music_sandbox.fault("submit:status=400")
    with pytest.raises(RequestRejectedError) as caught:
        airflow.run(song())
    assert isinstance(caught.value, AirflowFailException)


def test_a_first_try_that_was_put_off_and_lost_its_record_does_not_pay_again(music_sandbox, airflow, song, output_dir):
    music_sandbox.settings(delay=0.6)
    with pytest.raises(GenerationTimeoutError):
        airflow.run(song(timeout=0.2))
    shutil.rmtree(output_dir)
    music_sandbox.settings(delay=0)
    for _ in range(1500):
        # Until the song is done its row is not in the log.
        if music_sandbox.generations()[0]["status"] == "completed":
            break
        time.sleep(0.02)
    airflow.reschedule()
    airflow.run(song())
    assert music_sandbox.posts("submit") == 1


def test_an_upload_leaves_an_empty_account_to_the_policy_too(music_sandbox, airflow, tmp_path):
    music_sandbox.fault("upload:base-resp=1008")
    reference = tmp_path / "reference.mp3"
    reference.write_bytes(
        make(SongSpec(text="la la", seed="", seconds=12, rate=16000, bitrate=32000, format="mp3")).data
    )
    task = UploadReferenceOperator(task_id="upload", file=str(reference))
    task.retry_policy = "a policy"
    with pytest.raises(NoCreditsError) as caught:
        airflow.run(task)
    assert type(caught.value) is NoCreditsError


@pytest.fixture
def batch(output_dir):
    def build(policy: Any = "a policy", **more):
        requests = [QUEUED | {"prompt": f"song {number}"} for number in range(3)]
        arguments = {"task_id": "songs", "requests": requests, "output_dir": str(output_dir), "poll_interval": 0.05}
        # Or it would be refused before its first request.
        arguments["check_balance"] = False
        task = GenerateMusicBatchOperator(**{**arguments, **more})
        task.retry_policy = policy
        return task

    return build


def test_a_batch_that_only_lacks_credits_is_put_off_and_pays_each_song_once(music_sandbox, airflow, batch):
    music_sandbox.settings(balance=0)
    with pytest.raises(HopelessBatchError):
        airflow.run(batch(policy=None))
    airflow.reschedule()
    with pytest.raises(PartialBatchError) as caught:
        airflow.run(batch())
    assert caught.value.only_waits
    assert not isinstance(caught.value, AirflowFailException)
    airflow.reschedule()
    music_sandbox.settings(balance=10)
    assert airflow.run(batch())["delivered"] == 3
    assert len(music_sandbox.generations()) == 3


def test_a_batch_with_a_song_that_waiting_does_not_bring_is_no_case_for_the_policy(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:status=400,times=1")
    music_sandbox.settings(balance=0)
    with pytest.raises(HopelessBatchError) as caught:
        airflow.run(batch(max_in_flight=1))
    assert not caught.value.only_waits
