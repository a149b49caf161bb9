# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of a song that did not come: the error, what it means for the bill, and how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_music.exceptions import (
    ChangedRequestError,
    GenerationTimeoutError,
    MusicError,
    ResubmissionLostError,
    UnknownOutcomeError,
    named,
)

if TYPE_CHECKING:
    from airflow_provider_music.record.policy import OnUnknown
    from airflow_provider_music.record.store import SongRecord


def failed(record: SongRecord, n: int) -> MusicError:
    """Make the error of a request that the API refused or failed, from its record."""
    take = record.read(n)
    fact = take["failed"] if take is not None and "failed" in take else {}
    reason = str(fact.get("reason") or "no reason is recorded")
    error = named(fact.get("error", "GenerationFailedError"), "")
    # A refused request ends the task with its retries unused.
    how = "a clear" if isinstance(error, AirflowFailException) else "a retry"
    where = record.take_folder(n).url
    error.args = (f"Request {n} failed and is not billed; {how} asks again. {reason.rstrip('.')}. Record: {where}",)
    return error


def timed_out(record: SongRecord, n: int, waited: object) -> GenerationTimeoutError:
    """Make the error of a song that was not done at the deadline; ``waited`` is the task's timeout."""
    take = record.read(n)
    waited = f"{waited:g} s" if isinstance(waited, int | float) else waited
    if take is None:
        return GenerationTimeoutError(
            f"Within {waited} the song could not be asked for, so nothing was sent: other generations were under way. "
            "A retry or a clear asks for it. Raise timeout, or max_open_generations of the connection."
        )
    named_id = f"Generation {take.generation_id}" if take.generation_id else f"Request {n}"
    return GenerationTimeoutError(
        f"{named_id} was not done within {waited}. The API goes on making it and bills it. A retry or a clear goes on "
        f"waiting for the same song; it is not asked for again. Record: {record.take_folder(n).url}"
    )


def broken_wait(record: SongRecord, n: int, error: object, told: object, status: object) -> MusicError:
    """Make the error of a wait that broke, and name the song that goes on all the same."""
    message = str(told or f"The wait ended with {status!r}.")
    take = record.read(n)
    if take is not None and take.generation_id is not None:
        message += (
            f" Generation {take.generation_id} is accepted and billed all the same: mend this and clear the task, "
            "which goes on with that song."
        )
    return named(error, message)


def unknown(record: SongRecord, n: int, on_unknown: OnUnknown) -> MusicError:
    """Make the error of a request whose answer is lost: what may have been billed, under which id."""
    take = record.read(n)
    if take is None:
        return MusicError(f"The record in {record.take_folder(n).url} vanished; nothing is sent.")
    fact = take.facts.get("unknown", {})
    reason = str(fact.get("reason"))
    billed = "It is billed" if fact.get("billed") else "It may have been billed"
    head = (
        f"The answer to request {n} for {take['intent'].get('model')} is lost: {reason.rstrip('.')}. {billed}, "
        f"under X-Client-Request-Id {take['intent'].get('client_request_id')} (see GET /v2/logs). "
    )
    if on_unknown == "resubmit":
        return ResubmissionLostError(f"{head}on_unknown='resubmit': the next try asks once more.")
    return UnknownOutcomeError(
        f"{head}Nothing is sent again by itself. To go on: clear this task to ask for a new song (a second bill), "
        "or, where the log shows an inference_id, wait for that song with "
        f"MusicGenerationSensor(generation='<inference_id>'). Record: {record.take_folder(n).url}"
    )


def changed(record: SongRecord, n: int) -> ChangedRequestError:
    """Make the error of a request that differs from the one that is open."""
    take = record.read(n)
    what = f"generation {take.generation_id}" if take is not None and take.generation_id else f"take {n}"
    return ChangedRequestError(
        f"The request differs from the one that {what} was asked for with (model, fields or connection), and that "
        "one is not delivered yet. Nothing was sent. Restore the former request and clear the task to get the "
        "former song; or clear the task as it is now to ask for the changed one as a new take, which is billed "
        "beside the former. A template that gives another value at every try must be fixed. "
        f"Record: {record.take_folder(n).url}"
    )
