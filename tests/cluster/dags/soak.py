# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""As many mapped songs in each lane as the run asks for, with the tries that faults of every kind call for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_music.compat import DAG, task
from airflow_provider_music.operators.music import GenerateMusicOperator

COMMON: dict[str, Any] = {
    "task_id": "song",
    # A request that is lost without a trace is looked for until then.
    "timeout": timedelta(seconds=40),
    "retries": 3,
    "retry_delay": timedelta(seconds=1),
}
DAG_OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 64,
}


@task
def words() -> list[str]:
    """As many lines as the run asks for."""
    from airflow_provider_music.compat import get_current_context

    return [f"##song number {n} of many##" for n in range(int(get_current_context()["dag_run"].conf["songs"]))]


with DAG("soak_queued", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator.partial(**COMMON, model="minimax/music-2.6", poll_interval=1).expand(prompt=words())

with DAG("soak_synchronous", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator.partial(
        **COMMON,
        model="music-01",
        refer_voice="vocal-2025082518145625-6XW9wCOF",
        audio_setting={"sample_rate": 16000, "bitrate": 64000, "format": "mp3"},
    ).expand(lyrics=words())
