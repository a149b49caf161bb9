# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import (
    AuthenticationError,
    ChangedRequestError,
    InvalidRequestError,
    ServerFailureError,
    UnknownOutcomeError,
)
from airflow_provider_music.operators.music import GenerateMusicOperator

RESULT_KEYS = {
    "generation_id",
    "model",
    "status",
    "audio_uri",
    "audio",
    "usage",
    "submissions",
    "trace_id",
    "record_uri",
}


@pytest.fixture
def queued(song):
    return song


def test_a_queued_song_lands_in_storage_and_is_told_in_full(music_sandbox, airflow, queued):
    result = airflow.run(queued())

    assert set(result) == RESULT_KEYS
    assert result["status"] == "completed"
    assert result["submissions"] == 1
    audio = Path(result["audio_uri"].removeprefix("file://"))
    assert hashlib.sha256(audio.read_bytes()).hexdigest() == result["audio"]["sha256"]
    assert result["audio"]["sha256"] == music_sandbox.state()["generations"][0]["sha256"]
    assert result["usage"] == {"credits_used": 390000, "usd_spent": 0.195}
    assert len(json.dumps(result)) < 4096
    assert json.loads(Path(result["record_uri"].removeprefix("file://")).read_text())["fact"] == "completed"
    assert music_sandbox.posts("submit") == 1
    assert len(airflow.deferrals) == 1


@pytest.fixture
def synchronous(output_dir, music_sandbox):
    music_sandbox.settings(any_reference=True)

    def make(**more):
        fields = {
            "task_id": "song",
            "model": "music-01",
            "lyrics": "##we row until the end of night##",
            "refer_voice": "vocal-2025082518145625-6XW9wCOF",
            "audio_setting": {"sample_rate": 44100, "bitrate": 128000, "format": "mp3"},
            "output_dir": str(output_dir),
        }
        return GenerateMusicOperator(**{**fields, **more})

    return make


def facts(output_dir):
    paths = [path for path in output_dir.rglob("*.json") if not path.name.endswith(".provenance.json")]
    return sorted(f"{path.parent.name}/{path.stem}" for path in paths if path.stem != "post")


def audio_files(output_dir):
    return sorted(path.name for path in output_dir.rglob("*") if path.is_file() and path.suffix != ".json")


def test_a_synchronous_song_lands_from_the_triggerer(music_sandbox, airflow, synchronous, output_dir):
    result = airflow.run(synchronous())

    assert set(result) == RESULT_KEYS
    assert result["audio"]["format"] == "mp3"
    assert result["audio"]["sha256"] == music_sandbox.generations()[0]["sha256"]
    assert music_sandbox.posts("generate") == 1
    assert facts(output_dir) == ["take-1/completed", "take-1/delivered", "take-1/intent", "take-1/sent"]
    assert audio_files(output_dir) == ["song.mp3"]


@pytest.mark.parametrize("audio_format", ["mp3", "wav", "pcm"])
@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_every_format_lands_under_its_name(lane, audio_format, airflow, request, music_sandbox, output_dir):
    make = request.getfixturevalue(lane)
    result = airflow.run(make(audio_setting={"sample_rate": 32000, "bitrate": 128000, "format": audio_format}))

    assert result["audio"]["format"] == audio_format
    assert result["audio"]["sample_rate_hz"] == 32000
    assert audio_files(output_dir) == [f"song.{audio_format}"]
    assert result["audio"]["sha256"] == music_sandbox.generations()[0]["sha256"]


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_without_a_triggerer_the_worker_waits_and_nothing_is_deferred(lane, airflow, request, music_sandbox):
    result = airflow.run(request.getfixturevalue(lane)(deferrable=False))

    assert result["status"] == "completed"
    assert airflow.deferrals == []
    assert music_sandbox.posts() == 1


