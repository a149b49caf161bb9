# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging

import httpx
import pytest

from airflow_provider_music.generation import reconcile
from airflow_provider_music.generation.reconcile import Reconciliation
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.submit import DeadlineReached
from airflow_provider_music.generation.usage_log import Reach
from airflow_provider_music.record.lease import LeaseWatch
from airflow_provider_music.storage.folder import Folder
from tests.generation.conftest import AUDIO

#: As it is shipped, not as `brisk` has it.
WATCH_SECONDS = reconcile._WATCH_SECONDS
REQUEST = f"airflow-music-{'k' * 24}-1-ffffffff-0123456789ab"


@pytest.fixture(autouse=True)
def as_shipped(monkeypatch, brisk):
    monkeypatch.setattr(reconcile, "_WATCH_SECONDS", WATCH_SECONDS)


@pytest.fixture
def claimed(record):
    """Makes a take whose request was sent, and whose answer is not recorded; its writer is gone."""

    def make(lane="queued", *, sent=True, state="gone", why=None, **more):
        intent = {"client_request_id": REQUEST, "lane": lane, "model": "m", "says_when_sent": True, **more}
        take = record.claim(1, **intent)
        if sent:
            record.write(take, "sent", abandoned=False)
        body = {"state": state, "why": why}
        take.folder.replace("post.json", json.dumps(body).encode())
        return record.latest()

    return make


def reconciled(spec, record, take):
    return run_sync(Reconciliation(spec, record).reconcile(take))


def living(monkeypatch, answers):
    """Let the lease say so, check by check; its last answer stays."""
    left = list(answers)
    monkeypatch.setattr(LeaseWatch, "writer_lives", lambda _: left.pop(0) if len(left) > 1 else left[0])


def test_a_lost_answer_is_found_by_the_requests_own_id(spec, record, api, claimed):
    api.has_row(REQUEST)

    take = reconciled(spec(), record, claimed())

    assert (take.state, take.generation_id, api.searched) == ("accepted", "gen-9", 1)
    assert take["accepted"]["usage"] == {"credits_used": 400000, "usd_spent": 0.2}
    assert take["accepted"]["source"] == "usage log"
    assert take["accepted"]["try_number"] == 2


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_a_request_that_the_log_calls_failed_is_not_billed(lane, spec, record, api, claimed):
    api.has_row(REQUEST, status="failed")

    take = reconciled(spec(lane), record, claimed(lane))

    assert (take.state, take.billing, take["failed"]["sent"]) == ("failed", "not_billed", True)
    assert "not billed" in take["failed"]["reason"]


def test_rows_of_others_are_passed_over_and_searched_again_more_slowly_until_the_deadline(
    spec, record, api, claimed, clocks, monkeypatch
):
    api.has_row("airflow-music-of-another-song")
    waits, sleep = [], clocks.sleep

    async def counted(seconds):
        waits.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(reconcile.runtime, "sleep", counted)
    take = reconciled(spec(), record, claimed())

    assert (take.state, take.billing) == ("unknown", "may_be_billed")
    assert take["unknown"]["reason"] == "the usage log had no row of it before the deadline"
    assert clocks.wall == spec().deadline
    assert [round(wait / 2.0) for wait in waits[:2]] == [1, 2]
    assert api.searched == len(waits) + 1


def test_what_its_writer_said_of_the_loss_comes_first(spec, record, api, claimed):
    take = reconciled(spec(), record, claimed(why="cut after 3 bytes."))

    assert take["unknown"]["reason"] == "cut after 3 bytes. The usage log had no row of it before the deadline"


@pytest.mark.parametrize(
    "breaks",
    [
        [httpx.Response(503)] * 3,
        [httpx.ConnectError("refused"), httpx.ReadTimeout("late")],
        [httpx.Response(401, json={"message": "no", "statusCode": 401})],
    ],
    ids=["503", "no connection", "401"],
)
def test_a_log_that_does_not_answer_is_searched_again(breaks, spec, record, api, claimed):
    api.has_row(REQUEST)
    api.log_breaks = list(breaks)

    take = reconciled(spec(), record, claimed())

    assert (take.state, api.searched) == ("accepted", len(breaks) + 1)


def test_how_far_back_the_log_reaches_is_learnt_once_for_all_searches(spec, record, api, claimed, monkeypatch):
    reaches, real = [], reconcile.find_row

    async def seen(*args, reach):
        reaches.append(reach)
        return await real(*args, reach=reach)

    monkeypatch.setattr(reconcile, "find_row", seen)
    reconciled(spec("synchronous"), record, claimed("synchronous"))

    assert len(reaches) == 3
    assert isinstance(reaches[0], Reach)
    assert len(set(map(id, reaches))) == 1


def test_the_log_says_that_a_row_is_missing_only_where_it_is(spec, record, api, claimed, caplog):
    caplog.set_level(logging.INFO)
    api.has_row(REQUEST)
    reconciled(spec(), record, claimed())
    assert "No row for request" not in caplog.text
    record.take_folder(1).remove("accepted.json")
    api.rows = []

    reconciled(spec(), record, record.latest())

    assert f"No row for request {REQUEST}" in caplog.text


