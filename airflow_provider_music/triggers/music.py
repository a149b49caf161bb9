# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The waits, in the triggerer: for one generation, or for all of a batch.

A trigger's arguments are kept in Airflow's database in the clear, and outlive upgrades: those of earlier versions
keep working.
"""

from __future__ import annotations

import asyncio
import importlib
import time
import weakref
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_music.compat import AIRFLOW

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncIterator, Mapping

    from airflow_provider_music.generation.batch import DeferBatch
    from airflow_provider_music.generation.sensor import Watch
    from airflow_provider_music.generation.spec import GenerationSpec

#: Since which Airflow the scheduler leaves a resumed task alone that is in this state when it sees, late, that the
#: worker of the deferral exited (apache/airflow#66374, #67287, #72716; read in the source of 2.11 to 3.4.0b2). Before
#: that it fails the task: "finished with state success, but the task instance's state attribute is queued". 2.11 does
#: so to queued tasks alone.
_RACE_MENDED: dict[str, tuple[int, int, int] | None] = {"scheduled": (3, 2, 2), "queued": (3, 4, 0), "running": None}


def hold_back_seconds(airflow: tuple[int, int, int]) -> float:
    """Return how long after its deferral a task must not resume, on this Airflow.

    A trigger that fired 5.0 s after the deferral still lost: a busy scheduler saw the exit 5.5 s after it.
    """
    mended = all(since is not None and airflow >= since for since in _RACE_MENDED.values())
    return 0.0 if mended else 15.0


HOLD_BACK_SECONDS = hold_back_seconds(AIRFLOW)

_CLIENTS = "airflow_provider_music.hooks.clients"
_loaded: dict[str, Any] = {}
_loading: weakref.WeakKeyDictionary[AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


class MusicGenerationTrigger(BaseTrigger):
    """Waits for one generation and fires once, with small JSON: how it ended, never audio, a URL of audio or a key.

    With ``spec`` it runs a generation that :class:`GenerateMusicOperator` records: it submits the request where nobody
    did yet (the synchronous lane), reconciles a lost answer, and polls. With ``generation_id`` it only polls.

    :param conn_id: Airflow connection id.
    :param deferred_at: when the task was deferred, seconds since 1970.
    :param spec: see :class:`airflow_provider_music.generation.spec.GenerationSpec`, as plain JSON.
    :param generation_id: the API's id of a queued generation.
    :param usual_seconds: how long such a song usually takes.
    :param poll_interval: seconds between polls; None is the model's own pace.
    :param deadline: seconds since 1970; a restart of the triggerer does not extend it.
    """

    def __init__(
        self,
        *,
        conn_id: str,
        deferred_at: float,
        spec: Mapping[str, Any] | None = None,
        generation_id: str | None = None,
        usual_seconds: float = 60.0,
        poll_interval: float | None = None,
        deadline: float = 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id = conn_id
        self.deferred_at = deferred_at
        self.spec = spec
        self.generation_id = generation_id
        self.usual_seconds = usual_seconds
        self.poll_interval = poll_interval
        self.deadline = deadline

    @classmethod
    def for_spec(cls, spec: GenerationSpec) -> MusicGenerationTrigger:
        """Make the wait for a generation that an operator records."""
        return cls(conn_id=spec.conn_id, deferred_at=time.time(), spec=spec.as_dict(), deadline=spec.deadline)

    @classmethod
    def for_watch(cls, watch: Watch, conn_id: str) -> MusicGenerationTrigger:
        """Make the wait for a generation that was submitted elsewhere."""
        return cls(
            conn_id=conn_id,
            deferred_at=watch.submitted_at,
            generation_id=watch.generation_id,
            usual_seconds=watch.usual_seconds,
            poll_interval=watch.poll_interval,
            deadline=watch.deadline,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow keeps them."""
        return (
            "airflow_provider_music.triggers.music.MusicGenerationTrigger",
            {
                "conn_id": self.conn_id,
                "deferred_at": self.deferred_at,
                "spec": dict(self.spec) if self.spec is not None else None,
                "generation_id": self.generation_id,
                "usual_seconds": self.usual_seconds,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire once."""
        event = await self.outcome()
        await _hold_back(self.deferred_at)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def outcome(self) -> dict[str, Any]:
        """Wait and return the event's content."""
        machine = await _prepared("airflow_provider_music.generation.state_machine")
        event: dict[str, Any]
        if self.spec is not None:
            spec = await _prepared("airflow_provider_music.generation.spec")
            event = await machine.run_generation(spec.GenerationSpec.from_dict(self.spec))
            return event
        event = await machine.watch_generation(
            self.conn_id,
            str(self.generation_id),
            usual_seconds=self.usual_seconds,
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            submitted_at=self.deferred_at,
        )
        return event


class MusicBatchTrigger(BaseTrigger):
    """Runs the generations of a plan, so many in flight, and fires once with the counts of how they ended.

    :param plan_url: the file that holds their specs, in the folder of their records.
    :param plan_sha256: of that file, hex: another one is refused. None in triggers of an older version.
    :param conn_id: Airflow connection id of all of them. None in triggers of an older version.
    :param max_in_flight: generations submitted and not done at any time.
    :param deferred_at: when the task was deferred, seconds since 1970.
    :param fail_fast: submit no further request once one ended without a song.
    """

    def __init__(
        self,
        *,
        plan_url: str,
        max_in_flight: int,
        deferred_at: float,
        fail_fast: bool = False,
        plan_sha256: str | None = None,
        conn_id: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.plan_url = plan_url
        self.plan_sha256 = plan_sha256
        self.conn_id = conn_id
        self.max_in_flight = max_in_flight
        self.deferred_at = deferred_at
        self.fail_fast = fail_fast

    @classmethod
    def for_plan(cls, wait: DeferBatch) -> MusicBatchTrigger:
        """Make the wait for a batch."""
        return cls(
            plan_url=wait.plan.url,
            plan_sha256=wait.plan.sha256,
            conn_id=wait.plan.conn_id,
            max_in_flight=wait.max_in_flight,
            deferred_at=time.time(),
            fail_fast=wait.fail_fast,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow keeps them."""
        return (
            "airflow_provider_music.triggers.music.MusicBatchTrigger",
            {
                "plan_url": self.plan_url,
                "plan_sha256": self.plan_sha256,
                "conn_id": self.conn_id,
                "max_in_flight": self.max_in_flight,
                "deferred_at": self.deferred_at,
                "fail_fast": self.fail_fast,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire once."""
        event = await self.outcome()
        await _hold_back(self.deferred_at)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def outcome(self) -> dict[str, Any]:
        """Wait and return the event's content."""
        batch = await _prepared("airflow_provider_music.generation.batch_plan")
        ref = batch.PlanRef(self.plan_url, self.plan_sha256, self.conn_id)
        event: dict[str, Any] = await batch.run_batch(ref, max_in_flight=self.max_in_flight, fail_fast=self.fail_fast)
        return event


async def _prepared(name: str) -> Any:
    """Return a module, and have the loop's polls sent over aiohttp's connections.

    Imported in a thread: the HTTP clients and the catalogue would block the loop for a second.
    """
    if name not in _loaded:
        # One thread, however many triggers start together; and never a half-imported module, which stands in
        # sys.modules before it can be used.
        async with _loading.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if name not in _loaded:
                _loaded[name] = await asyncio.to_thread(importlib.import_module, name)
    if name != _CLIENTS:
        clients = await _prepared(_CLIENTS)
        await clients.use_poll_transport()
    return _loaded[name]


async def _hold_back(deferred_at: float) -> None:
    """Wait for the rest of the first seconds after the deferral.

    The scheduler can fail a task that comes back sooner than it has seen the worker's exit.
    """
    runtime = await _prepared("airflow_provider_music.generation.runtime")
    early = deferred_at + HOLD_BACK_SECONDS - runtime.now()
    if 0 < early <= HOLD_BACK_SECONDS:
        await runtime.sleep(early)
