# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import httpx
import pytest

from airflow_provider_music.exceptions import StorageNotSharedError
from airflow_provider_music.generation import state_machine
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.state_machine import StateMachine, run_generation, watch_generation
from airflow_provider_music.record.carried import carried

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
    began = clocks.wall
    with pytest.raises(StorageNotSharedError):
        followed(spec(marker="deferred-x.json"), sees_record=False)
    assert api.posted == []
    checks, pause = state_machine._MARKER_CHECKS, state_machine._MARKER_PAUSE
    assert clocks.wall - began == (checks - 1) * pause


def test_without_a_marker_to_look_for_it_is_refused_at_once(spec, record, api, clocks):
    began = clocks.wall
    with pytest.raises(StorageNotSharedError):
        followed(spec(), sees_record=False)
    assert (api.posted, clocks.wall) == ([], began)


def test_who_sees_the_marker_may_submit(spec, record, api):
    marker = record.leave_marker()

    status, _, _ = followed(spec(marker=marker), sees_record=False)

    assert (status, len(api.posted)) == ("ready", 1)


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


def test_a_synchronous_take_is_not_for_whom_the_record_is_out_of_sight(told, spec, record, api):
    with pytest.raises(StorageNotSharedError):
        followed(spec("synchronous", facts=told), sees_record=False)
    assert api.posted == []


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
    event = run_sync(run_generation(spec(), sees_record=True))

    assert (event["status"], event["n"], event["record_url"]) == ("ready", 1, spec().record_url)
    assert event["facts"]["accepted"]["generation_id"] == "gen-1"


def test_an_error_is_an_event_with_its_class_and_words(spec, record, api):
    event = run_sync(run_generation(spec(marker=None)))

    assert (event["status"], event["error"]) == ("error", "StorageNotSharedError")
    assert event["message"]


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


@pytest.mark.parametrize(("status", "odd"), [("queued", None), ("dreaming", "dreaming")])
def test_somebody_elses_generation_that_takes_too_long_is_a_timeout(status, odd, api, clocks):
    api.polls = [{"id": "gen-1", "status": status}] * 1000

    found = followed_elsewhere(clocks)

    assert (found["status"], found["generation_id"], found["unknown_status"]) == ("timeout", "gen-1", odd)
    assert (found["polls"]["made"], found["polls"]["last_status"]) == (api.polled, status)
