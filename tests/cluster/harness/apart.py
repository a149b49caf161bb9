# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""An Airflow whose workers and triggerers run on machines of their own, under CeleryExecutor or LocalExecutor."""

import importlib.util
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import airflow_provider_music
from harness.cluster import Cluster
from harness.machines import Machine
from harness.processes import tail
from harness.redis import Redis
from harness.rest import ClusterError

#: Workers that say of their disks that all see them (which is not true), and one that says nothing.
DECLARED, UNDECLARED = "default", "undeclared"
_WORKERS = {"worker-1": DECLARED, "worker-2": DECLARED, "worker-3": UNDECLARED}
_CELERY = ("airflow.providers.celery", "celery", "redis")


def celery_folder() -> Path | None:
    """Return the folder that Celery and its provider are imported from, or None where they are not installed."""
    try:
        found = [importlib.util.find_spec(name) for name in _CELERY]
    except ModuleNotFoundError:
        return None
    origins = [spec.origin for spec in found if spec and spec.origin]
    return Path(origins[-1]).parents[1] if len(origins) == len(_CELERY) else None


class Apart(Cluster):
    """Scheduler, workers and two triggerers, each on a machine whose disk is mounted at the default output folder.

    :param celery: workers take their tasks from a Redis; else the scheduler has them as children.
    :param declared: added to the environment of all but the worker of the queue "undeclared".
    """

    def __init__(
        self, home: Path, dags_folder: Path, env: Mapping[str, str], *, celery: bool, declared: Mapping[str, str]
    ) -> None:
        """Start Postgres and Redis, and prepare the rest without starting it yet."""
        self.celery = celery
        self.machines: dict[str, Machine] = {}
        self._declared = dict(declared)
        self._redis = Redis(home / "cluster") if celery else None
        # Machines have working directories of their own, in which this package does not lie.
        path = [Path(airflow_provider_music.__file__).parents[1], *([celery_folder()] if celery else [])]
        options = {
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            # All begin at once, and on two cores a triggerer may be late by more than the tests' usual 12 s.
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "25",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor" if celery else "LocalExecutor",
        }
        if self._redis:
            options |= {
                "AIRFLOW__CELERY__BROKER_URL": f"{self._redis.url}/0",
                "AIRFLOW__CELERY__RESULT_BACKEND": f"{self._redis.url}/1",
                "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
                "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
                "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
            }
        try:
            super().__init__(home, dags_folder, {**options, "AIRFLOW__CORE__PARALLELISM": "12", **env}, worker_env={})
        except BaseException:
            self._stop_redis()
            raise
        self.disk_at = self.home / "music"

    def start(self, say: Callable[[str], None] | None = None, timeout: float = 240.0) -> None:
        """Make the tables, start all at once, and wait until they are healthy and the workers listen."""
        try:
            self.cli("db", "migrate")
            self._start("api-server", env=self._declared)
            self._start("dag-processor", env=self._declared)
            self._boot("scheduler", "scheduler")
            # Of one host name and with the same process numbers, as two containers on their host's network.
            for name in ("triggerer-1", "triggerer-2"):
                self._boot(name, "triggerer", "--skip-serve-logs", host="triggerer")
            for name, queue in _WORKERS.items() if self.celery else ():
                self.start_worker(name, queue)
            self._wait_until_healthy(timeout)
            self._wait_for_workers(timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process, Postgres and Redis last."""
        try:
            super().stop()
        finally:
            self._stop_redis()

    def start_worker(self, name: str, queue: str) -> None:
        """Start a Celery worker on a machine of its own."""
        pid_file = self.home / "cluster" / f"{name}.pid"  # by default all would write to the same
        options = ("--queues", queue, "--pid", str(pid_file), "--skip-serve-logs", "--without-mingle")
        self._boot(name, "celery", "worker", *options, declared=queue == DECLARED)

    def triggerer_of(self, job_id: int | None) -> str:
        """Name the machine of a triggerer."""
        return str(self.sql("SELECT unixname FROM job WHERE id = %s", job_id)[0][0])

    def other_triggerer(self, job_id: int | None) -> int:
        """Return the job id of another live triggerer."""
        jobs = "SELECT id FROM job WHERE job_type = 'TriggererJob' AND state = 'running' AND id <> %s"
        return int(self.sql(jobs, job_id)[0][0])

    def kill_machine(self, name: str) -> None:
        """Switch a machine off: every process of it is gone at once, and its disk with it."""
        root = self.processes.root(name)
        family = root.children(recursive=True)
        for process in [root, *family]:
            if process.is_running():
                process.kill()
        self.processes.wait_gone([root, *family])
        del self.machines[name]

    def machine_of(self, process_words: Sequence[str]) -> str | None:
        """Name the machine on which a process with these words in its command line runs."""
        found = {process.pid for process in self.processes.find(*process_words)}
        for name in tuple(self.machines):
            if found & {child.pid for child in self.processes.root(name).children(recursive=True)}:
                return name
        return None

    def wipe(self, folder: str) -> None:
        """Empty a folder of every machine's disk."""
        for machine in tuple(self.machines.values()):
            machine.wipe(folder)

    def find(self, path: Path) -> Path | None:
        """Return a file that some machine wrote, wherever it lies."""
        found = (machine.find(path) for machine in tuple(self.machines.values()))
        return next(filter(None, found), path if path.is_file() else None)

    def _boot(
        self, name: str, component: str, *options: str, host: str = "", declared: bool = True
    ) -> subprocess.Popen[bytes]:
        machine = self.machines[name] = Machine(name, host or name, self.home / "machines" / name, self.disk_at)
        env = machine.env | (self._declared if declared else {})
        return self.processes.start(name, machine.command(self._command(component, *options)), env=env)

    def _wait_for_workers(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for name in set(_WORKERS) & set(self.machines):
            log = self.processes.log_path(name)
            while " ready." not in log.read_text(errors="replace"):
                if time.monotonic() > deadline:
                    raise ClusterError(f"{name} does not listen:\n{tail(log)}")
                time.sleep(0.2)

    def _stop_redis(self) -> None:
        if self._redis:
            self._redis.stop()