def test_without_waiting_the_operator_returns_the_accepted_id(music_sandbox, airflow, queued):
    result = airflow.run(queued(wait_for_completion=False))

    assert result["status"] == "accepted"
    assert result["generation_id"] == music_sandbox.generations()[0]["id"]
    assert result["audio_uri"] is None
    assert set(result) == RESULT_KEYS
    assert airflow.deferrals == []


def test_the_synchronous_lane_waits_all_the_same(airflow, synchronous):
    assert airflow.run(synchronous(wait_for_completion=False))["status"] == "completed"


def test_nothing_secret_and_no_audio_goes_through_airflow(music_sandbox, airflow, queued):
    result = airflow.run(queued())

    kept = json.dumps([airflow.deferrals, airflow.events, result])
    assert music_sandbox.key not in kept
    assert "Signature" not in kept
    assert "http" not in kept.replace("file://", "")


def test_all_problems_of_a_request_come_at_once_and_nothing_is_sent_or_left(music_sandbox, airflow, output_dir):
    with pytest.raises(InvalidRequestError) as caught:
        GenerateMusicOperator(
            task_id="song",
            model="music-01",
            lyrics="x" * 700,
            audio_setting={"sample_rate": 8000, "bitrate": 1, "format": "ogg"},
            output_dir=str(output_dir),
        )

    assert len(caught.value.problems) == 5
    assert music_sandbox.posts() == 0
    assert not output_dir.exists()


def test_a_missing_connection_is_said_before_anything_is_sent_or_left(airflow, queued, output_dir):
    with pytest.raises(Exception, match="There is no connection 'nowhere'") as caught:
        airflow.run(queued(conn_id="nowhere"))

    assert type(caught.value).__name__ == "CredentialsError"
    assert not output_dir.exists()


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_an_output_folder_that_cannot_be_written_is_said_before_anything_is_sent(
    lane, airflow, request, music_sandbox, tmp_path
):
    in_the_way = tmp_path / "a-file"
    in_the_way.write_text("")
    with pytest.raises(Exception, match="nothing was sent") as caught:
        airflow.run(request.getfixturevalue(lane)(output_dir=str(in_the_way)))

    assert type(caught.value).__name__ == "OutputError"
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"on_unknown": "again"}, "on_unknown"),
        ({"timeout": 0}, "timeout"),
        ({"poll_interval": -1}, "poll_interval"),
    ],
)
def test_a_setting_out_of_range_fails_the_dag_file_at_parse(bad, match, queued):
    with pytest.raises(ValueError, match=match):
        queued(**bad)


def test_a_retry_after_delivery_returns_the_same_song_and_asks_for_nothing(music_sandbox, airflow, queued):
    first = airflow.run(queued())
    airflow.retry()
    again = airflow.run(queued())

    assert again == first
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_a_clear_after_delivery_makes_take_two_and_keeps_take_one(lane, music_sandbox, airflow, request, output_dir):
    make = request.getfixturevalue(lane)
    first = airflow.run(make())
    airflow.clear()
    second = airflow.run(make())

    assert second["audio_uri"] != first["audio_uri"]
    assert Path(first["audio_uri"].removeprefix("file://")).exists()
    assert second["submissions"] == 1
    assert music_sandbox.posts() == 2
    airflow.retry()
    assert airflow.run(make()) == second


def test_a_request_that_changed_while_its_song_is_open_is_named_first_and_asked_for_after_a_clear(
    music_sandbox, airflow, queued
):
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(Exception, match="500"):
        airflow.run(queued())
    airflow.retry()
    with pytest.raises(ChangedRequestError, match="as a new take"):
        airflow.run(queued(prompt="a wild song of the sea"))
    assert music_sandbox.posts("submit") == 1

    music_sandbox.clear_faults()
    airflow.clear()
    assert airflow.run(queued(prompt="a wild song of the sea"))["status"] == "completed"
    assert music_sandbox.posts("submit") == 2


