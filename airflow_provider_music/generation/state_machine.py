# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one generation from wherever its record says it stands to its end, in any event loop, any number of times.

Every copy of a wait reads the same record, so a restarted or doubled triggerer resumes where the other was.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, assert_never, cast

from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation import hosts, rate_limits, runtime
from airflow_provider_music.generation.poll import Pace, Polls, backoff, poll_until_done
from airflow_provider_music.generation.reconcile import Reconciliation
from airflow_provider_music.generation.submissions import submission_of
from airflow_provider_music.generation.submit import DeadlineReached
from airflow_provider_music.record.carried import CarriedRecord, carried, not_shared
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import Take
from airflow_provider_music.storage.threads import connect_store, in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.generation.submit import Submission
    from airflow_provider_music.record.take import Fact

log = logging.getLogger(__name__)

#: A network disk may show another machine's new file late: it is checked for so often, with such pauses in seconds.
_MARKER_CHECKS = 4
_MARKER_PAUSE = 2.0
#: accepted: the API gave an id (only where nobody waits longer). ready: the song can be fetched by a worker.
#: completed: it is in storage. The rest are ends without a song; "error" means that waiting itself broke.
Status = Literal["accepted", "ready", "completed", "failed", "unknown", "timeout", "error"]


async def run_generation(spec: GenerationSpec, *, sees_record: bool = False) -> dict[str, Any]:
    """Follow a generation to its end and return the event: small JSON, with no URL of audio and no secret.

    :param sees_record: whether this process is known to see the record: it decided on the generation itself.
    """
    machine = StateMachine(spec, sees_record=sees_record)
    try:
        status, more = await machine.run()
    except MusicError as exc:
        log.exception("The wait for take %d broke", machine.n)
        status, more = "error", {"error": type(exc).__name__, "message": str(exc)}
    known = {"facts": machine.facts, "marker": spec.marker}
    return {"status": status, "record_url": spec.record_url, "n": machine.n, **known, **more}


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
    polls = Polls(submitted_elsewhere=True)
    try:
        found = await poll_until_done(
            conn_id,
            generation_id,
            Pace(usual_seconds, poll_interval),
            deadline=deadline,
            submitted_at=submitted_at,
            polls=polls,
        )
        status = "failed" if found is not None and found.failed else "ready"
        if found is None or found.unknown_status:
            odd = found.status if found is not None else None
            status, more = "timeout", {"unknown_status": odd, "polls": polls.as_dict()}
        elif found.failed:
            more = {"message": f"the API says {found.status}: {found.error or 'no reason given'}"}
    except MusicError as exc:
        log.exception("The wait for generation %s broke", generation_id)
        status, more = "error", {"error": type(exc).__name__, "message": str(exc)}
    return {"status": status, "generation_id": generation_id, **more}


