# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import (
    ChangedRequestError,
    CredentialsError,
    HopelessBatchError,
    InvalidRequestError,
    PartialBatchError,
)
from airflow_provider_music.operators.music import GenerateMusicBatchOperator

SONG = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}
RESULT_KEYS = {"manifest_uri", "requested", "delivered", "failed", "unknown", "usage"}


@pytest.fixture
def batch(output_dir):
    def make(count=3, **more):
        requests = [{**SONG, "prompt": f"a calm song of the sea, number {i}"} for i in range(count)]
        fields = {
            "task_id": "songs",
            "requests": requests,
            "output_dir": str(output_dir),
            "poll_interval": 0.05,
        }
        return GenerateMusicBatchOperator(**{**fields, **more})

    return make


def manifest(uri):
    return [json.loads(line) for line in Path(uri.removeprefix("file://")).read_text().splitlines()]


def of_manifest_in(exc):
    """The manifest that an error names."""
    return manifest(str(exc.value).split("Manifest: ")[1].split()[0])


def test_all_songs_come_with_one_deferral_and_one_post_each(music_sandbox, airflow, batch):
    result = airflow.run(batch())

    assert set(result) == RESULT_KEYS
    assert (result["requested"], result["delivered"], result["failed"], result["unknown"]) == (3, 3, 0, 0)
    assert result["usage"] == {"credits_used": 3 * 390000, "usd_spent": 0.585}
    lines = manifest(result["manifest_uri"])
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert {line["status"] for line in lines} == {"completed"}
    for line in lines:
        audio = Path(line["audio_uri"].removeprefix("file://"))
        assert hashlib.sha256(audio.read_bytes()).hexdigest() == line["audio"]["sha256"]
    assert len({line["generation_id"] for line in lines}) == 3
    assert music_sandbox.posts("submit") == 3
    assert len(airflow.deferrals) == 1


def test_what_airflow_keeps_is_small_however_many_songs(music_sandbox, airflow, batch):
    result = airflow.run(batch(20, max_in_flight=10))

    assert len(json.dumps(result)) < 1000
    assert len(json.dumps(airflow.deferrals)) < 1000
    assert len(json.dumps(airflow.events)) < 1000
    assert "calm song" not in json.dumps([airflow.deferrals, airflow.events, result])


def test_never_more_songs_are_under_way_than_max_in_flight(music_sandbox, airflow, batch):
    music_sandbox.settings(delay=0.3)
    airflow.run(batch(6, max_in_flight=2))

    spans = [(song["created"], song["created"] + 0.3) for song in music_sandbox.state()["generations"]]
    assert len(spans) == 6
    most = max(sum(start <= at < end for start, end in spans) for at, _ in spans)
    assert most <= 2


def test_a_mixed_batch_uses_both_lanes(music_sandbox, airflow, batch):
    music_sandbox.settings(any_reference=True)
    sung = {
        "model": "music-01",
        "lyrics": "##we row until the end of night##",
        "refer_voice": "vocal-2025082518145625-6XW9wCOF",
    }
    result = airflow.run(batch(requests=[SONG, sung]))

    assert result["delivered"] == 2
    assert [line["model"] for line in manifest(result["manifest_uri"])] == ["minimax/music-2.6", "music-01"]
    assert (music_sandbox.posts("submit"), music_sandbox.posts("generate")) == (1, 1)


def test_a_batch_that_waits_on_the_worker_needs_no_triggerer(music_sandbox, airflow, batch):
    result = airflow.run(batch(deferrable=False))

    assert result["delivered"] == 3
    assert airflow.deferrals == []


