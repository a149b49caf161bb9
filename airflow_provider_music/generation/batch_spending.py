# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a try of a batch may spend: its own limit, what the account holds, and the shared budget that it names."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from airflow_provider_music.generation.attempt import budget_of
from airflow_provider_music.generation.reservation import refusal_of
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.shared_budget import SharedBudget, not_payable
from airflow_provider_music.hooks.clients import settings_of, sync_client_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_music.cost.budget import Budget
    from airflow_provider_music.cost.pricing import Quote
    from airflow_provider_music.exceptions import MusicError
    from airflow_provider_music.generation.attempt import GenerationOptions, SongAttempt
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.policy import Decision


class BatchSpending:
    """The bounds of one try.

    :param check_balance: whether the account is asked whether it can pay.
    """

    def __init__(self, options: GenerationOptions, *, check_balance: bool) -> None:
        self._options = options
        self._check_balance = check_balance

    def check(self) -> None:
        """Refuse bounds that cannot be, before anything else is done.

        :raises InvalidRequestError: ``max_usd`` is no amount, or ``budget`` names none that is defined.
        """
        _ = self._own, self._shared

    def refusal(self, songs: Sequence[SongAttempt], decisions: Sequence[Decision]) -> MusicError | None:
        """Return why the requests that are due now must not be sent, or None where they may; blocks.

        :raises RecordError: what was spent cannot be read.
        :raises OutputError: the same, of the shared budget.
        """
        due = [index for index, decision in enumerate(decisions) if decision.step == "submit"]
        if not due:
            return None
        client = sync_client_of(self._options.conn_id)
        quotes = functools.cache(lambda: self._quotes(songs))
        refused: MusicError | None = None
        if self._own is not None:
            refused = self._own.refusal(client, songs, decisions)
        if refused is None and self._check_balance:
            refused = not_payable(client, lambda: [quotes()[index] for index in due])
        if refused is None and self._shared is not None:
            specs = self._paid_from(self._shared, songs, decisions, quotes())
            refused = run_sync(refusal_of([specs[index] for index in due], self._options.conn_id))
        return refused

    def specs(self, songs: Sequence[SongAttempt], decisions: Sequence[Decision]) -> list[GenerationSpec]:
        """Return what the wait has to know of each song, and from which budget it is paid; blocks."""
        if self._shared is None:
            return [song.spec(decision) for song, decision in zip(songs, decisions, strict=True)]
        return self._paid_from(self._shared, songs, decisions, self._quotes(songs))

    @staticmethod
    def _paid_from(
        shared: SharedBudget, songs: Sequence[SongAttempt], decisions: Sequence[Decision], quotes: Sequence[Quote]
    ) -> list[GenerationSpec]:
        each = zip(songs, decisions, quotes, strict=True)
        return [shared.within(song.spec(decision), quote) for song, decision, quote in each]

    def _quotes(self, songs: Sequence[SongAttempt]) -> list[Quote]:
        from airflow_provider_music.cost.budget import quotes_of

        return quotes_of(sync_client_of(self._options.conn_id), [song.request for song in songs])

    @functools.cached_property
    def _own(self) -> Budget | None:
        return budget_of(self._options)

    @functools.cached_property
    def _shared(self) -> SharedBudget | None:
        return SharedBudget.of(self._options, settings_of(self._options.conn_id)) if self._options.budget else None
