# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Thousands of waits with this package's sensor: `make bench-scale`."""

import os
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_music.sensors.music import MusicGenerationSensor

WAITS = int(os.environ.get("MUSIC_SCALE_WAITS", "0"))
OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 100_000,
}
OURS: dict[str, Any] = {"task_id": "wait", "poll_interval": float(os.environ.get("MUSIC_SCALE_PACE", "60"))}

if WAITS:
    with DAG("scale_1", schedule=None, **OPTIONS):
        MusicGenerationSensor.partial(**OURS, conn_id="pattern_music").expand(generation=["wait-of-ours"])

    with DAG("scale_many", schedule=None, **OPTIONS):

        @task
        def generations() -> list[str]:
            """Return the ids: a list in the DAG itself would go to the triggerer with each of its triggers."""
            return [f"wait-{n}" for n in range(WAITS)]

        # Nothing gets a slot in this pool: the benchmark puts the tasks into the state in which a worker leaves them.
        MusicGenerationSensor.partial(**OURS, pool="closed", conn_id="polls_music").expand(generation=generations())
