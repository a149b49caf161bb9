# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The most that a request can cost, from the prices that the API quotes for its model; and what a usage is in dollars.

Source: aimlapi/api-docs, complete-model-list.md ("Reading prices"): ``kind`` says how the rest is shaped, and a
``price`` is that of ``per`` units. What cannot be read with certainty is an unknown price, never a low one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import number_or_none, one_line

if TYPE_CHECKING:
    from airflow_provider_music.api.request import PreparedRequest

#: Source: aimlapi/api-docs, faq/how-can-i-track-my-funds.md.
CREDITS_PER_USD = 2_000_000
#: Units of which a request is one.
_WHOLE = ("generation", "request", "song", "track", "call")
_SECONDS_IN = {"second": 1, "minute": 60}
_COUNTED = re.compile(r"(?:per\s+)?(\d+)?\s*([a-z]+)")


@dataclass(frozen=True, slots=True)
class Quote:
    """The most that a request can cost.

    :param usd: None where it is not known.
    :param why: the prices in words, or why there are none.
    """

    usd: Decimal | None
    why: str


def usd_of(usage: Mapping[str, Any]) -> Decimal | None:
    """Return what a usage says in US dollars, None where it says nothing."""
    usd, used = number_or_none(usage.get("usd_spent")), number_or_none(usage.get("credits_used"))
    if usd is not None:
        return _exact(usd)
    return _exact(used) / CREDITS_PER_USD if used is not None else None


def estimate(pricing: Mapping[str, Any] | None, request: PreparedRequest) -> Quote:
    """Return the most that a request can cost.

    :param pricing: the model's ``pricing`` block, None where the API has none.
    """
    if pricing is None:
        return Quote(None, "the API quotes no price for it")
    currency = pricing.get("currency") or "USD"
    if currency != "USD":
        return Quote(None, f"its price is in {one_line(str(currency))}")
    kind = pricing.get("kind")
    if kind == "fixed":
        return _together(pricing.get("units"), request)
    if kind == "variants":
        return _worst(pricing.get("variants"), request)
    return Quote(None, f"its price is of the kind {one_line(str(kind))!r}, which cannot be computed ahead")


def _together(units: Any, request: PreparedRequest) -> Quote:
    """All units are charged."""
    if not isinstance(units, list) or not units:
        return Quote(None, "its price names no units")
    charges = [_charge(unit, request) for unit in units]
    unpriced = next((charge for charge in charges if charge.usd is None), None)
    if unpriced is not None:
        return unpriced
    return Quote(sum((charge.usd or Decimal() for charge in charges), Decimal()), " + ".join(c.why for c in charges))


def _worst(variants: Any, request: PreparedRequest) -> Quote:
    """One variant is charged: the dearest of those that the request may be."""
    if not isinstance(variants, list):
        return Quote(None, "its price names no variants")
    fitting = [each for each in variants if isinstance(each, Mapping) and _may_apply(each.get("when"), request.body)]
    if not fitting:
        return Quote(None, "none of its price's variants is for this request")
    charges = [_together(each["units"], request) if "units" in each else _charge(each, request) for each in fitting]
    unpriced = next((charge for charge in charges if charge.usd is None), None)
    return unpriced or max(charges, key=lambda charge: charge.usd or Decimal())


def _may_apply(when: Any, body: Mapping[str, Any]) -> bool:
    """Whether nothing in the request speaks against a variant; what it leaves open may be anything."""
    if not isinstance(when, Mapping):
        return True
    setting = body.get("audio_setting")
    fields = {**setting, **body} if isinstance(setting, Mapping) else body
    return all(
        fields.get(name) is None or isinstance(value, Mapping | list) or _same(fields[name], value)
        for name, value in when.items()
    )


def _same(one: Any, other: Any) -> bool:
    numbers = number_or_none(one), number_or_none(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return str(one).lower() == str(other).lower()


def _charge(unit: Any, request: PreparedRequest) -> Quote:
    if not isinstance(unit, Mapping):
        return Quote(None, "its price cannot be read")
    price = number_or_none(unit.get("price"))
    per, name = _per(unit)
    if price is None or price < 0 or per is None or not name:
        return Quote(None, f"its price cannot be read: {one_line(str(dict(unit)))}")
    count = _count(name, unit.get("measure"), request)
    if count is None:
        return Quote(None, f"how many units ({one_line(name)}) it takes cannot be computed ahead")
    why = f"{price:g} USD per {name}" if per == 1 else f"{price:g} USD per {per:g} {name}s"
    return Quote(_exact(price) * count / _exact(per), why)


def _per(unit: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return how many units the price is for, and which; ``per`` may name the unit too: "1000 characters"."""
    name, per = str(unit.get("name") or unit.get("unit") or ""), unit.get("per")
    number = number_or_none(per)
    if number is None and isinstance(per, str) and (found := _COUNTED.fullmatch(per.strip().lower())):
        number, name = float(found[1] or 1), found[2]
    name = name.strip().lower()
    return (number if number and number > 0 else None), name.removesuffix("s")


def _count(name: str, measure: Any, request: PreparedRequest) -> int | None:
    """Return the most units that the request can take, or None where that cannot be computed."""
    if name in _WHOLE:
        return 1
    if name in _SECONDS_IN and measure != "input":
        seconds = _seconds(request)
        return math.ceil(seconds / _SECONDS_IN[name]) if seconds is not None else None
    if name == "character" and measure != "output":
        from airflow_provider_music.api.models import REFERENCES

        # Not of names and ids, nor of audio or its address.
        return sum(_characters(value) for key, value in request.body.items() if key not in ("model", *REFERENCES))
    return None


def _seconds(request: PreparedRequest) -> float | None:
    # Only here: whoever counts metrics needs no model's schema.
    from airflow_provider_music.api.models import find
    from airflow_provider_music.api.schema import Length

    known = find(str(request.body["model"]))
    if known is None:
        return None
    for name, length in known.marked(Length).items():
        number = number_or_none(request.body.get(name))
        if length.kept and number and number > 0:
            return number / length.per_second
    return known.max_seconds


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(_characters(each) for each in inner)


def _exact(number: float) -> Decimal:
    """Return a number as it is written, so that three times 0.1 is 0.3."""
    return Decimal(repr(number))
