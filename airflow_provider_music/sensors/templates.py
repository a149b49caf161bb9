# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Templates rendered in the triggerer: only those that surely come out as they would on a worker.

Airflow 3.3.2's own rendering there does not: a name that it does not know comes out empty, the DAG's own macros
are such names, and a call that the triggerer does not serve is never answered (``xcom_pull`` without
``map_indexes`` is one). So here a template sees the run and plain XComs and no more, and any doubt is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = (
    *("run_id", "dag_run", "params", "macros", "logical_date", "ds", "ds_nodash"),
    *("ts", "ts_nodash", "ts_nodash_with_tz", "data_interval_start", "data_interval_end"),
)


class CannotRenderError(Exception):
    """Only a worker can render this."""


def render(value: Any, context: Mapping[str, Any]) -> Any:
    """Render a string, or the strings in dicts and lists; blocks.

    :param context: Airflow's own, as it is in the triggerer.
    :raises CannotRenderError: a template needs more than is there.
    """
    if isinstance(value, dict):
        return {key: render(each, context) for key, each in value.items()}
    if isinstance(value, list):
        return [render(each, context) for each in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    names = {name: context[name] for name in _NAMES if name in context}
    names["ti"] = names["task_instance"] = _Pulls(context["ti"])
    try:
        return SandboxedEnvironment(undefined=StrictUndefined, cache_size=0).from_string(value).render(names)
    except Exception as exc:
        raise CannotRenderError(f"{value!r:.120}: {type(exc).__name__}: {exc}") from exc


class _Pulls:
    """As much of a task instance as the triggerer can serve: who it is, and XComs of tasks that are not mapped."""

    def __init__(self, ti: Any) -> None:
        self.dag_id, self.run_id, self.task_id = ti.dag_id, ti.run_id, ti.task_id
        self._pull = ti.xcom_pull

    def xcom_pull(self, task_ids: str, dag_id: str | None = None, key: str = "return_value") -> Any:
        """Return what a task of this run handed on; there has to be something."""
        if not isinstance(task_ids, str) or dag_id not in (None, self.dag_id):
            raise CannotRenderError(f"XComs of {task_ids!r} in {dag_id or self.dag_id!r}")
        # Without map_indexes Airflow 3.3.2 asks for a list, which the triggerer's supervisor never answers.
        found = self._pull(task_ids=task_ids, key=key, map_indexes=None)
        if found is None:
            raise CannotRenderError(f"task {task_ids!r} handed on no {key!r}, or it is mapped")
        return found
