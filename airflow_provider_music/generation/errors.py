# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The error of a song that did not come: what it means for the bill, and how to continue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.api.statuses import meaning
from airflow_provider_music.compat import AirflowFailException
from airflow_provider_music.exceptions import (
    AmbiguousRunError,
    ApiError,
    ChangedRequestError,
    GenerationTimeoutError,
    MusicError,
    ResubmissionLostError,
    UnknownOutcomeError,
    named,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.policy import OnUnknown
    from airflow_provider_music.record.take import Take


def failed(take: Take) -> MusicError:
    """Make the error of a request that the API refused or failed, from its record."""
    fact = take.facts.get(take.decided_by, {})
    reason = str(fact.get("reason") or "no reason is recorded")
    error = named(fact.get("error", "GenerationFailedError"), "")
    if isinstance(error, ApiError):
        error.retry_after = number_or_none(fact.get("retry_after"))
    # A refused request ends the task with its retries unused.
    how = "a clear" if isinstance(error, AirflowFailException) else "a retry"
    error.args = (
        f"Take {take.n} failed and is not billed; {how} submits again. {reason.rstrip('.')}. Record: {take.folder.url}",
    )
    return error


def timed_out(
    take: Take | None, waited: object, unknown_status: object = None, polls: Mapping[str, Any] | None = None
) -> GenerationTimeoutError:
    """Make the error of a song that was not done at the deadline.

    :param waited: the task's timeout.
    :param unknown_status: what the API said last, where that is a word that is not known here.
    :param polls: what the polls brought, from :meth:`airflow_provider_music.generation.poll.Polls.as_dict`.
    """
    waited = f"{waited:g} s" if isinstance(waited, int | float) else waited
    if take is None:
        return GenerationTimeoutError(
            f"Within {waited} the request could not be submitted, so nothing was sent: other generations were under "
            "way. A retry or a clear submits it. Raise timeout, or max_open_generations of the connection."
        )
    if take.state == "open":
        return GenerationTimeoutError(
            f"The response to take {take.n} did not come within {waited}. The process that submitted it may still "
            "wait for it, and the API may bill it. A retry or a clear waits on for the same song; it is not submitted "
            f"again. Record: {take.folder.url}"
        )
    name = f"Generation {take.generation_id}" if take.generation_id else f"Take {take.n}"
    return GenerationTimeoutError(
        f"{name} was not done within {waited}{said_last(unknown_status)}. {known_at_deadline(polls, unknown_status)} "
        "The API accepted it and bills it. A retry or a clear waits on for the same song; it is not submitted again. "
        f"Record: {take.folder.url}"
    )


def said_last(unknown_status: object) -> str:
    """Name a status that is not known here, as a part of a sentence."""
    return f"; the API last said {unknown_status!r}, a status that is not known here" if unknown_status else ""


def known_at_deadline(polls: Mapping[str, Any] | None, unknown_status: object = None) -> str:
    """Say what the polls of a wait tell of its generation, and what nobody knows.

    :param polls: None for a song of a batch, and in events of an older version.
    :param unknown_status: as of :func:`said_last`, which goes before.
    """
    if unknown_status:
        return "It is taken for one that keeps running."
    if polls is None:
        return "Whether it is under way or done by now is not known."
    made, failures, status = polls.get("made"), polls.get("failures"), polls.get("last_status")
    if not made:
        return "No poll was due before that, so how it stands is not known."
    why = str(polls.get("last_error") or "no reason given").rstrip(".")
    if status is None:
        return (
            f"Of {made} polls none had a usable response (the last: {why}). Whether it is under way, done or failed is "
            "not known."
        )
    if failures:
        return (
            f"The API last said {status!r}; since then {failures} polls over {polls.get('silent_seconds')} s had no "
            f"usable response (the last: {why}). How it stands now is not known."
        )
    if meaning(str(status)) == "done":
        return f"The API says {status!r}, but names no audio file yet."
    return f"The API last said {status!r}: the generation keeps running."


def broken_wait(take: Take | None, error: object, reason: object, status: object) -> MusicError:
    """Make the error of a wait that broke, and name the generation that keeps running all the same."""
    message = str(reason or f"The wait ended with {status!r}.")
    if take is not None and take.generation_id is not None:
        message += (
            f" Generation {take.generation_id} is accepted and billed all the same: mend this and clear the task, "
            "which resumes with that song."
        )
    return named(error, message)


def unknown(take: Take, on_unknown: OnUnknown) -> MusicError:
    """Make the error of a request whose answer is lost: what may have been billed, under which id."""
    fact = take.facts.get("unknown", {})
    reason = str(fact.get("reason"))
    billed = "It is billed" if fact.get("billed") else "It may have been billed"
    head = (
        f"The answer to take {take.n} of {take.model} is lost: {reason.rstrip('.')}. {billed}, "
        f"under X-Client-Request-Id {take['intent'].get('client_request_id')} (see GET /v2/logs). "
    )
    if on_unknown == "resubmit":
        return ResubmissionLostError(f"{head}on_unknown='resubmit': the next try submits once more.")
    return UnknownOutcomeError(
        f"{head}Nothing is sent again by itself. To continue: clear this task to submit a new request (a second bill), "
        "or, where the log shows an inference_id, wait for that song with "
        f"MusicGenerationSensor(generation='<inference_id>'). Record: {take.folder.url}"
    )


def ambiguous(take: Take) -> AmbiguousRunError:
    """Make the error of a try of which cannot be told whether its song was delivered to it."""
    return AmbiguousRunError(
        f"Take {take.n} was delivered to a try of this number or a later one, and Airflow does not say whether this is "
        "a second copy of that try or another run of the same id. Nothing was sent. Clear the task to submit a new "
        f"take; the former song stays where it is. Record: {take.folder.url}"
    )


def changed(take: Take) -> ChangedRequestError:
    """Make the error of a request that differs from that of the newest take."""
    if take.state == "delivered":
        return ChangedRequestError(
            f"The request differs from the one that take {take.n} was delivered for (model, fields or connection), and "
            "this try is no clear that Airflow tells apart from a retry. Nothing was sent. Restore the former request "
            "and clear the task to get the former song again; or clear the task as it is now to submit the changed "
            "request as a new take. A template that gives another value at every try must be fixed. "
            f"Record: {take.folder.url}"
        )
    what = f"generation {take.generation_id}" if take.generation_id else f"take {take.n}"
    return ChangedRequestError(
        f"The request differs from the one that {what} was submitted with (model, fields or connection), and that "
        "one is not delivered yet. Nothing was sent. Restore the former request and clear the task to get the "
        "former song; or clear the task as it is now to submit the changed one as a new take, which is billed "
        "beside the former. A template that gives another value at every try must be fixed. "
        f"Record: {take.folder.url}"
    )
