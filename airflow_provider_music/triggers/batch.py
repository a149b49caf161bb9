# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The wait for all songs of a batch, in the triggerer: one trigger, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_music.triggers.start import hold_back, loaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class MusicBatchTrigger(BaseTrigger):
    """Asks for the songs of a plan, so many in flight, waits for them all, and fires once with their counts.

    Its arguments are kept in Airflow's database in the clear; the requests themselves lie in the plan file.

    :param plan_url: the file that says what is to be followed.
    :param max_in_flight: songs asked for and not done at any time.
    :param fail_fast: ask for no further song once one ended without.
    :param asked_at: when the wait began, seconds since 1970.
    """

    def __init__(self, *, plan_url: str, max_in_flight: int, asked_at: float, fail_fast: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.plan_url = plan_url
        self.max_in_flight = max_in_flight
        self.asked_at = asked_at
        self.fail_fast = fail_fast

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow keeps them."""
        return (
            "airflow_provider_music.triggers.batch.MusicBatchTrigger",
            {
                "plan_url": self.plan_url,
                "max_in_flight": self.max_in_flight,
                "asked_at": self.asked_at,
                "fail_fast": self.fail_fast,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire once."""
        event = await self.outcome()
        await hold_back(self.asked_at)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def outcome(self) -> dict[str, Any]:
        """Wait and return the event's content; also used on a worker that waits itself."""
        exceptions = await loaded("airflow_provider_music.exceptions")
        batch = await loaded("airflow_provider_music.generation.batch_wait")
        try:
            event: dict[str, Any] = await batch.pursue_batch(
                self.plan_url, max_in_flight=self.max_in_flight, fail_fast=self.fail_fast
            )
        except exceptions.MusicError as exc:
            return {"status": "error", "plan_url": self.plan_url, "error": type(exc).__name__, "message": str(exc)}
        return event
