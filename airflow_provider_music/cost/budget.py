# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``max_usd``: nothing is asked for that could take a task over what it may spend."""

from __future__ import annotations

import collections
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.cost.pricing import Quote, estimate
from airflow_provider_music.cost.spent import spent_on
from airflow_provider_music.exceptions import InvalidRequestError, MusicError, OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.store import SongRecord

log = logging.getLogger(__name__)

#: Times that a price is asked for before it is called unknown.
_LOOKS = 2
_PAUSE_SECONDS = 1.0
_READ_AT_ONCE = 8
_MOST_TOLD = 3


class Song(Protocol):
    """What a budget has to know of a song."""

    @property
    def prepared(self) -> PreparedRequest:
        """Its request, as it would be sent now."""

    @property
    def record(self) -> SongRecord:
        """What was asked for before."""


@dataclass(frozen=True)
class Budget:
    """What a task may spend on its songs, over all of its tries and takes.

    :param max_usd: US dollars.
    :param on_unknown_price: what a price that nobody can tell means.
    """

    max_usd: Decimal
    on_unknown_price: Literal["refuse", "allow"] = "refuse"

    @classmethod
    def of(cls, task: Any) -> Budget | None:
        """Read it from an operator, its templates rendered; None where it has no limit.

        :raises InvalidRequestError: ``max_usd`` is no amount.
        """
        if task.max_usd is None:
            return None
        usd = number_or_none(task.max_usd)
        if usd is None or usd < 0:
            raise InvalidRequestError(
                f"max_usd: {task.max_usd!r:.60} is no amount of US dollars; give a number of 0 or more, or None."
            )
        return cls(Decimal(repr(usd)), task.on_unknown_price)

    def refusal(
        self, client: MusicClient, songs: Sequence[Song], decisions: Sequence[Decision]
    ) -> OverBudgetError | None:
        """Return why the songs that are to be asked for now must not be, or None where they may; blocks.

        :param decisions: one a song. What was asked for before is paid or may be: it counts, and is not refused.
        :raises RecordError: what was spent cannot be read.
        """
        if not any(decision.step == "ask" for decision in decisions):
            return None
        quotes = _quotes(client, [song.prepared for song in songs])
        bill = _Bill()
        for quote, song, decision in zip(quotes, songs, decisions, strict=True):
            if decision.step == "ask":
                bill.ask(quote, song.prepared.model)
        newest = [decision.n - (decision.step == "ask") for decision in decisions]
        bill.add_spent(_all_spent(songs, quotes, newest))
        return self._verdict(bill)

    def _verdict(self, bill: _Bill) -> OverBudgetError | None:
        total = bill.spent + bill.asked
        if total > self.max_usd:
            return OverBudgetError(
                f"max_usd is {_usd(self.max_usd)}, and this would come to {_usd(total)}: {_usd(bill.asked)} for "
                f"{bill.told}, and {_usd(bill.spent)} that is spent already or may be billed. Nothing was sent. "
                "Raise max_usd, or ask for less; a new take counts with the former ones."
            )
        if not bill.untold:
            log.info("Within max_usd of %s: %s for %s, spent %s", self.max_usd, bill.asked, bill.told, bill.spent)
            return None
        told = "; ".join(bill.untold[:_MOST_TOLD])
        if self.on_unknown_price == "allow":
            log.warning("max_usd is kept without what is not known (on_unknown_price='allow'): %s", told)
            return None
        return OverBudgetError(
            f"max_usd is {_usd(self.max_usd)}, and whether it would be kept is not known: {told}. Nothing was sent. "
            "Clear the task once the price is known, or give on_unknown_price='allow' to ask all the same."
        )


@dataclass
class _Bill:
    asked: Decimal = Decimal()
    spent: Decimal = Decimal()
    untold: list[str] = field(default_factory=list)
    models: collections.Counter[str] = field(default_factory=collections.Counter)

    def ask(self, quote: Quote, model: str) -> None:
        if quote.usd is None:
            self._not_known(f"the price of {model}: {quote.why}")
            return
        self.asked += quote.usd
        self.models[f"{model}, {quote.why}"] += 1

    def add_spent(self, takes: Iterable[tuple[Decimal, list[str]]]) -> None:
        for usd, untold in takes:
            self.spent += usd
            for each in untold:
                self._not_known(each)

    @property
    def told(self) -> str:
        several = [f"{count} x {name}" for name, count in self.models.most_common(_MOST_TOLD)]
        more = len(self.models) - len(several)
        return "; ".join([*several, *([f"and {more} more"] if more > 0 else [])]) or "songs of unknown price"

    def _not_known(self, what: str) -> None:
        if what not in self.untold:
            self.untold.append(what)


def _quotes(client: MusicClient, requests: Sequence[PreparedRequest]) -> list[Quote]:
    """Price every request; each model's price is asked for once."""
    blocks: dict[str, Any] = {}
    for request in requests:
        if request.model not in blocks:
            blocks[request.model] = _pricing(client, request.model)
    return [
        block if isinstance(block := blocks[request.model], Quote) else estimate(block, request) for request in requests
    ]


def _pricing(client: MusicClient, model: str) -> dict[str, Any] | Quote | None:
    for look in range(1, _LOOKS + 1):
        try:
            return client.call(endpoints.pricing(model))
        except MusicError as exc:
            log.warning("The price of %s cannot be had: %s", model, exc)
            if look == _LOOKS:
                return Quote(None, f"the API does not tell it ({exc})")
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("unreachable: the last look returns")


def _all_spent(
    songs: Sequence[Song], quotes: Sequence[Quote], newest: Sequence[int]
) -> list[tuple[Decimal, list[str]]]:
    def of(index: int) -> tuple[Decimal, list[str]]:
        song = songs[index]
        return spent_on(song.record, newest[index], quotes[index], song.prepared.body.get("model"))

    asked_before = [index for index, n in enumerate(newest) if n]
    with ThreadPoolExecutor(_READ_AT_ONCE, thread_name_prefix="music") as pool:
        return list(pool.map(of, asked_before))


def _usd(amount: Decimal) -> str:
    """Return an amount as people read it, rounded to what credits can tell."""
    text = f"{amount:.7f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"${whole}.{part:0<2}"
