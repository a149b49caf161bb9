# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How facts read on a page: lengths, sizes, sums, times and states. Words of a request lose what could sign a URL."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never

from airflow_provider_music.api.models import usual_seconds

if TYPE_CHECKING:
    from airflow_provider_music.plugin.task_facts import TaskFacts
    from airflow_provider_music.record.take import Fact, State, Take

#: A query or a fragment of a URL may be a key to it.
_URL_TAIL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s\"'<>?#]*)[?#][^\s\"'<>]*")
_LONGEST = 20_000
_KIB = 1024

FACT_NAMES: dict[Fact, str] = {
    "intent": "claimed",
    "sent": "request sent",
    "accepted": "accepted by the API",
    "completed": "in storage, verified",
    "failed": "failed",
    "unknown": "response lost",
    "changed": "a changed request was refused",
    "rejected": "rejected for its quality",
    "delivered": "returned by the task",
}
STATE_NAMES: dict[State, str] = {
    "open": "submitted",
    "accepted": "being made",
    "completed": "in storage",
    "failed": "failed",
    "unknown": "response lost",
    "delivered": "ready",
}
BILLING_NAMES = {"not_billed": "not billed", "billed": "billed", "may_be_billed": "may be billed"}


def state_name(take: Take) -> str:
    """Return where a take stands, for people; one that was not chosen from several is kept."""
    return "kept" if take.not_chosen else STATE_NAMES[take.state]


def text(value: Any) -> str:
    """Return a value as text without the queries of its URLs, and not without an end."""
    spelled = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    spelled = _URL_TAIL.sub(r"\1?…", spelled)
    return spelled if len(spelled) <= _LONGEST else f"{spelled[:_LONGEST]}…"


def length(milliseconds: Any) -> str:
    """Return a song's length: 2:05."""
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool):
        return ""
    seconds = round(milliseconds / 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def span(seconds: float | None) -> str:
    """Return how long something took: 42 s, 3 min 5 s."""
    if seconds is None:
        return ""
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"  # noqa: PLR2004 - two minutes


def size(number: Any) -> str:
    """Return a file's size: 3.1 MiB."""
    if not isinstance(number, int | float) or isinstance(number, bool):
        return ""
    if number < _KIB:
        return f"{number:.0f} B"
    number /= _KIB
    return f"{number:.0f} KiB" if number < _KIB else f"{number / _KIB:.1f} MiB"


def usd(value: Any) -> str:
    """Return a sum in US dollars; empty where nobody says it."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    return f"${value:,.4f}".rstrip("0").rstrip(".") if value and abs(value) < 1 else f"${value:,.2f}"


def moment(value: Any) -> datetime | None:
    """Return the time in a fact or a row, in UTC; None where there is none."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def when(value: Any) -> str:
    """Return a time for people, in UTC."""
    found = moment(value)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found else ""


def seconds_between(begin: Any, end: Any) -> float | None:
    """Return the time between two facts; None where one has none."""
    first, last = moment(begin), moment(end)
    return (last - first).total_seconds() if first and last else None


def progress(task: TaskFacts, take: Take | None, now: datetime) -> str:
    """Say in one sentence where a song stands."""
    if take is None:
        return _before_any_take(task)
    if task.is_over and task.state != "success" and take.state in ("open", "accepted", "completed"):
        return f"The task is {task.state}. Take {take.n} is not lost: a retry or a clear resumes it."
    match take.state:
        case "delivered":
            return "Ready."
        case "completed":
            return "In storage." if take.n == 0 else "In storage; the task has not returned it yet."
        case "failed":
            return f"Take {take.n} failed and is not billed."
        case "unknown":
            return f"The response to take {take.n} is lost; it {BILLING_NAMES[take.billing]}."
        case "open":
            return f"Take {take.n} is submitted. {_usually(take, now)}"
        case "accepted":
            return f"The API makes take {take.n}. {_usually(take, now)}"
        case _:
            assert_never(take.state)


def _before_any_take(task: TaskFacts) -> str:
    if task.state is None or task.state in ("scheduled", "queued"):
        return "The task has not begun."
    if task.is_over:
        return f"The task is {task.state}, and no song of it was found."
    return "Nothing was submitted yet, or its record cannot be seen from here."


def _usually(take: Take, now: datetime) -> str:
    usual = f"A song of {take.model} usually takes about {span(usual_seconds(take.model))}"
    began = moment(take.facts.get("intent", {}).get("written_at"))
    if began is None:
        return f"{usual}."
    return f"{usual}; this one was submitted {span(max(0.0, (now - began).total_seconds()))} ago."
