# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One part of a deferred task in a process that nothing else has used: ``python -m one_song.half <JSON>``.

``first`` is ``execute`` on a worker, ``wait`` the trigger, ``second`` the method that Airflow resumes with.
Only what Airflow itself would call is used, so any state of the package can be measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from one_song.file_reads import FileReads
from one_song.import_times import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIGURES = "figures "
#: What a task's process has before the task's own work, on Airflow 3; its supervisor, from which it is forked, is one.
OF_AIRFLOW = (
    "airflow.sdk",
    "airflow_provider_music.compat",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.triggers.base",
)
_OPERATORS = "airflow_provider_music.operators.music"
#: The scheduler's grace for a worker that has just gone; a trigger made so long ago does not wait for it.
_EARLIER_SECONDS = 3600.0


def main(order: dict[str, Any]) -> None:
    """Do the part that ``order`` names, and print its figures as one line of JSON."""
    # As a worker logs: at INFO, and somebody writes the lines down.
    logging.basicConfig(level=logging.INFO, stream=open(os.devnull, "w"), force=True)  # noqa: SIM115, PTH123
    for name in OF_AIRFLOW:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    work = _wait(order) if order["part"] == "wait" else on_worker(order)
    figures: dict[str, Any] = {}
    with _measured(order, figures):
        outcome = work()
    print(FIGURES + json.dumps({**outcome, **figures}), flush=True)  # noqa: T201 - the line that the parent reads


def on_worker(order: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Return a half of the task, ready to be run."""
    from airflow_provider_music.compat import TaskDeferred

    operators = importlib.import_module(_OPERATORS)
    _check_tree(order, operators)
    task = operators.GenerateMusicOperator(**order["task"])
    context = _context(task.task_id, order["run_id"], order.get("map_index", -1))

    def first() -> dict[str, Any]:
        try:
            task.execute(context)
        except TaskDeferred as deferred:
            path, kwargs = deferred.trigger.serialize()
            return {"trigger": [path, kwargs], "method": deferred.method_name, "kwargs": deferred.kwargs or {}}
        raise AssertionError("the task did not wait")

    def second() -> dict[str, Any]:
        method = getattr(task, order["method"])
        return {"result": method(context, event=order["event"], **order["kwargs"])}

    return first if order["part"] == "first" else second


def _wait(order: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    path, kwargs = order["trigger"]
    module, name = path.rsplit(".", 1)
    found = importlib.import_module(module)
    _check_tree(order, found)
    trigger = getattr(found, name)(**long_ago(kwargs))
    return lambda: asyncio.run(fire(trigger))


async def fire(trigger: Any) -> dict[str, Any]:
    """Wait for a trigger's event."""
    events = trigger.run()
    try:
        return {"event": (await anext(events)).payload}
    finally:
        await events.aclose()


def long_ago(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Move a trigger's times of making (``..._at``, seconds since 1970) into the past."""
    return {
        name: value - _EARLIER_SECONDS if name.endswith("_at") and isinstance(value, int | float) else value
        for name, value in kwargs.items()
    }


def _context(task_id: str, run_id: str, map_index: int) -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="dag",
        run_id=run_id,
        task_id=task_id,
        map_index=map_index,
        try_number=1,
        max_tries=2,
        xcom_push=lambda **_: None,
        xcom_pull=lambda **_: None,
    )
    return {"ti": ti, "task_instance": ti, "run_id": run_id, "outlet_events": {}}


def _check_tree(order: dict[str, Any], module: Any) -> None:
    if not str(module.__file__).startswith(order["package"]):
        raise AssertionError(f"{module.__file__} is not of the measured tree")


@contextlib.contextmanager
def _measured(order: dict[str, Any], figures: dict[str, Any]) -> Iterator[None]:
    """Fill in CPU (seconds, all threads), wall-clock time, new modules, and what was read below ``folder``."""
    before = set(sys.modules)
    with contextlib.ExitStack() as stack:
        reads = FileReads(Path(order["folder"]))
        if order.get("count_files"):
            stack.enter_context(reads)
        if order.get("profile"):
            stack.enter_context(_profiled(order["profile"]))
        sys.stderr.write(MARK + "\n")
        sys.stderr.flush()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        figures.update(cpu=time.process_time() - cpu, wall=time.perf_counter() - wall)
    figures.update(
        modules=sorted(set(sys.modules) - before),
        opened=dict(reads.opened),
        listed=dict(reads.listed),
    )


@contextlib.contextmanager
def _profiled(path: str) -> Iterator[None]:
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        profile.dump_stats(path)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
