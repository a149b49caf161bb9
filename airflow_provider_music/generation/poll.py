# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Asks for a queued song until it is done. A failed poll never fails a paid song before its deadline."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_music.api import endpoints
from airflow_provider_music.exceptions import ApiError, ApiUnreachableError, AuthenticationError
from airflow_provider_music.generation import clock, rate_limits
from airflow_provider_music.generation.pace import backoff
from airflow_provider_music.hooks.clients import async_client_of, look_up_again

if TYPE_CHECKING:
    from airflow_provider_music.api.client import Repeated
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.generation.pace import Pace

log = logging.getLogger(__name__)

#: "completed" without a file may be a moment's gap; after so many polls it is an answer.
_POLLS_WITHOUT_FILE = 5
_LONGEST_AFTER_FAILURE = 15.0


async def poll_until_done(
    conn_id: str, generation_id: str, pace: Pace, *, deadline: float, asked_at: float
) -> Generation | None:
    """Return the generation once it is done or failed, or None at the deadline.

    :param deadline: seconds since 1970.
    :param asked_at: when the song was asked for, seconds since 1970; the pace counts from it.
    :raises CredentialsError: the connection cannot be used where this runs.
    """
    failures = without_file = 0
    poll = _Poll(conn_id, generation_id, deadline)
    while await clock.sleep_until(deadline, _delay(pace, asked_at, failures)):
        found = await poll.ask(failures)
        if found is None:
            failures += 1
            continue
        failures = 0
        # Not at INFO: with a thousand waits in one loop a line costs as much as a poll, and the worker says the rest.
        log.debug("Generation %s is %s after %.0f s", generation_id, found.status, clock.now() - asked_at)
        if found.failed:
            return found
        if found.done:
            without_file += found.audio_url is None
            if found.audio_url or without_file >= _POLLS_WITHOUT_FILE:
                return found
    return None


def _delay(pace: Pace, asked_at: float, failures: int) -> float:
    usual = pace.delay(clock.now() - asked_at)
    # An outage of a minute should cost the song seconds, so failures slow the polls less than a late song does.
    return max(usual, backoff(failures, longest=_LONGEST_AFTER_FAILURE)) if failures else usual


class _Poll:
    """The polls of one wait."""

    def __init__(self, conn_id: str, generation_id: str, deadline: float) -> None:
        self._conn_id = conn_id
        self._call = endpoints.poll(generation_id)
        self._deadline = deadline
        self._repeated: Repeated[Generation] | None = None

    async def ask(self, failures: int) -> Generation | None:
        """Ask once, or return None where there was no usable answer."""
        client = None
        try:
            client = await async_client_of(self._conn_id)
            if self._repeated is None or self._repeated.client is not client:
                self._repeated = client.repeated(self._call)
            if not await rate_limits.polls(client.settings).turn(self._deadline):
                return None
            return await self._repeated.send()
        except (ApiError, ApiUnreachableError) as exc:
            log.warning("Poll failed, %d in a row; the song goes on and so does the wait: %s", failures + 1, exc)
            if isinstance(exc, AuthenticationError):
                look_up_again(self._conn_id)
            wait = getattr(exc, "retry_after", None)
            if wait and client is not None:
                # Told to one wait, meant for the account: the others need not be told one by one.
                rate_limits.polls(client.settings).pause(wait)
                await clock.sleep_until(self._deadline, wait)
            return None
