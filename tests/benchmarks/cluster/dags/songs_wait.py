# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "songs": a deferral with nothing in it, to measure what Airflow alone costs."""

from airflow.sdk import DAG
from only_wait import OnlyWait
from songs_common import COUNTS, OPTIONS, RETRIES

for songs in COUNTS:
    with DAG(f"songs_wait_{songs}", schedule=None, **OPTIONS):
        OnlyWait.partial(task_id="song", **RETRIES).expand(seconds=[15.0 + number / 100 for number in range(songs)])
