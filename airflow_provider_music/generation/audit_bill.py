# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The bill of a span of time: every row that the API's usage log has of it, and whether that is all. Free calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_music.api.endpoints import LOG_PAGE
from airflow_provider_music.compat import AirflowFailException
from airflow_provider_music.cost.pricing import usd_of
from airflow_provider_music.exceptions import ApiError, ApiUnreachableError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.audit_span import moment_of
from airflow_provider_music.generation.poll import backoff
from airflow_provider_music.generation.usage_log import Reach, log_pages
from airflow_provider_music.hooks.clients import client_of

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.endpoints import Call, LogRow
    from airflow_provider_music.generation.audit_span import Span

T = TypeVar("T")

#: Most rows that are read. The API allows 200 calls a minute of 100 rows each.
MAX_ROWS = 100_000
#: What the log keeps, by the longest period that it takes.
_LOG_AGE = timedelta(days=90)
#: A page is read so often, with pauses in seconds that grow to the length of the API's own window.
_ATTEMPTS = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 65.0


@dataclass(frozen=True, slots=True)
class Bill:
    """What the usage log has.

    :param rows: newest first: those of the span, and what was read beside them.
    :param gaps: in words, why these may not be all rows of the span; empty where they are.
    """

    rows: tuple[LogRow, ...]
    gaps: tuple[str, ...] = ()


def cost_of_row(row: LogRow) -> Decimal | None:
    """Return what a row costs in US dollars, exactly as it says; None where it does not say."""
    usd = usd_of({"usd_spent": row.usd, "credits_used": row.credits})
    return usd if usd is not None or not row.failed else usd_of({"usd_spent": 0})


async def read_bill(conn_id: str, span: Span, max_rows: int = MAX_ROWS) -> Bill:
    """Read it, back to the beginning of the span.

    :raises ApiError: the log says no.
    :raises ApiUnreachableError: it does not answer.
    """
    client = await client_of(conn_id)
    pages: list[tuple[LogRow, ...]] = []
    gaps = []
    if datetime.now(UTC) - span.since > _LOG_AGE:
        gaps.append(f"the usage log reaches back {_LOG_AGE.days} days, and the span begins before that")
    most = max(1, -(-max_rows // LOG_PAGE))
    try:
        async for rows in log_pages(_Patient(client), Reach(span.since), most, to_the_end=True):
            pages.append(rows)  # noqa: PERF401 - what came before an error counts
    except ApiUnreachableError:
        # After so many pages it is the bound, before that the log.
        if len(pages) < most:
            raise
        gaps.append(f"the usage log has more than {most * LOG_PAGE:,} rows since {span.since.isoformat()}")
    return Bill(tuple(_without_repeats(pages)), tuple(gaps))


def _without_repeats(pages: list[tuple[LogRow, ...]]) -> list[LogRow]:
    """Return each row once. New rows move the older ones to later pages, where they are met a second time."""
    found: dict[object, list[LogRow]] = {}
    for rows in pages:
        page: dict[object, list[LogRow]] = {}
        for row in rows:
            # By its ids: what a row says of its request may have changed in between.
            ids = (row.client_request_id, row.inference_id)
            page.setdefault(ids if None not in ids else row, []).append(row)
        for key, alike in page.items():
            # Two on one page are two.
            if len(alike) >= len(found.get(key, ())):
                found[key] = alike
    newest = datetime.max.replace(tzinfo=UTC)
    return sorted(
        (row for alike in found.values() for row in alike),
        key=lambda row: moment_of(row.created) or newest,
        reverse=True,
    )


class _Patient:
    """A client whose free calls are repeated: one 429 in a thousand pages must not cost the other pages."""

    def __init__(self, client: MusicClient) -> None:
        self._client = client

    async def call(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._client.call(call)
            except (ApiError, ApiUnreachableError) as exc:
                if attempt == _ATTEMPTS or isinstance(exc, AirflowFailException):
                    raise
                wait = max(backoff(attempt, first=_FIRST_PAUSE), getattr(exc, "retry_after", None) or 0.0)
            await runtime.sleep(min(wait, _LONGEST_PAUSE))
