# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Hundreds of deferred tasks in a moment: a worker defers one, and its rows are copied for the others.

A worker's start costs a second of CPU and more, so three hundred of them would take the cluster minutes before the
waits could be measured. The triggerer finds exactly what workers would have left.
"""

import time
from collections.abc import Callable

from harness.cluster import Cluster
from harness.rest import ClusterError

_PATIENCE_S = 120.0
_COPY = """
WITH pattern AS (
    SELECT t.classpath, t.kwargs, i.next_method, i.next_kwargs
    FROM task_instance i JOIN trigger t ON t.id = i.trigger_id WHERE i.dag_id = %s AND i.run_id = %s
), made AS (
    INSERT INTO trigger (classpath, kwargs, created_date)
    SELECT p.classpath, replace(replace(p.kwargs, 'pattern_', 'polls_'), %s, 'wait-' || i.map_index), now()
    FROM pattern p, task_instance i
    WHERE i.dag_id = %s AND i.run_id = %s AND i.map_index >= %s AND i.map_index < %s ORDER BY i.map_index
    RETURNING id
), numbered AS (SELECT id, row_number() OVER (ORDER BY id) - 1 + %s AS map_index FROM made)
UPDATE task_instance i
SET state = 'deferred', trigger_id = n.id, next_method = p.next_method, next_kwargs = p.next_kwargs,
    try_number = 1, start_date = now()
FROM numbered n, pattern p WHERE i.dag_id = %s AND i.run_id = %s AND i.map_index = n.map_index
"""


class Deferred:
    """A run whose mapped tasks are all deferred."""

    def __init__(
        self, cluster: Cluster, dag_id: str, pattern_dag_id: str, word: str, patience: float = _PATIENCE_S
    ) -> None:
        """Let a worker defer the one task of `pattern_dag_id`; `word` names its wait in the trigger's arguments.

        Its connection, `pattern_...`, is another than theirs, `polls_...`, so they find no look-up of its made.
        """
        self._cluster = cluster
        self._patience = patience
        self._many = (dag_id, self._trigger(dag_id))
        self._one = (pattern_dag_id, self._trigger(pattern_dag_id))
        self._word = word
        self._until(lambda: self._states(*self._one) == {"deferred"}, "defer the pattern")
        self._until(lambda: self._states(*self._many) == {"scheduled"}, "schedule the tasks")

    def start(self, portion: int = 1000, pause: float = 0.0) -> None:
        """Defer all tasks, so many every `pause` seconds.

        Of thousands at once a triggerer of Airflow 3.3 may stand still for ever: its supervisor writes to its runner
        what is to be started, the runner to the supervisor what it logs, and neither reads.
        """
        ((count,),) = self._cluster.sql(
            "SELECT count(*) FROM task_instance WHERE dag_id = %s AND run_id = %s AND map_index >= 0", *self._many
        )
        for first in range(0, int(count), portion):
            places = (first, first + portion, first)
            self._cluster.sql(_COPY, *self._one, self._word, *self._many, *places, *self._many)
            time.sleep(pause)
        if self._states(*self._many) != {"deferred"}:
            raise ClusterError(f"{self._many[0]} is {self._states(*self._many)}")
        self._end(*self._one)

    def waiting(self) -> int:
        """How many are deferred still."""
        ((count,),) = self._cluster.sql(
            "SELECT count(*) FROM task_instance WHERE dag_id = %s AND run_id = %s AND state = 'deferred'", *self._many
        )
        return int(count)

    def stop(self) -> None:
        """End the runs; no worker starts for that."""
        self._end(*self._many)

    def _end(self, dag_id: str, run_id: str) -> None:
        self._cluster.sql(
            "UPDATE dag_run SET state = 'failed', end_date = now() WHERE dag_id = %s AND run_id = %s", dag_id, run_id
        )
        self._cluster.sql(
            "WITH old AS (SELECT id, trigger_id FROM task_instance WHERE dag_id = %s AND run_id = %s), "
            "ended AS (UPDATE task_instance SET state = 'failed', trigger_id = NULL, end_date = now() "
            "WHERE id IN (SELECT id FROM old)) DELETE FROM trigger WHERE id IN (SELECT trigger_id FROM old)",
            dag_id,
            run_id,
        )

    def _trigger(self, dag_id: str) -> str:
        self._cluster.wait_for_dag(dag_id)
        return self._cluster.api.trigger(dag_id)

    def _states(self, dag_id: str, run_id: str) -> set[str]:
        rows = self._cluster.sql(
            "SELECT DISTINCT coalesce(state, 'none') FROM task_instance "
            "WHERE dag_id = %s AND run_id = %s AND map_index >= 0",
            dag_id,
            run_id,
        )
        return {str(row[0]) for row in rows}

    def _until(self, met: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._patience
        while not met():
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"the cluster did not {what}: {self._states(*self._one)}, {self._states(*self._many)}"
                )
            time.sleep(0.3)
