# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is mutated, and the tests that judge each module: cheap ones first, since the first failure ends a run."""

from __future__ import annotations

from pathlib import Path

_POLICY = ["tests/record/test_policy.py", "tests/record/test_store.py"]
_WAIT = ["tests/triggers/test_music.py"]
_TASK = ["tests/operators/test_generate.py", "tests/operators/test_paid_once.py"]
_APART = ["tests/record/test_carried.py", "tests/generation/test_earlier_tries.py", "tests/generation/test_folders.py"]
_STORES = ["tests/hostile/test_stores.py::test_a_disk_that_fails_once_anywhere_costs_at_most_a_retry"]
_COST = ["tests/cost/test_max_usd.py", "tests/cost/test_metrics.py"]
_RACES = ["tests/hostile/test_lease_race.py"]
_LEDGER = ["tests/cost/test_shared_budget.py"]
# Without the real kills: the same points, at a third of the time.
_CRASH = ["tests/crash/test_crash_points.py::test_a_process_that_ends_anywhere_costs_at_most_one_post"]

TARGETS: dict[str, list[str]] = {
    "record/policy.py": [*_POLICY, *_TASK],
    "api/outcome.py": ["tests/api/test_outcome.py", "tests/api/test_responses.py"],
    "generation/submit.py": ["tests/generation/test_submit.py", *_WAIT, *_TASK, *_RACES, *_STORES, *_CRASH],
    "generation/reconcile.py": ["tests/generation/test_reconcile.py", *_WAIT, *_TASK, *_RACES, *_STORES, *_CRASH],
    "generation/state_machine.py": [
        "tests/generation/test_state_machine.py",
        *_WAIT,
        *_APART,
        *_TASK,
        "tests/sensors/test_music.py",
        *_STORES,
        *_CRASH,
    ],
    "generation/task.py": [
        "tests/generation/test_task.py",
        "tests/generation/test_task_resume.py",
        *_WAIT,
        *_TASK,
        *_APART,
        *_COST,
        *_CRASH,
    ],
    "record/exclusive.py": ["tests/record/test_exclusive.py", *_LEDGER],
    "record/lease.py": ["tests/record/test_lease.py", "tests/generation/test_submit.py", *_RACES],
    "cost/ledger.py": _LEDGER,
}


def quick(module: str) -> list[str]:
    """Return the tests that bear the module's name: seconds a mutation."""
    path = Path("tests", module)
    return [test for test in TARGETS[module] if test.startswith(f"{path.parent}/test_{path.stem}")]