class StateMachine:
    """One wait for one generation.

    :param spec: the generation.
    :param sees_record: whether this process is known to see what the worker wrote. One that is not must not submit:
        on a disk of its own it would claim a take that another process has submitted.
    """

    def __init__(self, spec: GenerationSpec, *, sees_record: bool) -> None:
        self._spec = spec
        self._record = SongRecord(spec.record_url)
        self._sees_record = sees_record
        self._refused = 0
        #: What is known of the take, for a worker that does not see its record.
        self.facts: dict[str, Any] | None = None

    async def run(self) -> tuple[Status, dict[str, Any]]:
        """Return how it ended, and what an event says beside that."""
        try:
            return await self._follow()
        except DeadlineReached:
            return "timeout", {}

    async def _follow(self) -> tuple[Status, dict[str, Any]]:
        if self._spec.lane == "queued" and {"intent", "accepted"} <= self._told.keys():
            # To poll by id needs no record, whose reads a bucket bills, and which may be out of sight here.
            end = await self._wait(self._told)
            self.facts = self.facts or carried(self._told)
            return end
        take = await self._read()
        while True:
            if take is None:
                take = await self._submission().submit()
                continue
            step = await self._step(take)
            if isinstance(step, tuple):
                return await self._ended(take, step)
            take = step

    def _submission(self) -> Submission:
        """Return what sends the request of the take that is followed now."""
        return submission_of(self._spec, self._record)

    async def _ended(self, take: Take, end: tuple[Status, dict[str, Any]]) -> tuple[Status, dict[str, Any]]:
        if self._spec.lane == "queued" and self.facts is None:
            self.facts = carried(take.facts)
        return end

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
                return await self._wait(take.facts)
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
        if isinstance(self._record, CarriedRecord):
            # A claim in it would be seen by nobody; a retry of the task submits again.
            return False
        if failed.get("abandoned"):
            # Nobody refused it, so nobody has to be waited for.
            return self._turn_to(take.n + 1)
        self._refused += 1
        wait = max(backoff(self._refused, first=2.0, longest=120.0), number_or_none(failed.get("retry_after")) or 0.0)
        unknown_for = number_or_none(failed.get("seconds_without_address"))
        if unknown_for is not None:
            pause = hosts.pause_before_next(unknown_for, wait)
            if pause is None:
                return False
            wait = pause
        if runtime.now() + wait >= self._spec.deadline:
            return False
        log.info("The API takes no request now; submitting again in %.0f s", wait)
        await runtime.sleep(wait)
        return self._turn_to(take.n + 1)

    def _turn_to(self, n: int) -> bool:
        self._spec = dataclasses.replace(self._spec, n=n, facts=None, marker=None, request_id=None)
        return True

    async def _wait(self, facts: Mapping[Fact, Mapping[str, Any]]) -> tuple[Status, dict[str, Any]]:
        """Poll a take that has an id.

        :param facts: its own.
        """
        spec = self._spec
        generation_id = str(facts["accepted"]["generation_id"])
        if spec.until_accepted:
            return "accepted", {"generation_id": generation_id}
        polls = Polls()
        found = await poll_until_done(
            spec.conn_id,
            generation_id,
            Pace(spec.usual_seconds, spec.poll_interval),
            deadline=spec.deadline,
            submitted_at=written_at(facts["intent"]),
            polls=polls,
        )
        if found is None or found.unknown_status:
            odd = found.status if found is not None else None
            return "timeout", {"generation_id": generation_id, "unknown_status": odd, "polls": polls.as_dict()}
        if found.failed:
            await self._note_failed(f"the API says {found.status}: {found.error or 'no reason given'}")
            return "failed", {"generation_id": generation_id}
        return "ready", {"generation_id": generation_id}

    async def _note_failed(self, reason: str) -> None:
        take = await self._read()
        if take is not None:
            take = await self._write(take, "failed", sent=True, error="GenerationFailedError", reason=reason)
            self.facts = carried(take.facts)

    async def _read(self) -> Take | None:
        spec = self._spec
        async with rate_limits.starts():
            await connect_store(spec.record_url)
            if spec.audio_url:
                await connect_store(spec.audio_url)
            take = await in_thread(self._record.read, spec.n)
        if take is not None:
            self._sees_record = True
            # A listing may be older than what the worker wrote last; an id in hand is not to be searched for.
            return dataclasses.replace(take, facts={**self._told, **take.facts})
        if self._sees_record or await self._finds_marker():
            self._sees_record = True
            return None
        return await self._carried_along()

    async def _finds_marker(self) -> bool:
        """Whether this process sees the worker's folder; a network disk may show a new file some seconds late."""
        marker = self._spec.marker
        if marker is None:
            return False
        for check in range(_MARKER_CHECKS):
            if check:
                await runtime.sleep(_MARKER_PAUSE)
            if await in_thread(self._record.sees, marker):
                return True
        return False

    @property
    def _told(self) -> Mapping[Fact, Mapping[str, Any]]:
        """What the worker knew of the take."""
        return cast("Mapping[Fact, Mapping[str, Any]]", self._spec.facts or {})

    async def _carried_along(self) -> Take:
        """Go on from what the worker knew: a queued generation is polled by its id, from anywhere.

        :raises StorageNotSharedError: a synchronous song could not be handed to the worker, or nothing was submitted.
        """
        spec, facts = self._spec, self._told
        if spec.lane != "queued" or not facts:
            raise not_shared(spec.record_url)
        log.warning("%s is out of sight here, so what the worker knew of take %d is used", spec.record_url, spec.n)
        take = Take(spec.n, facts, await in_thread(self._record.take_folder, spec.n))
        self._record = CarriedRecord(spec.record_url, take)
        return take

    async def _write(self, take: Take, fact: Fact, **values: Any) -> Take:
        attempt = self._spec.attempt
        return await in_thread(lambda: self._record.write(take, fact, **attempt, **values))


def written_at(fact: Mapping[str, Any]) -> float:
    """When a fact was written, seconds since 1970."""
    return datetime.fromisoformat(str(fact["written_at"])).timestamp()
