# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one task of a DAG in a plain test function: no scheduler, no triggerer, no metadata database, no DAGs folder.

    result = run_task(dag.get_task("song"), xcoms={"upload": {"voice_id": "vocal-1"}}, context={"ds": "2026-11-01"})

It does for the task what Airflow's task runner and triggerer do: fields are rendered, ``execute`` runs, and where the
task defers, its trigger goes through its serialised form, waits in an event loop, and the task resumes on a fresh copy.
Waits are skipped: the clock moves on instead. With the fixture ``run_music_task`` of
:mod:`airflow_provider_music.sandbox.fixtures` the API is the sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

import pendulum

from airflow_provider_music import compat
from airflow_provider_music.compat import TaskDeferred
from airflow_provider_music.generation import runtime
from airflow_provider_music.hooks.clients import close_clients

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RETURN_KEY = "return_value"
_START = datetime(2026, 11, 1, tzinfo=UTC)
#: What a skipped wait really takes, so that a sandbox in a thread of this process gets its turn.
_REAL_SECONDS = 0.002


def run_task(
    task: Any, *, xcoms: Mapping[str, Any] | None = None, context: Mapping[str, Any] | None = None, map_index: int = -1
) -> Any:
    """Run a task in a run of its own, its deferred half included, and return what it would push to XCom.

    The task itself stays as it is. Call it outside of a running event loop. For retries and clears of one task instance
    there is :class:`TaskRunner`.

    :param task: an operator, a sensor, a mapped one of either, or what a ``@task`` function returned.
    :param xcoms: what the upstream tasks returned, by task id; of a mapped one the list.
    :param context: of the templates, beside what every task has (``ds``, ``run_id``, ``params``, ...), or in place of
        it; ``ds`` and its like are made from ``logical_date``.
    :param map_index: which one, of a mapped task.
    :raises KeyError: the task takes the XCom of a task that is not in ``xcoms``.
    :raises Exception: what the task raises.
    """
    runner = TaskRunner(f"test__{uuid.uuid4().hex[:12]}", map_index, xcoms=xcoms or {}, more_context=context or {})
    return runner.run(task)


