# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a failed task means for the bill, from its records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.store import SongIdentity, Take
    from airflow_provider_music.storage.folder import Folder

#: billed: the API took the request, and makes and bills the song. may_be_billed: its answer is lost, or not there yet.
Billing = Literal["not_billed", "billed", "may_be_billed"]


def of_take(take: Take | None) -> Billing:
    """Tell it of the newest request of a task."""
    if take is None or "failed" in take:
        return "not_billed"
    if "unknown" in take:
        return "billed" if take["unknown"].get("billed") else "may_be_billed"
    return "billed" if {"accepted", "completed"} & take.facts.keys() else "may_be_billed"


def of_batch(folder: Folder, try_number: int) -> Billing:
    """Tell it of all songs of a batch, from the manifest of this try or an earlier one."""
    if folder.is_empty():
        return "not_billed"
    for number in range(try_number, 0, -1):
        content = folder.read(f"manifest-try-{number}.jsonl")
        if content is not None:
            found = {json.loads(line)["status"] for line in content.splitlines()}
            if found & {"completed", "pending"}:
                return "billed"
            return "may_be_billed" if "unknown" in found else "not_billed"
    return "may_be_billed"


def of_sensor(error: str | None, given: Mapping[str, Any]) -> Billing:
    """Tell it of a song that another task asked for.

    :param given: what the sensor was given: an operator's result, or no more than an id that may be anything.
    """
    if _is_a(error, "GenerationFailedError"):
        return "not_billed"
    accepted = given.get("status") in ("accepted", "completed")
    return "billed" if accepted or _is_a(error, "AudioError") else "may_be_billed"


def of_upload(error: str | None) -> Billing:
    """Tell it of a reference track. The API says nowhere whether one costs anything; a refused one does not."""
    refused = _is_a(error, "InvalidRequestError", "CredentialsError", "ApiError")
    return "not_billed" if refused else "may_be_billed"


def _is_a(error: str | None, *bases: str) -> bool:
    """Whether an error, known by its class's name, is one of ours."""
    from airflow_provider_music import exceptions

    found = getattr(exceptions, error or "", None)
    return isinstance(found, type) and issubclass(found, tuple(getattr(exceptions, base) for base in bases))


def identity_of(ti: Any) -> SongIdentity:
    """Return which records are a task instance's."""
    from airflow_provider_music.record.store import SongIdentity

    return SongIdentity(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
