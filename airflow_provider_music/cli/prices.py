# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What requests can cost at most, by the prices that the API quotes now. Free."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_music.api.request import PreparedRequest
from airflow_provider_music.cost.budget import quotes_of
from airflow_provider_music.cost.pricing import Quote
from airflow_provider_music.exceptions import ApiUnreachableError, CredentialsError
from airflow_provider_music.hooks.clients import sync_client_of

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Total:
    """The sum of some quotes.

    :param usd: of those whose price is known.
    :param unpriced: how many have none.
    """

    usd: Decimal
    unpriced: int

    def over(self, max_usd: float | None, *, allow_unknown: bool) -> str | None:
        """Return why a limit is not kept, or None."""
        if max_usd is None:
            return None
        if self.usd > Decimal(repr(max_usd)):
            return f"It can cost more than the limit of ${max_usd:g}."
        if self.unpriced and not allow_unknown:
            return f"Whether it keeps the limit of ${max_usd:g} is not known: {self.unpriced} of the prices are not."
        return None


def quotes(conn_id: str, requests: Sequence[PreparedRequest]) -> list[Quote]:
    """Return the most that each request can cost; without a usable connection none is known. Blocks."""
    if not requests:
        return []
    try:
        client = sync_client_of(conn_id)
    except (CredentialsError, ApiUnreachableError) as exc:
        why = str(exc).partition(";")[0].partition("\n")[0]
        return [Quote(None, f"no live price: {why}") for _ in requests]
    return quotes_of(client, requests)


def of_model(model: str) -> PreparedRequest:
    """Return a request that says no more than its model, for the most that a song of it costs."""
    return PreparedRequest(model, "queued", {"model": model}, None, None, 0.0)


def total(found: Sequence[Quote]) -> Total:
    """Sum quotes up."""
    known = [quote.usd for quote in found if quote.usd is not None]
    return Total(sum(known, Decimal()), len(found) - len(known))