def test_a_landing_that_fails_is_mended_by_a_retry_without_a_second_request(music_sandbox, airflow, queued):
    music_sandbox.fault("download:cut-body=0.5")
    with pytest.raises(Exception, match="paid for"):
        airflow.run(queued())
    airflow.retry()

    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


def test_an_expired_link_is_asked_for_afresh(music_sandbox, airflow, queued):
    music_sandbox.fault("poll:expired-url,skip=1")

    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


def test_a_generation_that_fails_is_not_billed_and_a_retry_asks_again(music_sandbox, airflow, queued):
    music_sandbox.fault("submit:error")
    with pytest.raises(Exception, match="not billed") as caught:
        airflow.run(queued())
    assert type(caught.value).__name__ == "GenerationFailedError"
    airflow.retry()

    result = airflow.run(queued())
    assert result["submissions"] == 2
    assert music_sandbox.posts("submit") == 2


def test_a_lost_answer_is_found_in_the_usage_log_behind_other_rows(music_sandbox, airflow, queued):
    music_sandbox.fault("submit:cut-after")
    music_sandbox.fill_log(250)

    result = airflow.run(queued())

    assert result["generation_id"] == music_sandbox.generations()[0]["id"]
    assert music_sandbox.posts("submit") == 1


def test_a_lost_answer_that_no_log_tells_of_is_unknown_and_never_sent_again(music_sandbox, airflow, queued):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")
    with pytest.raises(UnknownOutcomeError, match="X-Client-Request-Id airflow-music-"):
        airflow.run(queued(timeout=1.0))
    airflow.retry()
    with pytest.raises(UnknownOutcomeError, match="clear this task"):
        airflow.run(queued(timeout=1.0))
    assert music_sandbox.posts("submit") == 1

    music_sandbox.clear_faults()
    airflow.clear()
    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.posts("submit") == 2


def test_resubmit_asks_once_more_in_the_same_try(music_sandbox, airflow, queued):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")

    # Long enough for the second request to be polled on a busy machine, too.
    result = airflow.run(queued(on_unknown="resubmit", timeout=4.0))

    assert result["submissions"] == 2
    assert music_sandbox.posts("submit") == 2


def test_resubmit_asks_at_most_once_more_per_try(music_sandbox, airflow, queued):
    music_sandbox.fault("submit:cut-before,times=all", "logs:status=500,times=all")
    with pytest.raises(Exception, match=r"next try submits once more") as caught:
        airflow.run(queued(on_unknown="resubmit", timeout=0.5))
    assert type(caught.value).__name__ == "ResubmissionLostError"
    assert music_sandbox.posts("submit") == 2
    airflow.retry()
    with pytest.raises(Exception, match=r"next try submits once more"):
        airflow.run(queued(on_unknown="resubmit", timeout=0.5))
    assert music_sandbox.posts("submit") == 3


def test_a_synchronous_answer_that_is_cut_is_unknown_and_never_sent_again(music_sandbox, airflow, synchronous):
    music_sandbox.fault("generate:cut-body=0.5")
    with pytest.raises(UnknownOutcomeError, match="billed"):
        airflow.run(synchronous())
    airflow.retry()
    with pytest.raises(UnknownOutcomeError):
        airflow.run(synchronous())
    assert music_sandbox.posts("generate") == 1


