# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The wait of a sensor that begins in the triggerer, before any worker has seen the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_music.triggers.start import loaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime


class SensedSongTrigger(BaseTrigger):
    """Looks at once, waits, and fires once; whatever is not a plain wait it leaves to a worker.

    Its event is that of :class:`~airflow_provider_music.triggers.music.MusicGenerationTrigger`, or says ``look``:
    then a worker begins as it does without this trigger, and comes to the same result or the same error.

    Its arguments are kept in Airflow's database. Those of earlier versions keep working.

    :param song: what is waited for: ``generation``, ``model`` and ``conn_id`` as the DAG's author wrote them,
        ``poll_interval`` in seconds or None for the model's own pace, and ``timeout`` and ``limit``: the seconds
        that the sensor grants, and those after which Airflow itself ends the wait.
    """

    #: When Airflow ends the wait, set by the triggerer. The database keeps it, so no restart extends it.
    timeout_after: datetime | None = None

    def __init__(self, *, song: Mapping[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.song = dict(song)
        self._context: Mapping[str, Any] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow keeps them."""
        return "airflow_provider_music.triggers.sensed.SensedSongTrigger", {"song": self.song}

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:  # noqa: ARG002
        """Keep the context for later: Airflow calls this in its loop, which rendering would hold up."""
        self._context = context

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire once."""
        yield TriggerEvent(await self.outcome())  # type: ignore[no-untyped-call]

    async def outcome(self) -> dict[str, Any]:
        """Wait and return the event's content."""
        ahead = await loaded("airflow_provider_music.sensors.ahead")
        context, self._context = self._context, None
        event: dict[str, Any] = await ahead.wait(self.song, context, self.timeout_after)
        return event
