# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What only Airflow 3.4 can run: songs in task loops, and tasks that wait for a top-up without spending a try."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task_group

from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.policies.retry import MusicRetryPolicy

OPTIONS: dict[str, Any] = {"start_date": datetime(2026, 1, 1, tzinfo=UTC), "catchup": False}
QUEUED: dict[str, Any] = {"model": "minimax/music-2.6", "lyrics": "[Verse]\nNothing moves but fog", "poll_interval": 2}
SYNCHRONOUS: dict[str, Any] = {"model": "music-01", "refer_voice": "vocal-2025082518145625-6XW9wCOF"}

with DAG("matrix_loop", schedule=None, default_args={"retries": 2, "conn_id": "music_loop"}, **OPTIONS):

    @task_group
    def verses():
        GenerateMusicOperator(task_id="queued", prompt="A calm song of the sea, number {{ loop.index }}", **QUEUED)

    @task_group
    def choruses():
        GenerateMusicOperator(task_id="synchronous", lyrics="##We row, number {{ loop.index }}##", **SYNCHRONOUS)

    verses.loop(max_iterations=2)
    choruses.loop(max_iterations=2)

with DAG(
    "matrix_credits",
    schedule=None,
    default_args={
        "retries": 0,
        "conn_id": "music_empty",
        "retry_policy": MusicRetryPolicy(delay=timedelta(seconds=15), reschedule_timeout=timedelta(minutes=10)),
    },
    **OPTIONS,
):
    GenerateMusicOperator(task_id="queued", prompt="A calm song of the river", **QUEUED)
    GenerateMusicOperator(task_id="synchronous", lyrics="##We row until the end of night##", **SYNCHRONOUS)
