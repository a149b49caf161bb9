# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""`airflow standalone` of the interpreter that runs this, in a folder of its own, on free ports."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import logs, settings
from harness.processes import Session, tail
from harness.rest import Api, ClusterError
from harness.watch import Change, Watch

_COMPONENTS = ("metadatabase", "scheduler", "triggerer", *(("dag_processor",) if settings.IS_3 else ()))
_SAY_EVERY_S = 10.0


class Standalone:
    """A real Airflow: scheduler, triggerer, DAG processor and API server on SQLite.

    with Standalone(Path("home"), Path("dags")) as airflow:
        run = airflow.run("my_dag")
        assert run.until_end() == "success"
    """

    def __init__(self, home: Path, dags_folder: Path, env: Mapping[str, str] | None = None) -> None:
        """Prepare, without starting yet, an Airflow whose every file is under `home`."""
        self.home = home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self.dags_folder = dags_folder.absolute()
        self.env = settings.make(self.home, self.dags_folder, env)
        self.url = f"http://127.0.0.1:{settings.port_of(self.env)}"
        self.log_path = self.home / "standalone" / "standalone.log"
        self.processes = Session(self.env, self.log_path.parent)
        self.api = Api(self.url)

    def __enter__(self) -> Self:
        """Start, and wait until everything is healthy."""
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End every process."""
        self.stop()

    def start(self, say: Callable[[str], None] | None = None, timeout: float = 240.0) -> None:
        """Start Airflow and wait until all components are healthy, saying now and then which are missing."""
        process = self.processes.start("standalone", [sys.executable, "-m", "airflow", "standalone"])
        begun = said = time.monotonic()
        try:
            while missing := self._missing():
                self._check_starting(process, begun + timeout)
                if say and time.monotonic() - said > _SAY_EVERY_S:
                    said = time.monotonic()
                    say(f"not up yet: {missing}")
                time.sleep(0.5)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process of this Airflow; nothing of it is left."""
        self.api.close()
        self.processes.stop()

    def run(
        self,
        dag_id: str,
        conf: dict[str, Any] | None = None,
        *,
        pool: str = "default_pool",
        on_change: Callable[[Change], None] | None = None,
    ) -> Watch:
        """Unpause a DAG as soon as Airflow has read it, start a run, and return the watch over it."""
        self.wait_for_dag(dag_id)
        self.api.unpause(dag_id)
        return Watch(self.api, dag_id, self.api.trigger(dag_id, conf), pool=pool, on_change=on_change)

    def scheduled_run(self, dag_id: str, timeout: float = 120.0) -> Watch:
        """Unpause a DAG that has a schedule, and watch the run that the scheduler starts by itself."""
        self.wait_for_dag(dag_id)
        self.api.unpause(dag_id)
        deadline = time.monotonic() + timeout
        while not (run_ids := self.api.run_ids(dag_id)):
            if time.monotonic() > deadline:
                raise ClusterError(f"the scheduler started no run of {dag_id} in {timeout:.0f} s")
            time.sleep(0.5)
        return Watch(self.api, dag_id, run_ids[0])

    def wait_for_dag(self, dag_id: str, timeout: float = 120.0) -> None:
        """Wait until Airflow has read a DAG; a DAG file that cannot be read is told at once."""
        deadline = time.monotonic() + timeout
        while dag_id not in self.api.dag_ids():
            if errors := self.api.import_errors():
                raise ClusterError("\n".join(f"{name}: {trace}" for name, trace in errors.items()))
            if time.monotonic() > deadline:
                raise ClusterError(f"no DAG {dag_id} in {self.dags_folder} after {timeout:.0f} s")
            time.sleep(0.5)

    def finish(self, watch: Watch, timeout: float = 300.0) -> Watch:
        """Wait for a run to succeed; if it does not, say which task failed and what it logged."""
        if watch.until_end(timeout) != "success":
            raise ClusterError(self.explain(watch))
        return watch

    def explain(self, watch: Watch) -> str:
        """Say how each task of a run ended, with the end of the log of those that failed."""
        tasks = self.api.tasks(watch.dag_id, watch.run_id)
        lines = [f"{watch.dag_id} {watch.run_id}: " + ", ".join(f"{task.name} {task.state}" for task in tasks)]
        for task in tasks:
            if task.state in ("failed", "up_for_retry"):
                log = logs.readable(self.task_log(watch, task.task_id, task.try_number, task.map_index))
                lines += [f"--- log of {task.name}, try {task.try_number}:", *log.splitlines()[-25:]]
        return "\n".join(lines)

    def task_log(self, watch: Watch, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Read what one try of a task logged, on the worker and in the triggerer."""
        return logs.of_task(self.home, watch.dag_id, watch.run_id, task_id, try_number=try_number, map_index=map_index)

    def kill_triggerer(self) -> list[int]:
        """`kill -9` the triggerer and its children; `start_triggerer` brings a new one."""
        parents = self.processes.find("airflow", "triggerer")
        children = [child for parent in parents for child in parent.children(recursive=True)]
        killed = self.processes.kill("airflow", "triggerer")
        for child in children:
            if child.is_running():
                child.kill()
        return killed

    def start_triggerer(self, name: str = "triggerer-2") -> None:
        """Start one more triggerer with the same environment."""
        self.processes.start(name, [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"])

    def cli(self, *arguments: str) -> str:
        """Run one `airflow` command in this environment, and return what it prints."""
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise ClusterError(f"airflow {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def cli_json(self, *arguments: str) -> Any:
        """Run one `airflow` command with `--output json`; lines before the JSON are chatter."""
        printed = self.cli(*arguments, "--output", "json")
        start = min(place for mark in "[{" if (place := printed.find(f"\n{mark}")) >= 0 or printed[:1] == mark)
        return json.loads(printed[max(start, 0) :])

    def written(self) -> dict[Path, bytes]:
        """Everything that this Airflow wrote: the database, logs, configuration, songs and records."""
        found = {}
        for path in self.home.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # SQLite's journal comes and goes
                if path.is_file():
                    found[path] = path.read_bytes()
        return found

    def _missing(self) -> str:
        """Name what is not healthy; before the API server answers, nothing is known of the others."""
        health = self.api.health()
        if not health:
            return "API server"
        return ", ".join(name for name in _COMPONENTS if health.get(name) != "healthy")

    def _check_starting(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        if process.poll() is not None:
            raise ClusterError(f"airflow standalone ended with {process.returncode}:\n{tail(self.log_path)}")
        if "address already in use" in self.log_path.read_text(errors="replace").lower():
            raise ClusterError(f"somebody took one of Airflow's ports: try again\n{tail(self.log_path)}")
        if time.monotonic() > deadline:
            raise ClusterError(f"airflow standalone is not healthy: {self.api.health()}\n{tail(self.log_path)}")
