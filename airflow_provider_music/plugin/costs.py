# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What songs cost, by DAG and model, summed by Airflow's database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Text, and_, cast, func, select
from sqlalchemy.orm import aliased

from airflow_provider_music.plugin import words
from airflow_provider_music.plugin.library import conditions, same_task
from airflow_provider_music.plugin.server import XComModel, create_session
from airflow_provider_music.plugin.task_facts import RETURNED

if TYPE_CHECKING:
    from airflow_provider_music.plugin.library import Filters


@dataclass(frozen=True, slots=True)
class Cost:
    """What a DAG's songs of one model cost; None where the API said it of none."""

    dag_id: str
    model: str
    songs: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """Sums by DAG and model, the dearest first, for the songs from one day to another."""

    rows: tuple[Cost, ...]
    since: str
    until: str

    @property
    def usd(self) -> float:
        """The sum of all."""
        return sum(row.usd or 0.0 for row in self.rows)

    @property
    def dearest(self) -> float:
        """Of one row: the length of a whole bar."""
        return max([row.usd or 0.0 for row in self.rows], default=0.0)


def costs(dags: set[str], filters: Filters) -> Costs:
    """Return what songs cost by DAG and model, by default since the first of this month; blocks.

    A generation that two tasks returned, its operator and a sensor behind it, counts once.
    """
    since = filters.since or f"{datetime.now(UTC):%Y-%m-01}"
    chosen = ({filters.dag} & dags) if filters.dag else dags
    if not chosen:
        return Costs((), since, filters.until)
    uri, result = XComModel, aliased(XComModel)
    usd = result.value["usage", "usd_spent"].as_float()
    model, generation = result.value["model"].as_string(), result.value["generation_id"].as_string()
    task = uri.run_id + "/" + uri.task_id + "/" + cast(uri.map_index, Text)
    each = (
        select(
            uri.dag_id.label("dag_id"),
            func.max(model).label("model"),
            func.max(usd).label("usd"),
            func.max(result.value["delivered"].as_integer()).label("delivered"),
        )
        .join(result, and_(same_task(uri, result), result.key == RETURNED))
        .where(*conditions(chosen, filters.model_copy(update={"since": since, "q": ""})))
        .group_by(uri.dag_id, func.coalesce(generation, task))
        .subquery()
    )
    songs = func.sum(func.coalesce(each.c.delivered, 1))
    statement = select(each.c.dag_id, each.c.model, songs, func.sum(each.c.usd)).group_by(each.c.dag_id, each.c.model)
    with create_session(scoped=False) as session:
        found = session.execute(statement).all()
    rows = (Cost(dag_id, words.text(model or "batches"), int(count), usd) for dag_id, model, count, usd in found)
    return Costs(tuple(sorted(rows, key=lambda row: (-(row.usd or 0.0), row.dag_id))), since, filters.until)
