# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``max_usd``: no request is submitted that could take a task over what it may spend.

What former takes cost, or may have, is in the record; what new requests can cost is estimated from the API's prices.
"""

from __future__ import annotations

import collections
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.cost.pricing import Quote, estimate, usd_of
from airflow_provider_music.exceptions import InvalidRequestError, MusicError, OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_music.api.endpoints import Call
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Fact, Take

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Requests for a model's price before it counts as unknown.
_ATTEMPTS = 2
_PAUSE_SECONDS = 1.0
_READ_AT_ONCE = 8
_MOST_NAMED = 3
#: Facts that may hold a take's cost, best first.
_COST_FACTS: tuple[Fact, ...] = ("completed", "unknown", "accepted")


class Client(Protocol):
    """What requests the prices; blocks."""

    def call(self, call: Call[T]) -> T:
        """Make a free call.

        :raises MusicError: there is no usable answer.
        """


class Song(Protocol):
    """What a budget has to know of a song."""

    @property
    def request(self) -> PreparedRequest:
        """Its request, as it would be sent now."""

    @property
    def record(self) -> SongRecord:
        """Its former takes."""


@dataclass(frozen=True)
class Budget:
    """What a task may spend on its songs, over all of its tries and takes.

    :param max_usd: US dollars.
    :param on_unknown_price: what to do where a price or a former cost is unknown.
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

    def refusal(self, client: Client, songs: Sequence[Song], decisions: Sequence[Decision]) -> OverBudgetError | None:
        """Return why the requests that are due now must not be sent, or None where they may; blocks.

        :param decisions: one a song. A take that was submitted before is paid or may be: it counts, and is not refused.
        :raises RecordError: what was spent cannot be read.
        """
        due = [decision.step == "submit" for decision in decisions]
        if not any(due):
            return None
        quotes = quotes_of(client, [song.request for song in songs])
        bill = _Bill()
        for quote, song, is_due in zip(quotes, songs, due, strict=True):
            if is_due:
                bill.add_request(quote, _model_of(song.request))
        newest = [decision.n - is_due for decision, is_due in zip(decisions, due, strict=True)]
        bill.add_spent(_all_spent(songs, quotes, newest))
        return self._verdict(bill)

    def _verdict(self, bill: _Bill) -> OverBudgetError | None:
        total = bill.spent + bill.requested
        if total > self.max_usd:
            return OverBudgetError(
                f"max_usd is {_usd(self.max_usd)}, and this would come to {_usd(total)}: {_usd(bill.requested)} for "
                f"{bill.summary}, and {_usd(bill.spent)} that is spent already or may be billed. Nothing was sent. "
                "Raise max_usd, or request less; a new take counts with the former ones."
            )
        if not bill.unpriced:
            log.info(
                "Within max_usd of %s: %s for %s, spent %s", self.max_usd, bill.requested, bill.summary, bill.spent
            )
            return None
        unpriced = "; ".join(bill.unpriced[:_MOST_NAMED])
        if self.on_unknown_price == "allow":
            log.warning("max_usd is checked without what is unpriced (on_unknown_price='allow'): %s", unpriced)
            return None
        return OverBudgetError(
            f"max_usd is {_usd(self.max_usd)}, and whether it would be exceeded is not known: {unpriced}. Nothing was "
            "sent. Clear the task once the price is known, or give on_unknown_price='allow' to submit all the same."
        )


