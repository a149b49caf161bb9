# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is reported of a song beside its result: which request and take it came from, how long it took, who pays.

All of it is in the record. A task that has just delivered its takes still has them; else they are read from storage.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.take import Billing, Take
    from airflow_provider_music.storage.folder import Folder

#: A song's result, and the fingerprint of its request.
Song = tuple["Mapping[str, Any]", "str | None"]


_TAKE = re.compile(r"/take-([1-9][0-9]*)$")


@dataclass(frozen=True, slots=True)
class SongFacts:
    """Facts of one song; None where the record does not say.

    :param take: which request of its task it came from.
    :param fingerprint: of the request.
    :param wait_seconds: from just before the request until the song was in place, or accepted where nobody waited.
    """

    take: int | None = None
    fingerprint: str | None = None
    wait_seconds: float | None = None


def facts_of(task: Any, result: Mapping[str, Any]) -> SongFacts:
    """Return the facts of a task's one song; blocks where they have to be read from storage.

    :raises OSError: the store does not answer.
    """
    if task.lineage_takes:
        return _facts_of_take(task.lineage_takes[0], str(result.get("status")))
    return _facts_in_storage(result, generation_of(task))


def songs_of_batch(task: Any) -> list[Song]:
    """Return a batch's songs in place, each with the fingerprint of its request."""
    songs, takes = task.lineage_songs, task.lineage_takes
    if len(takes) != len(songs):
        return list(songs)
    return [
        (result, _facts_of_take(take, "completed").fingerprint) for (result, _), take in zip(songs, takes, strict=True)
    ]


def generation_of(task: Any) -> Mapping[str, Any]:
    """Return the result that a sensor waits for, as far as its input has more than an id; empty for other tasks."""
    if task.lineage_kind != "sensor":
        return {}
    from airflow_provider_music.record.generation_ref import read_generation

    return read_generation(task.generation)


def is_handed_out(result: Mapping[str, Any]) -> bool:
    """Whether a task returns a song that another task had landed already."""
    return bool((result.get("reused") or {}).get("completed_at"))


def is_input(task: Any, result: Mapping[str, Any]) -> bool:
    """Whether a sensor returns the song of its input, which was complete already, or a task that of another one."""
    if is_handed_out(result):
        return True
    generation = generation_of(task)
    return generation.get("status") == "completed" and generation.get("audio_uri") == result.get("audio_uri")


def _facts_of_take(take: Take, status: str) -> SongFacts:
    intent = take.facts.get("intent")
    if not intent:
        # A sensor's take of a bare id: whoever submitted it left no record here.
        return SongFacts()
    end = take.facts.get("completed" if status == "completed" else "accepted", {})
    return SongFacts(take=take.n, fingerprint=intent.get("fingerprint"), wait_seconds=_seconds_between(intent, end))


def _facts_in_storage(result: Mapping[str, Any], generation: Mapping[str, Any]) -> SongFacts:
    from airflow_provider_music.record.generation_ref import read_fact, split_record_uri

    folder, last = split_record_uri(result.get("record_uri"))
    of_intent = folder
    intent = read_fact(folder, "intent.json")
    if not intent and generation:
        of_intent, _ = split_record_uri(generation.get("record_uri"))
        intent = read_fact(of_intent, "intent.json")
    take = _TAKE.search(of_intent or "")
    return SongFacts(
        take=int(take[1]) if take and intent else None,
        fingerprint=intent.get("fingerprint"),
        wait_seconds=_seconds_between(intent, read_fact(folder, last)),
    )


def _seconds_between(begin: Mapping[str, Any], end: Mapping[str, Any]) -> float | None:
    try:
        times = [datetime.fromisoformat(fact["written_at"]) for fact in (begin, end)]
        return round((times[1] - times[0]).total_seconds(), 3)
    except (KeyError, TypeError, ValueError):
        return None


# What a failed task means for the bill


def billing_of_batch(folder: Folder, try_number: int) -> Billing:
    """Return whether any song of a batch is billed, by the manifest of this try or an earlier one."""
    if folder.is_empty():
        return "not_billed"
    for number in range(try_number, 0, -1):
        content = folder.read(f"manifest-try-{number}.jsonl")
        if content is not None:
            found = {json.loads(line)["status"] for line in content.splitlines()}
            if found & {"completed", "pending", "rejected"}:
                return "billed"
            return "may_be_billed" if "unknown" in found else "not_billed"
    return "may_be_billed"


def billing_before_record(error: str | None, try_number: int) -> Billing:
    """Return it for a task that failed before it knew where its record lies: an earlier try may have submitted."""
    refused = _is_a(error, "InvalidRequestError", "CredentialsError", "OutputError")
    return "not_billed" if refused and try_number == 1 else "may_be_billed"


def billing_of_sensor(error: str | None, generation: Mapping[str, Any]) -> Billing:
    """Return whether a song that another task submitted is billed.

    :param generation: from :func:`generation_of`: an operator's result, or no more than an id that may be anything.
    """
    if _is_a(error, "GenerationFailedError"):
        return "not_billed"
    accepted = generation.get("status") in ("accepted", "completed")
    return "billed" if accepted or _is_a(error, "AudioError") else "may_be_billed"


def billing_of_upload(error: str | None) -> Billing:
    """Return it for a reference track. The API says nowhere whether one costs anything; a refused one does not."""
    refused = _is_a(error, "InvalidRequestError", "CredentialsError", "ApiError")
    return "not_billed" if refused else "may_be_billed"


def _is_a(error: str | None, *bases: str) -> bool:
    """Whether an error, known by its class's name, is one of ours."""
    from airflow_provider_music import exceptions

    found = getattr(exceptions, error or "", None)
    return isinstance(found, type) and issubclass(found, tuple(getattr(exceptions, base) for base in bases))
