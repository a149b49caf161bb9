# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Who pays for a request that many tasks may make: a chain of numbered events, each created once.

    <record folder>/_reuse/<account>/<2 digits>/<hash of the request>/
        000001.json     a claim: whose task pays, and where its record lies
        000002.json     that task's take n is about to be sent
        000003.json     ... or another task's claim, which takes over

Whoever creates event m has read those before it. A task may send only while the newest claim is its own, and says so by
the next event: one that takes over creates that same number, so one of the two finds out before it sends.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import bounded_json
from airflow_provider_music.exceptions import RecordError
from airflow_provider_music.record.exclusive import prove_exclusive_once
from airflow_provider_music.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1
_EVENT = re.compile(r"([0-9]{6,})\.json")


@dataclass(frozen=True, slots=True)
class Claim:
    """The newest claim, and what its task has sent since.

    :param newest: number of the newest event.
    :param key: of the identity of the song whose task pays.
    :param n: the take that was about to be sent last, None where none was.
    :param since: when the newest event was written.
    """

    newest: int
    key: str
    record_url: str
    task: str
    n: int | None
    since: datetime

    @property
    def age(self) -> float:
        """Seconds since the newest event."""
        return (datetime.now(UTC) - self.since).total_seconds()


class ReuseChain:
    """The events of one request; its calls block.

    :param url: folder of the request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder = Folder(url)

    def newest(self, at_least: int = 0) -> Claim | None:
        """Return the newest claim, None where nobody has claimed.

        :param at_least: number of an event that is known to exist; a listing may be older.
        :raises RecordError: it cannot be read; that is never taken for "nobody".
        """
        try:
            names = self._folder.names()
        except OSError as exc:
            raise RecordError(f"{self.url} cannot be listed: {exc}. Nothing is sent until it can be.") from exc
        newest = max([at_least, *(int(found[1]) for name in names if (found := _EVENT.fullmatch(name)))])
        last: Mapping[str, Any] | None = None
        for number in range(newest, 0, -1):
            event = self._read(number)
            last = last or event
            if event.get("act") == "claim":
                sent = last.get("n") if last.get("act") == "send" else None
                since = datetime.fromisoformat(str(last["written_at"]))
                whose = {name: str(event.get(name)) for name in ("key", "record_url", "task")}
                return Claim(newest, **whose, n=sent, since=since)
        if newest:
            raise RecordError(f"{self.url} has events, and no claim; somebody deleted a part of it. Move it away.")
        return None

    def claim(self, after: int, *, key: str, record_url: str, task: str) -> bool:
        """Claim a request; False where an event came between.

        :param after: number of the newest event that the decision was made upon, 0 for none.
        :raises RecordError: the store does not take it.
        """
        prove_exclusive_once(self._folder)
        return self._create(after + 1, {"act": "claim", "key": key, "record_url": record_url, "task": task})

    def send(self, key: str, n: int) -> bool:
        """Say that take n is about to be sent; False where another task has the newest claim.

        :raises RecordError: the store does not answer.
        """
        at_least = 0
        while True:
            claim = self.newest(at_least)
            if claim is None or claim.key != key:
                return False
            if self._create(claim.newest + 1, {"act": "send", "n": n}):
                return True
            at_least = claim.newest + 1

    def _read(self, number: int) -> Mapping[str, Any]:
        name = _name(number)
        try:
            content = self._folder.read(name)
            event = bounded_json(content or b"")
        except (OSError, ValueError) as exc:
            raise RecordError(f"{self.url}/{name} cannot be read: {exc}. Nothing is sent until it can be.") from exc
        if not isinstance(event, dict) or event.get("schema") != SCHEMA:
            raise RecordError(f"{self.url}/{name} was not written by this version of the package. Nothing is sent.")
        return event

    def _create(self, number: int, values: Mapping[str, Any]) -> bool:
        own = {"schema": SCHEMA, "written_at": datetime.now(UTC).isoformat(), "token": uuid.uuid4().hex}
        try:
            return self._folder.create(_name(number), (json.dumps({**own, **values}) + "\n").encode())
        except OSError as exc:
            raise RecordError(f"{self.url}/{_name(number)} cannot be written, so nothing was sent: {exc}") from exc


def _name(number: int) -> str:
    return f"{number:06}.json"
