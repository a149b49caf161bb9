# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.record.policy import Attempt, decide
from airflow_provider_music.record.take import Take

FIRST = Attempt(try_number=1, max_tries=2, fingerprint="same")
RETRY = Attempt(try_number=2, max_tries=2, fingerprint="same")
CLEARED = Attempt(try_number=3, max_tries=4, fingerprint="same")
CHANGED = Attempt(try_number=2, max_tries=2, fingerprint="other")
CHANGED_AND_CLEARED = Attempt(try_number=3, max_tries=4, fingerprint="other")
RESUBMIT = Attempt(try_number=2, max_tries=2, fingerprint="same", on_unknown="resubmit")
REJECTS = Attempt(try_number=2, max_tries=2, fingerprint="same", rejects=True)
CLEARED_REJECTS = Attempt(try_number=3, max_tries=4, fingerprint="same", rejects=True)


def take(*facts, n=3, **intent):
    written = {fact: {"max_tries": 2} for fact in facts}
    return Take(n, {"intent": {"fingerprint": "same", "try_number": 1, "max_tries": 2, **intent}, **written})


def step(found, attempt):
    """Return the step; one that sends is for the very next take, any other for the newest."""
    decision = decide(found, attempt)
    assert decision.n == (found.n + 1 if decision.step == "submit" else found.n)
    assert decision.why
    return decision.step


@pytest.mark.parametrize(
    ("found", "attempt", "step", "n"),
    [
        (None, FIRST, "submit", 1),
        (take(), RETRY, "reconcile", 3),
        (take(), CLEARED, "reconcile", 3),
        (take("accepted"), RETRY, "attach", 3),
        (take("accepted"), CLEARED, "attach", 3),
        (take("accepted", "completed"), RETRY, "deliver", 3),
        (take("accepted", "completed"), CLEARED, "deliver", 3),
        (take("accepted", "completed", "rejected"), RETRY, "deliver", 3),
        (take("accepted", "completed", "rejected"), REJECTS, "deliver", 3),
        (take("accepted", "completed", "rejected"), CLEARED, "deliver", 3),
        (take("accepted", "completed", "rejected"), CLEARED_REJECTS, "submit", 4),
        (take("accepted", "completed"), CLEARED_REJECTS, "deliver", 3),
        (take("accepted", "completed", "rejected", "delivered"), RETRY, "deliver", 3),
        (take("accepted", "completed", "rejected", "delivered"), REJECTS, "deliver", 3),
        (take("accepted", "completed", "delivered"), RETRY, "deliver", 3),
        (take("accepted", "completed", "delivered"), CLEARED, "submit", 4),
        (take("accepted", "delivered"), RETRY, "deliver", 3),
        (take("accepted", "delivered"), CLEARED, "submit", 4),
        (take("failed"), RETRY, "submit", 4),
        (take("accepted", "failed"), RETRY, "submit", 4),
        (take("unknown"), RETRY, "refuse_unknown", 3),
        (take("unknown"), CLEARED, "submit", 4),
        (take("unknown"), RESUBMIT, "submit", 4),
        (take("unknown", "completed"), RETRY, "deliver", 3),
        (take("unknown", "accepted"), RETRY, "attach", 3),
        (take("unknown", "accepted"), CLEARED, "attach", 3),
        (take("unknown", "accepted"), RESUBMIT, "attach", 3),
    ],
)
def test_what_the_record_says_decides(found, attempt, step, n):
    decision = decide(found, attempt)

    assert (decision.step, decision.n) == (step, n)
    # Said of another request, it would cost the task its one resubmission.
    assert decision.resubmission == (attempt is RESUBMIT and decision.step == "submit")
    assert decision.why


@pytest.mark.parametrize("facts", [(), ("accepted",), ("accepted", "completed")])
def test_a_changed_request_is_refused_while_the_former_is_open_even_after_a_clear(facts):
    assert step(take(*facts), CHANGED) == "refuse_changed"
    assert step(take(*facts), CHANGED_AND_CLEARED) == "refuse_changed"


@pytest.mark.parametrize("facts", [(), ("accepted",), ("accepted", "completed")])
def test_a_clear_after_the_refusal_asks_for_the_changed_request(facts):
    assert step(take(*facts, "changed"), CHANGED) == "refuse_changed"
    assert step(take(*facts, "changed"), CHANGED_AND_CLEARED) == "submit"


def test_the_former_request_goes_on_once_it_is_restored():
    assert step(take("accepted", "changed"), CLEARED) == "attach"


def test_a_changed_request_is_no_matter_once_the_former_failed():
    assert step(take("failed"), CHANGED) == "submit"


@pytest.mark.parametrize("facts", [("accepted", "delivered"), ("accepted", "completed", "delivered")])
def test_a_changed_request_after_delivery_is_a_new_take_after_a_clear_and_refused_otherwise(facts):
    """An edited prompt must never be answered with the former song."""
    assert step(take(*facts), CHANGED) == "refuse_changed"
    assert step(take(*facts), CHANGED_AND_CLEARED) == "submit"


@pytest.mark.parametrize("retries", [0, 1, 5])
@pytest.mark.parametrize(("facts", "wanted"), [(("delivered",), "submit"), (("unknown",), "submit")])
def test_a_clear_is_a_clear_whatever_became_of_retries(facts, wanted, retries):
    """max_tries = try number + retries as the DAG says now, so it may shrink; here it was 7."""
    found = Take(3, {"intent": {"fingerprint": "same", "max_tries": 7}, **{fact: {"max_tries": 7} for fact in facts}})
    cleared = Attempt(try_number=2, max_tries=1 + retries, fingerprint="same")

    assert step(found, cleared) == wanted


