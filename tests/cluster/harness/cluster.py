# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A larger Airflow 3: Postgres, and each component a process of its own, so that each can be killed alone."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.postgres import Postgres
from harness.processes import tail
from harness.rest import ClusterError
from harness.standalone import Standalone

#: Airflow's own defaults are 30 s for a silent triggerer and 300 s for a silent worker; 2 cores and a test's
#: patience ask for less. The ratio to the heartbeats stays.
QUICK = {
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "12",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    # Shared by all components; a made-up one is enough for loopback.
    "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-a-test-cluster-that-nobody-else-reaches",
    "AIRFLOW__API__SECRET_KEY": "another-secret-of-a-test-cluster",
    "AIRFLOW__CORE__FERNET_KEY": "bXVzaWMtdGVzdC1jbHVzdGVyLWZlcm5ldC1rZXktMDE=",
}


@dataclass(frozen=True)
class Triggerer:
    """A triggerer that was started: its process, and its row among Airflow's jobs."""

    name: str
    process: psutil.Process
    job_id: int


class Cluster(Standalone):
    """API server, scheduler with LocalExecutor, DAG processor and triggerers on Postgres.

    :param worker_env: added to the environment of the scheduler and of its workers alone.
    :param triggerers: how many to start with.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        worker_env: Mapping[str, str],
        triggerers: int = 2,
    ) -> None:
        """Start Postgres, and prepare the rest without starting it yet."""
        self.postgres = Postgres(home / "cluster")
        database = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.postgres.url}
        super().__init__(home, dags_folder, {**QUICK, **database, **dict(env or {})})
        self._worker_env = dict(worker_env)
        self._first_triggerers = triggerers
        self.triggerers: dict[str, Triggerer] = {}

    def start(self, say: Callable[[str], None] | None = None, timeout: float = 240.0) -> None:
        """Make the tables, start all components, and wait until they are healthy."""
        try:
            self.cli("db", "migrate")
            self._start("api-server")
            self._start("scheduler", env=self._worker_env)
            self._start("dag-processor")
            for number in range(1, self._first_triggerers + 1):
                self.start_triggerer(f"triggerer-{number}")
            self._wait_until_healthy(timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process, Postgres last."""
        try:
            super().stop()
        finally:
            self.postgres.stop()

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement in Airflow's database."""
        return self.postgres.sql(statement, *values)

    def start_triggerer(self, name: str = "triggerer", timeout: float = 120.0) -> None:
        """Start one more triggerer, and wait until Airflow knows it."""
        before = self._jobs()
        process = self._start("triggerer", "--skip-serve-logs", name=name)
        deadline = time.monotonic() + timeout
        while not (new := self._jobs() - before):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(f"{name} does not start:\n{tail(self.processes.log_path(name))}")
            time.sleep(0.2)
        self.triggerers[name] = Triggerer(name, psutil.Process(process.pid), new.pop())

    def start_triggerers_soon(self, *names: str) -> None:
        """Start more triggerers, one after the other, without waiting for them."""
        threading.Thread(target=lambda: [self.start_triggerer(name) for name in names], daemon=True).start()

    def names_of(self, job_ids: Collection[int]) -> tuple[str, ...]:
        """Names of live triggerers by their rows."""
        return tuple(each.name for each in self.triggerers.values() if each.job_id in job_ids)

    def kill_triggerers(self, *names: str) -> float:
        """`kill -9` the named triggerers (all, if none is named) with their children; returns when."""
        return self._end(signal.SIGKILL, names or tuple(self.triggerers), children=True)

    def stop_triggerers(self, *names: str) -> float:
        """Ask the named triggerers (all, if none is named) to end, as a deployment does; returns when."""
        return self._end(signal.SIGTERM, names or tuple(self.triggerers), children=False)

    def kill_worker(self, task_instance_id: str, *, task_only: bool = False) -> float:
        """`kill -9` the task's own process, and the executor's worker above it unless `task_only`; returns when."""
        found = self.processes.find("airflow worker", task_instance_id)
        if task_only:
            found = [process for process in found if "LocalExecutor" not in " ".join(process.cmdline())]
        if not found:
            raise ClusterError(f"no worker runs task instance {task_instance_id}")
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        died = time.monotonic()
        self.processes.wait_gone(found)
        return died

    def _wait_until_healthy(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while missing := self._missing():
            if time.monotonic() > deadline:
                logs = "\n".join(tail(self.processes.log_path(name)) for name in ("api-server", "scheduler"))
                raise ClusterError(f"not healthy: {missing}\n{logs}")
            time.sleep(0.5)

    def _end(self, number: signal.Signals, names: tuple[str, ...], *, children: bool) -> float:
        chosen = [self.triggerers.pop(name).process for name in names]
        family = [child for process in chosen for child in process.children(recursive=True)]
        for process in [*chosen, *family] if children else chosen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        died = time.monotonic()
        self.processes.wait_gone([*chosen, *family])
        return died

    def _start(
        self, component: str, *options: str, name: str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        return self.processes.start(name or component, self._command(component, *options), env=env)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "airflow", *arguments]

    def _jobs(self) -> set[int]:
        return {row[0] for row in self.sql("SELECT id FROM job WHERE job_type = 'TriggererJob'")}
