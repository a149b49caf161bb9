# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The shared budget that a task names: its definition, where its ledger lies, and what the task's songs can cost.

Worked out by the worker in the first half of a try; what a reservation needs travels with the wait.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_music.api.budgets import BudgetDefinition, parse_budgets
from airflow_provider_music.api.naming import nearest
from airflow_provider_music.compat import conf
from airflow_provider_music.exceptions import MusicError, OutOfCreditsError, UnknownBudgetError
from airflow_provider_music.generation.folders import default_record_dir
from airflow_provider_music.storage.folder import safe_name
from airflow_provider_music.storage.location import location
from airflow_provider_music.storage.sharing import check_shared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.cost.budget import Client
    from airflow_provider_music.cost.pricing import Quote
    from airflow_provider_music.generation.attempt import GenerationOptions
    from airflow_provider_music.generation.spec import GenerationSpec

log = logging.getLogger(__name__)

#: No DAG's records have a folder of that name: see :func:`airflow_provider_music.storage.folder.safe_name`.
FOLDER = "_budgets"
_API_LENGTH = 8


@dataclass(frozen=True, slots=True)
class SharedBudget:
    """What the tasks that name it may spend together.

    :param url: folder of its ledgers, one a period. Of one API: a sandbox's dollars are not those of a bill.
    """

    definition: BudgetDefinition
    url: str
    allows_unpriced: bool

    @classmethod
    def of(cls, options: GenerationOptions, settings: MusicSettings) -> SharedBudget | None:
        """Find the budget that a task names, None where it names none.

        :raises UnknownBudgetError: there is none of that name; nothing was sent.
        :raises InvalidFolderError: the folder of its ledger cannot be meant.
        :raises StorageNotSharedError: that is a folder of this machine, and the task's tries run on others.
        """
        if options.budget is None:
            return None
        definition = _defined(str(options.budget), settings)
        given = definition.dir if definition.dir is not None else default_record_dir()
        name = f"dir of the budget {definition.name}" if definition.dir is not None else "[music] record_dir"
        root = location(given, name)
        check_shared(root, options.folders.executor, name)
        api = hashlib.sha256(settings.base_url.encode()).hexdigest()[:_API_LENGTH]
        url = f"{root.rstrip('/')}/{FOLDER}/{safe_name(definition.name)}~{api}"
        return cls(definition, url, options.on_unknown_price == "allow")

    def within(self, spec: GenerationSpec, quote: Quote | None) -> GenerationSpec:
        """Return a spec whose requests are paid from it.

        :param quote: the most that a request can cost; None where none is due.
        """
        definition, usd = self.definition, quote.usd if quote is not None else None
        if usd is None and quote is not None and self.allows_unpriced:
            log.warning("Budget %s: %s; nothing is reserved (on_unknown_price='allow')", definition.name, quote.why)
            usd = Decimal()
        said = {"name": definition.name, "url": self.url, "per": definition.per, "limit": str(definition.usd)}
        why = quote.why if quote is not None else "it was not requested"
        return replace(spec, budget={**said, "usd": str(usd) if usd is not None else None, "why": why})


def not_payable(client: Client, quotes: Callable[[], Sequence[Quote]]) -> OutOfCreditsError | None:
    """Return why the account cannot pay for requests, None where it can or nobody knows; blocks.

    It is advice: where balance or prices cannot be had, the requests are submitted, and the API says no itself.

    :param quotes: makes the most that each can cost; only where a balance is known.
    """
    from airflow_provider_music.api import endpoints

    try:
        balance = client.call(endpoints.billing())
    except MusicError as exc:
        log.warning("The account's balance is not known, so it is not checked: %s", exc)
        return None
    if balance.amount is None or balance.currency != "USD":
        return None
    costs = [quote.usd or Decimal() for quote in quotes()]
    due = sum(costs, Decimal())
    if due <= Decimal(repr(balance.amount)):
        return None
    return OutOfCreditsError(
        f"The account holds {balance.amount:.2f} USD, and the {len(costs)} songs to be submitted can cost {due} USD "
        "at today's prices. Nothing was sent. Top up and clear the task; or give check_balance=False to submit as many "
        "as the account pays for."
    )


def _defined(name: str, settings: MusicSettings) -> BudgetDefinition:
    configured, problems = parse_budgets(conf.get("music", "budgets", fallback="") or None)
    defined = {one.name: one for one in (*configured, *settings.budgets)}
    if name in defined:
        return defined[name]
    if problems:
        raise UnknownBudgetError([f"[music] budgets: {problem}" for problem in problems], f"The budget {name!r:.60}")
    near = nearest(name, tuple(defined))
    meant = f"did you mean {near}?" if near else f"defined are: {', '.join(sorted(defined)) or 'none'}."
    raise UnknownBudgetError(
        f"budget: no budget {name!r:.60} is defined; {meant} Define it in [music] budgets, or in the extra budgets of "
        f"the connection {settings.conn_id}: {name:.60} = 10 USD/day.",
        "The task",
    )
