# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs without a retry that are ready as soon as their tasks are deferred."""

from datetime import UTC, datetime, timedelta

from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import GenerateMusicOperator

with DAG("race", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, max_active_tasks=64):
    GenerateMusicOperator.partial(
        task_id="song", model="minimax/music-2.6", poll_interval=1, timeout=timedelta(minutes=10), retries=0
    ).expand(prompt=[f"A calm song of the sea, number {n}" for n in range(60)])
