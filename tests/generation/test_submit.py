# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
import json
import logging

import httpx
import pytest

from airflow_provider_music.exceptions import CredentialsError, OutputError, RecordError
from airflow_provider_music.generation import rate_limits, runtime, submit
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.submit import DeadlineReached, Submission
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.record.lease import Lease, LeaseWatch
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder
from tests.generation.conftest import no_such_name

LANES = ["queued", "synchronous"]


def submitted(spec, record):
    return run_sync(Submission(spec, record).submit())


def lease_of(record, n=1):
    return json.loads(record.take_folder(n).read("post.json"))


def test_the_intent_is_there_before_the_request_and_its_owner_says_when_it_sends(spec, record, api):
    there = []
    api.on_post = lambda: there.append(record.folder.names())

    take = submitted(spec(), record)

    assert {"take-1/intent.json", "take-1/sent.json", "take-1/post.json"} <= there[0]
    assert "take-1/accepted.json" not in there[0]
    assert json.loads(record.take_folder(1).read("sent.json"))["abandoned"] is False
    assert take["intent"]["says_when_sent"] is True


def test_a_queued_request_is_accepted_with_the_apis_id(spec, record, api):
    api.answers = [{"id": "gen-7", "status": "queued", "trace_id": "t-7"}]

    take = submitted(spec(), record)

    assert (take.state, take.generation_id, take.n) == ("accepted", "gen-7", 1)
    assert (take["accepted"]["source"], take["accepted"]["try_number"]) == ("answer", 2)
    assert record.latest()["accepted"] == take["accepted"]
    assert [body for _, body in api.posted] == [{"model": "minimax/music-2.6", "prompt": "the sea"}]


def test_a_synchronous_request_is_completed_with_its_song(spec, record, api):
    take = submitted(spec("synchronous"), record)

    assert (take.state, len(api.posted)) == ("completed", 1)
    assert take["completed"]["audio"]["format"] == "wav"
    assert take.audio_folder.read("song.wav")


def test_the_requests_own_id_is_the_one_that_was_made_before_or_a_new_one(spec, record, api):
    submitted(spec(request_id="airflow-music-made-before"), record)
    take = submitted(spec(n=2), record)

    assert api.posted[0][0] == "airflow-music-made-before"
    assert api.posted[1][0].startswith(f"airflow-music-{'k' * 24}-2-ffffffff-")
    assert take["intent"]["client_request_id"] == api.posted[1][0]


def test_a_take_that_another_process_claimed_is_not_sent(spec, record, api):
    record.claim(1, client_request_id="of another")

    take = submitted(spec(), record)

    assert (take.state, take["intent"]["client_request_id"]) == ("open", "of another")
    assert api.posted == []


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("left", [0.0, -1.0])
def test_behind_the_deadline_nothing_is_claimed_or_sent(left, lane, spec, record, api, clocks):
    with pytest.raises(DeadlineReached):
        submitted(spec(lane, deadline=clocks.wall + left), record)
    assert record.latest() is None
    assert api.posted == []


@pytest.mark.parametrize(
    ("answer", "sent", "error", "more"),
    [
        (httpx.ConnectError("refused"), False, "ApiUnreachableError", None),
        (
            httpx.Response(429, json={"message": "busy", "statusCode": 429}, headers={"Retry-After": "7"}),
            *(False, "RateLimitedError", 7.0),
        ),
        (httpx.Response(500, json={"message": "broken", "statusCode": 500}), True, "ServerFailureError", None),
        (httpx.Response(400, json={"message": "no", "statusCode": 400}), True, "RequestRejectedError", None),
    ],
    ids=["refused connection", "429", "500 in the envelope", "400"],
)
@pytest.mark.parametrize("lane", LANES)
def test_what_the_api_did_not_take_has_failed_and_is_not_billed(lane, answer, sent, error, more, spec, record, api):
    api.answers = [answer]

    take = submitted(spec(lane), record)

    assert (take.state, take.billing) == ("failed", "not_billed")
    assert (take["failed"]["sent"], take["failed"]["error"], take["failed"].get("retry_after")) == (sent, error, more)
    assert take["failed"]["reason"]
    assert len(api.posted) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.ReadError("cut"), "ReadError: cut"),
        (httpx.ReadTimeout("late"), "ReadTimeout"),
        (httpx.Response(502), "502"),
    ],
    ids=repr,
)
def test_a_lost_answer_has_no_fact_and_its_owner_says_why_and_that_it_is_gone(answer, why, spec, record, api):
    api.answers = [answer]

    take = submitted(spec(), record)

    assert (take.state, take.billing) == ("open", "may_be_billed")
    assert lease_of(record)["state"] == "gone"
    watch = LeaseWatch(record.take_folder(1))
    assert not watch.writer_lives()
    assert why in watch.why()


