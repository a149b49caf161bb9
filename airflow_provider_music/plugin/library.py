# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The songs of all DAGs that a user may read: pages of the XComs that our operators pushed, the newest first.

Airflow's database is asked, not storage: a page costs two queries and no request to a store, however many songs there
are. A page begins where the former ended (by time), so the thousandth is as quick as the first.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, field_validator
from sqlalchemy import Text, and_, cast, or_, select, tuple_
from sqlalchemy.orm import aliased

from airflow_provider_music.plugin import words
from airflow_provider_music.plugin.listen_link import OPERATORS
from airflow_provider_music.plugin.server import TaskInstance, XComModel, create_session
from airflow_provider_music.plugin.task_facts import RETURNED, returned_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAGE = 50
#: Of songs that are not in storage, the newest; there are few at a time.
MOST_OPEN = 200
_URI_KEYS = ("record_uri", "manifest_uri")
_DETAIL_KEYS = (RETURNED, "audio", "usage", "model", "generation_id", "audio_uri")
_OF_OURS = re.compile(r".+/((completed|accepted)\.json|manifest-try-[1-9][0-9]*\.jsonl)")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_WAITING = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "restarting")
_STATES: dict[str, tuple[str, ...]] = {"waiting": _WAITING, "failed": ("failed",)}
_NAMES = tuple(path.rpartition(".")[2] for path in OPERATORS)


class Filters(BaseModel):
    """What a page of the library is asked for; each as it stands in the page's form."""

    dag: str = Field("", max_length=250)
    model: str = Field("", max_length=200)
    state: Literal["ready", "waiting", "failed"] = "ready"
    since: str = ""
    until: str = ""
    q: str = Field("", max_length=256)
    after: str = Field("", max_length=2000)

    @field_validator("since", "until")
    @classmethod
    def _a_day(cls, value: str) -> str:
        """Take a day, or nothing for whatever is none: half of a date is what a form holds while somebody types."""
        return value if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) and words.moment(value) else ""

    @property
    def active(self) -> dict[str, str]:
        """Those that are set, for the address of the next page."""
        values = {name: getattr(self, name).strip() for name in ("dag", "model", "since", "until", "q")}
        return {name: value for name, value in {**values, "state": self.state}.items() if value}


@dataclass(frozen=True, slots=True)
class Row:
    """One task instance that made a song, or a batch of them."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    when: datetime | None
    state: str
    result: Mapping[str, Any]

    @property
    def audio(self) -> Mapping[str, Any]:
        """What its file is."""
        found = self.result.get("audio")
        return found if isinstance(found, dict) else {}

    @property
    def model(self) -> str:
        """The model of its request; of a batch, how many songs it has."""
        if "manifest_uri" in self.result:
            return f"{self.result.get('delivered')} of {self.result.get('requested')} songs"
        return words.text(self.result.get("model") or "")

    @property
    def usd(self) -> Any:
        """What it cost, where the API said it."""
        usage = self.result.get("usage")
        return usage.get("usd_spent") if isinstance(usage, dict) else None


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """Rows, and where the next page begins."""

    rows: tuple[Row, ...]
    after: str | None = None

    @property
    def usd(self) -> float:
        """Sum of what the page's songs cost."""
        return sum(row.usd for row in self.rows if isinstance(row.usd, int | float))


def read_page(dags: set[str], filters: Filters) -> LibraryPage:
    """Return one page of the library; blocks.

    :param dags: whose songs the user may see; nothing else is read.
    """
    if not dags or (filters.dag and filters.dag not in dags):
        return LibraryPage(())
    chosen = {filters.dag} if filters.dag else dags
    if filters.state != "ready":
        return _open_page(chosen, filters)
    statement = _delivered(chosen, filters).order_by(*(column.desc() for column in _order())).limit(PAGE + 1)
    with create_session(scoped=False) as session:
        found = session.execute(statement).all()
        shown = found[:PAGE]
        details = _details(session, shown) if shown else {}
    rows = [_row(one, details.get(_names_of(one), {})) for one in shown if _is_ours(one)]
    return LibraryPage(tuple(rows), _cursor(shown[-1]) if len(found) > PAGE else None)


def _delivered(dags: set[str], filters: Filters) -> Any:
    columns = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)
    statement = select(*columns, XComModel.timestamp, XComModel.value).where(*conditions(dags, filters))
    after = _read_cursor(filters.after)
    if after is None:
        return statement
    moment, *names = after
    return statement.where(
        or_(XComModel.timestamp < moment, and_(XComModel.timestamp == moment, tuple_(*columns) < tuple_(*names)))
    )


