# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A song, and one that no budget allows: the DAG of the tests that read Airflow's metrics."""

from datetime import UTC, datetime

from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import GenerateMusicOperator

with DAG("one_song", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, catchup=False):
    song = GenerateMusicOperator(
        task_id="song", model="stable-audio", prompt="A slow river", poll_interval=1, max_usd="{{ 0.01 * 5 }}"
    )
    too_dear = GenerateMusicOperator(
        task_id="too_dear",
        model="stable-audio",
        prompt="A slow river",
        max_usd=0.049,
        trigger_rule="all_done",
        retries=3,
    )
    song >> too_dear