def test_resubmit_asks_once_per_try():
    again = decide(take("unknown"), RESUBMIT)
    assert again.resubmission

    same_try = take("unknown", try_number=2, resubmission=True)
    assert step(same_try, RESUBMIT) == "refuse_unknown"
    earlier_try = take("unknown", try_number=1, resubmission=True)
    assert step(earlier_try, RESUBMIT) == "submit"


# Another run of the same id, a second copy of a try, a task that failed behind its delivery

DELIVERED = {"try_number": 1, "max_tries": 2, "run_started_at": "monday", "clear_number": 0, "attempt_id": "a"}


def delivered(n=3, returned_again_by=0, **seen):
    facts = {"intent": {"fingerprint": "same"}, "completed": {}, "delivered": {**DELIVERED, **seen}}
    return Take(n, facts, returned_again_by=returned_again_by)


def attempt(**more):
    fields = {"try_number": 1, "max_tries": 2, "fingerprint": "same", "run_started_at": "monday", "clear_number": 0}
    return Attempt(**{**fields, **more})


@pytest.mark.parametrize("fingerprint", ["same", "other"])
@pytest.mark.parametrize(
    ("seen", "now"),
    [
        ({}, {"run_started_at": "tuesday"}),
        ({}, {"run_started_at": "tuesday", "try_number": 2}),
        ({"clear_number": 2, "try_number": 3, "max_tries": 4}, {"run_started_at": "tuesday"}),
        ({}, {"attempt_id": "b"}),
        ({}, {"attempt_id": "b", "run_started_at": "tuesday", "clear_number": 1}),
    ],
    ids=["created again", "and retried", "after clears", "dags test", "and another task was cleared before"],
)
def test_another_run_of_the_same_id_is_a_new_take_whatever_its_request(seen, now, fingerprint):
    decision = decide(delivered(**seen), attempt(**now, fingerprint=fingerprint))

    assert (decision.step, decision.n) == ("submit", 4)


@pytest.mark.parametrize(
    "now", [{}, {"attempt_id": "a"}, {"clear_number": 1}], ids=["2.11", "3.x", "another task was cleared"]
)
def test_a_second_copy_of_the_try_that_delivered_gets_the_same_song(now):
    assert step(delivered(), attempt(**now)) == "deliver"


def test_a_copy_of_an_earlier_try_than_the_one_that_delivered_gets_the_same_song():
    assert step(delivered(try_number=2, attempt_id="b"), attempt(attempt_id="a")) == "deliver"


@pytest.mark.parametrize(
    ("seen", "now"),
    [
        ({"run_started_at": None}, {}),
        ({}, {"run_started_at": None}),
        ({"clear_number": None}, {"run_started_at": "tuesday"}),
        ({}, {"run_started_at": "tuesday", "clear_number": None}),
    ],
)
def test_where_airflow_does_not_tell_runs_apart_the_try_is_refused_by_name(seen, now):
    assert step(delivered(**seen), attempt(**now)) == "refuse_ambiguous"


def test_a_delivery_without_a_try_number_is_that_of_an_earlier_try():
    assert step(take("delivered"), attempt()) == "deliver"


def test_the_same_attempts_id_tells_that_it_is_the_same_try_where_the_run_is_not_known():
    assert step(delivered(run_started_at=None), attempt(attempt_id="a")) == "deliver"


def test_a_clear_of_the_run_is_no_other_run():
    cleared = attempt(try_number=2, max_tries=3, run_started_at="tuesday", clear_number=1)

    assert step(delivered(), cleared) == "submit"
    assert step(delivered(), attempt(try_number=2, run_started_at="tuesday", clear_number=1)) == "deliver"


@pytest.mark.parametrize(
    ("returned", "last", "number", "fingerprint", "wanted"),
    [
        (False, 0, 2, "same", "deliver"),
        (True, 0, 2, "same", "submit"),
        (None, 0, 2, "same", "submit"),
        (False, 0, 3, "same", "submit"),
        (False, 2, 3, "same", "deliver"),
        (True, 2, 3, "same", "submit"),
        (False, 0, 2, "other", "submit"),
    ],
    ids=[
        *("failed behind its delivery", "had the song", "not told", "a try came in between"),
        *("failed behind it again", "had it then", "the request was edited"),
    ],
)
def test_a_clear_after_a_task_failed_behind_its_delivery_pays_nothing(returned, last, number, fingerprint, wanted):
    """Airflow says that the try before returned nothing: the person who clears never had the song."""
    cleared = attempt(try_number=number, max_tries=5, returned=returned, fingerprint=fingerprint)

    assert step(delivered(returned_again_by=last), cleared) == wanted


def test_an_unknown_take_of_another_run_is_no_matter():
    lost = Take(1, {"intent": {"fingerprint": "same"}, "unknown": DELIVERED})

    assert step(lost, attempt(run_started_at="tuesday")) == "submit"
    assert step(lost, attempt(attempt_id="a")) == "refuse_unknown"


def test_a_request_that_was_refused_in_another_run_is_submitted():
    found = Take(1, {"intent": {"fingerprint": "same"}, "accepted": {}, "changed": DELIVERED})

    assert step(found, attempt(fingerprint="other")) == "refuse_changed"
    assert step(found, attempt(fingerprint="other", run_started_at="tuesday")) == "submit"
