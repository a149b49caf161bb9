# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Polls a queued generation until it is done. A failed poll never fails a paid song before its deadline.

Delays are seconds.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import one_line
from airflow_provider_music.exceptions import (
    ApiError,
    ApiUnreachableError,
    AuthenticationError,
    HostUnknownError,
    UnknownGenerationError,
)
from airflow_provider_music.generation import hosts, rate_limits, runtime
from airflow_provider_music.hooks.clients import client_of, look_up_again

if TYPE_CHECKING:
    from airflow_provider_music.api.client import MusicClient, Repeated
    from airflow_provider_music.api.connection import MusicSettings
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
#: Where an id that nobody here submitted was never known, so many polls are enough: a new one may show late.
_POLLS_OF_UNKNOWN_ID = 3
#: A line of progress at most this often, but for a change of status.
_PROGRESS_SECONDS = 30.0
#: Unknown statuses of one wait that are warned of.
_MAX_ODD = 5


@dataclass(slots=True)
class Polls:
    """What the polls of one wait brought: at the deadline it says what is known of the generation, and what is not.

    :param submitted_elsewhere: whether nobody here knows that there is such a generation.
    """

    submitted_elsewhere: bool = False
    made: int = 0
    last_status: str | None = None
    #: Polls without a usable response since the last one that had one, when they began, and why the last one failed.
    failures: int = 0
    last_error: str | None = None
    _silent_since: float = 0.0

    def note(self, found: Generation | None) -> None:
        """Count a poll."""
        self.made += 1
        if found is not None:
            self.failures, self.last_status, self.last_error = 0, found.status, None
            return
        self.failures += 1
        if self.failures == 1:
            self._silent_since = runtime.monotonic()

    def is_unknown(self) -> bool:
        """Whether a poll that is answered by "unknown" now, and not counted yet, is the last of them."""
        return self.submitted_elsewhere and self.last_status is None and self.failures + 1 >= _POLLS_OF_UNKNOWN_ID

    def as_dict(self) -> dict[str, Any]:
        """Return it as a part of an event."""
        silent = runtime.monotonic() - self._silent_since if self.failures else 0.0
        return {
            "made": self.made,
            "last_status": self.last_status,
            "failures": self.failures,
            "last_error": self.last_error,
            "silent_seconds": round(silent),
        }


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
    conn_id: str,
    generation_id: str,
    pace: Pace,
    *,
    deadline: float,
    submitted_at: float,
    polls: Polls | None = None,
    client: MusicClient | None = None,
) -> Generation | None:
    """Return the generation once it is done or failed.

    At the deadline return None, or the generation where its status is a word that is not known here.

    :param deadline: seconds since 1970.
    :param submitted_at: when the request was submitted, seconds since 1970; the pace counts from it.
    :param polls: takes down what the polls brought.
    :param client: to poll with; None is the connection's, which is looked up again where its key is refused.
    :raises AuthenticationError: the key of a given client is refused.
    :raises CredentialsError: the connection cannot be used where this runs.
    :raises HostUnknownError: the API's host has no address, and has not answered in this process, and the generation
        was submitted elsewhere.
    :raises UnknownGenerationError: the API does not know a generation that was submitted elsewhere.
    """
    without_file = 0
    odd: Generation | None = None
    age, polls = _Age(submitted_at), polls if polls is not None else Polls()
    wait, progress = _Wait(conn_id, generation_id, deadline, polls, client), _Progress(generation_id, age)
    while await runtime.sleep_until(deadline, wait.pause or _delay(pace, age, polls.failures)):
        found = await wait.poll()
        polls.note(found)
        progress.polled(found)
        if found is None:
            continue
        odd = found if found.unknown_status else None
        if found.failed:
            return found
        if found.done:
            without_file += found.audio_url is None
            if found.audio_url or without_file >= _POLLS_WITHOUT_FILE:
                return found
    return odd


def pause_without_address(settings: MusicSettings, exc: HostUnknownError, failures: int) -> float:
    """Return how long to wait for a host that has no address.

    :raises HostUnknownError: it has had none for long enough.
    """
    seconds = hosts.seconds_without_address(settings.base_url)
    pause = hosts.pause_before_next(seconds, backoff(failures))
    if pause is None:
        raise HostUnknownError(hosts.after(str(exc), seconds)) from exc
    return pause


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

    def __init__(
        self, conn_id: str, generation_id: str, deadline: float, polls: Polls, client: MusicClient | None
    ) -> None:
        self._conn_id = conn_id
        self._given = client
        self._call = endpoints.poll(generation_id)
        self._deadline = deadline
        self._polls = polls
        self._repeated: Repeated[Generation] | None = None
        #: Before the next poll, where the host has no address: nothing of the generation's pace matters then.
        self.pause: float | None = None

    async def poll(self) -> Generation | None:
        """Poll once, or return None where there was no usable answer."""
        client = self.pause = None
        try:
            client = self._given or await client_of(self._conn_id)
            if self._repeated is None or self._repeated.client is not client:
                self._repeated = client.repeated(self._call)
            if not await rate_limits.polls(client.settings).turn(self._deadline):
                return None
            return await self._repeated.send()
        except (ApiError, ApiUnreachableError) as exc:
            failures = self._polls.failures + 1
            log.warning("Poll failed, %d in a row; polling on: %s", failures, exc)
            self._polls.last_error = one_line(f"{type(exc).__name__}: {exc}")
            if isinstance(exc, UnknownGenerationError) and self._polls.is_unknown():
                raise
            # A generation of our own was accepted there, so the host exists: its name service is away.
            if isinstance(exc, HostUnknownError) and client is not None and self._polls.submitted_elsewhere:
                self.pause = pause_without_address(client.settings, exc, failures)
            if isinstance(exc, AuthenticationError):
                if self._given is not None:
                    raise
                look_up_again(self._conn_id)
            wait = getattr(exc, "retry_after", None)
            if wait and client is not None:
                # One wait was refused, the account is meant: the others need not be refused one by one.
                rate_limits.polls(client.settings).pause(wait)
                await runtime.sleep_until(self._deadline, wait)
            return None
