# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a shared budget has paid and promised in one period: numbered entries, each created once.

    <folder of the budget>/<period>/<block of a hundred>/
        000123.json          a reservation: for which request, how much, and what stood before it
        000123.used.json     its request is about to be sent; or "abandoned", by one that found it unused for long
        000123.settled.json  what it came to: what was billed, or nothing

Whoever creates entry n has read entry n - 1, and that one has read those before it: of many that race for a number one
wins, the others read anew. So each reservation is checked against the sum of all before it, without a lock. An entry
carries that sum along, so a reservation reads one entry and what was settled since, however many there are.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.api.parsing import bounded_json
from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.record.exclusive import prove_exclusive_once
from airflow_provider_music.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = 1
_IN_BLOCK = 100
_BLOCK = re.compile(r"[0-9]{4,}")
_FILE = re.compile(r"([0-9]{6,})(\.used|\.settled)?\.json")
#: Hundreds may race for one number; each round one of them wins.
_MOST_SECONDS = 300.0
_LONGEST_PAUSE = 1.0

Mark = Literal["used", "settled"]


@dataclass(frozen=True, slots=True)
class Promise:
    """A reservation that is not settled.

    :param item: the request that it is for, by song and take.
    """

    usd: Decimal
    item: str


@dataclass(frozen=True, slots=True)
class State:
    """Where a budget stands.

    :param newest: number of the newest entry, 0 where there is none.
    :param closed: US dollars of all entries that are settled.
    :param promised: the others.
    :param used: numbers of those whose request was about to be sent, or that were abandoned.
    """

    newest: int = 0
    closed: Decimal = Decimal()
    promised: Mapping[int, Promise] = field(default_factory=dict)
    used: frozenset[int] = frozenset()

    @property
    def usd(self) -> Decimal:
        """What is spent or may be."""
        return self.closed + sum((one.usd for one in self.promised.values()), Decimal())

    def number_of(self, item: str, usd: Decimal) -> int | None:
        """Return the reservation that a request has already."""
        return next((n for n, one in self.promised.items() if (one.item, one.usd) == (item, usd)), None)