def test_a_row_that_says_failed_may_be_asked_again(music_sandbox, airflow, synchronous):
    music_sandbox.fault("generate:cut-after,failed")
    with pytest.raises(Exception, match="not billed"):
        airflow.run(synchronous())
    airflow.retry()

    assert airflow.run(synchronous())["status"] == "completed"
    assert music_sandbox.posts("generate") == 2


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_a_busy_api_is_tried_again_until_it_takes_the_request(lane, music_sandbox, airflow, request, quick_clock):
    route = "submit" if lane == "queued" else "generate"
    music_sandbox.fault(f"{route}:rate-limit=1,times=3")

    result = airflow.run(request.getfixturevalue(lane)())

    assert result["submissions"] == 1
    assert len(music_sandbox.generations()) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "RequestRejectedError"),
        (401, "AuthenticationError"),
        (404, "ModelUnavailableError"),
        (500, "ServerFailureError"),
    ],
)
@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_what_the_api_refuses_is_raised_as_its_own_error(lane, status, error, music_sandbox, airflow, request):
    route = "submit" if lane == "queued" else "generate"
    music_sandbox.fault(f"{route}:status={status}")
    with pytest.raises(Exception, match="not billed") as caught:
        airflow.run(request.getfixturevalue(lane)())
    assert type(caught.value).__name__ == error
    # What ends the task leaves its retries unused.
    assert ("a retry submits again" if status == 500 else "a clear submits again") in str(caught.value)
    assert ".. " not in str(caught.value)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateways_error_page_is_no_answer_and_the_song_is_looked_for(status, music_sandbox, airflow, queued):
    music_sandbox.fault(f"submit:status={status},gateway,billed")

    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


def test_a_withdrawn_model_names_its_replacement(music_sandbox, airflow, queued):
    music_sandbox.withdraw("minimax/music-2.6", "minimax/music-3.0")
    with pytest.raises(Exception, match=r"minimax/music-3\.0"):
        airflow.run(queued())


def test_failing_polls_do_not_fail_a_paid_song(music_sandbox, airflow, queued, quick_clock):
    music_sandbox.fault("poll:status=500,times=4", "poll:cut-before,times=2", "poll:junk,times=2")

    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize("fault", ["status=401", "status=429", "status=500", "status=404", "cut-before", "junk"])
def test_one_refused_look_where_a_paid_song_lies_costs_no_try(fault, music_sandbox, airflow, queued):
    music_sandbox.fault(f"poll:{fault},skip=1")  # the wait has the first, the worker that lands it the second

    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.requests("poll") == 3
    assert music_sandbox.posts("submit") == 1


def test_a_song_that_nobody_says_the_place_of_is_told_as_paid(music_sandbox, airflow, queued):
    music_sandbox.fault("poll:status=401,skip=1,times=all")
    with pytest.raises(AuthenticationError, match=r"401.*[^.]\. The song is paid for; a retry or a clear fetches it"):
        airflow.run(queued())
    assert music_sandbox.requests("poll") == 1 + 4
    music_sandbox.clear_faults()
    airflow.retry()

    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


def test_once_all_looks_were_in_vain_the_next_song_has_one_for_a_while(music_sandbox, airflow, queued):
    music_sandbox.fault("poll:status=500,skip=1,times=4", "poll:status=500,skip=6")
    with pytest.raises(ServerFailureError, match="is paid for"):
        airflow.run(queued())
    airflow.map_index = 1
    with pytest.raises(ServerFailureError, match="is paid for"):
        airflow.run(queued())
    assert music_sandbox.requests("poll") == 5 + 2


def test_a_missed_deadline_leaves_the_song_to_a_retry(music_sandbox, airflow, queued):
    music_sandbox.settings(delay=1.0)
    with pytest.raises(Exception, match="not submitted again") as caught:
        airflow.run(queued(timeout=0.3))
    assert type(caught.value).__name__ == "GenerationTimeoutError"
    airflow.retry()

    assert airflow.run(queued())["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


def test_mapped_tasks_have_a_song_each(music_sandbox, airflow, queued):
    uris = set()
    for index in range(3):
        airflow.map_index = index
        uris.add(airflow.run(queued())["audio_uri"])

    assert len(uris) == 3
    assert music_sandbox.posts("submit") == 3


def test_an_unknown_model_goes_through_the_queued_lane_as_it_stands(music_sandbox, airflow, queued, caplog):
    with pytest.raises(Exception, match="new/model-9"):
        airflow.run(queued(model="new/model-9"))

    assert "not in" in caplog.text
    assert music_sandbox.posts("submit") == 1
