# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Follow a run, keeping each change of a task's state and when it was seen."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.rest import Api, ClusterError, TaskState

_ENDED = ("success", "failed")


@dataclass(frozen=True)
class Change:
    """A task was first seen in a state, so many seconds after the watch began."""

    seconds: float
    task: str
    state: str
    try_number: int
    slots: dict[str, int] = field(compare=False)

    def __str__(self) -> str:
        """One line of progress."""
        again = f" (try {self.try_number})" if self.try_number > 1 else ""
        return f"{self.seconds:6.1f} s  {self.task}: {self.state}{again}"


@dataclass
class Watch:
    """One run of one DAG, watched from now on."""

    api: Api
    dag_id: str
    run_id: str
    pool: str = "default_pool"
    on_change: Callable[[Change], None] | None = None
    changes: list[Change] = field(default_factory=list)
    slots_held_while_waiting: int = 0
    _seen: dict[str, tuple[str, int]] = field(default_factory=dict)
    _begun: float = field(default_factory=time.monotonic)

    def look(self) -> str:
        """Look once: note what has changed, and return the run's state."""
        run_state = self.api.run_state(self.dag_id, self.run_id)
        tasks = self.api.tasks(self.dag_id, self.run_id)
        slots = self.api.pool(self.pool)
        for task in tasks:
            now = (task.state or "none", task.try_number)
            if task.state and self._seen.get(task.name) != now:
                self._seen[task.name] = now
                self._note(Change(time.monotonic() - self._begun, task.name, *now, slots))
        if _only_waits(tasks) and tasks == self.api.tasks(self.dag_id, self.run_id):  # true for that moment
            held = slots["running_slots"] + slots["queued_slots"]
            self.slots_held_while_waiting = max(self.slots_held_while_waiting, held)
        return run_state

    def until_end(self, timeout: float = 300.0) -> str:
        """Wait for the run to end: `success` or `failed`."""
        return self._until(lambda state: state in _ENDED, "end", timeout)

    def until_seen(self, task: str, state: str, timeout: float = 180.0) -> None:
        """Wait until a task is in a state; an end of the run before that is an error."""
        self._until(lambda _: self._seen.get(task, ("", 0))[0] == state, f"show {task} as {state}", timeout)

    def states(self, task: str) -> list[str]:
        """Tell the states in which a task was seen, in order."""
        return [change.state for change in self.changes if change.task == task]

    def _note(self, change: Change) -> None:
        self.changes.append(change)
        if self.on_change:
            self.on_change(change)

    def _until(self, met: Callable[[str], bool], what: str, timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while True:
            state = self.look()
            if met(state):
                return state
            if state in _ENDED or time.monotonic() > deadline:
                seen = "\n".join(map(str, self.changes))
                raise ClusterError(f"{self.dag_id} {self.run_id} is {state}; it did not {what}. Seen:\n{seen}")
            time.sleep(0.5)


def _only_waits(tasks: list[TaskState]) -> bool:
    """Whether some tasks of the run are deferred, and none is on its way to a worker or on one."""
    states = {task.state for task in tasks}
    return "deferred" in states and states <= {"deferred", "success", None}
