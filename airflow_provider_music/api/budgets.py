# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Definitions of shared budgets, as ``[music] budgets`` and the connection's extra of that name have them.

Two forms: ``marketing = 10 USD/day; film = 200 USD/month``, and JSON, where an object may also name the folder of the
ledger: ``{"marketing": {"usd": 10, "per": "day", "dir": "s3://my_aws@bucket/money"}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

from airflow_provider_music.api.parsing import number_or_none

Per = Literal["day", "week", "month"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_AMOUNT = re.compile(r"\$?\s*([0-9]+(?:\.[0-9]+)?)\s*(?:USD|usd)?\s*(?:/|\bper\b)\s*([a-z]+)")
_FIX = 'write it as "marketing = 10 USD/day", or as JSON {"marketing": {"usd": 10, "per": "day"}}'
_FIELDS = ("usd", "per", "dir")


@dataclass(frozen=True, slots=True)
class BudgetDefinition:
    """What all tasks that name a budget may spend together.

    :param usd: US dollars in each period.
    :param per: the period, by UTC; a week is that of ISO 8601 and begins on Monday.
    :param dir: folder of its ledger; None is that of the records.
    """

    name: str
    usd: Decimal
    per: Per
    dir: str | None = None


def parse_budgets(value: Any) -> tuple[tuple[BudgetDefinition, ...], list[str]]:
    """Read definitions.

    :param value: text in either form, or the object of the second.
    :return: the definitions, and what is wrong with the others, one sentence each.
    """
    problems: list[str] = []
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return (), [f"{value!r:.100} is no JSON: {_FIX}"]
    if isinstance(value, str):
        value = _by_name(value, problems)
    if value is None:
        return (), []
    if not isinstance(value, Mapping):
        return (), [f"{value!r:.100} defines no budgets: {_FIX}"]
    found = [_definition(name, given, problems) for name, given in value.items()]
    return tuple(one for one in found if one is not None), problems


def period_of(per: str, moment: datetime) -> str:
    """Return the name of the period that a moment is in: ``2026-11-28``, ``2026-W48``, ``2026-11``."""
    moment = moment.astimezone(UTC)
    if per == "week":
        year, week, _ = moment.isocalendar()
        return f"{year}-W{week:02}"
    return f"{moment:%Y-%m-%d}" if per == "day" else f"{moment:%Y-%m}"


def end_of_period(per: str, moment: datetime) -> datetime:
    """Return when the period ends that a moment is in."""
    today = moment.astimezone(UTC).date()
    if per == "week":
        following = today + timedelta(days=7 - today.weekday())
    elif per == "day":
        following = today + timedelta(days=1)
    else:
        following = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime.combine(following, time(), UTC)


def _by_name(text: str, problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in re.split(r"[;,\n]", text):
        if not part.strip():
            continue
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if not equals:
            problems.append(f"{part.strip()!r:.100} has no '=': {_FIX}")
        elif name in found:
            problems.append(f"{name!r:.60} is defined twice")
        else:
            found[name] = amount
    return found


def _definition(name: Any, given: Any, problems: list[str]) -> BudgetDefinition | None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems.append(f"{name!r:.60} is no name of a budget: up to 60 letters, digits, dots, dashes and underscores")
        return None
    if isinstance(given, str):
        amount = _AMOUNT.fullmatch(given.strip())
        if amount is None:
            problems.append(f"{name}: {given!r:.60} is no amount and period: {_FIX}")
            return None
        given = {"usd": amount[1], "per": amount[2]}
    if not isinstance(given, Mapping) or set(given) - set(_FIELDS):
        problems.append(f"{name}: {given!r:.100} is no budget: give usd, per, and maybe dir; {_FIX}")
        return None
    usd, per, folder = number_or_none(given.get("usd")), given.get("per"), given.get("dir")
    wrong = []
    if usd is None or usd < 0:
        wrong.append(f"{name}: usd is {given.get('usd')!r:.60}: give US dollars of 0 or more")
    if per not in get_args(Per):
        wrong.append(f"{name}: per is {per!r:.60}: give day, week or month")
    if folder is not None and not isinstance(folder, str):
        wrong.append(f"{name}: dir is {folder!r:.60}: give a folder as output_dir takes it")
    problems += wrong
    return None if wrong else BudgetDefinition(name, Decimal(repr(usd)), per, folder)  # type: ignore[arg-type]
