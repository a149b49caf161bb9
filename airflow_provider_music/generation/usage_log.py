# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Searches the API's usage log for the row of one request: where its answer was lost, or did not say what it cost."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import text_or_none
from airflow_provider_music.api.responses import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.endpoints import LogRow

log = logging.getLogger(__name__)

#: Clocks differ, and a row's time may be that of the request's end.
_SKEW = timedelta(minutes=10)
_DAY = timedelta(hours=22)
MAX_PAGES = 50
#: For what a song cost, which nobody should wait for: the song is there.
_USAGE_PAGES = 3
_USAGE_SECONDS = 4.0
#: A circuit breaker: a log that is slow or away is not called for so long, so that a batch does not wait at every song.
_BREAKER_SECONDS = 60.0

_open_until = 0.0


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


async def find_row(client: MusicClient, request: LoggedRequest, max_pages: int = MAX_PAGES) -> LogRow | None:
    """Return the request's row, or None where it is not there (yet).

    :raises ApiError: the log says no.
    :raises ApiUnreachableError: it does not answer.
    """
    age = datetime.now(UTC) - request.submitted_at
    period = "24h" if age < timedelta(hours=23) else "7d" if age < timedelta(days=6) else "90d"
    for page in range(max_pages):
        found = await client.call(endpoints.logs(period, page * endpoints.LOG_PAGE))
        for row in found.rows:
            if request.is_in(row):
                return row
        if not found.has_more or _older(found.rows, request.submitted_at - _SKEW):
            break
    return None


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
    """Whether the page, newest first, ends before the request was made."""
    try:
        last = datetime.fromisoformat(str(rows[-1].created)) if rows else None
    except ValueError:
        return False
    return last is not None and (last if last.tzinfo else last.replace(tzinfo=UTC)) < than
