# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Searches the API's usage log for the row of one request: where its answer was lost, or did not say what it cost."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import text_or_none
from airflow_provider_music.api.usage import Usage
from airflow_provider_music.exceptions import ApiUnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.endpoints import Call, LogRow
    from airflow_provider_music.record.take import Fact

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Clocks differ, and a row's time may be that of the request's end.
_SKEW = timedelta(minutes=10)
#: A clock that is ahead of the API's by less is right.
_AHEAD = timedelta(minutes=1)
_DAY = timedelta(hours=22)
MAX_PAGES = 50
#: Of a request's fingerprint, in its own id: enough to tell a task's requests apart.
FINGERPRINT_LENGTH = 8
#: For what a song cost, which nobody should wait for: the song is there.
_USAGE_PAGES = 3
_USAGE_SECONDS = 4.0
#: A circuit breaker: a log that is slow or away is not called for so long, so that a batch does not wait at every song.
_BREAKER_SECONDS = 60.0

_REQUEST_ID = re.compile(r"(airflow-music-[^-]+-)([1-9][0-9]*)-([^-]*)-[^-]+")
_open_until = 0.0


class Caller(Protocol):
    """What reads the log's pages."""

    async def call(self, call: Call[T]) -> T:
        """Make a free call.

        :raises ApiError: the API said no.
        :raises ApiUnreachableError: there was no usable answer.
        """


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """The request whose row is searched for.

    :param submitted_at: when it was made.
    """

    client_request_id: str | None
    submitted_at: datetime
    generation_id: str | None = None

    @classmethod
    def of(cls, intent: Mapping[str, Any], generation_id: str | None = None) -> LoggedRequest:
        """Make it from the fact that was written before the request."""
        submitted_at = datetime.fromisoformat(str(intent["written_at"]))
        return cls(text_or_none(intent.get("client_request_id")), submitted_at, generation_id)

    @classmethod
    def recent(cls, generation_id: str) -> LoggedRequest:
        """Make it for a generation that was submitted elsewhere, within the last day."""
        return cls(None, datetime.now(UTC) - _DAY, generation_id)

    def is_in(self, row: LogRow) -> bool:
        """Whether the row is this request's."""
        own = self.client_request_id is not None and row.client_request_id == self.client_request_id
        return own or (self.generation_id is not None and row.inference_id == self.generation_id)


class Reach:
    """How far back a search reads: to a moment by this deployment's clocks, or to what that is by the API's.

    A clock that is ahead of the API's would make the row older than the request. Kept over the searches for one
    request: it cannot have been submitted after the first of them.

    :param moment: by the clock of a machine of this deployment.
    """

    def __init__(self, moment: datetime) -> None:
        self._moment = moment
        #: Where to stop: rows that are older are of other requests.
        self.since = moment
        self._now: datetime | None = None

    def see(self, at: datetime | None) -> None:
        """Take the API's time into account, as it is now."""
        here = datetime.now(UTC)
        if at is None:
            return
        self._now = at
        if self._moment > at or here - at > _AHEAD:
            self.since = min(self.since, self._moment - max(here - at, timedelta()), at)

    @property
    def period(self) -> str:
        """The log's period that reaches so far."""
        # A clock that is behind makes it too short, until the API has said what time it is.
        age = (self._now or datetime.now(UTC)) - self.since
        return "24h" if age < timedelta(hours=23) else "7d" if age < timedelta(days=6) else "90d"


async def find_row(
    client: MusicClient, request: LoggedRequest, max_pages: int = MAX_PAGES, reach: Reach | None = None
) -> LogRow | None:
    """Return the request's row, or None where it is not there (yet).

    :param reach: of the request, where it is searched for more than once.
    :raises ApiError: the log says no.
    :raises ApiUnreachableError: it does not answer.
    """
    async for rows in log_pages(client, reach or Reach(request.submitted_at), max_pages):
        for row in rows:
            if request.is_in(row):
                return row
    return None


def request_id_prefix(key: str) -> str:
    """Return how the ids of all requests for one song begin.

    :param key: of the song's identity, see :class:`airflow_provider_music.record.identity.SongIdentity`.
    """
    return f"airflow-music-{key}-"


def new_request_id(key: str, n: int, fingerprint: str) -> str:
    """Make a request's own id, 1-128 characters of ``A-Za-z0-9._:-``; it stands in the intent for all to use.

    Its beginning says whose song it is, so that the usage log can be searched for it where the record is lost; a part
    of the fingerprint says for which request, and the end is random.

    :param n: number of the take.
    """
    return f"{request_id_prefix(key)}{n}-{fingerprint[:FINGERPRINT_LENGTH]}-{uuid.uuid4().hex[:12]}"


