# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that race for a shared budget, or to make one request, while some are killed: what was spent, who hangs.

``make race``; ARGS="--tasks 60 --usd 3 --seed 7", or ARGS="--reuse --tasks 50". Each try of a task is a process of its
own, as with Airflow. A part of them is killed with SIGKILL at a random moment; of these some are never tried again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-music-race-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

from soaking import let_threads_execute

from airflow_provider_music.cost.ledger import Ledger
from airflow_provider_music.generation import reconcile, reserved_requests, reuse, same_request
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.record import lease
from airflow_provider_music.sandbox.server import SpawnedSandbox
from airflow_provider_music.testing import TaskRunner
from airflow_provider_music.triggers import music as triggers

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

say = print
PRICE = Decimal("0.195")
_TRIES = 4
_LONGEST = 700.0
#: Imported before the fork, or each try would spend most of its time on it.
_WARM = ("generation.task", "generation.poll", "api.request", "api.models", "cost.budget", "hooks.clients", "api.ssrf")
_FORK = multiprocessing.get_context("fork")


@dataclass
class Task:
    """One task, and how it ended."""

    number: int
    tries: int = 0
    kills: int = 0
    outcome: str = ""


@dataclass
class Running:
    """A try of a task, in its process; killed at a moment, if at all."""

    task: Task
    process: BaseProcess
    kill_at: float | None
    began: float = field(default_factory=time.monotonic)


def main() -> int:
    """Run the race, print what came of it, and return 1 where too much was spent or somebody is stuck."""
    parser = argparse.ArgumentParser(prog="make race")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--usd", type=Decimal, default=Decimal(10))
    parser.add_argument("--kill", type=float, default=0.4, help="of the tries, that are killed")
    parser.add_argument("--leave", type=float, default=0.5, help="of the killed ones, that are not tried again")
    parser.add_argument("--abreast", type=int, default=24, help="processes at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reuse", action="store_true", help="all make the same request, with reuse='identical'")
    asked = parser.parse_args()
    _make_brisk()
    with tempfile.TemporaryDirectory(prefix="music-race-") as name, SpawnedSandbox("--delay", "0.2") as sandbox:
        folder = Path(name)
        os.environ["AIRFLOW_CONN_MUSIC_DEFAULT"] = sandbox.connection_json()
        os.environ["AIRFLOW__MUSIC__RECORD_DIR"] = str(folder / "records")
        os.environ["AIRFLOW__MUSIC__BUDGETS"] = f"race = {asked.usd} USD/month"
        sandbox.settings(balance=10_000.0, song_seconds=1.0, logs_per_minute=1_000_000)
        began = time.monotonic()
        tasks = Race(folder, asked).run()
        took = time.monotonic() - began
        report = _report_reuse if asked.reuse else _report
        return report(tasks, folder, sandbox, asked, took)


class Race:
    """All tasks, so many processes at once.

    :param folder: each task has an output folder of its own in it.
    """

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self._folder = folder
        self._asked = asked
        self._how = {"reuses": asked.reuse}
        self._random = random.Random(asked.seed)

    def run(self) -> list[Task]:
        """Have every task to its end."""
        tasks = [Task(number) for number in range(self._asked.tasks)]
        waiting, running = list(tasks), []
        while waiting or running:
            while waiting and len(running) < self._asked.abreast:
                running.append(self._start(waiting.pop(0)))
            time.sleep(0.005)
            for one in list(running):
                self._kill_where_due(one)
                if one.process.is_alive():
                    continue
                running.remove(one)
                one.process.join()
                self._ended(one, waiting)
        return tasks

    def _start(self, task: Task) -> Running:
        task.tries += 1
        process = _FORK.Process(target=attempt, args=(self._folder, task.number, task.tries), kwargs=self._how)
        process.start()
        due = self._random.random() < self._asked.kill and task.tries < _TRIES
        return Running(task, process, time.monotonic() + self._random.uniform(0, 3.0) if due else None)

    def _kill_where_due(self, one: Running) -> None:
        now = time.monotonic()
        if one.kill_at is not None and now >= one.kill_at and one.process.is_alive() and one.process.pid:
            os.kill(one.process.pid, signal.SIGKILL)
        if now - one.began > _LONGEST and one.process.is_alive() and one.process.pid:
            one.task.outcome = "stuck"
            os.kill(one.process.pid, signal.SIGKILL)

    def _ended(self, one: Running, waiting: list[Task]) -> None:
        task, told = one.task, self._folder / f"{one.task.number}-{one.task.tries}.json"
        if task.outcome == "stuck":
            return
        if told.exists():
            task.outcome = json.loads(told.read_text())
            return
        task.kills += 1
        if self._random.random() < self._asked.leave:
            task.outcome = "killed, not tried again"
        else:
            waiting.append(task)