@dataclass
class _Bill:
    """What a task would have spent if the requests that are due now were sent."""

    requested: Decimal = Decimal()
    spent: Decimal = Decimal()
    #: In words, what has no known price or cost.
    unpriced: list[str] = field(default_factory=list)
    models: collections.Counter[str] = field(default_factory=collections.Counter)

    def add_request(self, quote: Quote, model: str) -> None:
        if quote.usd is None:
            self._add_unpriced(f"the price of {model}: {quote.why}")
            return
        self.requested += quote.usd
        self.models[f"{model}, {quote.why}"] += 1

    def add_spent(self, takes: Iterable[tuple[Decimal, list[str]]]) -> None:
        for usd, unpriced in takes:
            self.spent += usd
            for each in unpriced:
                self._add_unpriced(each)

    @property
    def summary(self) -> str:
        """The requests in words."""
        several = [f"{count} x {name}" for name, count in self.models.most_common(_MOST_NAMED)]
        more = len(self.models) - len(several)
        return "; ".join([*several, *([f"and {more} more"] if more > 0 else [])]) or "songs of unknown price"

    def _add_unpriced(self, what: str) -> None:
        if what not in self.unpriced:
            self.unpriced.append(what)


# What new requests can cost


def quotes_of(client: Client, requests: Sequence[PreparedRequest]) -> list[Quote]:
    """Return the most that each request can cost; each model's price is requested once. Blocks."""
    blocks: dict[str, Any] = {}
    models = [_model_of(request) for request in requests]
    for model in models:
        if model not in blocks:
            blocks[model] = _pricing(client, model)
    return [
        block if isinstance(block := blocks[model], Quote) else estimate(block, request)
        for model, request in zip(models, requests, strict=True)
    ]


def _model_of(request: PreparedRequest) -> str:
    """Return the model that will be billed: the one in the body that is sent."""
    return str(request.body["model"])


def _pricing(client: Client, model: str) -> dict[str, Any] | Quote | None:
    # Most tasks have no max_usd, and need no tenacity.
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

    attempts = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_fixed(_PAUSE_SECONDS),
        retry=retry_if_exception_type(MusicError),
        after=lambda attempt: log.warning(
            "Attempt %d to read the price of %s failed: %s",
            attempt.attempt_number,
            model,
            attempt.outcome and attempt.outcome.exception(),
        ),
        reraise=True,
    )
    try:
        block: dict[str, Any] | None = attempts(client.call, endpoints.pricing(model))
    except MusicError as exc:
        return Quote(None, f"the API does not quote it ({exc})")
    return block


# What former takes cost


def spent_on(record: SongRecord, newest: int, quote: Quote, model: object) -> tuple[Decimal, list[str]]:
    """Sum the takes up to the newest one; blocks.

    :return: the sum of those whose cost is known, and the others in words.
    """
    total, unpriced = Decimal(), []
    for n in range(1, newest + 1):
        take = record.read(n)
        if take is None:
            continue
        usd = cost_of(take, quote, model)
        if usd is None:
            unpriced.append(f"what take {n} for {take['intent'].get('model')} cost is not known")
        else:
            total += usd
    return total, unpriced


def cost_of(take: Take, quote: Quote, model: object) -> Decimal | None:
    """Return the most that a take costs, None where that is not known.

    A take that is billed, or may be, and whose cost the API does not say, counts at today's price.

    :param quote: the price of the song as it would be submitted now.
    :param model: the model that it would be submitted with.
    """
    if take.billing == "not_billed":
        return Decimal()
    for name in _COST_FACTS:
        fact = take.facts.get(name, {})
        # The unknown fact has it at its top.
        usd = usd_of(fact.get("usage") or fact)
        if usd is not None:
            return usd
    return quote.usd if take["intent"].get("model") == model else None


def _all_spent(
    songs: Sequence[Song], quotes: Sequence[Quote], newest: Sequence[int]
) -> list[tuple[Decimal, list[str]]]:
    def of(index: int) -> tuple[Decimal, list[str]]:
        song = songs[index]
        return spent_on(song.record, newest[index], quotes[index], _model_of(song.request))

    with_takes = [index for index, n in enumerate(newest) if n]
    with ThreadPoolExecutor(_READ_AT_ONCE, thread_name_prefix="music") as pool:
        return list(pool.map(of, with_takes))


def _usd(amount: Decimal) -> str:
    """Return an amount as people read it, to the seventh decimal: a credit is half a millionth of a dollar."""
    text = f"{amount:.7f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"${whole}.{part:0<2}"