def n_of_request(request_id: str) -> tuple[str, int] | None:
    """Return how the ids of all requests for a request's song begin, and its take; None where it is not one of ours."""
    named = _REQUEST_ID.fullmatch(request_id)
    return (named[1], int(named[2])) if named is not None else None


@dataclass(frozen=True, slots=True)
class EarlierRequest:
    """A request of a song that the usage log has a row of, though no record is left.

    :param n: its take.
    :param fingerprint: the beginning of its request's fingerprint.
    """

    n: int
    fingerprint: str
    row: LogRow


def fact_of_row(row: LogRow, lane: str) -> tuple[Fact, dict[str, Any]] | None:
    """Return what a row says of the request's take, and the values of that fact; None where that is nothing yet."""
    if row.failed:
        reason = "the API's usage log says that the request failed; it is not billed"
        return "failed", {"reason": reason, "sent": True, "source": "usage log"}
    if lane == "queued" and row.inference_id:
        usage = Usage(row.credits, row.usd) if row.status == "succeeded" else Usage()
        return "accepted", {"generation_id": row.inference_id, "usage": usage.as_dict(), "source": "usage log"}
    return None


async def find_earlier(client: MusicClient, keys: Iterable[str], since: datetime) -> dict[str, EarlierRequest]:
    """Return the newest request of each song that has one in the usage log, by the key of its identity.

    :raises ApiError: the log says no.
    :raises ApiUnreachableError: it does not answer, or has more rows since then than are read.
    """
    wanted = {request_id_prefix(key): key for key in keys}
    found: dict[str, EarlierRequest] = {}
    reach = Reach(since)
    async for rows in log_pages(client, reach, MAX_PAGES, to_the_end=True):
        for row in rows:
            named = _REQUEST_ID.fullmatch(row.client_request_id or "")
            key = wanted.get(named[1]) if named else None
            if named is None or key is None or _older((row,), reach.since - _SKEW):
                # A row from before may be of a former run of the same id, whose song nobody wants here.
                continue
            # Newest first: the first row of the highest number counts.
            if key not in found or int(named[2]) > found[key].n:
                found[key] = EarlierRequest(int(named[2]), named[3], row)
    return found


async def log_pages(
    client: Caller, reach: Reach, max_pages: int, *, to_the_end: bool = False
) -> AsyncIterator[tuple[LogRow, ...]]:
    """Yield the log's pages, newest first, back to a moment.

    :param to_the_end: an error where the pages do not reach so far; what was not read cannot be called "not there".
    """
    period, offset = reach.period, 0
    for _ in range(max_pages):
        found = await client.call(endpoints.logs(period, offset))
        reach.see(found.at)
        yield found.rows
        if period != reach.period:
            # By the API's clock it is longer ago; the pages of another period are other ones.
            period, offset = reach.period, 0
            continue
        if not found.has_more or _older(found.rows, reach.since - _SKEW):
            return
        offset += endpoints.LOG_PAGE
    if to_the_end:
        rows = max_pages * endpoints.LOG_PAGE
        raise ApiUnreachableError(f"the usage log has more than {rows} rows since {reach.since}")


async def usage_from_log(client: MusicClient, request: LoggedRequest, known: Usage) -> Usage:
    """Fill in what the answer did not say about the cost: one short search, and never an error."""
    if _is_known(known) or _is_open():
        return known
    try:
        async with asyncio.timeout(_USAGE_SECONDS):
            return _filled(known, await find_row(client, request, _USAGE_PAGES))
    except Exception as exc:  # noqa: BLE001 - the song is there and paid: its price is not worth an error
        _open_breaker(exc)
    return known


def _is_known(usage: Usage) -> bool:
    return usage.credits_used is not None and usage.usd_spent is not None


def _filled(known: Usage, row: LogRow | None) -> Usage:
    if row is None or row.status != "succeeded":
        log.info("The usage log does not say (yet) what the song cost")
        return known
    return known.or_else(Usage(row.credits, row.usd))


def _is_open() -> bool:
    return time.monotonic() < _open_until


def _open_breaker(exc: Exception) -> None:
    global _open_until  # noqa: PLW0603 - one log, one process
    _open_until = time.monotonic() + _BREAKER_SECONDS
    log.warning("The usage log does not say what the song cost: %s: %s", type(exc).__name__, exc)


def _older(rows: tuple[LogRow, ...], than: datetime) -> bool:
    """Whether rows, newest first, end before that moment."""
    try:
        last = datetime.fromisoformat(str(rows[-1].created)) if rows else None
    except ValueError:
        return False
    return last is not None and (last if last.tzinfo else last.replace(tzinfo=UTC)) < than
