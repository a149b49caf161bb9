# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the records below some folders know of the requests of a bill. Reads only."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation.audit_span import moment_of
from airflow_provider_music.generation.usage_log import n_of_request
from airflow_provider_music.record.generation_ref import read_fact
from airflow_provider_music.record.listing import Listing
from airflow_provider_music.record.store import SongRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_music.api.endpoints import LogRow
    from airflow_provider_music.generation.audit_span import Span
    from airflow_provider_music.record.take import State, Take

_READ_AT_ONCE = 8
#: A row may be dated by another clock than its intent, and by the request's end.
_BESIDE = timedelta(days=1)
#: Of two records of one request (one was lost, and its request found again) the one that knows more counts.
_KNOWS_MORE: tuple[State, ...] = ("open", "unknown", "failed", "accepted", "completed", "delivered")
_REALM = re.compile(r"/([^/]+~[0-9a-f]{10})(?:/|$)")


@dataclass(slots=True)
class Records:
    """The takes that a bill may be about.

    :param sensed: what sensors landed: their fact by the generation's id, with the URL of its folder.
    :param unreadable: in words, takes whose record cannot be read.
    """

    takes: list[Take] = field(default_factory=list)
    sensed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def index(self) -> Index:
        """Return them by what a row may name."""
        return Index(self.takes)


class Index:
    """Takes by what a row of the usage log may name."""

    def __init__(self, takes: Iterable[Take]) -> None:
        self._by_request: dict[str, Take] = {}
        self._by_prefix: dict[tuple[str, int], Take] = {}
        self._by_generation: dict[str, Take] = {}
        for take in sorted(takes, key=lambda take: _KNOWS_MORE.index(take.state)):
            own = str(take["intent"].get("client_request_id") or "")
            if own.endswith("*"):
                # Of a record that was lost only the beginning is known.
                self._by_prefix[own[:-1], take.n] = take
            elif own:
                self._by_request[own] = take
            # A song that is handed out again is of the request that paid for it.
            if not take.is_reused and (generation := generation_of(take)) is not None:
                self._by_generation[generation] = take

    def take_of(self, row: LogRow) -> Take | None:
        """Return the take whose request a row is of."""
        named = row.client_request_id or ""
        found = self._by_request.get(named)
        if found is None and (song := n_of_request(named)) is not None:
            found = self._by_prefix.get(song)
        return found or self._by_generation.get(row.inference_id or "")


def generation_of(take: Take) -> str | None:
    """Return the API's id of a take, whichever fact has it."""
    return take.facts.get("completed", {}).get("generation_id") or take.generation_id


def realm_of(url: str) -> str | None:
    """Return the part of a record's path that names its Airflow and API, None for a record without one."""
    found = _REALM.search(url)
    return found[1] if found is not None else None


def read_records(roots: Sequence[str], span: Span, rows: Iterable[LogRow]) -> Records:
    """Read what lies below the roots and is of the span, or of a row; blocks.

    Of every other take only the intent is opened.

    :raises RecordError: a root cannot be listed.
    """
    ids = {row.client_request_id for row in rows}
    listings = [Listing(root) for root in dict.fromkeys(roots)]
    places = dict.fromkeys(place for listing in listings for place in listing.takes())
    sensed = dict.fromkeys(url for listing in listings for url in listing.sensed())
    found = Records()
    with ThreadPoolExecutor(_READ_AT_ONCE, thread_name_prefix="music") as pool:
        for take in pool.map(lambda place: _read(place, span, ids), places):
            if isinstance(take, str):
                found.unreadable.append(take)
            elif take is not None:
                found.takes.append(take)
        for url, fact in zip(sensed, pool.map(_read_sensed, sensed), strict=True):
            if fact.get("generation_id"):
                found.sensed[str(fact["generation_id"])] = {**fact, "folder": url}
    return found


def _read(place: tuple[str, int], span: Span, ids: set[str | None]) -> Take | str | None:
    url, n = place
    record = SongRecord(url)
    try:
        intent = read_fact(f"{record.folder.url}/take-{n}", "intent.json")
        own, written = str(intent.get("client_request_id") or ""), moment_of(intent.get("written_at"))
        near = written is None or span.since - _BESIDE <= written < span.until + _BESIDE
        return record.read(n) if near or own in ids or own.endswith("*") else None
    except (MusicError, OSError) as exc:
        return f"{record.folder.url}/take-{n}: {exc}"


def _read_sensed(url: str) -> Mapping[str, Any]:
    try:
        return read_fact(url, "completed.json")
    except OSError:
        # Its row is named unexplained then.
        return {}
