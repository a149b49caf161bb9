# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One queued song, waited for in the triggerer: the DAG of the tests that disturb the wait."""

from datetime import UTC, datetime, timedelta

from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import GenerateMusicOperator

with DAG("songs_to_wait_for", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, catchup=False):
    GenerateMusicOperator(
        task_id="song",
        model="stable-audio",
        prompt="A slow river under a low bridge",
        poll_interval=2,
        retries=2,
        retry_delay=timedelta(seconds=1),
    )
