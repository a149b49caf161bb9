# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The cluster on which all rows are measured, and one measured run of a DAG on it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from harness.processes import tail
from harness.rest import ClusterError

from cluster.cpu import Cpu
from cluster.database import Database, Growth
from cluster.loop import Block, LoopThread

_COMPONENTS = ("triggerer-1", "scheduler", "api-server")
_ENDED = ("success", "failed")


@dataclass
class Measured:
    """One run of one DAG.

    :param states: how many tasks ended in each state.
    :param tries: tries beyond the first, of all tasks.
    :param cpu: CPU seconds by component, of the whole run.
    :param idle: CPU seconds a second while nothing runs, measured before.
    :param blocks: what the triggerer said about its blocked thread.
    :param starved: seconds for which that thread was ready to run and had no core: the machine's doing, not ours.
    """

    count: int
    dag_id: str = ""
    run_id: str = ""
    seconds: float = 0.0
    states: dict[str, int] = field(default_factory=dict)
    tries: int = 0
    cpu: Cpu = field(default_factory=Cpu)
    idle: Cpu = field(default_factory=Cpu)
    growth: Growth = field(default_factory=Growth)
    blocks: list[Block] = field(default_factory=list)
    starved: float = 0.0

    @property
    def each(self) -> Cpu:
        """CPU seconds of one task over what the same time costs idle."""
        return self.cpu.over_idle(self.idle, self.seconds).each(self.count)

    @property
    def longest_block(self) -> float:
        """Seconds of the longest of them."""
        return max((block.seconds for block in self.blocks), default=0.0)

    @property
    def own_blocks(self) -> int:
        """Those that a machine with a core to spare had seen as well."""
        return sum(block.own for block in self.blocks)

    @property
    def done(self) -> int:
        """Tasks that succeeded."""
        return self.states.get("success", 0)


class Stage:
    """A running cluster with the means to measure on it."""

    def __init__(self, home: Path, dags: Path, package: Path | None = None) -> None:
        """Start Airflow: one triggerer, LocalExecutor with four workers; `package` holds another copy of ours."""
        self.home = home
        self.songs = home / "songs"
        env = {
            "AIRFLOW__MUSIC__OUTPUT_DIR": str(self.songs),
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": "1000",
            # The defaults: a busy second must not look like a dead triggerer.
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "5",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        }
        if package is not None:
            env["PYTHONPATH"] = str(package)
        self.cluster = Cluster(home, dags, env, worker_env={}, triggerers=1)
        self.cluster.start()
        try:
            self.database = Database(self.cluster)
            processes = self.cluster.processes
            self._roots = {name.removesuffix("-1"): processes.root(name) for name in _COMPONENTS}
            self._roots["postgres"] = self.cluster.postgres.process
            (runner,) = self._roots["triggerer"].children()
            self.loop = LoopThread(runner.pid, processes.log_path("triggerer-1"))
        except BaseException:
            self.stop()
            raise
        self.idle = Cpu()

    def stop(self) -> None:
        """End it all."""
        if hasattr(self, "loop"):
            self.loop.stop()
        self.cluster.stop()

    def connect(self, conn_id: str, **values: Any) -> None:
        """Add a connection to Airflow's database, where a look-up costs what it costs in production."""
        self.cluster.api.call("POST", "/connections", json={"connection_id": conn_id, **values})

    def cpu(self) -> Cpu:
        """CPU seconds so far, by component."""
        return Cpu.now(self._roots)

    def rest(self, seconds: float = 20.0) -> None:
        """Measure what an idle cluster costs."""
        begun, before = time.monotonic(), self.cpu()
        time.sleep(seconds)
        self.idle = self.cpu().since(before).each(time.monotonic() - begun)

    @contextmanager
    def measuring(self, count: int) -> Iterator[Measured]:
        """Measure what happens inside the block."""
        measured = Measured(count, idle=self.idle)
        look, cpu, begun, begun_at = self.database.look(), self.cpu(), time.monotonic(), time.time()
        yield measured
        measured.seconds = time.monotonic() - begun
        measured.cpu = self.cpu().since(cpu)
        measured.growth = self.database.since(look)
        measured.blocks = self.loop.blocks(begun_at, time.time())
        measured.starved = self.loop.starved(begun_at, time.time())

    def run(self, dag_id: str, count: int, timeout: float, conf: dict[str, Any] | None = None) -> Measured:
        """Run a DAG of so many tasks to its end, or to the timeout, and measure it."""
        self.cluster.wait_for_dag(dag_id)
        with self.measuring(count) as measured:
            run_id = self.cluster.api.trigger(dag_id, conf)
            measured.dag_id, measured.run_id = dag_id, run_id
            deadline = time.monotonic() + timeout
            while self._state(dag_id, run_id) not in _ENDED and time.monotonic() < deadline:
                time.sleep(0.5)
            # What the scheduler still has to do for the run belongs to it.
            time.sleep(2.0)
        measured.states, measured.tries = self._ends(dag_id, run_id)
        return measured

    def warm_up(self, dag_id: str, timeout: float = 120.0) -> Measured:
        """Run a DAG of one task, so that triggerer and scheduler have imported and read what they need."""
        measured = self.run(dag_id, 1, timeout)
        if measured.done != 1:
            log = "\n".join(tail(self.cluster.processes.log_path(name)) for name in ("triggerer-1", "scheduler"))
            raise ClusterError(f"{dag_id} ended {measured.states}\n{log}")
        return measured

    def _state(self, dag_id: str, run_id: str) -> str:
        ((state,),) = self.cluster.sql("SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s", dag_id, run_id)
        return str(state)

    def _ends(self, dag_id: str, run_id: str) -> tuple[dict[str, int], int]:
        rows = self.cluster.sql(
            "SELECT coalesce(state, 'none'), count(*), sum(greatest(try_number - 1, 0)) FROM task_instance "
            "WHERE dag_id = %s AND run_id = %s GROUP BY 1",
            dag_id,
            run_id,
        )
        return {str(state): int(count) for state, count, _ in rows}, int(sum(row[2] for row in rows))
