# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Reconciles a take whose answer is lost: with the record, where its writer may still be at work, and the usage log.

The log has a row per request, with the request's own id. A row may appear only when the song is done, so a
missing row means "not yet", never "not sent".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_music.exceptions import ApiError, ApiUnreachableError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.poll import backoff
from airflow_provider_music.generation.submit import NEVER_LEFT, DeadlineReached
from airflow_provider_music.generation.usage_log import LoggedRequest, Reach, fact_of_row, find_row
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.record.lease import LeaseWatch
from airflow_provider_music.storage.audio_writer import RequestedAudio, find_stored_audio
from airflow_provider_music.storage.song_name import recorded_name
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.endpoints import LogRow
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Fact, Take

log = logging.getLogger(__name__)

_WATCH_SECONDS = 2.0
#: Searches for the row of a synchronous song whose writer is gone: the audio cannot come back, only the bill is
#: in question, and nobody should wait long for that.
_SEARCHES_FOR_BILL = 3


class Reconciliation:
    """Finds out what became of take n, which somebody claimed and whose answer nobody recorded.

    :param spec: the generation.
    :param record: its song's record.
    """

    def __init__(self, spec: GenerationSpec, record: SongRecord) -> None:
        self._spec = spec
        self._record = record
        self._lease = LeaseWatch(record.take_folder(spec.n))
        self._reach: Reach | None = None

    async def reconcile(self, take: Take) -> Take:
        """Return the take once a fact says where it stands; at the deadline it is unknown, if its writer is gone.

        :raises DeadlineReached: its writer outlives the deadline, and may still write what came of it.
        """
        searches = 0
        while True:
            # In this order: a writer that is gone has written its facts before.
            writer_lives = await in_thread(self._lease.writer_lives)
            take = await in_thread(self._record.refresh, take)
            if take.state != "open":
                return take
            if writer_lives:
                delay = _WATCH_SECONDS
            elif await self._never_left(take):
                return await self._write(take, "failed", **NEVER_LEFT)
            else:
                searches += 1
                row = await self._row(take["intent"])
                take = await self._recorded(take, row, searches)
                if take.state != "open":
                    return take
                delay = backoff(searches, first=_WATCH_SECONDS)
            if not await runtime.sleep_until(self._spec.deadline, delay):
                if writer_lives:
                    raise DeadlineReached
                return await self._write(take, "unknown", reason=self._why_unknown())

    async def _never_left(self, take: Take) -> bool:
        """Whether a writer that is gone had not sent the request: it says so just before it does.

        Whoever creates that fact first decides, so one that comes back does not send it any more.
        """
        if take.never_sent:
            return True
        # An older version of the package did not say when it sent.
        if "sent" in take or not take["intent"].get("says_when_sent"):
            return False
        attempt = self._spec.attempt
        return bool(await in_thread(lambda: self._record.write_first(take, "sent", **attempt, abandoned=True)))

    def _why_unknown(self) -> str:
        """Return why the outcome is unknown at the deadline: what broke, where its writer could say so, and the log."""
        why, silent = self._lease.why(), "the usage log had no row of it before the deadline"
        return f"{why.rstrip('.')}. T{silent[1:]}" if why else silent

    async def _recorded(self, take: Take, row: LogRow | None, searches: int) -> Take:
        """Return the take with what a row of the usage log says; as it is while that says nothing."""
        found = fact_of_row(row, self._spec.lane) if row is not None else None
        if found is not None:
            log.info("Found the lost answer in the usage log: take %d is %s", take.n, found[0])
            return await self._write(take, found[0], **found[1])
        return await self._without_answer(take, row, searches) if self._spec.lane == "synchronous" else take

    async def _without_answer(self, take: Take, row: LogRow | None, searches: int) -> Take:
        """Settle a synchronous take whose writer is gone: its song lies in storage, or is lost."""
        adopted = await self._adopted(take, row)
        billed = row is not None and row.status == "succeeded"
        if adopted is not None or (not billed and searches < _SEARCHES_FOR_BILL):
            return adopted or take
        return await self._write(
            take,
            "unknown",
            reason=self._why_lost(billed=billed),
            billed=True if billed else None,
            usd_spent=row.usd if row else None,
            credits_used=row.credits if row else None,
        )

    async def _adopted(self, take: Take, row: LogRow | None) -> Take | None:
        """Complete a song that is in place already: its writer went away before it could say so."""
        spec = self._spec
        named = recorded_name(take["intent"])
        requested = RequestedAudio(spec.audio_format, spec.sample_rate_hz, named)
        landed = await in_thread(find_stored_audio, take.audio_folder, requested)
        if landed is None:
            return None
        log.info("The song of take %d is in storage, though no fact says so: %s", take.n, landed.url)
        return await self._write(
            take,
            "completed",
            generation_id=row.inference_id if row else None,
            model=spec.model,
            audio_uri=landed.url,
            audio=landed.as_dict(),
            **landed.marks,
            usage={"credits_used": row.credits if row else None, "usd_spent": row.usd if row else None},
            trace_id=None,
            source="storage",
        )

    def _why_lost(self, *, billed: bool) -> str:
        lost = (self._lease.why() or "the process that held the POST open is gone").rstrip(".")
        if billed:
            return f"{lost}. The usage log says that the request succeeded: it is billed, and the song is lost"
        return f"{lost}. The usage log has no row of it yet, so it may be billed"

    async def _write(self, take: Take, fact: Fact, **values: object) -> Take:
        attempt = self._spec.attempt
        return await in_thread(lambda: self._record.write(take, fact, **attempt, **values))

    async def _row(self, intent: Mapping[str, object]) -> LogRow | None:
        try:
            client = await client_of(self._spec.conn_id)
            request = LoggedRequest.of(intent)
            self._reach = self._reach or Reach(request.submitted_at)
            row = await find_row(client, request, reach=self._reach)
        except (ApiError, ApiUnreachableError) as exc:
            log.warning("The usage log does not answer; searching again: %s", exc)
            return None
        if row is None:
            log.info("No row for request %s in the usage log yet", intent["client_request_id"])
        return row
