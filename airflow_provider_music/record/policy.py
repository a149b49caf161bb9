# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a try does next, from what the record says. The only place where a new paid request is decided.

A retry and a clear look alike to a task but for one thing: a clear sets the task instance's ``max_tries`` anew, to
its try number and ``retries`` as the DAG says now; a retry never does. Facts keep the ``max_tries`` they saw; another
value now means that somebody cleared. It can be lower: ``retries`` may have been lowered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

if TYPE_CHECKING:
    from airflow_provider_music.record.store import Take

OnUnknown = Literal["fail", "resubmit"]
#: submit: a new request, number n. attach: wait for the id of take n. reconcile: take n was claimed, its answer is
#: not recorded (yet): look for it. deliver: take n is done. refuse_unknown, refuse_changed: nothing is sent, say why.
#: skip: left out of this round of a batch, whatever stands in the record; never decided here.
Step = Literal["submit", "attach", "reconcile", "deliver", "refuse_unknown", "refuse_changed", "skip"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a task instance as Airflow reports it, and what it would submit.

    :param fingerprint: of the request, see :func:`airflow_provider_music.api.request.fingerprint`.
    """

    try_number: int
    max_tries: int
    fingerprint: str
    on_unknown: OnUnknown = "fail"


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step, for which take, and why in words for the log."""

    step: Step
    n: int
    why: str
    resubmission: bool = False


def decide(take: Take | None, attempt: Attempt) -> Decision:
    """Decide what this try does, given the newest take."""
    if take is None:
        return Decision("submit", 1, "nothing was submitted yet")
    n = take.n
    match take.state:
        case "delivered":
            if _cleared(take, "delivered", attempt):
                return Decision("submit", n + 1, f"take {n} was delivered and the task was cleared: take {n + 1}")
            why = f"take {n} was delivered, but Airflow lost the success: the same song again"
            return _unless_changed(Decision("deliver", n, why), take, attempt)
        case "completed":
            return _unless_changed(Decision("deliver", n, f"take {n} is in storage already"), take, attempt)
        case "failed":
            return Decision("submit", n + 1, f"take {n} failed and is not billed")
        case "accepted":
            why = f"take {n} is accepted as {take.generation_id}"
            return _unless_changed(Decision("attach", n, why), take, attempt)
        case "unknown":
            return _after_unknown(take, attempt)
        case "open":
            why = f"take {n} was claimed, its answer is not recorded"
            return _unless_changed(Decision("reconcile", n, why), take, attempt)
        case _:
            assert_never(take.state)


def _after_unknown(take: Take, attempt: Attempt) -> Decision:
    n = take.n
    if _cleared(take, "unknown", attempt):
        return Decision("submit", n + 1, f"the answer to take {n} is lost and the task was cleared: take {n + 1}")
    if attempt.on_unknown == "resubmit" and not _resubmitted_in_this_try(take, attempt):
        return Decision(
            "submit",
            n + 1,
            f"the answer to take {n} is lost; on_unknown='resubmit' submits again",
            resubmission=True,
        )
    return Decision("refuse_unknown", n, f"the answer to take {n} is lost")


def _resubmitted_in_this_try(take: Take, attempt: Attempt) -> bool:
    intent = take["intent"]
    same_try = (intent.get("try_number"), intent.get("max_tries")) == (attempt.try_number, attempt.max_tries)
    return same_try and bool(intent.get("resubmission"))


def _unless_changed(decision: Decision, take: Take, attempt: Attempt) -> Decision:
    """Refuse when the request differs from that of the take; a clear after the refusal submits anew."""
    if take["intent"].get("fingerprint") == attempt.fingerprint:
        return decision
    if "changed" in take and _cleared(take, "changed", attempt):
        n = take.n + 1
        return Decision("submit", n, f"the request changed, and the task was cleared after saying so: take {n}")
    return Decision("refuse_changed", take.n, f"the request differs from that of take {take.n}")


def _cleared(take: Take, fact: Literal["delivered", "unknown", "changed"], attempt: Attempt) -> bool:
    return attempt.max_tries != int(take[fact].get("max_tries", attempt.max_tries))
