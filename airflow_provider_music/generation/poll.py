# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Polls a queued generation until it is done. A failed poll never fails a paid song before its deadline.

Delays are seconds.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_music.api import endpoints
from airflow_provider_music.exceptions import ApiError, ApiUnreachableError, AuthenticationError
from airflow_provider_music.generation import rate_limits, runtime
from airflow_provider_music.hooks.clients import client_of, look_up_again

if TYPE_CHECKING:
    from airflow_provider_music.api.client import Repeated
    from airflow_provider_music.api.responses import Generation

log = logging.getLogger(__name__)

_JITTER = 0.1
_FIRST = 4.0
_SLOWEST = 60.0
#: In parts of the model's usual time: where the close polls begin, how far apart they are, and where they thin out.
_NEAR, _STEP, _LATE = 0.6, 0.1, 1.3
_CLOSEST = 2.0
_THINNING = 0.12
#: "completed" without a file may be a moment's gap; after so many polls it is an answer.
_POLLS_WITHOUT_FILE = 5
_LONGEST_AFTER_FAILURE = 15.0
#: A line of progress at most this often, but for a change of status.
_PROGRESS_SECONDS = 30.0
#: Unknown statuses of one wait that are warned of.
_MAX_ODD = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of polls for one generation; delays carry jitter, so that songs of one moment do not poll together.

    The first come soon, since a refusal and a quick song show early, each after twice the time of the one before;
    near the model's usual time they come at a tenth of it, and long after it they thin out to one a minute.

    :param usual_seconds: how long such a song usually takes.
    :param fixed: an interval that the DAG's author set; it replaces the model's pace.
    """

    usual_seconds: float
    fixed: float | None = None

    def delay(self, elapsed: float) -> float:
        """Seconds to wait after ``elapsed`` seconds since the request was submitted."""
        return self.plain(elapsed) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load

    def plain(self, elapsed: float) -> float:
        """Return the delay before jitter."""
        if self.fixed is not None:
            return self.fixed
        step = max(_STEP * self.usual_seconds, _CLOSEST)
        to_near = _NEAR * self.usual_seconds - elapsed
        # A poll just short of the close ones would only double the first of them.
        if to_near > step / 2:
            return max(min(max(elapsed, _FIRST), to_near), _CLOSEST)
        return min(step + max(0.0, elapsed - _LATE * self.usual_seconds) * _THINNING, _SLOWEST)


def backoff(failures: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Seconds to wait after that many failures in a row: doubling, with jitter."""
    return min(first * 2.0 ** min(failures - 1, 16), longest) * random.uniform(0.75, 1.25)  # noqa: S311


async def poll_until_done(
    conn_id: str, generation_id: str, pace: Pace, *, deadline: float, submitted_at: float
) -> Generation | None:
    """Return the generation once it is done or failed.

    At the deadline return None, or the generation where its status is a word that is not known here.

    :param deadline: seconds since 1970.
    :param submitted_at: when the request was submitted, seconds since 1970; the pace counts from it.
    :raises CredentialsError: the connection cannot be used where this runs.
    """
    failures = without_file = 0
    odd: Generation | None = None
    age = _Age(submitted_at)
    wait, progress = _Wait(conn_id, generation_id, deadline), _Progress(generation_id, age)
    while await runtime.sleep_until(deadline, _delay(pace, age, failures)):
        found = await wait.poll(failures)
        progress.polled(found)
        if found is None:
            failures += 1
            continue
        failures = 0
        odd = found if found.unknown_status else None
        if found.failed:
            return found
        if found.done:
            without_file += found.audio_url is None
            if found.audio_url or without_file >= _POLLS_WITHOUT_FILE:
                return found
    return odd


class _Age:
    """How long ago a request was submitted: from the wall clock once, and from then on by elapsed time.

    :param submitted_at: seconds since 1970, perhaps by the clock of another machine.
    """

    def __init__(self, submitted_at: float) -> None:
        self._since = runtime.monotonic() - max(runtime.now() - submitted_at, 0.0)

    def seconds(self) -> float:
        return runtime.monotonic() - self._since


def _delay(pace: Pace, age: _Age, failures: int) -> float:
    usual = pace.delay(age.seconds())
    # An outage of a minute should cost the song seconds, so failures slow the polls less than a late song does.
    return max(usual, backoff(failures, longest=_LONGEST_AFTER_FAILURE)) if failures else usual


class _Progress:
    """What the task's log says while it waits: a line at each change of status, and one now and then.

    With a thousand waits in one loop a line costs about as much as a poll, so not every poll has one.
    """

    def __init__(self, generation_id: str, age: _Age) -> None:
        self._generation_id = generation_id
        self._age = age
        self._status = "queued"
        self._logged_at = age.seconds()
        self._polls = 0
        self._odd: set[str] = set()

    def polled(self, found: Generation | None) -> None:
        self._polls += 1
        status, now = found.status if found is not None else self._status, self._age.seconds()
        if found is not None and (found.done or found.failed):
            # The task resumes, and says the rest.
            return
        if found is not None and found.unknown_status and status not in self._odd and len(self._odd) < _MAX_ODD:
            self._odd.add(status)
            log.warning(
                "generation %s: the API says %r, a status that is not known here; waiting on, as for one under way",
                self._generation_id,
                status,
            )
        if status != self._status or now - self._logged_at >= _PROGRESS_SECONDS:
            self._status, self._logged_at = status, now
            log.info("generation %s: %s, %.0f s, %d polls", self._generation_id, status, now, self._polls)


class _Wait:
    """The polls of one wait."""

    def __init__(self, conn_id: str, generation_id: str, deadline: float) -> None:
        self._conn_id = conn_id
        self._call = endpoints.poll(generation_id)
        self._deadline = deadline
        self._repeated: Repeated[Generation] | None = None

    async def poll(self, failures: int) -> Generation | None:
        """Poll once, or return None where there was no usable answer."""
        client = None
        try:
            client = await client_of(self._conn_id)
            if self._repeated is None or self._repeated.client is not client:
                self._repeated = client.repeated(self._call)
            if not await rate_limits.polls(client.settings).turn(self._deadline):
                return None
            return await self._repeated.send()
        except (ApiError, ApiUnreachableError) as exc:
            log.warning("Poll failed, %d in a row; the generation keeps running: %s", failures + 1, exc)
            if isinstance(exc, AuthenticationError):
                look_up_again(self._conn_id)
            wait = getattr(exc, "retry_after", None)
            if wait and client is not None:
                # One wait was refused, the account is meant: the others need not be refused one by one.
                rate_limits.polls(client.settings).pause(wait)
                await runtime.sleep_until(self._deadline, wait)
            return None
