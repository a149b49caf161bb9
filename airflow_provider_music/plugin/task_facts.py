# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What Airflow's database knows of one task instance: where it stands, what it returned, what its words were."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_provider_music.plugin.server import RenderedTaskInstanceFields, TaskInstance, XComModel, create_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

#: States in which a task instance does nothing more by itself.
ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
RETURNED = "return_value"
#: Pushed key by key too. A task that pushes no return value is known by these.
_KEYS = (
    "audio_uri",
    "record_uri",
    "manifest_uri",
    "audio",
    "usage",
    "model",
    "status",
    "generation_id",
    "trace_id",
    "takes",
)


@dataclass(frozen=True, slots=True)
class TaskKey:
    """Names of a task instance, as they stand in the path of its page."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """One task instance.

    :param returned: what its XComs hold of a song or a batch; empty until it returned.
    :param fields: its rendered template fields, the words of the request among them.
    """

    key: TaskKey
    state: str | None
    operator: str | None
    started: datetime | None
    ended: datetime | None
    returned: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self.state in ENDED


def read_task(key: TaskKey, *, with_fields: bool = True) -> TaskFacts | None:
    """Read a task instance; blocks. None where there is none.

    :param with_fields: read its rendered fields too, which may be long.
    """
    with create_session(scoped=False) as session:
        found = session.execute(_task(key)).first()
        if found is None:
            return None
        rows = session.execute(
            select(XComModel.key, XComModel.value).where(*_of(XComModel, key), XComModel.key.in_((RETURNED, *_KEYS)))
        ).all()
        fields = session.scalar(_fields(key, found.id)) if with_fields else None
    state = getattr(found.state, "value", found.state)
    # Names, not rows: a session that is closed reads nothing more.
    return TaskFacts(key, state, found.operator, found.start_date, found.end_date, returned_of(rows), fields or {})


def returned_of(rows: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Put together what a task returned from the rows of its XComs."""
    found = {key: plain(value) for key, value in rows}
    whole = found.pop(RETURNED, None)
    return {**found, **(whole if isinstance(whole, dict) else {})}


def plain(value: Any) -> Any:
    """Return an XCom's value as JSON has it. Nothing is made of it that a class would have to be loaded for."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _task(key: TaskKey) -> Any:
    # Iterations of a loop (Airflow 3.4) share all four names: the newest is shown.
    return (
        select(
            TaskInstance.id, TaskInstance.state, TaskInstance.operator, TaskInstance.start_date, TaskInstance.end_date
        )
        .where(*_of(TaskInstance, key))
        .order_by(TaskInstance.start_date.desc())
        .limit(1)
    )


def _fields(key: TaskKey, attempt_id: Any) -> Any:
    table = RenderedTaskInstanceFields
    # Since Airflow 3.4 they are of an attempt, not of a task instance.
    found = _of(table, key) if hasattr(table, "dag_id") else (table.task_instance_id == attempt_id,)
    return select(table.rendered_fields).where(*found).limit(1)


def _of(table: Any, key: TaskKey) -> tuple[Any, ...]:
    return (
        table.dag_id == key.dag_id,
        table.run_id == key.run_id,
        table.task_id == key.task_id,
        table.map_index == key.map_index,
    )
