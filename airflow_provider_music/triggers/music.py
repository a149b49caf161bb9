# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The wait for a song, in the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_music.triggers.start import hold_back, loaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class MusicGenerationTrigger(BaseTrigger):
    """Waits for one song and fires once, with small JSON: how it ended, never audio, a URL of audio or a key.

    With ``order`` it follows a song that :class:`GenerateMusicOperator` records: it asks for it where nobody
    did yet (the synchronous lane), looks for a lost answer, and polls. With ``generation_id`` it only polls.

    Its arguments are kept in Airflow's database in the clear. Those of earlier versions keep working.

    :param conn_id: Airflow connection id.
    :param order: see :class:`airflow_provider_music.generation.spec.Order`, as plain JSON.
    :param generation_id: the API's id of a queued generation.
    :param usual_seconds: how long such a song usually takes.
    :param poll_interval: seconds between polls; None is the model's own pace.
    :param deadline: seconds since 1970; a restart of the triggerer does not extend it.
    :param asked_at: when the wait began, seconds since 1970.
    """

    def __init__(
        self,
        *,
        conn_id: str,
        asked_at: float,
        order: Mapping[str, Any] | None = None,
        generation_id: str | None = None,
        usual_seconds: float = 60.0,
        poll_interval: float | None = None,
        deadline: float = 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id = conn_id
        self.asked_at = asked_at
        self.order = order
        self.generation_id = generation_id
        self.usual_seconds = usual_seconds
        self.poll_interval = poll_interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow keeps them."""
        return (
            "airflow_provider_music.triggers.music.MusicGenerationTrigger",
            {
                "conn_id": self.conn_id,
                "asked_at": self.asked_at,
                "order": dict(self.order) if self.order is not None else None,
                "generation_id": self.generation_id,
                "usual_seconds": self.usual_seconds,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire once."""
        event = await self.outcome()
        await hold_back(self.asked_at)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def outcome(self) -> dict[str, Any]:
        """Wait and return the event's content; also used on a worker that waits itself."""
        pursue = await loaded("airflow_provider_music.generation.state_machine")
        event: dict[str, Any]
        if self.order is not None:
            order = await loaded("airflow_provider_music.generation.spec")
            event = await pursue.pursue(order.Order.from_dict(self.order))
            return event
        event = await pursue.watch(
            self.conn_id,
            str(self.generation_id),
            usual_seconds=self.usual_seconds,
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            asked_at=self.asked_at,
        )
        return event