def test_while_its_writer_lives_the_record_is_watched_and_the_log_is_left_alone(
    spec, record, api, claimed, monkeypatch, clocks
):
    api.has_row(REQUEST)
    living(monkeypatch, [True, True, False])
    began = clocks.wall

    take = reconciled(spec(), record, claimed())

    assert (take.state, api.searched) == ("accepted", 1)
    assert clocks.wall - began == 4.0


def test_what_its_writer_writes_is_taken(spec, record, api, claimed, monkeypatch):
    take, reads = claimed(), []

    def lives(_):
        reads.append(1)
        if len(reads) == 3:
            record.write(take, "accepted", generation_id="gen-of-the-writer")
        return True

    monkeypatch.setattr(LeaseWatch, "writer_lives", lives)

    found = reconciled(spec(), record, take)

    assert (found.generation_id, api.searched) == ("gen-of-the-writer", 0)


def test_a_writer_that_outlives_the_deadline_may_still_write_so_nothing_is_called_unknown(
    spec, record, api, claimed, monkeypatch
):
    living(monkeypatch, [True])
    with pytest.raises(DeadlineReached):
        reconciled(spec(), record, claimed())
    assert record.latest().state == "open"


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_a_request_that_its_writer_never_sent_costs_a_retry(lane, spec, record, api, claimed):
    take = reconciled(spec(lane), record, claimed(lane, sent=False))

    assert (take.state, take["failed"]["sent"], take["failed"]["abandoned"]) == ("failed", False, True)
    assert api.searched == 0
    assert json.loads(take.folder.read("sent.json"))["abandoned"] is True


def test_what_another_process_gave_up_already_never_left_either(spec, record, api, claimed):
    take = claimed(sent=False)
    record.write(take, "sent", abandoned=True)

    assert reconciled(spec(), record, take)["failed"]["abandoned"] is True


def test_what_was_sent_is_searched_for_without_a_write(spec, record, api, claimed, monkeypatch):
    take, created = claimed("synchronous"), []
    real = Folder.create

    def create(folder, name, *args, **kwargs):
        created.append(name)
        return real(folder, name, *args, **kwargs)

    monkeypatch.setattr(Folder, "create", create)
    reconciled(spec("synchronous"), record, take)

    assert (api.searched, created) == (3, ["unknown.json"])


def test_of_an_older_claim_that_does_not_say_when_it_is_sent_the_log_decides(spec, record, api, claimed):
    api.has_row(REQUEST)

    take = reconciled(spec(), record, claimed(sent=False, says_when_sent=False))

    assert (take.state, api.searched) == ("accepted", 1)
    assert take.folder.read("sent.json") is None


def test_a_synchronous_song_that_is_in_place_already_is_completed(spec, record, api, claimed):
    take = claimed("synchronous", audio_format="wav")
    take.audio_folder.create("song.wav", AUDIO)
    api.has_row(REQUEST)

    found = reconciled(spec("synchronous"), record, take)

    assert (found.state, found["completed"]["source"]) == ("completed", "storage")
    assert found["completed"]["audio_uri"].endswith("/song.wav")
    assert (found["completed"]["generation_id"], found["completed"]["model"]) == ("gen-9", "music-01")
    assert found["completed"]["usage"] == {"credits_used": 400000, "usd_spent": 0.2}


def test_a_song_in_place_without_a_row_has_no_cost_yet(spec, record, api, claimed):
    take = claimed("synchronous")
    take.audio_folder.create("song.wav", AUDIO)

    found = reconciled(spec("synchronous"), record, take)

    assert (found.state, api.searched) == ("completed", 1)
    assert found["completed"]["usage"] == {"credits_used": None, "usd_spent": None}
    assert found["completed"]["generation_id"] is None


@pytest.mark.parametrize(
    ("why", "begins"), [(None, "the process that held the POST open is gone. T"), ("cut.", "cut. T")]
)
def test_a_synchronous_song_that_the_log_calls_done_is_billed_and_lost(why, begins, spec, record, api, claimed):
    api.has_row(REQUEST)

    take = reconciled(spec("synchronous"), record, claimed("synchronous", why=why))

    assert (take.state, take.billing, api.searched) == ("unknown", "billed", 1)
    assert (take["unknown"]["usd_spent"], take["unknown"]["credits_used"]) == (0.2, 400000)
    assert (
        take["unknown"]["reason"]
        == f"{begins}he usage log says that the request succeeded: it is billed, and the song is lost"
    )


def test_a_synchronous_song_that_the_log_has_under_way_is_not_billed_yet(spec, record, api, claimed):
    api.has_row(REQUEST, status="processing", cost=None)

    take = reconciled(spec("synchronous"), record, claimed("synchronous"))

    assert (take.state, take.billing, api.searched) == ("unknown", "may_be_billed", 3)


def test_a_synchronous_song_without_a_row_is_given_up_after_three_searches(spec, record, api, claimed, clocks):
    took = clocks.wall
    take = reconciled(spec("synchronous"), record, claimed("synchronous"))

    assert (take.state, take.billing, api.searched) == ("unknown", "may_be_billed", 3)
    assert take["unknown"]["billed"] is None
    assert take["unknown"]["usd_spent"] is None
    assert take["unknown"]["reason"].endswith("The usage log has no row of it yet, so it may be billed")
    assert clocks.wall - took < 10