def attempt(folder: Path, number: int, try_number: int, *, reuses: bool = False) -> None:
    """One try of a task, in a process of its own."""
    how: dict[str, Any] = {"prompt": f"a calm song of the sea, number {number}", "budget": "race"}
    task = GenerateMusicOperator(
        task_id="song",
        model="minimax/music-2.6",
        output_dir=str(folder / f"songs-{number}"),
        poll_interval=0.1,
        timeout=600,
        **({"prompt": "a calm song of the sea", "reuse": "identical"} if reuses else how),
    )
    outcome: Any
    try:
        result = TaskRunner(run_id=f"run-{number}", try_number=try_number, max_tries=9, skip_waits=False).run(task)
        outcome = "reused" if "reused" in result else str(result["status"])
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is counted by its name
        outcome = type(exc).__name__
    partial = folder / f".{number}-{try_number}.json"
    partial.write_text(json.dumps(outcome))
    partial.rename(folder / f"{number}-{try_number}.json")


def _make_brisk() -> None:
    logging.disable(logging.CRITICAL)
    for name in _WARM:
        importlib.import_module(f"airflow_provider_music.{name}")
    triggers.HOLD_BACK_SECONDS = 0.0
    reconcile._WATCH_SECONDS = 0.05
    lease.SILENCE_SECONDS = 1.0
    # In place of a minute and three hours.
    reserved_requests.UNUSED_SECONDS = 2.0
    reserved_requests.NO_ROW_SECONDS = same_request.NO_ROW_SECONDS = 6.0
    same_request.UNUSED_SECONDS = same_request.COMPLETED_SECONDS = same_request.ACCEPTED_SECONDS = 2.0
    same_request.USUAL_TIMES, same_request._LOG_SECONDS, reuse._LONGEST_PAUSE = 0, 1.0, 3.0
    let_threads_execute()


def _report(tasks: list[Task], folder: Path, sandbox: SpawnedSandbox, asked: argparse.Namespace, took: float) -> int:
    outcomes = Counter(task.outcome for task in tasks)
    billed = _billed(sandbox)
    (url,) = (folder / "records" / "_budgets").glob("race~*/*")
    state = Ledger(str(url)).state()
    say(f"{asked.tasks} tasks for {asked.usd} USD, seed {asked.seed}: {took:.0f} s; outcomes {dict(outcomes)}")
    say(f"tries {sum(task.tries for task in tasks)}, of them killed {sum(task.kills for task in tasks)}")
    say(f"POSTs {sandbox.posts('submit')}, billed {billed} USD; ledger: {state.usd} USD, {len(state.promised)} open")
    # What the killed ones held is given back or settled by whoever needs it next.
    time.sleep(reserved_requests.NO_ROW_SECONDS)
    more = 0
    while True:
        process = _FORK.Process(target=attempt, args=(folder, 10_000 + more, 1))
        process.start()
        process.join(_LONGEST)
        told = json.loads((folder / f"{10_000 + more}-1.json").read_text())
        if told != "completed":
            break
        more += 1
    state, billed = Ledger(str(url)).state(), _billed(sandbox)
    say(f"then one after the other until {told}: {more} more songs; POSTs {sandbox.posts('submit')}")
    overspent = max(billed - asked.usd, Decimal(0))
    say(f"billed {billed} USD; ledger: {state.usd} USD, {len(state.promised)} open; overspent {overspent} USD")
    is_well = told == "BudgetExceededError" and not state.promised and state.usd == billed
    plain = set(outcomes) <= {"completed", "BudgetExceededError", "UnknownOutcomeError", "killed, not tried again"}
    return int(overspent > 0 or not is_well or not plain or asked.usd - billed >= PRICE)


def _report_reuse(tasks: list[Task], _: Path, sandbox: SpawnedSandbox, asked: argparse.Namespace, took: float) -> int:
    outcomes = Counter(task.outcome for task in tasks)
    say(f"{asked.tasks} tasks, one request, seed {asked.seed}: {took:.0f} s; outcomes {dict(outcomes)}")
    say(f"tries {sum(task.tries for task in tasks)}, of them killed {sum(task.kills for task in tasks)}")
    say(f"POSTs {sandbox.posts('submit')}, billed {_billed(sandbox)} USD")
    ended = set(outcomes) <= {"completed", "reused", "killed, not tried again"}
    return int(sandbox.posts("submit") != 1 or not ended)


def _billed(sandbox: SpawnedSandbox) -> Decimal:
    return PRICE * sum(bool(generation["billed"]) for generation in sandbox.generations())


if __name__ == "__main__":
    sys.exit(main())