class Ledger:
    """A budget in one period; its calls block.

    :param url: folder of the period.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._folder = Folder(self.url)

    def state(self, at_least: int = 0) -> State:
        """Read where it stands.

        :param at_least: number of an entry that is known to exist; a listing may be older.
        :raises OutputError: it cannot be read.
        """
        listed, names = self._newest_names()
        newest = max(
            [at_least, *(int(found[1]) for name in names if (found := _FILE.fullmatch(name)) and not found[2])]
        )
        if newest == 0:
            return State()
        entry = self.entry(newest)
        try:
            closed = _usd(entry["before_usd"])
            promised = {int(n): Promise(_usd(usd), str(item)) for n, (usd, item) in entry["promised"].items()}
            promised[newest] = Promise(_usd(entry["usd"]), str(entry["item"]))
        except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation) as exc:
            raise _unreadable(self._url_of(newest), f"no entry of this version: {exc!r}") from exc
        blocks = {_block(n) for n in promised} - {listed}
        names = {*names, *(name for block in blocks for name in self._names(block))}
        for n in [n for n in promised if _name(n, "settled") in names]:
            closed += self._settled_usd(n)
            del promised[n]
        return State(newest, closed, promised, frozenset(n for n in promised if _name(n, "used") in names))

    def reserve(self, item: str, usd: Decimal, limit: Decimal, **values: Any) -> int | None:
        """Reserve an amount for a request and return the entry's number; None where the limit does not allow it.

        A request that has its reservation already keeps that one.

        :param item: the request, by song and take.
        :param values: what else the entry says.
        :raises OutputError: the ledger cannot be read or written.
        :raises UnsafeStoreError: the store creates one object twice.
        """
        prove_exclusive_once(self._folder)
        taken, until = 0, time.monotonic() + _MOST_SECONDS
        for attempt in itertools.count():
            state = self.state(taken)
            known = state.number_of(item, usd)
            if known is not None:
                return known
            if state.usd + usd > limit:
                return None
            number = state.newest + 1
            body = {
                "item": item,
                "usd": str(usd),
                "before_usd": str(state.closed),
                "promised": {str(n): [str(one.usd), one.item] for n, one in state.promised.items()},
                **values,
            }
            if self._create(number, None, body):
                return number
            taken = number
            if time.monotonic() > until:
                break
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.01 * 2 ** min(attempt, 10))))  # noqa: S311 - a pause
        raise OutputError(
            f"The ledger {self.url} was written by others without a pause for {_MOST_SECONDS:g} s, so nothing was "
            "reserved and nothing was sent. A retry reserves again."
        )

    def entry(self, number: int) -> dict[str, Any]:
        """Read a reservation.

        :raises OutputError: it cannot be read.
        """
        found = self._read(number, None)
        if found is None:
            raise _unreadable(self._url_of(number), "it is gone, and what it knew of those before it")
        return found

    def use(self, number: int, *, abandoned: bool = False) -> bool:
        """Say that a reservation's request is about to be sent, or that it never will be; whoever is first decides.

        :raises OutputError: the ledger cannot be written.
        """
        return self._create(number, "used", {"abandoned": abandoned})

    def is_abandoned(self, number: int) -> bool:
        """Whether somebody found it unused for long."""
        return bool((self._read(number, "used") or {}).get("abandoned"))

    def settle(self, number: int, usd: Decimal, why: str) -> bool:
        """Write down what a reservation came to; False where that was done before.

        :raises OutputError: the ledger cannot be written.
        """
        return self._create(number, "settled", {"usd": str(usd), "why": why})

    def _settled_usd(self, number: int) -> Decimal:
        found = self._read(number, "settled") or {}
        try:
            return _usd(found["usd"])
        except (KeyError, ValueError, InvalidOperation) as exc:
            raise _unreadable(self._url_of(number, "settled"), "it names no amount") from exc

    def _newest_names(self) -> tuple[str | None, set[str]]:
        """Return the newest block that holds an entry, and the names in it."""
        try:
            blocks = sorted((name for name in self._folder.children() if _BLOCK.fullmatch(name)), reverse=True)
        except OSError as exc:
            raise _unreadable(self.url, exc) from exc
        for block in blocks:
            names = self._names(block)
            # A process may have made the folder and died.
            if _entries_in(names):
                return block, names
        return None, set()

    def _names(self, block: str) -> set[str]:
        try:
            return (self._folder / block).names()
        except OSError as exc:
            raise _unreadable(f"{self.url}/{block}", exc) from exc

    def _url_of(self, number: int, mark: Mark | None = None) -> str:
        return f"{self.url}/{_block(number)}/{_name(number, mark)}"

    def _read(self, number: int, mark: Mark | None) -> dict[str, Any] | None:
        url = self._url_of(number, mark)
        try:
            content = (self._folder / _block(number)).read(_name(number, mark))
        except OSError as exc:
            raise _unreadable(url, exc) from exc
        if content is None:
            return None
        try:
            body = bounded_json(content)
        except ValueError as exc:
            raise _unreadable(url, f"no JSON: cut short or edited ({exc})") from exc
        if not isinstance(body, dict) or body.get("schema") != SCHEMA:
            raise _unreadable(url, "not written by this version of the package")
        return body

    def _create(self, number: int, mark: Mark | None, values: Mapping[str, Any]) -> bool:
        # With a token of its own: where a store's answer was lost, the same content is known as this one's.
        own = {"schema": SCHEMA, "written_at": datetime.now(UTC).isoformat(), "token": uuid.uuid4().hex}
        content = (json.dumps({**own, **values}) + "\n").encode()
        try:
            return (self._folder / _block(number)).create(_name(number, mark), content)
        except OSError as exc:
            raise OutputError(
                f"The ledger of a budget cannot be written, so nothing was sent: {self._url_of(number, mark)}: {exc}"
            ) from exc


def _entries_in(names: Iterable[str]) -> list[int]:
    found = map(_FILE.fullmatch, names)
    return [int(one[1]) for one in found if one is not None and not one[2]]


def _usd(value: object) -> Decimal:
    usd = Decimal(str(value))
    if not usd.is_finite():
        raise ValueError(f"{usd} is no amount")
    return usd


def _block(number: int) -> str:
    return f"{number // _IN_BLOCK:04}"


def _name(number: int, mark: Mark | None = None) -> str:
    return f"{number:06}.{mark}.json" if mark is not None else f"{number:06}.json"


def _unreadable(url: str, why: object) -> OutputError:
    return OutputError(
        f"The ledger of a budget cannot be read: {url}: {why}. Nothing is sent with this budget until it can be. Mend "
        "the file; or move the folder of the period away, which makes the budget forget what it has spent in it."
    )
