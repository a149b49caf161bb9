# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.exceptions import (
    AuthenticationError,
    GenerationFailedError,
    GenerationTimeoutError,
    ResubmissionLostError,
    StorageNotSharedError,
    UnknownOutcomeError,
)
from tests.generation.conftest import claimed, lost, record_of, second_half, song_of, triggered

# How a wait ended


@pytest.fixture
def waited(task, store):
    """Makes a task and the event of a wait that ended, for a take that stands like that in the record."""

    def make(status, *facts, lane="queued", knows_request=True, on_unknown="fail", **more):
        one = task(lane, store=store, on_unknown=on_unknown)
        record = claimed(one, *facts)
        if not knows_request:
            one._given = None
        return one, {"status": status, "record_url": record.folder.url, "n": 1, "facts": None, "marker": None, **more}

    return make


@pytest.mark.parametrize(
    ("status", "facts"),
    [("completed", ("accepted", "completed")), ("ready", ("accepted",)), ("accepted", ("accepted",))],
)
@pytest.mark.parametrize("knows_request", [True, False])
def test_a_song_that_came_is_returned_and_nothing_is_submitted_or_noted(
    knows_request, status, facts, waited, api, store
):
    one, event = waited(status, *facts, knows_request=knows_request)

    result = second_half(one, event)

    assert result["generation_id"] == "gen-1"
    assert result["status"] == ("accepted" if status == "accepted" else "completed")
    assert (api.posted, store.values) == ([], [])


def test_a_generation_that_failed_is_an_error_that_is_counted_and_remembered(waited, api, stats, store):
    one, event = waited("failed", "accepted", "failed")
    with pytest.raises(GenerationFailedError, match="not billed"):
        second_half(one, event)
    assert api.posted == []
    assert stats.counted.count(("music.generations", "minimax_music-2.6", "failed")) == 1
    assert [sorted(value["facts"]) for value in store.values] == [["accepted", "failed", "intent"]]


def test_a_lost_answer_is_counted_and_remembered_and_the_policy_decides(waited, api, stats, store):
    one, event = waited("unknown", "unknown")
    with pytest.raises(UnknownOutcomeError):
        second_half(one, event)
    assert api.posted == []
    assert stats.counted.count(("music.generations", "minimax_music-2.6", "unknown")) == 1
    assert "unknown" in store.values[0]["facts"]


def test_a_lost_answer_is_submitted_again_in_this_try_where_the_task_says_so(waited, api, store):
    one, event = waited("unknown", "unknown", on_unknown="resubmit")

    deferred = second_half(one, event)

    assert (deferred.spec.n, deferred.spec.resubmission, len(api.posted)) == (2, True, 1)
    assert deferred.spec.record_url == event["record_url"]


@pytest.mark.parametrize(("on_unknown", "error"), [("fail", UnknownOutcomeError), ("resubmit", ResubmissionLostError)])
def test_a_second_half_without_the_request_leaves_a_lost_answer_to_the_next_try(on_unknown, error, waited, api):
    one, event = waited("unknown", "unknown", knows_request=False, on_unknown=on_unknown)
    with pytest.raises(error):
        second_half(one, event)
    assert api.posted == []


def test_at_the_deadline_the_error_has_the_apis_last_words(waited, api, stats):
    polls = {"made": 7, "failures": 0, "last_status": "dreaming"}
    one, event = waited("timeout", "accepted", unknown_status="dreaming", polls=polls)
    with pytest.raises(GenerationTimeoutError, match="gen-1 was not done within 100 s; the API last said 'dreaming'"):
        second_half(one, event)
    assert stats.counted == [("music.generations", "minimax_music-2.6", "timeout")]
    assert api.posted == []


def test_at_the_deadline_the_error_says_what_the_polls_brought(waited):
    polls = {"made": 7, "failures": 0, "last_status": "generating"}
    one, event = waited("timeout", "accepted", polls=polls)
    with pytest.raises(GenerationTimeoutError, match="'generating': the generation keeps running"):
        second_half(one, event)


def test_a_wait_that_broke_raises_its_own_error_and_names_what_is_billed(waited, api, store):
    one, event = waited("error", "accepted", error="AuthenticationError", message="The key is refused.")
    with pytest.raises(AuthenticationError, match=r"The key is refused\. Generation gen-1 is accepted and billed"):
        second_half(one, event)
    assert (api.posted, store.values) == ([], [])


# A worker that does not see what others wrote


def unseen(task, store, status, **more):
    one = task("synchronous", store=store)
    url = song_of(one).folders.record_url
    return one, {"status": status, "record_url": url, "n": 1, "facts": None, "marker": None, **more}


@pytest.mark.parametrize("status", ["completed", "ready", "failed", "unknown", "accepted"])
def test_a_take_that_is_out_of_sight_is_named_and_not_submitted_again(status, task, api, store):
    one, event = unseen(task, store, status)
    with pytest.raises(StorageNotSharedError, match="take 1 of "):
        second_half(one, event)
    assert (api.posted, store.values) == ([], [])


def test_a_triggerer_that_saw_no_record_sent_nothing_and_the_next_try_knows(task, api, store):
    one, event = unseen(task, store, "error", error="StorageNotSharedError", message="Out of sight there.")
    with pytest.raises(StorageNotSharedError, match="Out of sight there"):
        second_half(one, event)
    assert (api.posted, store.values) == ([], [{"record_url": event["record_url"]}])


@pytest.mark.parametrize("event", [{"error": "OutputError", "message": "full"}, {"message": "no class"}])
def test_a_wait_that_broke_elsewhere_may_have_sent_something_and_airflow_forgets_nothing(event, task, api, store):
    one, event = unseen(task, store, "error", **event)
    with pytest.raises(Exception, match=event["message"]) as found:
        second_half(one, event)
    assert not isinstance(found.value, StorageNotSharedError)
    assert (api.posted, store.values) == ([], [])


def test_a_song_is_landed_from_what_the_event_carries_where_the_record_is_out_of_sight(task, api):
    one = task()
    event = triggered(one.start())
    lost(one)

    result = second_half(one, event)

    assert (result["status"], result["generation_id"], len(api.posted)) == ("completed", "gen-1", 1)


def test_facts_that_this_worker_does_not_see_are_added_to_those_that_it_sees(task, api):
    one = task()
    event = triggered(one.start())
    record_of(one).take_folder(1).remove("accepted.json")

    assert second_half(one, event)["generation_id"] == "gen-1"
    assert "accepted" in record_of(one).latest()
    assert len(api.posted) == 1
