# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What bounds the requests of a try beside its record: the shared budget that it names, and other tasks' songs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from airflow_provider_music.generation.attempt import budget_of
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.hooks.clients import settings_of, sync_client_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_music.cost.budget import Budget
    from airflow_provider_music.cost.pricing import Quote
    from airflow_provider_music.exceptions import BudgetExceededError, MusicError
    from airflow_provider_music.generation.attempt import GenerationOptions, SongAttempt
    from airflow_provider_music.generation.reuse import Reuse
    from airflow_provider_music.generation.shared_budget import SharedBudget
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.take import Take


class Spending:
    """The bounds of one try; a task that names neither has none, and loads nothing for them."""

    def __init__(self, options: GenerationOptions) -> None:
        self._options = options
        self._quoted: dict[int, Quote] = {}

    def check(self) -> None:
        """Refuse bounds that cannot be, before anything else is done.

        :raises UnknownBudgetError: ``budget`` names none that is defined; nothing was sent.
        :raises StorageNotSharedError: what tasks share would lie on a disk that the task's executor does not share.
        """
        _ = self._shared, self._reuse

    def specs(self, songs: Sequence[SongAttempt], decisions: Sequence[Decision]) -> list[GenerationSpec]:
        """Return what the wait has to know of each song, and how it may be paid; blocks."""
        specs = [song.spec(decision) for song, decision in zip(songs, decisions, strict=True)]
        shared, reuse = self._shared, self._reuse
        if shared is not None:
            # Only these can lead to a request.
            due = any(decision.step in ("submit", "reconcile") for decision in decisions)
            quotes = self._quotes(songs) if due else [None] * len(songs)
            specs = [shared.within(spec, quote) for spec, quote in zip(specs, quotes, strict=True)]
        if reuse is not None:
            specs = [reuse.within(spec, song.request) for spec, song in zip(specs, songs, strict=True)]
        return specs

    def has_no_room(self, songs: Sequence[SongAttempt], decisions: Sequence[Decision]) -> BudgetExceededError | None:
        """Return why the shared budget cannot pay for what is due, as it stands now; blocks, and reserves nothing.

        :raises OutputError: its ledger cannot be read.
        """
        if self._shared is None or self._reuse is not None:
            # What can be handed out again is not paid; each song that has to be is refused by itself.
            return None
        from airflow_provider_music.generation.reservation import refusal_of

        due = [pair for pair in zip(songs, decisions, strict=True) if pair[1].step == "submit"]
        specs = self.specs([song for song, _ in due], [decision for _, decision in due])
        return run_sync(refusal_of(specs, self._options.conn_id))

    def reused(self, song: SongAttempt, decision: Decision) -> Take | None:
        """Return what another task paid for as a take of this one, None where there is nothing to hand out now; blocks.

        :raises RecordError: what other tasks say of the request cannot be read.
        """
        if self._reuse is None or decision.step != "submit":
            return None
        from airflow_provider_music.generation.reuse import take_up_at_once

        spec = self._reuse.within(song.spec(decision), song.request)
        return run_sync(take_up_at_once(spec, song.record))

    def _quotes(self, songs: Sequence[SongAttempt]) -> list[Quote]:
        """Return the most that each song can cost; requested once."""
        if not all(id(song) in self._quoted for song in songs):
            from airflow_provider_music.cost.budget import quotes_of

            quotes = quotes_of(sync_client_of(self._options.conn_id), [song.request for song in songs])
            self._quoted |= {id(song): quote for song, quote in zip(songs, quotes, strict=True)}
        return [self._quoted[id(song)] for song in songs]

    @functools.cached_property
    def _shared(self) -> SharedBudget | None:
        if not self._options.budget:
            return None
        from airflow_provider_music.generation.shared_budget import SharedBudget

        return SharedBudget.of(self._options, settings_of(self._options.conn_id))

    @functools.cached_property
    def _reuse(self) -> Reuse | None:
        if self._options.reuse_age is None:
            return None
        from airflow_provider_music.generation.reuse import Reuse

        return Reuse.of(self._options, settings_of(self._options.conn_id))


def settle(take: Take) -> None:
    """Write down what a take's reservation in a shared budget came to, if it has one; blocks, and fails nothing."""
    if take.facts.get("intent", {}).get("budget"):
        from airflow_provider_music.generation.reservation import settle_reservation

        settle_reservation(take)


class BatchSpending(Spending):
    """The bounds of a batch: its own limit and what the account holds, too.

    :param check_balance: whether the account is asked whether it can pay.
    """

    def __init__(self, options: GenerationOptions, *, check_balance: bool) -> None:
        super().__init__(options)
        self._check_balance = check_balance

    def check(self) -> None:
        """Refuse bounds that cannot be, ``max_usd`` among them."""
        super().check()
        _ = self._own

    def refusal(self, songs: Sequence[SongAttempt], decisions: Sequence[Decision]) -> MusicError | None:
        """Return why the requests that are due now must not be sent, or None where they may; blocks.

        :raises RecordError: what was spent cannot be read.
        :raises OutputError: the same, of the shared budget.
        """
        due = [song for song, decision in zip(songs, decisions, strict=True) if decision.step == "submit"]
        refused: MusicError | None = None
        if due and self._own is not None:
            refused = self._own.refusal(sync_client_of(self._options.conn_id), songs, decisions)
        if due and refused is None and self._check_balance and self._reuse is None:
            from airflow_provider_music.generation.shared_budget import not_payable

            refused = not_payable(sync_client_of(self._options.conn_id), lambda: self._quotes(due))
        return refused or (self.has_no_room(songs, decisions) if due else None)

    @functools.cached_property
    def _own(self) -> Budget | None:
        return budget_of(self._options)
