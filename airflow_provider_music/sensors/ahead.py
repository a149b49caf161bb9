# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the triggerer does for a sensor that no worker has begun: look, then wait.

It decides nothing that a worker could decide otherwise. An error, a song that is there already, a second try:
the event ``look`` sends the task to a worker, which begins as if there had been no trigger.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import usable_id
from airflow_provider_music.exceptions import ApiUnreachableError, MusicError, RateLimitedError, ServerFailureError
from airflow_provider_music.generation import rate_limits
from airflow_provider_music.generation.sensed import usual_seconds
from airflow_provider_music.generation.state_machine import watch
from airflow_provider_music.hooks.clients import async_client_of
from airflow_provider_music.record.generation_ref import read_generation
from airflow_provider_music.sensors.templates import CannotRenderError, render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

log = logging.getLogger(__name__)

#: Events lie in Airflow's database; the whole of it is in the log.
_LONGEST_REASON = 300


async def wait(song: Mapping[str, Any], context: Mapping[str, Any] | None, ends: datetime | None) -> dict[str, Any]:
    """Wait for a sensor's song and return the event.

    :param song: see :class:`airflow_provider_music.triggers.sensed.SensedSongTrigger`.
    :param context: Airflow's context of the task instance.
    :param ends: when Airflow itself ends the wait.
    """
    if context is None or ends is None:
        return _look("this Airflow tells a trigger neither its run nor its deadline")
    if context["ti"].try_number > 1:
        return _look("an earlier try may have landed the song")
    try:
        async with rate_limits.starts():
            song = await asyncio.to_thread(render, dict(song), context)
        given = read_generation(song["generation"])
        generation_id = given.get("generation_id")
        if given.get("status") == "completed" or not (isinstance(generation_id, str) and usable_id(generation_id)):
            return _look("there is nothing to wait for")
        if event := await _first_poll(song["conn_id"], generation_id):
            return event
    except (CannotRenderError, MusicError) as exc:
        return _look(f"{type(exc).__name__}: {exc}")
    _let_go(context)
    begun_at = ends.timestamp() - song["limit"]
    return await watch(
        song["conn_id"],
        generation_id,
        usual_seconds=usual_seconds(given.get("model") or song["model"]),
        poll_interval=song["poll_interval"],
        deadline=begun_at + song["timeout"],
        asked_at=begun_at,
    )


async def _first_poll(conn_id: str, generation_id: str) -> dict[str, Any] | None:
    """Return the event of a song that need not be waited for, or None."""
    try:
        client = await async_client_of(conn_id)
        await rate_limits.polls(client.settings).turn()
        found = await client.call(endpoints.poll(generation_id))
    except (ApiUnreachableError, RateLimitedError, ServerFailureError) as exc:
        log.warning("The API does not answer now; the wait goes on: %s", exc)
        return None
    log.info("Generation %s is %s", generation_id, found.status)
    if found.failed:
        return _look(f"the API says {found.status}")
    return {"status": "ready", "generation_id": generation_id} if found.done and found.audio_url else None


def _let_go(context: Mapping[str, Any]) -> None:
    """Drop the DAG, which Airflow keeps as long as the trigger lives: some KB for each task of it, in every wait."""
    context["ti"].__dict__["task"] = None
    if isinstance(context, dict):
        context.clear()


def _look(reason: str) -> dict[str, Any]:
    log.info("A worker has to look first: %s", reason)
    return {"status": "look", "reason": reason[:_LONGEST_REASON]}
