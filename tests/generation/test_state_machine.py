# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import json

import httpx
import pytest

from airflow_provider_music.exceptions import StorageNotSharedError
from airflow_provider_music.generation import state_machine
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.state_machine import StateMachine, run_generation, watch_generation
from airflow_provider_music.record.carried import carried
from airflow_provider_music.record.store import SongRecord
from tests.generation.conftest import no_such_name

BUSY = httpx.Response(429, json={"message": "busy", "statusCode": 429})


def refused(seconds):
    return httpx.Response(429, json={"message": "busy", "statusCode": 429}, headers={"Retry-After": str(seconds)})


def followed(spec, *, sees_record=True):
    machine = StateMachine(spec, sees_record=sees_record)
    return (*run_sync(machine.run()), machine)


def taken(record, *facts, **values):
    """Leave a take with such facts in the record."""
    take = record.claim(1, client_request_id="r-1", lane="queued", **values)
    for fact in facts:
        take = record.write(take, fact, generation_id="gen-1", sent=True)
    return take


def test_a_queued_generation_is_submitted_and_waited_for(spec, record, api):
    api.polls = [{"id": "gen-1", "status": "generating"}]

    status, more, machine = followed(spec())

    assert (status, more, machine.n) == ("ready", {"generation_id": "gen-1"}, 1)
    assert (len(api.posted), api.polled) == (1, 2)


def test_a_synchronous_generation_is_completed_and_its_facts_stay_in_the_record(spec, record, api):
    status, more, machine = followed(spec("synchronous"))

    assert (status, more, machine.facts) == ("completed", {}, None)
    assert record.latest().state == "completed"


@pytest.mark.parametrize(
    ("facts", "status"),
    [(("accepted", "completed"), "completed"), (("accepted", "delivered"), "completed"), (("failed",), "failed")],
)
def test_what_stands_in_the_record_is_the_end_and_costs_no_call(facts, status, spec, record, api):
    taken(record, *facts)

    assert followed(spec())[:2] == (status, {})
    assert (len(api.posted), api.polled, api.searched) == (0, 0, 0)


def test_a_lost_answer_is_an_end_of_its_own(spec, record, api):
    taken(record, "unknown")
    assert followed(spec())[:2] == ("unknown", {})


def test_an_accepted_take_is_polled_by_its_id_and_nothing_is_submitted(spec, record, api):
    taken(record, "accepted")

    assert followed(spec())[:2] == ("ready", {"generation_id": "gen-1"})
    assert (len(api.posted), api.polled) == (0, 1)


def test_where_nobody_waits_longer_an_id_is_enough(spec, record, api):
    assert followed(spec(until_accepted=True))[:2] == ("accepted", {"generation_id": "gen-1"})
    assert api.polled == 0


def test_an_open_take_is_reconciled(spec, record, api):
    take = taken(record)
    record.write(take, "sent", abandoned=False)
    take.folder.replace("post.json", json.dumps({"state": "gone"}).encode())
    api.has_row("r-1", inference_id="gen-1")

    assert followed(spec())[:2] == ("ready", {"generation_id": "gen-1"})
    assert (len(api.posted), api.searched) == (0, 1)


def test_a_generation_that_fails_is_written_down_with_the_apis_words(spec, record, api):
    api.polls = [{"id": "gen-1", "status": "error", "error": {"name": "x", "message": "too loud"}}]

    status, more, _ = followed(spec())

    assert (status, more) == ("failed", {"generation_id": "gen-1"})
    failed = record.latest()["failed"]
    assert (failed["sent"], failed["error"]) == (True, "GenerationFailedError")
    assert failed["reason"].startswith("the API says error: ")
    assert "too loud" in failed["reason"]


