# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Looks for the row of one request in the API's usage log: where its answer was lost, or did not say what it cost."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import text_or_none
from airflow_provider_music.api.responses import Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from airflow_provider_music.api.client import AsyncMusicClient, MusicClient
    from airflow_provider_music.api.endpoints import Call, LogPage, LogRow

log = logging.getLogger(__name__)

#: Clocks differ, and a row's time may be that of the request's end.
_SKEW = timedelta(minutes=10)
_DAY = timedelta(hours=22)
MAX_PAGES = 50
#: For what a song cost, which nobody should wait for: the song is there.
_USAGE_PAGES = 3
_USAGE_SECONDS = 4.0
#: A log that is slow or away is left alone for so long, so that a batch does not wait for it at every song.
_LEAVE_ALONE_SECONDS = 60.0

_asked_again_at = 0.0


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """The request whose row is looked for.

    :param asked_at: when it was made.
    """

    client_request_id: str | None
    asked_at: datetime
    generation_id: str | None = None

    @classmethod
    def of(cls, intent: Mapping[str, Any], generation_id: str | None = None) -> LoggedRequest:
        """Make it from the fact that was written before the request."""
        asked_at = datetime.fromisoformat(str(intent["written_at"]))
        return cls(text_or_none(intent.get("client_request_id")), asked_at, generation_id)

    @classmethod
    def recent(cls, generation_id: str) -> LoggedRequest:
        """Make it for a song that somebody else asked for, within the last day."""
        return cls(None, datetime.now(UTC) - _DAY, generation_id)

    def is_in(self, row: LogRow) -> bool:
        """Whether the row is this request's."""
        own = self.client_request_id is not None and row.client_request_id == self.client_request_id
        return own or (self.generation_id is not None and row.inference_id == self.generation_id)


def search(wanted: LoggedRequest, max_pages: int = MAX_PAGES) -> Generator[Call[LogPage], LogPage, LogRow | None]:
    """Yield the calls to make, take their answers, and return the row, or None where it is not there (yet)."""
    age = datetime.now(UTC) - wanted.asked_at
    period = "24h" if age < timedelta(hours=23) else "7d" if age < timedelta(days=6) else "90d"
    for page in range(max_pages):
        found = yield endpoints.logs(period, page * endpoints.LOG_PAGE)
        for row in found.rows:
            if wanted.is_in(row):
                return row
        if not found.has_more or _older(found.rows, wanted.asked_at - _SKEW):
            break
    return None


async def find_row(client: AsyncMusicClient, wanted: LoggedRequest, max_pages: int = MAX_PAGES) -> LogRow | None:
    """Look from an event loop.

    :raises ApiError: the log says no.
    :raises ApiUnreachableError: it does not answer.
    """
    looking = search(wanted, max_pages)
    try:
        call = next(looking)
        while True:
            call = looking.send(await client.call(call))
    except StopIteration as end:
        row: LogRow | None = end.value
        return row


def find_row_here(client: MusicClient, wanted: LoggedRequest, max_pages: int = MAX_PAGES) -> LogRow | None:
    """Look from a worker; blocks. Errors as of :func:`find_row`."""
    looking = search(wanted, max_pages)
    try:
        call = next(looking)
        while True:
            call = looking.send(client.call(call))
    except StopIteration as end:
        row: LogRow | None = end.value
        return row


async def usage_from_log(client: AsyncMusicClient, wanted: LoggedRequest, told: Usage) -> Usage:
    """Fill what the answer did not say about the cost, from an event loop; one short look, and never an error."""
    if _is_told(told) or _left_alone():
        return told
    try:
        async with asyncio.timeout(_USAGE_SECONDS):
            return _filled(told, await find_row(client, wanted, _USAGE_PAGES))
    except Exception as exc:  # noqa: BLE001 - the song is there and paid: its price is not worth an error
        _leave_alone(exc)
    return told


def usage_from_log_here(client: MusicClient, wanted: LoggedRequest, told: Usage) -> Usage:
    """Fill what the answer did not say about the cost, from a worker; one short look, and never an error."""
    if _is_told(told) or _left_alone():
        return told
    found: list[LogRow | None] = []
    broke: list[Exception] = []

    def look() -> None:
        try:
            found.append(find_row_here(client, wanted, _USAGE_PAGES))
        except Exception as exc:  # noqa: BLE001 - told below, in the thread that waits
            broke.append(exc)

    # A read timeout bounds the time between two bytes only; a thread that is left behind ends by the client's bounds.
    thread = threading.Thread(target=look, name="music-usage-log", daemon=True)
    thread.start()
    thread.join(_USAGE_SECONDS)
    if found:
        return _filled(told, found[0])
    _leave_alone(broke[0] if broke else TimeoutError(f"no answer within {_USAGE_SECONDS:g} s"))
    return told


def _is_told(usage: Usage) -> bool:
    return usage.credits_used is not None and usage.usd_spent is not None


def _filled(told: Usage, row: LogRow | None) -> Usage:
    if row is None or row.status != "succeeded":
        log.info("The usage log does not say (yet) what the song cost")
        return told
    return told.or_else(Usage(row.credits, row.usd))


def _left_alone() -> bool:
    return time.monotonic() < _asked_again_at


def _leave_alone(exc: Exception) -> None:
    global _asked_again_at  # noqa: PLW0603 - one log, one process
    _asked_again_at = time.monotonic() + _LEAVE_ALONE_SECONDS
    log.warning("The usage log does not say what the song cost: %s: %s", type(exc).__name__, exc)


def _older(rows: tuple[LogRow, ...], than: datetime) -> bool:
    """Whether the page, newest first, ends before the request was made."""
    try:
        last = datetime.fromisoformat(str(rows[-1].created)) if rows else None
    except ValueError:
        return False
    return last is not None and (last if last.tzinfo else last.replace(tzinfo=UTC)) < than