@pytest.mark.parametrize("lane", LANES)
def test_a_host_that_has_no_address_has_an_error_of_its_own_and_says_for_how_long(
    lane, spec, record, api, clocks, monkeypatch
):
    api.answers = [no_such_name(monkeypatch)] * 2
    submitted(spec(lane), record)
    clocks.elapsed += 7

    take = submitted(spec(lane, n=2), record)

    assert (take["failed"]["sent"], take["failed"]["error"]) == (False, "HostUnknownError")
    assert take["failed"]["seconds_without_address"] == 7
    assert take["failed"]["reason"].startswith("Nothing was sent: http://127.0.0.1:1, the base URL of connection")


def test_while_the_post_is_open_its_owner_lives(spec, record, api):
    lives = []
    api.on_post = lambda: lives.append(lease_of(record)["state"])

    submitted(spec(), record)

    assert lives == ["open"]


@pytest.mark.parametrize("answer", ["accepted", "refused"])
def test_where_a_fact_says_what_came_of_it_the_lease_is_written_once(spec, record, api, monkeypatch, answer):
    """Nobody reads it any more, and a bucket bills each write."""
    written, real = [], Folder.replace
    monkeypatch.setattr(
        Folder, "replace", lambda self, name, *a, **k: (written.append(name), real(self, name, *a, **k))
    )
    if answer == "refused":
        api.answers = [httpx.ConnectError("refused")]

    take = submitted(spec(), record)

    assert take.state == {"accepted": "accepted", "refused": "failed"}[answer]
    assert written == ["post.json"]


def failing(monkeypatch, method, name, times=99):
    """Let a folder's writes of one file fail so often; return when each was tried, by the elapsed clock."""
    real, tried = getattr(Folder, method), []

    def fails(folder, at, *args, **kwargs):
        if at == name:
            tried.append(runtime.monotonic())
            if len(tried) <= times:
                raise OSError(28, "No space left on device")
        return real(folder, at, *args, **kwargs)

    monkeypatch.setattr(Folder, method, fails)
    return tried


@pytest.mark.parametrize(
    ("method", "name"), [("create", "intent.json"), ("replace", "post.json"), ("create", "sent.json")]
)
def test_where_the_folder_takes_no_claim_nothing_is_sent_and_no_claim_stays(
    method, name, spec, record, api, monkeypatch
):
    failing(monkeypatch, method, name)
    with pytest.raises(OutputError, match="nothing was sent"):
        submitted(spec(), record)
    assert api.posted == []
    assert record.latest() is None


@pytest.mark.parametrize("times", [1, 7])
def test_an_id_that_is_paid_for_is_written_again_while_the_store_is_away(times, spec, record, api, monkeypatch):
    failing(monkeypatch, "create", "accepted.json", times)

    take = submitted(spec(), record)

    assert (take.state, len(api.posted)) == ("accepted", 1)


def test_a_store_that_stays_away_leaves_the_take_open_for_the_usage_log(spec, record, api, monkeypatch):
    tried = failing(monkeypatch, "create", "accepted.json")

    take = submitted(spec(), record)

    assert (take.state, len(api.posted), len(tried)) == ("open", 1, 8)
    assert 90 <= tried[-1] - tried[0] <= 160


def test_a_refusal_that_no_store_takes_is_an_error_of_the_store(spec, record, api, monkeypatch):
    failing(monkeypatch, "create", "failed.json")
    api.answers = [httpx.ConnectError("refused")]
    with pytest.raises(RecordError, match="No space left"):
        submitted(spec(), record)
    assert len(api.posted) == 1


