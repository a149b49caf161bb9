# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "batch": a hundred songs as mapped tasks and in one task."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator

MODEL = "minimax/music-2.6"
OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 512,
}
COMMON: dict[str, Any] = {
    "task_id": "song",
    "conn_id": "bench_music",
    "poll_interval": 2,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}


def prompts(count: int) -> list[str]:
    """As many prompts as songs."""
    return [f"Song number {number} of {count}, with a long way home" for number in range(count)]


for songs in (1, 100):
    with DAG(f"batch_mapped_{songs}", schedule=None, **OPTIONS):
        GenerateMusicOperator.partial(**COMMON, model=MODEL, lyrics="We row until the end of night").expand(
            prompt=prompts(songs)
        )

    with DAG(f"batch_one_{songs}", schedule=None, **OPTIONS):
        GenerateMusicBatchOperator(
            **COMMON,
            max_in_flight=50,
            requests=[
                {"model": MODEL, "lyrics": "We row until the end of night", "prompt": words} for words in prompts(songs)
            ],
        )
