# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Pays a request from a shared budget: reserved before its claim, used just before it leaves, settled by its outcome.

A process may die at any of these steps. Whoever finds a budget without room settles what such processes left: by the
song's record where it is to be seen, else by the API's usage log. Where neither says anything, the amount stays
reserved.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.budgets import end_of_period, period_of
from airflow_provider_music.cost.ledger import Ledger
from airflow_provider_music.exceptions import BudgetExceededError, MusicError, OutputError, RecordError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.reserved_requests import cost_of, settle_open
from airflow_provider_music.generation.submit import Submission
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.storage.threads import connect_store, in_thread

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Iterable, Mapping

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

#: One at a time in a process: songs of a batch would only take each other's numbers.
_turns: weakref.WeakKeyDictionary[AbstractEventLoop, dict[str, asyncio.Lock]] = weakref.WeakKeyDictionary()


class BudgetedSubmission(Submission):
    """The request of one take, paid from a shared budget.

    Beside what a submission raises: BudgetExceededError, where the budget has no room; nothing was claimed or sent.
    """

    async def _claim_and_post(self, client: MusicClient) -> Take | None:
        if self._spec.budget is not None:
            self._spec = await reserved(self._spec, client)
        return await super()._claim_and_post(client)

    async def _about_to_send(self, take: Take) -> Take | None:
        budget = take["intent"].get("budget")
        if budget is None:
            return await super()._about_to_send(take)
        ledger = Ledger(budget["ledger"])
        try:
            is_ours = await in_thread(ledger.use, budget["entry"])
        except OutputError as exc:
            raise RecordError(str(exc)) from exc
        if is_ours:
            return await super()._about_to_send(take)
        # Another process took this one for gone, and the amount is promised to others by now.
        reason = "its reservation in the budget was given up by another process before the request was sent"
        failed = {"sent": False, "abandoned": True, "error": "ApiUnreachableError", "reason": reason}
        await self._write(take, "failed", **failed)
        return None

    async def _post(self, client: MusicClient, take: Take, request_id: str) -> Take:
        take = await super()._post(client, take, request_id)
        if take.state == "failed":
            # Its next take reserves for itself.
            await in_thread(settle_reservation, take)
        return take


async def reserved(spec: GenerationSpec, client: MusicClient) -> GenerationSpec:
    """Reserve what a spec's request can cost, and return it with its reservation.

    :raises BudgetExceededError: the budget has no room; nothing is reserved.
    :raises OutputError: its ledger cannot be read or written.
    """
    budget, usd = dict(spec.budget or {}), _usd(spec)
    ledger, now = await _ledger(budget)
    values = {
        **{name: getattr(spec, name) for name in ("record_url", "n", "lane", "conn_id", "task")},
        "account": client.settings.account,
        "model": spec.model,
    }

    def reserve() -> int | None:
        return ledger.reserve(item_of(spec), usd, Decimal(budget["limit"]), **values)

    async with _turn(ledger.url):
        entry = await in_thread(reserve)
        if entry is None and await settle_open(ledger, client, spec.key):
            entry = await in_thread(reserve)
        if entry is None:
            raise exceeded(budget, usd, (await in_thread(ledger.state)).usd, now)
    log.info("Reserved %s USD of the budget %s, entry %d in %s", usd, budget["name"], entry, ledger.url)
    return replace(spec, budget={**budget, "ledger": ledger.url, "entry": entry})


async def refusal_of(specs: Iterable[GenerationSpec], conn_id: str) -> BudgetExceededError | None:
    """Return why requests cannot be paid as the budget stands now, None where they can. Nothing is reserved.

    :raises OutputError: the ledger cannot be read.
    """
    due = {item_of(spec): spec for spec in specs}
    budget: Mapping[str, Any] = next((spec.budget for spec in due.values() if spec.budget), {})
    if not budget:
        return None
    try:
        costs = {item: _usd(spec) for item, spec in due.items()}
    except BudgetExceededError as exc:
        return exc
    client, (ledger, now) = await client_of(conn_id), await _ledger(budget)
    for may_settle in (True, False):
        state = await in_thread(ledger.state)
        known = {one.item for one in state.promised.values()}
        missing = sum((usd for item, usd in costs.items() if item not in known), Decimal())
        if state.usd + missing <= Decimal(budget["limit"]):
            return None
        if not may_settle or not await settle_open(ledger, client, None):
            break
    return exceeded(budget, missing, state.usd, now)


def settle_reservation(take: Take) -> None:
    """Write down what a take's reservation came to, where that is known by now; blocks, and fails nothing."""
    budget = take.facts.get("intent", {}).get("budget") or {}
    if not budget.get("entry"):
        return
    usd = cost_of(take)
    if usd is None and "completed" in take:
        usd, why = Decimal(str(budget["usd"])), "delivered; the API does not say what it cost"
    elif usd is not None:
        why = f"by its record: {take.state}"
    else:
        return
    try:
        Ledger(budget["ledger"]).settle(budget["entry"], usd, why)
    except MusicError as exc:
        log.warning("The budget %s keeps what was reserved until another task settles it: %s", budget["name"], exc)


def item_of(spec: GenerationSpec) -> str:
    """Return by which name a ledger knows a spec's request: that of its song, and the take."""
    return f"{spec.key}-{spec.n}"


def exceeded(budget: Mapping[str, Any], due: Decimal, spent: Decimal, now: datetime) -> BudgetExceededError:
    """Make the error of a request that a budget has no room for.

    :param due: the most that it can cost.
    :param spent: what is spent of the budget, or reserved for requests that are under way.
    """
    ends = end_of_period(budget["per"], now)
    return BudgetExceededError(
        f"budget {budget['name']}: of {budget['limit']} USD a {budget['per']}, {spent} USD are spent or reserved, and "
        f"this would take up to {due} USD. Nothing was sent. Clear the task after {ends:%Y-%m-%d %H:%M} UTC; or raise "
        "the budget where it is defined ([music] budgets, or the connection's extra budgets) and clear it.",
        retry_after=max((ends - now) / timedelta(seconds=1), 0.0),
    )


def _usd(spec: GenerationSpec) -> Decimal:
    budget = spec.budget or {}
    if budget.get("usd") is not None:
        return Decimal(str(budget["usd"]))
    raise BudgetExceededError(
        f"budget {budget.get('name')}: what a song of {spec.model} can cost is not known: {budget.get('why')}. Nothing "
        "was sent. Clear the task once the price is known, or give on_unknown_price='allow' to submit without a "
        "reservation."
    )


async def _ledger(budget: Mapping[str, Any]) -> tuple[Ledger, datetime]:
    """Return the ledger of the period that it is now, and the time."""
    await connect_store(budget["url"])
    now = datetime.fromtimestamp(runtime.now(), UTC)
    return await in_thread(Ledger, f"{budget['url']}/{period_of(budget['per'], now)}"), now


def _turn(url: str) -> asyncio.Lock:
    locks = _turns.setdefault(asyncio.get_running_loop(), {})
    return locks.setdefault(url, asyncio.Lock())
