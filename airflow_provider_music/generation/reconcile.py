# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Looks for a lost answer: in the record, where its owner may still write it, and in the API's usage log.

The log has a row per request, with the request's own id. A row may appear only when the song is done, so a
missing row means "not yet", never "not sent".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_music.exceptions import ApiError, ApiUnreachableError
from airflow_provider_music.generation import clock
from airflow_provider_music.generation.pace import backoff
from airflow_provider_music.generation.threads import in_thread
from airflow_provider_music.generation.usage_log import LoggedRequest, find_row
from airflow_provider_music.hooks.clients import async_client_of
from airflow_provider_music.record.lease import LeaseWatch
from airflow_provider_music.storage.audio_writer import RequestedAudio, find_stored_audio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.endpoints import LogRow
    from airflow_provider_music.generation.spec import Order
    from airflow_provider_music.record.store import SongRecord, Take

log = logging.getLogger(__name__)

_WATCH_SECONDS = 2.0
#: Looks for the row of a synchronous song whose owner is gone: the audio cannot come back, only the bill is
#: in question, and nobody should wait long for that.
_LOOKS_FOR_BILL = 3
_ROW_GONE = ("failed", "error")


class Finder:
    """Finds out what became of take n, which somebody asked for and nobody answered.

    :param order: the song.
    :param record: its record.
    """

    def __init__(self, order: Order, record: SongRecord) -> None:
        self._order = order
        self._record = record
        self._lease = LeaseWatch(record.take_folder(order.n))

    async def find(self, take: Take) -> Take | None:
        """Return the take once a new fact says where it stands, or None at the deadline."""
        looks = 0
        while True:
            now = await in_thread(self._record.read, self._order.n)
            take = now or take
            if len(take.facts) > 1:
                return take
            if await in_thread(self._lease.owner_lives):
                delay = _WATCH_SECONDS
            else:
                looks += 1
                row = await self._row(take["intent"])
                if await self._written(row, looks):
                    continue
                delay = backoff(looks, first=_WATCH_SECONDS)
            if not await clock.sleep_until(self._order.deadline, delay):
                return None

    async def _written(self, row: LogRow | None, looks: int) -> bool:
        """Write what a row tells; False while it tells nothing."""
        order = self._order
        if row is not None and row.status in _ROW_GONE:
            reason = "the API's usage log says that the request failed; it is not billed"
            await self._write("failed", reason=reason, sent=True, source="usage log")
            return True
        if order.lane == "synchronous":
            if await self._adopted(row):
                return True
            billed = row is not None and row.status == "succeeded"
            if not billed and looks < _LOOKS_FOR_BILL:
                return False
            await self._write(
                "unknown",
                reason=self._why_lost(billed=billed),
                billed=True if billed else None,
                usd_spent=row.usd if row else None,
                credits_used=row.credits if row else None,
            )
            return True
        if row is None or not row.inference_id:
            return False
        log.info("Found the lost answer in the usage log: generation %s", row.inference_id)
        await self._write("accepted", generation_id=row.inference_id, source="usage log")
        return True

    async def _adopted(self, row: LogRow | None) -> bool:
        """Complete a song that is in place already: its owner went away before it could say so."""
        order = self._order
        folder = self._record.take_folder(order.n)
        asked = RequestedAudio(order.audio_format, order.sample_rate_hz)
        landed = await in_thread(find_stored_audio, folder, asked)
        if landed is None:
            return False
        log.info("The song of request %d is in storage, though nobody said so: %s", order.n, landed.url)
        await self._write(
            "completed",
            generation_id=row.inference_id if row else None,
            model=order.model,
            audio_uri=landed.url,
            audio=landed.as_dict(),
            usage={"credits_used": row.credits if row else None, "usd_spent": row.usd if row else None},
            trace_id=None,
            source="storage",
        )
        return True

    def _why_lost(self, *, billed: bool) -> str:
        lost = (self._lease.why() or "the process that held the POST open is gone").rstrip(".")
        if billed:
            return f"{lost}. The usage log says that the request succeeded: it is billed, and the song is lost"
        return f"{lost}. The usage log has no row of it yet, so it may be billed"

    async def _write(self, fact: str, **values: object) -> None:
        stamp = self._order.stamp
        await in_thread(lambda: self._record.write(self._order.n, fact, **stamp, **values))  # type: ignore[arg-type]

    async def _row(self, intent: Mapping[str, object]) -> LogRow | None:
        try:
            client = await async_client_of(self._order.conn_id)
            row = await find_row(client, LoggedRequest.of(intent))
        except (ApiError, ApiUnreachableError) as exc:
            log.warning("The usage log does not answer; the search goes on: %s", exc)
            return None
        if row is None:
            log.info("No row for request %s in the usage log yet", intent["client_request_id"])
        return row
