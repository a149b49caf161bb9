# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow around a song's tasks: a process a task, forked as LocalExecutor does, and what the database keeps of it.

A worker that died costs a try and the task begins anew; a triggerer that died costs none, and another runs the same
trigger from its arguments. Between its processes a task has what Airflow's database has: no more, no less.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
import time
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import told

from airflow_provider_music import compat
from airflow_provider_music.compat import AirflowFailException, TaskDeferred
from airflow_provider_music.testing import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

RETRIES = 2
RETRY_DELAY_SECONDS = 1.0
#: A task of a song, made of what the tasks before it returned.
Step = "Callable[[str, list[Any]], Any]"
_NEW = {"step": 0, "try": 1, "max_tries": RETRIES, "cleared": 0, "phase": "execute", "results": []}


class TaskFailedError(Exception):
    """A task has no tries left, or must not use them."""


def main(steps: Sequence[Callable[[str, list[Any]], Any]], path_of: Callable[[str, list[Any]], str]) -> None:
    """Run the songs' tasks side by side, and say what came of them."""
    told.STATE.mkdir(parents=True, exist_ok=True)
    children = [pid for song in told.SONGS if (pid := _fork(song, steps))]
    for pid in children:
        os.waitpid(pid, 0)
    delivered, failed = {}, {}
    for song in told.SONGS:
        kept = _load(song)
        if kept["step"] == len(steps):
            delivered[song] = path_of(song, kept["results"])
        else:
            failed[song] = kept.get("error", "the process ended")
    told.say(delivered, failed)


def _fork(song: str, steps: Sequence[Callable[[str, list[Any]], Any]]) -> int:
    if pid := os.fork():
        return pid
    with (told.STATE / f"{song}.log").open("a") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True)
        try:
            _live(song, steps)
        except TaskFailedError as error:
            _save(song, {**_load(song), "error": str(error)})
        except BaseException:  # noqa: BLE001 - nothing of the parent may run on in its child
            traceback.print_exc()
        sys.stderr.flush()
    os._exit(0)


def _live(song: str, steps: Sequence[Callable[[str, list[Any]], Any]]) -> None:
    kept = _load(song)
    if "error" in kept and told.BY_A_PERSON:
        del kept["error"]
        _clear(kept)
    elif "error" in kept or kept["step"] == len(steps):
        return
    elif kept.get("begun") and kept["phase"] != "trigger":
        _next_try(kept, "the worker died")
    while kept["step"] < len(steps):
        kept["begun"] = True
        _save(song, kept)
        try:
            _process(song, kept, steps[kept["step"]](song, kept["results"]))
        except AirflowFailException as error:
            raise TaskFailedError(f"{type(error).__name__}: {error}") from error
        except Exception as error:  # noqa: BLE001 - as Airflow does
            traceback.print_exc()
            _next_try(kept, f"{type(error).__name__}: {error}")
            time.sleep(RETRY_DELAY_SECONDS)
        _save(song, kept)


def _process(song: str, kept: dict[str, Any], task: Any) -> None:
    """Do what one process does: execute, the trigger, or the method to resume with."""
    runner = TaskRunner(song, skip_waits=False, try_number=kept["try"], max_tries=kept["max_tries"])
    runner.clear_number = kept["cleared"]
    runner.run_started_at += timedelta(hours=kept["cleared"])
    if kept["phase"] == "trigger":
        path, arguments = kept["trigger"]
        module, _, name = path.rpartition(".")
        trigger = getattr(importlib.import_module(module), name)(**arguments)
        kept.update(event=asyncio.run(runner.fire(trigger)), phase="resume", begun=False)
        return
    context: Any = runner.context(task)
    try:
        with compat.set_current_context(context):
            if kept["phase"] == "resume":
                method, more = kept["method"]
                result = getattr(task, method)(context, event=kept["event"], **more)
            else:
                result = task.execute(context)
    except TaskDeferred as deferred:
        trigger, method = deferred.trigger.serialize(), (deferred.method_name, deferred.kwargs or {})
        kept.update(trigger=trigger, method=method, phase="trigger", begun=False)
        return
    results = [*kept["results"], result]
    kept.update(results=results, step=kept["step"] + 1, phase="execute", begun=False, **{"try": 1})
    kept["max_tries"] = RETRIES


def _next_try(kept: dict[str, Any], why: str) -> None:
    if kept["try"] > kept["max_tries"]:
        raise TaskFailedError(why)
    kept.update(phase="execute", begun=False, **{"try": kept["try"] + 1})


def _clear(kept: dict[str, Any]) -> None:
    """A person clears the task: its tries begin anew."""
    kept.update(phase="execute", begun=False, max_tries=kept["try"] + RETRIES, cleared=kept["cleared"] + 1)
    kept["try"] += 1


def _path(song: str) -> Path:
    return told.STATE / f"{song}.json"


def _load(song: str) -> dict[str, Any]:
    path = _path(song)
    return dict(json.loads(path.read_text())) if path.exists() else {**_NEW, "results": []}


def _save(song: str, kept: dict[str, Any]) -> None:
    new = _path(song).with_suffix(".new")
    new.write_text(json.dumps(kept))
    os.replace(new, _path(song))  # noqa: PTH105