def test_a_failed_song_fails_the_task_and_a_retry_asks_for_that_one_only(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:error")
    with pytest.raises(PartialBatchError) as exc:
        airflow.run(batch())
    assert not isinstance(exc.value, HopelessBatchError)
    assert "1 failed" in str(exc.value)
    lines = of_manifest_in(exc)
    assert sorted(line["status"] for line in lines) == ["completed", "completed", "failed"]

    airflow.retry()
    result = airflow.run(batch())

    assert result["delivered"] == 3
    assert music_sandbox.posts("submit") == 4


def test_keep_succeeds_with_the_songs_that_are_there(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:error")
    result = airflow.run(batch(on_partial="keep"))

    assert (result["delivered"], result["failed"]) == (2, 1)
    failed = next(line for line in manifest(result["manifest_uri"]) if line["status"] == "failed")
    assert failed["error"] == "GenerationFailedError"
    assert "not billed" in failed["message"]
    assert music_sandbox.posts("submit") == 3


def test_fail_fast_asks_for_nothing_more_after_a_failure(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:error")
    with pytest.raises(PartialBatchError, match="not submitted"):
        airflow.run(batch(5, max_in_flight=1, fail_fast=True))
    assert music_sandbox.posts("submit") == 1

    airflow.retry()
    assert airflow.run(batch(5, max_in_flight=1, fail_fast=True))["delivered"] == 5
    assert music_sandbox.posts("submit") == 6


def test_fail_fast_with_keep_succeeds_with_what_came_before(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:error,skip=1")
    result = airflow.run(batch(4, max_in_flight=1, fail_fast=True, on_partial="keep"))

    assert (result["requested"], result["delivered"], result["failed"]) == (4, 1, 1)
    assert [line["status"] for line in manifest(result["manifest_uri"])] == [
        "completed",
        "failed",
        "not_submitted",
        "not_submitted",
    ]


def test_songs_that_are_refused_end_the_task_since_a_retry_would_not_help(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:status=400,times=3")
    with pytest.raises(HopelessBatchError, match="3 failed"):
        airflow.run(batch())


def test_a_lost_answer_that_cannot_be_found_is_told_and_never_sent_again(music_sandbox, airflow, batch, quick_clock):
    music_sandbox.settings(any_reference=True)
    sung = {
        "model": "music-01",
        "lyrics": "##we row until the end of night##",
        "refer_voice": "vocal-2025082518145625-6XW9wCOF",
    }
    music_sandbox.fault("generate:cut-after")
    with pytest.raises(HopelessBatchError, match="1 unknown"):
        airflow.run(batch(requests=[SONG, sung]))
    airflow.retry()
    with pytest.raises(HopelessBatchError, match="1 unknown"):
        airflow.run(batch(requests=[SONG, sung]))
    assert (music_sandbox.posts("submit"), music_sandbox.posts("generate")) == (1, 1)

    airflow.clear()
    assert airflow.run(batch(requests=[SONG, sung]))["delivered"] == 2
    assert (music_sandbox.posts("submit"), music_sandbox.posts("generate")) == (1, 2)


def test_resubmit_asks_again_for_the_lost_one_within_the_same_try(music_sandbox, airflow, batch, quick_clock):
    music_sandbox.settings(any_reference=True)
    sung = {
        "model": "music-01",
        "lyrics": "##we row until the end of night##",
        "refer_voice": "vocal-2025082518145625-6XW9wCOF",
    }
    music_sandbox.fault("generate:cut-after")
    result = airflow.run(batch(requests=[SONG, sung], on_unknown="resubmit"))

    assert result["delivered"] == 2
    assert [line["submissions"] for line in manifest(result["manifest_uri"])] == [1, 2]
    assert (music_sandbox.posts("submit"), music_sandbox.posts("generate")) == (1, 2)
    assert len(airflow.deferrals) == 2


def test_a_lost_success_delivers_the_same_songs_again(music_sandbox, airflow, batch):
    first = airflow.run(batch())
    airflow.retry()
    again = airflow.run(batch())

    assert [line["audio_uri"] for line in manifest(again["manifest_uri"])] == [
        line["audio_uri"] for line in manifest(first["manifest_uri"])
    ]
    assert music_sandbox.posts("submit") == 3


def test_a_cleared_batch_makes_new_takes_and_keeps_the_former(music_sandbox, airflow, batch):
    first = airflow.run(batch())
    airflow.clear()
    again = airflow.run(batch())

    assert music_sandbox.posts("submit") == 6
    assert all("take-2" in line["audio_uri"] for line in manifest(again["manifest_uri"]))
    assert all(Path(line["audio_uri"].removeprefix("file://")).exists() for line in manifest(first["manifest_uri"]))


def test_a_deadline_loses_no_paid_song_even_under_keep(music_sandbox, airflow, batch):
    music_sandbox.settings(delay=5.0)
    with pytest.raises(PartialBatchError, match="3 pending") as exc:
        airflow.run(batch(timeout=0.5, on_partial="keep"))
    assert not isinstance(exc.value, HopelessBatchError)

    music_sandbox.settings(delay=0.0)
    airflow.retry()
    assert airflow.run(batch())["delivered"] == 3
    assert music_sandbox.posts("submit") == 3


def test_a_song_that_cannot_be_fetched_is_fetched_by_the_retry_without_paying_again(music_sandbox, airflow, batch):
    music_sandbox.fault("download:status=500")
    with pytest.raises(PartialBatchError, match="1 pending"):
        airflow.run(batch(on_partial="keep"))

    airflow.retry()
    assert airflow.run(batch())["delivered"] == 3
    assert music_sandbox.posts("submit") == 3


def test_a_changed_request_is_named_while_its_song_is_open(music_sandbox, airflow, batch):
    music_sandbox.fault("download:status=500")
    with pytest.raises(PartialBatchError):
        airflow.run(batch())
    airflow.retry()
    with pytest.raises(ChangedRequestError, match=r"3 of 3 requests changed"):
        airflow.run(batch(requests=[{**SONG, "prompt": "a loud song of the sea"}] * 3))
    assert music_sandbox.posts("submit") == 3


def test_all_problems_of_all_requests_come_in_one_message_and_nothing_is_sent(music_sandbox, airflow, batch):
    requests = [SONG, {**SONG, "prompt": "x" * 3000}, {"model": "music-01"}, "sing"]
    with pytest.raises(InvalidRequestError) as exc:
        airflow.run(batch(requests=requests))

    message = str(exc.value)
    assert "requests[1] prompt" in message
    assert "requests[2]" in message
    assert "requests[3] is 'sing'" in message
    assert "requests[0]" not in message
    assert music_sandbox.posts("submit") == 0


def test_a_field_that_a_model_does_not_take_is_named(music_sandbox, airflow, batch):
    with pytest.raises(InvalidRequestError, match=r"requests\[0\] tempo"):
        airflow.run(batch(requests=[{**SONG, "tempo": 120}]))


@pytest.mark.parametrize("requests", [[], "", "nothing", {"model": "music-01"}, None, 7])
def test_requests_that_are_no_list_of_songs_are_refused(music_sandbox, airflow, batch, requests):
    with pytest.raises(InvalidRequestError, match="requests"):
        airflow.run(batch(requests=requests))


@pytest.mark.parametrize("render", [json.dumps, str])
def test_a_list_that_a_template_rendered_as_text_is_taken(music_sandbox, airflow, batch, render):
    assert airflow.run(batch(requests=render([SONG])))["delivered"] == 1


def test_a_missing_connection_is_said_before_anything_is_written(airflow, batch, output_dir, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_MUSIC_DEFAULT", raising=False)
    with pytest.raises(CredentialsError):
        airflow.run(batch())
    assert not output_dir.exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"on_partial": "maybe"}, "on_partial"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_in_flight": "2"}, "max_in_flight"),
        ({"on_unknown": "ask"}, "on_unknown"),
        ({"timeout": 0}, "timeout"),
        ({"poll_interval": -1}, "poll_interval"),
    ],
)
def test_a_wrong_argument_is_said_at_parse_time(batch, wrong, named):
    with pytest.raises(ValueError, match=named):
        batch(**wrong)