def test_a_claim_that_was_given_up_by_another_process_is_not_sent(spec, record, api, monkeypatch):
    real = SongRecord.write_first

    def given_up_first(record, take, fact, **values):
        if fact == "sent":
            real(record, take, "sent", abandoned=True)
        return real(record, take, fact, **values)

    monkeypatch.setattr(SongRecord, "write_first", given_up_first)

    take = submitted(spec(), record)

    assert take.never_sent
    assert api.posted == []


def test_without_a_key_no_claim_is_left(spec, record, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps({"conn_type": "music"}))
    with pytest.raises(CredentialsError):
        submitted(spec(), record)
    assert record.latest() is None


def test_a_cancelled_caller_leaves_the_open_post_to_end(spec, record, api):
    async def cancelled():
        reached, goes_on = asyncio.Event(), asyncio.Event()

        async def answered():
            reached.set()
            await goes_on.wait()

        api.until_answered = answered
        caller = asyncio.create_task(Submission(spec(), record).submit())
        await asyncio.wait_for(reached.wait(), 5)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert len(submit._open_posts) == 1
        goes_on.set()
        await asyncio.gather(*submit._open_posts)

    run_sync(cancelled())
    assert (record.latest().state, len(api.posted)) == ("accepted", 1)
    assert not submit._open_posts


@pytest.fixture
def stopped(spec, record):
    """Stops the process that submits, as its loop does at its end, once it says that it is there."""

    def stop(arrange):
        async def loop():
            there = asyncio.Event()
            arrange(there)
            caller = asyncio.create_task(Submission(spec(), record).submit())
            await asyncio.wait_for(there.wait(), 5)
            (post,) = submit._open_posts
            post.cancel()
            with pytest.raises(asyncio.CancelledError):
                await post
            with pytest.raises(asyncio.CancelledError):
                await caller

        run_sync(loop())
        return record.latest()

    return stop


def test_a_process_that_is_stopped_between_claim_and_request_says_that_nothing_was_sent(api, stopped, monkeypatch):
    def arrange(there):
        @contextlib.asynccontextmanager
        async def held(_):
            there.set()
            await asyncio.sleep(60)
            yield

        monkeypatch.setattr(Lease, "held", held)

    take = stopped(arrange)

    assert (take.state, take.billing, api.posted) == ("failed", "not_billed", [])
    failed = take["failed"]
    assert (failed["sent"], failed["abandoned"], failed["error"]) == (False, True, "ApiUnreachableError")
    assert failed["reason"] == "the process that had claimed it ended before it sent the request"


def test_a_process_that_is_stopped_while_the_post_is_open_leaves_it_to_the_usage_log(api, record, stopped):
    def arrange(there):
        async def answered():
            there.set()
            await asyncio.sleep(60)

        api.until_answered = answered

    take = stopped(arrange)

    assert (take.state, take.billing, len(api.posted)) == ("open", "may_be_billed", 1)
    watch = LeaseWatch(record.take_folder(1))
    assert not watch.writer_lives()
    assert watch.why() == "the process that held the POST open was stopped"


def test_a_synchronous_post_takes_one_of_the_connections_slots_and_gives_it_back(spec, record, api):
    async def slots():
        client = await client_of("music_default")
        slots = rate_limits.open_generations(client.settings)
        free, taken = slots._value, []
        api.on_post = lambda: taken.append(free - slots._value)
        await Submission(spec("synchronous"), record).submit()
        await Submission(spec(n=2), record).submit()
        return taken, free - slots._value

    assert run_sync(slots()) == ([1, 0], 0)


def test_without_a_free_slot_before_the_deadline_nothing_is_claimed(spec, record, api, clocks, caplog):
    async def full():
        client = await client_of("music_default")
        slots = rate_limits.open_generations(client.settings)
        while not slots.locked():
            await slots.acquire()
        with pytest.raises(DeadlineReached):
            await Submission(spec("synchronous", deadline=clocks.wall + 0.05), record).submit()

    caplog.set_level(logging.INFO)
    run_sync(full())
    assert record.latest() is None
    assert api.posted == []
    assert "waits for its turn" in caplog.text


def test_a_request_that_need_not_wait_does_not_say_so(spec, record, api, caplog):
    caplog.set_level(logging.INFO)
    submitted(spec("synchronous"), record)
    assert "waits for its turn" not in caplog.text
