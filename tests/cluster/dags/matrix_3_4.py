# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What only Airflow 3.4 can run: songs in a task loop."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task_group

from airflow_provider_music.operators.music import GenerateMusicOperator

OPTIONS: dict[str, Any] = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
}

with DAG("matrix_loop", **OPTIONS):

    @task_group
    def verses():
        GenerateMusicOperator(
            task_id="queued",
            model="minimax/music-2.6",
            prompt="A calm song of the sea, number {{ loop.index }}",
            lyrics="[Verse]\nNothing moves but fog",
            poll_interval=2,
            conn_id="music_loop",
        ) >> GenerateMusicOperator(
            task_id="synchronous",
            model="music-01",
            lyrics="##We row until the end of night, number {{ loop.index }}##",
            refer_voice="voice-any",
            conn_id="music_loop",
        )

    verses.loop(max_iterations=2)
