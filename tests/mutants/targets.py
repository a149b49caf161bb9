# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is mutated, and the tests that judge each module: cheap ones first, since the first failure ends a run."""

from __future__ import annotations

_POLICY = ["tests/record/test_policy.py", "tests/record/test_store.py"]
_OUTCOMES = ["tests/api/test_outcome.py"]
_TASK = ["tests/operators/test_generate.py", "tests/operators/test_paid_once.py"]
_WAIT = ["tests/triggers/test_music.py"]
_STORES = ["tests/hostile/test_stores.py"]
_CRASH = ["tests/crash/test_crash_points.py"]
_RACES = ["tests/hostile/test_lease_race.py"]

TARGETS: dict[str, list[str]] = {
    "record/policy.py": [*_POLICY, *_TASK],
    "api/outcome.py": [*_OUTCOMES, "tests/api/test_responses.py"],
    "generation/submit.py": [*_WAIT, *_TASK, *_STORES, *_RACES, *_CRASH],
    "generation/reconcile.py": [*_WAIT, *_TASK, *_RACES, *_CRASH],
    "generation/state_machine.py": [*_WAIT, *_TASK, *_STORES, *_CRASH],
    "generation/task.py": [*_WAIT, *_TASK, "tests/cost/test_max_usd.py", *_CRASH],
}