@pytest.mark.parametrize(("status", "odd"), [("queued", None), ("dreaming", "dreaming")])
def test_at_the_deadline_a_status_that_nobody_knows_is_named(status, odd, spec, record, api):
    api.polls = [{"id": "gen-1", "status": status}] * 1000

    ended, more, _ = followed(spec(poll_interval=9.0))

    assert (ended, more["generation_id"], more["unknown_status"]) == ("timeout", "gen-1", odd)
    assert (more["polls"]["made"], more["polls"]["last_status"]) == (api.polled, status)
    assert record.latest().state == "accepted"


def test_a_request_that_is_not_accepted_is_submitted_again_as_the_next_take(spec, record, api, clocks):
    began = clocks.wall
    api.answers = [BUSY, BUSY]

    status, _, machine = followed(spec(request_id="made-before"))

    assert (status, machine.n, len(api.posted)) == ("ready", 3, 3)
    assert api.posted[0][0] == "made-before"
    assert len({number for number, _ in api.posted}) == 3
    assert 2.0 * 0.75 + 4.0 * 0.75 <= clocks.wall - began - 1.0 <= 2.0 * 1.25 + 4.0 * 1.25 + 1.25


def test_the_pause_that_the_api_names_is_kept(spec, record, api, clocks):
    began = clocks.wall
    api.answers = [refused(30)]

    followed(spec())

    assert 30.0 <= clocks.wall - began <= 33.0


@pytest.mark.parametrize("seconds", [100, 1000])
def test_a_pause_that_outlasts_the_deadline_ends_the_wait_with_nothing_owed(seconds, spec, record, api):
    api.answers = [refused(seconds)]

    status, _, machine = followed(spec())

    assert (status, machine.n, len(api.posted)) == ("failed", 1, 1)


