# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the takes of a song have cost, or may have, as its record tells."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import number_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.cost.pricing import Quote
    from airflow_provider_music.record.store import SongRecord, Take

#: Source: aimlapi/api-docs, faq/how-can-i-track-my-funds.md.
CREDITS_PER_USD = 2_000_000
#: Where a take's cost may stand, best first.
_TELLING = ("completed", "unknown", "accepted")


def usd_of(usage: Mapping[str, Any]) -> Decimal | None:
    """Return what a usage says in US dollars, None where it says nothing."""
    usd, used = number_or_none(usage.get("usd_spent")), number_or_none(usage.get("credits_used"))
    if usd is not None:
        return Decimal(repr(usd))
    return Decimal(repr(used)) / CREDITS_PER_USD if used is not None else None


def cost_of(take: Take, quote: Quote, model: object) -> Decimal | None:
    """Return the most that a take costs, None where nobody can tell.

    A take that is billed, or may be, and whose cost the API does not say, is taken for one at today's price.

    :param quote: the price of the song as it would be asked for now.
    :param model: the model that it would be asked for with.
    """
    if "failed" in take:
        return Decimal()
    for fact in _TELLING:
        told = take.facts.get(fact, {})
        # The unknown fact has it at its top.
        usd = usd_of(told.get("usage") or told)
        if usd is not None:
            return usd
    return quote.usd if take["intent"].get("model") == model else None


def spent_on(record: SongRecord, newest: int, quote: Quote, model: object) -> tuple[Decimal, list[str]]:
    """Sum the takes up to the newest one; blocks.

    :return: the sum of those whose cost is known, and the others in words.
    """
    total, untold = Decimal(), []
    for n in range(1, newest + 1):
        take = record.read(n)
        if take is None:
            continue
        usd = cost_of(take, quote, model)
        if usd is None:
            untold.append(f"what take {n} for {take['intent'].get('model')} cost is not known")
        else:
            total += usd
    return total, untold
