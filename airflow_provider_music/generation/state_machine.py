# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one generation from wherever its record says it stands to its end, in any event loop, any number of times.

Every copy of a wait reads the same record, so a restarted or doubled triggerer resumes where the other was.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, assert_never

from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation import rate_limits, runtime
from airflow_provider_music.generation.poll import Pace, backoff, poll_until_done
from airflow_provider_music.generation.reconcile import Reconciliation
from airflow_provider_music.generation.submit import DeadlineReached, Submission
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.threads import connect_store, in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.store import Fact, Take

log = logging.getLogger(__name__)

#: accepted: the API gave an id (only where nobody waits longer). ready: the song can be fetched by a worker.
#: completed: it is in storage. The rest are ends without a song; "error" means that waiting itself broke.
Status = Literal["accepted", "ready", "completed", "failed", "unknown", "timeout", "error"]


async def run_generation(spec: GenerationSpec) -> dict[str, Any]:
    """Follow a generation to its end and return the event: small JSON, with no URL of audio and no secret."""
    machine = StateMachine(spec)
    try:
        status, more = await machine.run()
    except MusicError as exc:
        log.exception("The wait for take %d broke", machine.n)
        status, more = "error", {"error": type(exc).__name__, "message": str(exc)}
    return {"status": status, "record_url": spec.record_url, "n": machine.n, **more}


async def watch_generation(
    conn_id: str,
    generation_id: str,
    *,
    usual_seconds: float,
    poll_interval: float | None,
    deadline: float,
    submitted_at: float,
) -> dict[str, Any]:
    """Wait for a generation that was submitted elsewhere, and return the event."""
    more: dict[str, Any] = {}
    status: Status
    try:
        found = await poll_until_done(
            conn_id, generation_id, Pace(usual_seconds, poll_interval), deadline=deadline, submitted_at=submitted_at
        )
        status = "timeout" if found is None else "failed" if found.failed else "ready"
        if found is not None and found.failed:
            more = {"message": f"the API says {found.status}: {found.error or 'no reason given'}"}
    except MusicError as exc:
        log.exception("The wait for generation %s broke", generation_id)
        status, more = "error", {"error": type(exc).__name__, "message": str(exc)}
    return {"status": status, "generation_id": generation_id, **more}


class StateMachine:
    """One wait for one generation.

    :param spec: the generation.
    """

    def __init__(self, spec: GenerationSpec) -> None:
        self._spec = spec
        self._record = SongRecord(spec.record_url)
        self._refused = 0

    async def run(self) -> tuple[Status, dict[str, Any]]:
        """Return how it ended, and what an event says beside that."""
        try:
            return await self._follow()
        except DeadlineReached:
            return "timeout", {}

    async def _follow(self) -> tuple[Status, dict[str, Any]]:
        take = await self._read()
        while True:
            if take is None:
                take = await Submission(self._spec, self._record).submit()
                continue
            step = await self._step(take)
            if isinstance(step, tuple):
                return step
            take = step

    async def _step(self, take: Take) -> tuple[Status, dict[str, Any]] | Take | None:
        """Return how it ended, or the take as it stands after the next step; None is the next one, not claimed yet."""
        match take.state:
            case "delivered" | "completed":
                return "completed", {}
            case "failed":
                return await self._read() if await self._next_take(take) else ("failed", {})
            case "unknown":
                return "unknown", {}
            case "accepted":
                return await self._wait(take)
            case "open":
                return await Reconciliation(self._spec, self._record).reconcile(take)
            case _:
                assert_never(take.state)

    @property
    def n(self) -> int:
        """Number of the take that is followed now."""
        return self._spec.n

    async def _next_take(self, take: Take) -> bool:
        """After a request that was not accepted, wait and take the next number; False where that ends it.

        While this waits no claim is open, so a process that dies here leaves nothing in doubt.
        """
        failed = take.facts.get("failed", {})
        if failed.get("sent") is not False:
            return False
        self._refused += 1
        wait = max(backoff(self._refused, first=2.0, longest=120.0), number_or_none(failed.get("retry_after")) or 0.0)
        if runtime.now() + wait >= self._spec.deadline:
            return False
        log.info("The API takes no request now; submitting again in %.0f s", wait)
        await runtime.sleep(wait)
        self._spec = dataclasses.replace(self._spec, n=take.n + 1)
        return True

    async def _wait(self, take: Take) -> tuple[Status, dict[str, Any]]:
        spec = self._spec
        generation_id = str(take.generation_id)
        if spec.until_accepted:
            return "accepted", {"generation_id": generation_id}
        found = await poll_until_done(
            spec.conn_id,
            generation_id,
            Pace(spec.usual_seconds, spec.poll_interval),
            deadline=spec.deadline,
            submitted_at=written_at(take["intent"]),
        )
        if found is None:
            return "timeout", {"generation_id": generation_id}
        if found.failed:
            reason = f"the API says {found.status}: {found.error or 'no reason given'}"
            await self._write(take, "failed", sent=True, error="GenerationFailedError", reason=reason)
            return "failed", {"generation_id": generation_id}
        return "ready", {"generation_id": generation_id}

    async def _read(self) -> Take | None:
        async with rate_limits.starts():
            await connect_store(self._spec.record_url)
            return await in_thread(self._record.read, self._spec.n)

    async def _write(self, take: Take, fact: Fact, **values: Any) -> Take:
        attempt = self._spec.attempt
        return await in_thread(lambda: self._record.write(take, fact, **attempt, **values))


def written_at(fact: Mapping[str, Any]) -> float:
    """When a fact was written, seconds since 1970."""
    return datetime.fromisoformat(str(fact["written_at"])).timestamp()