def test_pauses_between_requests_double_up_to_two_minutes(spec, record, api, clocks, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    posted_at = []
    api.on_post = lambda: posted_at.append(clocks.wall)
    api.answers = [BUSY] * 8

    followed(spec(deadline=clocks.wall + 10_000.0, until_accepted=True))

    pauses = [later - sooner for sooner, later in itertools.pairwise(posted_at)]
    assert pauses == [2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 150.0, 150.0]


def test_a_host_without_an_address_is_tried_for_less_than_two_minutes(spec, record, api, clocks, monkeypatch):
    began = clocks.wall
    api.answers = [no_such_name(monkeypatch)] * 99

    status, _, machine = followed(spec(deadline=clocks.wall + 10_000.0))

    assert (status, machine.n) == ("failed", len(api.posted))
    assert record.latest()["failed"]["error"] == "HostUnknownError"
    assert clocks.wall - began == pytest.approx(100.0)
    assert 8 <= len(api.posted) <= 15


def test_a_refusal_is_not_submitted_again(spec, record, api):
    api.answers = [httpx.Response(400, json={"message": "no", "statusCode": 400})]

    assert followed(spec())[0] == "failed"
    assert len(api.posted) == 1


def test_a_claim_that_was_abandoned_before_it_was_sent_is_submitted_at_once(spec, record, api, clocks):
    began = clocks.wall
    take = taken(record, says_when_sent=True)
    take.folder.replace("post.json", json.dumps({"state": "gone"}).encode())

    status, _, machine = followed(spec())

    assert (status, machine.n, len(api.posted)) == ("ready", 2, 1)
    assert clocks.wall - began <= 1.25


def test_the_deadline_before_the_request_is_a_timeout_and_nothing_is_claimed(spec, record, api, clocks):
    assert followed(spec(deadline=clocks.wall))[:2] == ("timeout", {})
    assert record.latest() is None


# A process that may not see the worker's folder


def test_who_sees_neither_record_nor_marker_submits_nothing(spec, record, api, clocks, monkeypatch):
    began, checked = clocks.wall, []
    monkeypatch.setattr(SongRecord, "sees", lambda _, marker: checked.append(marker))
    with pytest.raises(StorageNotSharedError):
        followed(spec(marker="deferred-x.json"), sees_record=False)
    assert api.posted == []
    assert (clocks.wall - began, len(checked)) == (6.0, 4)


def test_without_a_marker_to_look_for_it_is_refused_at_once(spec, record, api, clocks):
    began = clocks.wall
    with pytest.raises(StorageNotSharedError):
        followed(spec(), sees_record=False)
    assert (api.posted, clocks.wall) == ([], began)


def test_who_sees_the_marker_may_submit(spec, record, api):
    marker = record.leave_marker()

    status, _, _ = followed(spec(marker=marker), sees_record=False)

    assert (status, len(api.posted)) == ("ready", 1)


def test_who_saw_the_marker_may_submit_the_next_take_too(spec, record, api):
    api.answers = [BUSY]

    status, _, machine = followed(spec(marker=record.leave_marker()), sees_record=False)

    assert (status, machine.n, len(api.posted)) == ("ready", 2, 2)


def test_a_marker_that_a_network_disk_shows_late_is_seen(spec, record, api, clocks, monkeypatch):
    marker, sleep = record.leave_marker(), clocks.sleep
    content = record.folder.read(marker)
    record.remove_marker(marker)

    async def appears(seconds):
        record.folder.create(marker, content)
        await sleep(seconds)

    monkeypatch.setattr(state_machine.runtime, "sleep", appears)

    assert followed(spec(marker=marker), sees_record=False)[0] == "ready"


def test_who_sees_the_take_may_submit_the_next(spec, record, api):
    record.write(taken(record), "failed", sent=False, retry_after=1)

    status, _, machine = followed(spec(), sees_record=False)

    assert (status, machine.n, len(api.posted)) == ("ready", 2, 1)


@pytest.fixture
def told(record):
    """What a worker knew of an accepted take, whose folder is gone."""
    take = taken(record, "accepted")
    facts = carried(take.facts)
    take.folder.remove("accepted.json")
    take.folder.remove("intent.json")
    return facts


def test_a_queued_take_is_polled_from_what_the_worker_knew(told, spec, record, api):
    status, more, machine = followed(spec(facts=told), sees_record=False)

    assert (status, more) == ("ready", {"generation_id": "gen-1"})
    assert machine.facts["accepted"]["generation_id"] == "gen-1"
    assert (api.posted, record.latest()) == ([], None)


def test_who_polls_by_an_id_reads_nothing_of_the_record(spec, record, api, monkeypatch):
    """A bucket bills each reading, and to look up its connection would load a store into the triggerer."""
    facts = carried(taken(record, "accepted").facts)
    monkeypatch.setattr(SongRecord, "_names", lambda _: pytest.fail("the record was listed"))
    monkeypatch.setattr(state_machine, "connect_store", lambda _: pytest.fail("the store was connected"))
    for sees_record in (False, True):
        status, _, machine = followed(spec(facts=facts), sees_record=sees_record)
        assert (status, machine.facts) == ("ready", facts)


def test_a_generation_that_fails_is_written_down_by_who_polled_by_its_id(spec, record, api):
    facts = carried(taken(record, "accepted").facts)
    api.polls = [{"id": "gen-1", "status": "error", "error": {"message": "no"}}]

    status, _, machine = followed(spec(facts=facts), sees_record=False)

    assert (status, record.latest()["failed"]["sent"]) == ("failed", True)
    assert machine.facts["failed"] == record.latest()["failed"]


def test_where_nobody_waits_longer_an_id_that_was_told_is_enough(told, spec, api):
    status, more, machine = followed(spec(facts=told, until_accepted=True), sees_record=False)

    assert (status, more, machine.facts) == ("accepted", {"generation_id": "gen-1"}, told)
    assert api.polled == 0


def test_a_synchronous_take_is_not_for_whom_the_record_is_out_of_sight(told, spec, record, api):
    with pytest.raises(StorageNotSharedError):
        followed(spec("synchronous", facts=told), sees_record=False)
    assert api.posted == []


def test_a_generation_that_fails_out_of_sight_is_carried_back_to_the_worker(told, spec, record, api):
    api.polls = [{"id": "gen-1", "status": "error", "error": {"message": "no"}}]

    status, _, machine = followed(spec(facts=told), sees_record=False)

    assert (status, machine.facts["failed"]["sent"]) == ("failed", True)
    assert (api.posted, record.latest()) == ([], None)


def test_what_fails_out_of_sight_is_not_submitted_again_there(spec, record, api):
    facts = {**taken(record).facts, "failed": {"sent": False, "reason": "busy"}}
    record.take_folder(1).remove("intent.json")

    status, _, machine = followed(spec(facts=facts), sees_record=False)

    assert (status, machine.n, api.posted) == ("failed", 1, [])
    assert machine.facts["failed"]["sent"] is False


def test_an_id_that_only_the_worker_knows_of_yet_is_polled(spec, record, api):
    take = taken(record)

    status, more, _ = followed(spec(facts={"accepted": {"generation_id": "gen-1"}}), sees_record=False)

    assert take.state == "open"
    assert (status, more, api.searched) == ("ready", {"generation_id": "gen-1"}, 0)


# The events


def test_an_event_names_the_take_and_carries_what_the_worker_may_not_see(spec, record, api):
    event = run_sync(run_generation(spec(marker="deferred-x.json"), sees_record=True))

    facts = event.pop("facts")
    assert event == {
        "status": "ready",
        "record_url": spec().record_url,
        "n": 1,
        "marker": "deferred-x.json",
        "generation_id": "gen-1",
    }
    assert facts["accepted"]["generation_id"] == "gen-1"


def test_an_error_is_an_event_with_its_class_and_words(spec, record, api):
    event = run_sync(run_generation(spec(marker=None)))

    assert (event["status"], event["error"]) == ("error", "StorageNotSharedError")
    assert event["message"]


@pytest.mark.parametrize("audio_url", [None, "s3://my_aws@bucket/songs"])
def test_both_stores_are_connected_before_a_thread_uses_them(audio_url, spec, record, api, monkeypatch):
    connected = []

    async def connect(url):
        connected.append(url)

    monkeypatch.setattr(state_machine, "connect_store", connect)
    taken(record, "accepted")

    followed(spec(audio_url=audio_url))

    assert connected == [url for url in (spec().record_url, audio_url) if url]


def followed_elsewhere(clocks, **more):
    values = {"usual_seconds": 60.0, "poll_interval": 1.0, "deadline": clocks.wall + 50, "submitted_at": clocks.wall}
    return run_sync(watch_generation("music_default", "gen-1", **{**values, **more}))


@pytest.mark.parametrize(
    ("poll", "event"),
    [
        ({"id": "gen-1", "status": "error", "error": {"message": "no"}}, {"status": "failed"}),
        (None, {"status": "ready"}),
    ],
)
def test_a_generation_of_somebody_else_is_followed_to_its_end(poll, event, api, clocks):
    api.polls = [poll] if poll else []

    found = followed_elsewhere(clocks)

    assert found["generation_id"] == "gen-1"
    assert event.items() <= found.items()
    assert ("message" in found) == bool(poll)


def test_an_id_that_nobody_submitted_here_and_the_api_does_not_know_is_an_error_soon(api, clocks):
    unknown = httpx.Response(404, json={"message": "no such generation", "statusCode": 404})
    api.polls = [unknown] * 9

    found = followed_elsewhere(clocks)

    assert (found["status"], found["error"], api.polled) == ("error", "UnknownGenerationError", 3)
    assert "gen-1" in found["message"]


@pytest.mark.parametrize(("status", "odd"), [("queued", None), ("dreaming", "dreaming")])
def test_somebody_elses_generation_that_takes_too_long_is_a_timeout(status, odd, api, clocks):
    api.polls = [{"id": "gen-1", "status": status}] * 1000

    found = followed_elsewhere(clocks)

    assert (found["status"], found["generation_id"], found["unknown_status"]) == ("timeout", "gen-1", odd)
    assert (found["polls"]["made"], found["polls"]["last_status"]) == (api.polled, status)
