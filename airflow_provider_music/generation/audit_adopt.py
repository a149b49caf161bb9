# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Lands songs that an audit found paid and not in storage, into their own records. It submits nothing.

It writes what a try of the task would write: the id that the usage log has, and that the song is in place. A retry or a
clear of the task then returns that song.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation.audit_span import moment_of
from airflow_provider_music.generation.fetch import fetch
from airflow_provider_music.generation.usage_log import LoggedRequest, fact_of_row
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.record.lease import SILENCE_SECONDS, LeaseWatch
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.audio_writer import RequestedAudio
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_music.api.endpoints import LogRow
    from airflow_provider_music.generation.audit_lines import Line
    from airflow_provider_music.record.take import Take

#: A song that was submitted later is left to its task, which may be about to land it.
LEAVE_TO_TASK = timedelta(hours=1)
_AT_ONCE = 4
_LEASE_CHECK_SECONDS = 2.0
#: As the intent has it: what the record holds of the try that submitted the song.
_ATTEMPT = ("task", "try_number", "max_tries", "run_started_at", "clear_number", "attempt_id")


async def land_paid(conn_id: str, lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    """Land the songs of some lines.

    :param lines: whose outcome is "to_land".
    :return: the URLs of the songs, and in words what could not be landed.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(line: Line) -> tuple[bool, str]:
        async with slots:
            try:
                return True, await _land(conn_id, line)
            except (MusicError, OSError) as exc:
                where = line.take.folder.url if line.take is not None else ""
                return False, f"{where}: {exc}"

    ended = await asyncio.gather(*map(one, lines))
    return [text for landed, text in ended if landed], [text for landed, text in ended if not landed]


async def _land(conn_id: str, line: Line) -> str:
    if line.take is None or line.row is None:
        raise MusicError("no record is known to hold it")
    record = SongRecord(line.take.folder.url.rpartition("/")[0])
    take = await in_thread(record.refresh, line.take)
    submitted = moment_of(take["intent"].get("written_at"))
    if submitted is not None and datetime.now(UTC) - submitted < LEAVE_TO_TASK:
        raise MusicError(f"submitted at {submitted.isoformat()}: left to its task for an hour")
    attempt = {name: take["intent"].get(name) for name in _ATTEMPT}
    if take.state in ("open", "unknown"):
        take = await _accepted(record, take, line.row, attempt)
    if take.state == "accepted":
        return await _fetched(conn_id, record, take, attempt)
    # Somebody was quicker: a try of the task, or another audit.
    return str(take.facts.get("completed", {}).get("audio_uri") or take.folder.url)


async def _accepted(record: SongRecord, take: Take, row: LogRow, attempt: dict[str, Any]) -> Take:
    """Give a take whose response is lost the id that the usage log has."""
    if take.state == "open" and not await _writer_is_gone(take):
        raise MusicError("the process that submitted it may still write what came of it")
    fact = fact_of_row(row, str(take["intent"].get("lane")))
    if fact is None or fact[0] != "accepted":
        raise MusicError("the usage log has no id of a song that is paid")
    values = {**fact[1], "source": "audit"}
    return await in_thread(lambda: record.write(take, "accepted", **attempt, **values))


async def _fetched(conn_id: str, record: SongRecord, take: Take, attempt: dict[str, Any]) -> str:
    intent, generation_id = take["intent"], str(take.generation_id)
    requested = RequestedAudio.of(intent)
    values = await fetch(
        await client_of(conn_id),
        generation_id,
        take.audio_folder,
        requested,
        before=take["accepted"],
        logged=LoggedRequest.of(intent, generation_id),
    )
    landed = await in_thread(
        lambda: record.write(take, "completed", **attempt, model=intent.get("model"), source="audit", **values)
    )
    return str(landed["completed"].get("audio_uri"))


async def _writer_is_gone(take: Take) -> bool:
    """Whether the process that claimed an open take can write nothing more, as a retry of the task would find out."""
    lease, loop = LeaseWatch(take.folder), asyncio.get_running_loop()
    until = loop.time() + SILENCE_SECONDS + _LEASE_CHECK_SECONDS
    while await in_thread(lease.writer_lives):
        if loop.time() >= until:
            return False
        await asyncio.sleep(_LEASE_CHECK_SECONDS if SILENCE_SECONDS > 1 else SILENCE_SECONDS)
    return True
