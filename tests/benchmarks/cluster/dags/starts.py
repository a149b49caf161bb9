# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "starts": sensors whose wait begins on a worker, and in the triggerer."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG

from airflow_provider_music.sensors.music import MusicGenerationSensor

OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 512,
}

for side, from_trigger in (("worker", False), ("trigger", True)):
    for waits in (1, 20):
        with DAG(f"starts_{side}_{waits}", schedule=None, **OPTIONS):
            for number in range(waits):
                MusicGenerationSensor(
                    task_id=f"wait_{number}",
                    generation=f"{{{{ dag_run.conf['ids'][{number}] }}}}",
                    conn_id="bench_music",
                    poll_interval=2,
                    start_from_trigger=from_trigger,
                )
