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


def take(*facts, n=3, **intent):
    written = {fact: {"max_tries": 2} for fact in facts}
    return Take(n, {"intent": {"fingerprint": "same", "try_number": 1, "max_tries": 2, **intent}, **written})


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
    assert decision.why


@pytest.mark.parametrize("facts", [(), ("accepted",), ("accepted", "completed")])
def test_a_changed_request_is_refused_while_the_former_is_open_even_after_a_clear(facts):
    assert decide(take(*facts), CHANGED).step == "refuse_changed"
    assert decide(take(*facts), CHANGED_AND_CLEARED).step == "refuse_changed"


@pytest.mark.parametrize("facts", [(), ("accepted",), ("accepted", "completed")])
def test_a_clear_after_the_refusal_asks_for_the_changed_request(facts):
    assert decide(take(*facts, "changed"), CHANGED).step == "refuse_changed"
    assert decide(take(*facts, "changed"), CHANGED_AND_CLEARED) == decide(take(*facts, "changed"), CHANGED_AND_CLEARED)
    assert decide(take(*facts, "changed"), CHANGED_AND_CLEARED).step == "submit"


def test_the_former_request_goes_on_once_it_is_restored():
    assert decide(take("accepted", "changed"), CLEARED).step == "attach"


def test_a_changed_request_is_no_matter_once_the_former_failed():
    assert decide(take("failed"), CHANGED).step == "submit"


@pytest.mark.parametrize("facts", [("accepted", "delivered"), ("accepted", "completed", "delivered")])
def test_a_changed_request_after_delivery_is_a_new_take_after_a_clear_and_refused_otherwise(facts):
    """An edited prompt must never be answered with the former song."""
    assert decide(take(*facts), CHANGED).step == "refuse_changed"
    assert decide(take(*facts), CHANGED_AND_CLEARED).step == "submit"


@pytest.mark.parametrize("retries", [0, 1, 5])
@pytest.mark.parametrize(("facts", "step"), [(("delivered",), "submit"), (("unknown",), "submit")])
def test_a_clear_is_a_clear_whatever_became_of_retries(facts, step, retries):
    """max_tries = try number + retries as the DAG says now, so it may shrink; here it was 7."""
    found = Take(3, {"intent": {"fingerprint": "same", "max_tries": 7}, **{fact: {"max_tries": 7} for fact in facts}})
    cleared = Attempt(try_number=2, max_tries=1 + retries, fingerprint="same")

    assert decide(found, cleared).step == step


def test_resubmit_asks_once_per_try():
    again = decide(take("unknown"), RESUBMIT)
    assert again.resubmission

    same_try = take("unknown", try_number=2, resubmission=True)
    assert decide(same_try, RESUBMIT).step == "refuse_unknown"
    earlier_try = take("unknown", try_number=1, resubmission=True)
    assert decide(earlier_try, RESUBMIT).step == "submit"
