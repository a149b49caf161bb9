# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Follows one song from wherever its record says it stands to its end, in any event loop, any number of times.

Every copy of a wait reads the same record, so a restarted or doubled triggerer goes on where the other was.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation import clock, rate_limits
from airflow_provider_music.generation.pace import Pace, backoff
from airflow_provider_music.generation.poll import poll_until_done
from airflow_provider_music.generation.reconcile import Finder
from airflow_provider_music.generation.submit import Asker
from airflow_provider_music.generation.threads import in_thread
from airflow_provider_music.record.store import SongRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.generation.spec import Order
    from airflow_provider_music.record.store import Fact, Take

log = logging.getLogger(__name__)

#: accepted: the API gave an id (only where nobody waits longer). ready: the song can be fetched by a worker.
#: completed: it is in storage. The rest are ends without a song; "error" means that waiting itself broke.
Status = Literal["accepted", "ready", "completed", "failed", "unknown", "timeout", "error"]


async def pursue(order: Order) -> dict[str, Any]:
    """Follow a song to its end and return the event: small JSON, with no URL of audio and no secret."""
    pursuit = Pursuit(order)
    try:
        status, more = await pursuit.run()
    except MusicError as exc:
        log.exception("The wait for request %d broke", pursuit.n)
        status, more = "error", {"error": type(exc).__name__, "message": str(exc)}
    return {"status": status, "record_url": order.record_url, "n": pursuit.n, **more}


async def watch(
    conn_id: str,
    generation_id: str,
    *,
    usual_seconds: float,
    poll_interval: float | None,
    deadline: float,
    asked_at: float,
) -> dict[str, Any]:
    """Wait for a generation that somebody else asked for, and return the event."""
    more: dict[str, Any] = {}
    status: Status
    try:
        found = await poll_until_done(
            conn_id, generation_id, Pace(usual_seconds, poll_interval), deadline=deadline, asked_at=asked_at
        )
        status = "timeout" if found is None else "failed" if found.failed else "ready"
        if found is not None and found.failed:
            more = {"message": f"the API says {found.status}: {found.error or 'no reason given'}"}
    except MusicError as exc:
        log.exception("The wait for generation %s broke", generation_id)
        status, more = "error", {"error": type(exc).__name__, "message": str(exc)}
    return {"status": status, "generation_id": generation_id, **more}


class Pursuit:
    """One wait.

    :param order: the song.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._record = SongRecord(order.record_url)
        self._refused = 0

    async def run(self) -> tuple[Status, dict[str, Any]]:
        """Return how it ended, and what an event says beside that."""
        while True:
            take = await self._read()
            if take is None:
                if not await Asker(self._order, self._record).ask():
                    return "timeout", {}
            elif "delivered" in take or "completed" in take:
                return "completed", {}
            elif "failed" in take:
                if not await self._next_number(take):
                    return "failed", {}
            elif "unknown" in take:
                return "unknown", {}
            elif "accepted" in take:
                return await self._wait(take)
            elif await Finder(self._order, self._record).find(take) is None:
                await self._write("unknown", reason="the usage log had no row of it before the deadline")

    @property
    def n(self) -> int:
        """Number of the request that is followed now."""
        return self._order.n

    async def _next_number(self, take: Take) -> bool:
        """After a request that was not accepted, wait and go on with the next number; False where that ends it.

        While this waits no claim is open, so a process that dies here leaves nothing in doubt.
        """
        failed = take["failed"]
        if failed.get("sent") is not False:
            return False
        self._refused += 1
        wait = max(backoff(self._refused, first=2.0, longest=120.0), number_or_none(failed.get("retry_after")) or 0.0)
        if clock.now() + wait >= self._order.deadline:
            return False
        log.info("The API takes no request now; asking again in %.0f s", wait)
        await clock.sleep(wait)
        self._order = dataclasses.replace(self._order, n=take.n + 1)
        return True

    async def _wait(self, take: Take) -> tuple[Status, dict[str, Any]]:
        order = self._order
        generation_id = str(take.generation_id)
        if order.until_accepted:
            return "accepted", {"generation_id": generation_id}
        found = await poll_until_done(
            order.conn_id,
            generation_id,
            Pace(order.usual_seconds, order.poll_interval),
            deadline=order.deadline,
            asked_at=written_at(take["intent"]),
        )
        if found is None:
            return "timeout", {"generation_id": generation_id}
        if found.failed:
            reason = f"the API says {found.status}: {found.error or 'no reason given'}"
            await self._write("failed", sent=True, error="GenerationFailedError", reason=reason)
            return "failed", {"generation_id": generation_id}
        return "ready", {"generation_id": generation_id}

    async def _read(self) -> Take | None:
        async with rate_limits.starts():
            return await in_thread(self._record.read, self._order.n)

    async def _write(self, fact: Fact, **values: Any) -> None:
        order = self._order
        await in_thread(lambda: self._record.write(order.n, fact, **order.stamp, **values))


def written_at(fact: Mapping[str, Any]) -> float:
    """When a fact was written, seconds since 1970."""
    return datetime.fromisoformat(str(fact["written_at"])).timestamp()