def conditions(dags: set[str], filters: Filters) -> list[Any]:
    """Return what chooses the rows of songs, for a query that selects from XComs."""
    found: list[Any] = [XComModel.key.in_(_URI_KEYS), XComModel.dag_id.in_(dags)]
    if filters.since:
        found.append(XComModel.timestamp >= words.moment(filters.since))
    if filters.until and (end := words.moment(filters.until)):
        found.append(XComModel.timestamp < end + timedelta(days=1))
    if model := filters.model.strip():
        found.append(_pushed("model", lambda value: value == json.dumps(model)))
    if query := filters.q.strip():
        if _SHA256.fullmatch(query):
            found.append(_pushed("audio", lambda value: value.contains(query.lower(), autoescape=True)))
        else:
            found.append(_pushed("generation_id", lambda value: value == json.dumps(query)))
    return found


def _pushed(key: str, holds: Any) -> Any:
    """Return the condition that a task pushed a value under a key; it is compared as the text of its JSON."""
    other = aliased(XComModel)
    return (
        select(other.key).where(same_task(XComModel, other), other.key == key, holds(cast(other.value, Text))).exists()
    )


def same_task(one: Any, other: Any) -> Any:
    """Return the condition that two XComs are of one task instance."""
    return and_(*(getattr(one, name) == getattr(other, name) for name in ("dag_id", "task_id", "run_id", "map_index")))


def _order() -> tuple[Any, ...]:
    return (XComModel.timestamp, XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)


def _details(session: Any, found: Sequence[Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Read what the page's tasks returned. Four lists are more than those tasks, and what an index takes."""
    names = ("dag_id", "run_id", "task_id", "map_index")
    columns = [getattr(XComModel, name) for name in names]
    within = [getattr(XComModel, name).in_({getattr(one, name) for one in found}) for name in names]
    statement = select(*columns, XComModel.key, XComModel.value).where(*within, XComModel.key.in_(_DETAIL_KEYS))
    by_task: dict[tuple[Any, ...], list[tuple[str, Any]]] = {}
    for row in session.execute(statement):
        by_task.setdefault(_names_of(row), []).append((row.key, row.value))
    return {task: returned_of(values) for task, values in by_task.items()}


def _open_page(dags: set[str], filters: Filters) -> LibraryPage:
    """Return the tasks of ours that wait or failed; no XCom is there to find them by."""
    table = TaskInstance
    chosen: list[Any] = [
        table.state.in_(_STATES[filters.state]),
        table.operator.in_(_NAMES),
        table.dag_id.in_(dags),
    ]
    if filters.since:
        chosen.append(table.start_date >= words.moment(filters.since))
    if filters.until and (end := words.moment(filters.until)):
        chosen.append(table.start_date < end + timedelta(days=1))
    columns = (table.dag_id, table.run_id, table.task_id, table.map_index, table.start_date, table.state)
    with create_session(scoped=False) as session:
        statement = select(*columns).where(*chosen).order_by(table.start_date.desc()).limit(MOST_OPEN)
        found = session.execute(statement).all()
    return LibraryPage(
        tuple(
            Row(one.dag_id, one.run_id, one.task_id, one.map_index, one.start_date, _text(one.state), {})
            for one in found
        )
    )


def _row(one: Any, result: Mapping[str, Any]) -> Row:
    state = "accepted" if _uri(one).endswith("/accepted.json") else "ready"
    return Row(one.dag_id, one.run_id, one.task_id, one.map_index, one.timestamp, state, result)


def _is_ours(one: Any) -> bool:
    """Whether the value is one of ours: anybody may push an XCom of that name."""
    return _OF_OURS.fullmatch(_uri(one)) is not None


def _uri(one: Any) -> str:
    return str(one.value).strip('"')


def _names_of(one: Any) -> tuple[Any, ...]:
    return one.dag_id, one.run_id, one.task_id, one.map_index


def _text(state: Any) -> str:
    return str(getattr(state, "value", state))


def _cursor(one: Any) -> str:
    place = [one.timestamp.isoformat(), *_names_of(one)]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_cursor(text: str) -> Iterable[Any] | None:
    """Read where a page begins; None for the first, and for what is no place."""
    try:
        moment, dag_id, run_id, task_id, map_index = json.loads(base64.urlsafe_b64decode(text.encode()))
        when = words.moment(str(moment))
        return None if when is None else (when, str(dag_id), str(run_id), str(task_id), int(map_index))
    except (ValueError, TypeError):
        return None