@dataclass
class TaskRunner:
    """Runs the tries of a task instance, one after the other, as Airflow does.

    ``run`` is one try; between two tries say what happened: ``retry``, ``reschedule``, ``clear`` or
    ``create_again``.

    :param max_tries: the task's retries, and one.
    :param xcoms: as of :func:`run_task`.
    :param more_context: as ``context`` of :func:`run_task`.
    :param skip_waits: False waits as long as the task and its trigger do.
    :param deferrals: class path and arguments of each trigger so far.
    :param events: what these triggers sent.
    :param pushed: XComs that the tasks pushed themselves, by key.
    """

    run_id: str = "scheduled__2026-11-01T00:00:00+00:00"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 2
    run_started_at: datetime = _START
    clear_number: int = 0
    reschedules: int = 0
    xcoms: Mapping[str, Any] = field(default_factory=dict)
    more_context: Mapping[str, Any] = field(default_factory=dict)
    skip_waits: bool = True
    deferrals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    pushed: dict[str, Any] = field(default_factory=dict)

    def run(self, task: Any) -> Any:
        """Run one try, from ``execute`` to its end, and return its result."""
        task = getattr(task, "operator", task)
        with self._waits():
            try:
                ready, context = self._prepared(task)
                with compat.set_current_context(cast("Any", context)):
                    return ready.execute(context, **_sentinel_for(ready))
            except TaskDeferred as deferred:
                return self._resumed(task, deferred)

    def resume(self, task: Any, deferred: TaskDeferred) -> Any:
        """Run a try from its deferral on: the trigger, then the method that it named, on a fresh copy of the task."""
        with self._waits():
            return self._resumed(task, deferred)

    def retry(self) -> None:
        """Let the next ``run`` be a retry."""
        self.try_number += 1

    def reschedule(self) -> None:
        """Let the next ``run`` be the same try again, put off by a retry policy (Airflow 3.4)."""
        self.reschedules += 1

    def clear(self, retries: int = 2) -> None:
        """Let the next ``run`` be the one after a person cleared the task, which raises ``max_tries``."""
        self.max_tries = self.try_number + retries
        self.try_number += 1
        # The run goes on anew.
        self.clear_number += 1
        self.run_started_at += timedelta(hours=1)

    def create_again(self) -> None:
        """Let the next ``run`` be in a run of the same id, created after a person deleted this one."""
        self.try_number, self.max_tries, self.clear_number = 1, 2, 0
        self.run_started_at += timedelta(hours=1)

    def context(self, task: Any) -> dict[str, Any]:
        """Return the context that a task is run with."""
        dag, date = task.get_dag(), pendulum.instance(self.more_context.get("logical_date", _START))
        ti = TaskInstanceStub(self, task, dag.dag_id if dag is not None else "dag")
        run = DagRunStub(self.run_id, ti.dag_id, self.run_started_at, self.clear_number, date)
        params = {name: params[name] for params in (getattr(dag, "params", {}), task.params) for name in params}
        variables = {
            "value": compat.VariableAccessor(deserialize_json=False),
            "json": compat.VariableAccessor(deserialize_json=True),
        }
        return {
            **dict.fromkeys(("ti", "task_instance"), ti),
            **dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end"), date),
            "ds": date.to_date_string(),
            "ds_nodash": date.format("YYYYMMDD"),
            "ts": date.isoformat(),
            "ts_nodash": date.format("YYYYMMDD[T]HHmmss"),
            "task": task,
            "dag": dag,
            "dag_run": run,
            "run_id": self.run_id,
            "task_reschedule_count": self.reschedules,
            "macros": compat.template_macros(),
            "var": variables,
            "conn": compat.ConnectionAccessor(),
            **self.more_context,
            "params": {**params, **self.more_context.get("params", {})},
        }

    def xcom(self, task_id: str, key: str = _RETURN_KEY) -> Any:
        """Return the XCom of an upstream task.

        :raises KeyError: there is none.
        """
        if task_id not in self.xcoms:
            raise KeyError(f"The task takes the XCom of {task_id!r}: give xcoms={{{task_id!r}: <what it returned>}}.")
        value = self.xcoms[task_id]
        return value if key == _RETURN_KEY else value[key]

    async def fire(self, trigger: Any) -> Any:
        """Wait for a trigger's event, and return its content."""
        try:
            async with contextlib.aclosing(trigger.run()) as events:
                async for event in events:
                    return event.payload
        finally:
            await close_clients()
        raise RuntimeError(f"{type(trigger).__name__} ended without an event: the task would wait for ever.")

    def _resumed(self, task: Any, deferred: TaskDeferred) -> Any:
        path, arguments = deferred.trigger.serialize()
        self.deferrals.append((path, arguments))
        event = asyncio.run(self.fire(type(deferred.trigger)(**arguments)))
        self.events.append(event)
        ready, context = self._prepared(task)
        try:
            with compat.set_current_context(cast("Any", context)):
                return getattr(ready, deferred.method_name)(context, event=event, **(deferred.kwargs or {}))
        except TaskDeferred as again:
            return self._resumed(task, again)

    def _prepared(self, task: Any) -> tuple[Any, dict[str, Any]]:
        """Return a copy of a task with its fields rendered, and its context."""
        context = self.context(task)
        is_mapped = hasattr(task, "expand_input")
        if is_mapped and self.map_index < 0:
            raise ValueError(f"{task.task_id} is a mapped task: say which one with map_index=0.")
        ready = task if is_mapped else copy.copy(task)
        with _resolving(self), compat.task_session():
            ready.render_template_fields(context)
        # Of a mapped one: Airflow leaves the task that it made there.
        ready = context["ti"].task if is_mapped else ready
        context["task"] = context["ti"].task = ready
        if getattr(ready, "mode", None) == "reschedule":
            # A reschedule is for a scheduler; on 2.11 it reads the database.
            ready.mode = "poke"
        return ready, context

    @contextlib.contextmanager
    def _waits(self) -> Iterator[None]:
        if not self.skip_waits:
            yield
            return
        skipped = 0.0
        now, monotonic = runtime.now, runtime.monotonic

        async def sleep(seconds: float) -> None:
            nonlocal skipped
            skipped += seconds
            await asyncio.sleep(min(seconds, _REAL_SECONDS))

        with mock.patch.multiple(
            runtime, now=lambda: now() + skipped, monotonic=lambda: monotonic() + skipped, sleep=sleep
        ):
            yield


class TaskInstanceStub:
    """What a task may ask of its task instance."""

    def __init__(self, runner: TaskRunner, task: Any, dag_id: str) -> None:
        self.dag_id = dag_id
        self.run_id = runner.run_id
        self.task_id = task.task_id
        self.map_index = runner.map_index
        self.try_number = runner.try_number
        self.max_tries = runner.max_tries
        self.task = task
        self._runner = runner

    def xcom_pull(self, task_ids: Any = None, key: str = _RETURN_KEY, default: Any = None, **_: Any) -> Any:
        """Return the XCom of a task, or of each of a list; ``default`` where there is none."""
        if isinstance(task_ids, list | tuple | set):
            return [self.xcom_pull(each, key, default) for each in task_ids]
        try:
            return self._runner.xcom(str(task_ids), key)
        except KeyError:
            return default

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        """Keep an XCom in the runner's ``pushed``."""
        self._runner.pushed[key] = value


@dataclass
class DagRunStub:
    """What a task may ask of its run."""

    run_id: str
    dag_id: str
    start_date: datetime
    clear_number: int
    logical_date: datetime
    conf: dict[str, Any] = field(default_factory=dict)
    run_type: str = "scheduled"


@contextlib.contextmanager
def _resolving(runner: TaskRunner) -> Iterator[None]:
    """Let references to upstream tasks give what the test gave, where Airflow would ask its API or database."""
    of_class = compat.PlainXComArg

    def resolve(self: Any, context: Any = None, *_: Any, **__: Any) -> Any:
        del context
        return runner.xcom(self.operator.task_id, self.key)

    def length(self: Any, *_: Any, **__: Any) -> int:
        return len(resolve(self))

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(of_class, "resolve", resolve))
        if hasattr(of_class, "get_task_map_length"):
            stack.enter_context(mock.patch.object(of_class, "get_task_map_length", length))
        yield


def _sentinel_for(task: Any) -> dict[str, Any]:
    sentinel = compat.task_runner_sentinel()
    return {} if sentinel is None else {f"{type(task).__name__}__sentinel": sentinel}
