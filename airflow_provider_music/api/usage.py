# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a request cost, as the body or the headers of a response say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import number_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.bounded_body import AnyResponse


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost: credits (2,000,000 are one dollar) and US dollars; None where the API does not say."""

    credits_used: int | None = None
    usd_spent: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"credits_used": self.credits_used, "usd_spent": self.usd_spent}

    def or_else(self, other: Usage) -> Usage:
        """Fill what is None here from another source."""
        return Usage(
            self.credits_used if self.credits_used is not None else other.credits_used,
            self.usd_spent if self.usd_spent is not None else other.usd_spent,
        )


def usage_of_answer(body: Mapping[str, Any], response: AnyResponse) -> Usage:
    """Read the cost from the body and, where that does not say it, from the headers."""
    usage = usage_of(body)
    # Headers are read only where they are needed: polls are many, and each look-up walks through all headers.
    return usage if None not in (usage.credits_used, usage.usd_spent) else usage.or_else(usage_of_headers(response))


def usage_of(body: Mapping[str, Any]) -> Usage:
    """Read ``meta.usage``."""
    meta = body.get("meta")
    usage = meta.get("usage") if isinstance(meta, dict) else None
    if not isinstance(usage, dict):
        return Usage()
    return _usage(usage.get("credits_used"), usage.get("usd_spent"))


def usage_of_headers(response: AnyResponse) -> Usage:
    """Read ``x-aimlapi-credits-used`` and ``x-aimlapi-usd-spent``."""
    headers = response.headers
    return _usage(headers.get("x-aimlapi-credits-used"), headers.get("x-aimlapi-usd-spent"))


def _usage(credits_used: Any, usd_spent: Any) -> Usage:
    number = number_or_none(credits_used)
    return Usage(int(number) if number is not None else None, number_or_none(usd_spent))
