# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a try does next, from what the record says. The only place where a new paid request is decided.

A retry and a clear look alike to a task but for one thing: a clear sets the task instance's ``max_tries`` anew, to
its try number and ``retries`` as the DAG says now; a retry never does. Facts keep the ``max_tries`` they saw; another
value now means that somebody cleared. It can be lower: ``retries`` may have been lowered.

A run that was deleted and created again has the same names, and its tries begin at 1. It began at another moment, and
Airflow has not counted a clear of it in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, assert_never

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.take import Take

OnUnknown = Literal["fail", "resubmit"]
#: submit: a new request, number n. attach: wait for the id of take n. reconcile: take n was claimed, its answer is
#: not recorded (yet): look for it. deliver: take n is done. refuse_unknown, refuse_changed, refuse_ambiguous: nothing
#: is sent, say why. skip: left out of this round of a batch, whatever stands in the record; never decided here.
Step = Literal[
    "submit", "attach", "reconcile", "deliver", "refuse_unknown", "refuse_changed", "refuse_ambiguous", "skip"
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a task instance as Airflow reports it, and what it would submit.

    :param fingerprint: of the request, see :func:`airflow_provider_music.api.request.fingerprint`.
    :param rejects: whether this try would not deliver the take that an earlier one rejected for its quality.

    The others are those of :class:`airflow_provider_music.record.identity.TaskAttempt`.
    """

    try_number: int
    max_tries: int
    fingerprint: str
    on_unknown: OnUnknown = "fail"
    run_started_at: str | None = None
    clear_number: int | None = None
    attempt_id: str | None = None
    returned: bool | None = None
    rejects: bool = False


class AnyAttempt(Protocol):
    """What tells a retry, a clear and another run apart, of a try with a request or without."""

    @property
    def try_number(self) -> int:
        """Number of the try, from 1."""

    @property
    def max_tries(self) -> int:
        """Of the task instance; a clear sets it anew."""

    @property
    def run_started_at(self) -> str | None:
        """When the run began."""

    @property
    def clear_number(self) -> int | None:
        """How often it was cleared."""

    @property
    def attempt_id(self) -> str | None:
        """Airflow's own id of the try."""


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
            return _after_delivery(take, attempt)
        case "completed":
            if attempt.rejects and "rejected" in take and began_anew(take["rejected"], attempt):
                return Decision("submit", n + 1, f"take {n} was rejected and the task was cleared: take {n + 1}")
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


def _after_delivery(take: Take, attempt: Attempt) -> Decision:
    """Tell a person's clear from a try whose success was lost, and both from another run of the same name."""
    n, seen = take.n, take["delivered"]
    another = _is_another_run(seen, attempt)
    if another:
        return Decision("submit", n + 1, f"take {n} was delivered to another run of the same id: take {n + 1}")
    if attempt.try_number <= int(seen.get("try_number", 0)):
        # A second copy of the try that delivered: Airflow counts every other one up.
        if (
            another is None
            and _differs(seen.get("attempt_id"), attempt.attempt_id) is not False
            and _knows_runs(seen, attempt)
        ):
            return Decision(
                "refuse_ambiguous", n, f"take {n} was delivered to this try, or to another run of the same id"
            )
        why = f"take {n} was delivered by another copy of this try: the same song again"
        return _unless_changed(Decision("deliver", n, why), take, attempt)
    if not _cleared(seen, attempt):
        why = f"take {n} was delivered, but Airflow lost the success: the same song again"
        return _unless_changed(Decision("deliver", n, why), take, attempt)
    if attempt.returned is False and attempt.try_number == take.last_returned_by + 1 and not _changed(take, attempt):
        # To submit here would bill a person who never had the song that is there.
        return Decision("deliver", n, f"take {n} was handed over and its task failed behind that: the same song again")
    return Decision("submit", n + 1, f"take {n} was delivered and the task was cleared: take {n + 1}")


def _after_unknown(take: Take, attempt: Attempt) -> Decision:
    n = take.n
    if began_anew(take["unknown"], attempt):
        return Decision("submit", n + 1, f"the answer to take {n} is lost and the task was cleared: take {n + 1}")
    if attempt.on_unknown == "resubmit" and not _resubmitted_in_this_try(take, attempt):
        return Decision(
            "submit",
            n + 1,
            f"the answer to take {n} is lost; on_unknown='resubmit' submits again",
            resubmission=True,
        )
    return Decision("refuse_unknown", n, f"the answer to take {n} is lost")


def _resubmitted_in_this_try(take: Take, attempt: AnyAttempt) -> bool:
    intent = take["intent"]
    same_try = (intent.get("try_number"), intent.get("max_tries")) == (attempt.try_number, attempt.max_tries)
    return same_try and bool(intent.get("resubmission"))


def _unless_changed(decision: Decision, take: Take, attempt: Attempt) -> Decision:
    """Refuse when the request differs from that of the take; a clear after the refusal submits anew."""
    if not _changed(take, attempt):
        return decision
    if "changed" in take and began_anew(take["changed"], attempt):
        n = take.n + 1
        return Decision("submit", n, f"the request changed, and the task was cleared after saying so: take {n}")
    return Decision("refuse_changed", take.n, f"the request differs from that of take {take.n}")


def _changed(take: Take, attempt: Attempt) -> bool:
    return bool(take["intent"].get("fingerprint") != attempt.fingerprint)


def began_anew(seen: Mapping[str, Any], attempt: AnyAttempt) -> bool:
    """Whether a person had a part in this try: cleared the task, or made another run of the same id."""
    return _cleared(seen, attempt) or bool(_is_another_run(seen, attempt))


def _cleared(seen: Mapping[str, Any], attempt: AnyAttempt) -> bool:
    return attempt.max_tries != int(seen.get("max_tries", attempt.max_tries))


def _is_another_run(seen: Mapping[str, Any], attempt: AnyAttempt) -> bool | None:
    """Whether a fact was written under another run of the same id; None where Airflow does not tell.

    A run that is cleared begins anew as well, and Airflow counts that; a run that is created again counts from 0. Two
    tries of one number with two ids are of two runs whatever else: ``dags test`` gives each run the same beginning.
    """
    if seen.get("try_number") == attempt.try_number and _differs(seen.get("attempt_id"), attempt.attempt_id):
        return True
    began_elsewhen = _differs(seen.get("run_started_at"), attempt.run_started_at)
    clears = seen.get("clear_number")
    if not began_elsewhen or clears is None or attempt.clear_number is None:
        return None if began_elsewhen else began_elsewhen
    return bool(attempt.clear_number <= int(clears))


def _knows_runs(seen: Mapping[str, Any], attempt: AnyAttempt) -> bool:
    """Whether the fact or this try has anything to tell runs by; facts of an older version and stand-ins have not."""
    return any((seen.get("run_started_at"), attempt.run_started_at))


def _differs(one: Any, other: Any) -> bool | None:
    return None if one is None or other is None else bool(one != other)
