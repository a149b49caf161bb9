# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One song per prompt, as mapped tasks, with a pool that bounds how many are in flight at once.

Deferred tasks count in a pool only where the pool says so:

    airflow pools set music 4 "songs in flight" --include-deferred
"""

from __future__ import annotations

from datetime import timedelta

import pendulum

from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import GenerateMusicOperator

PROMPTS = [
    "Slow ambient pads over soft rain, no drums",
    "Upbeat funk with slap bass and brass stabs",
    "Solo piano in a small room, late at night",
]

with DAG(
    dag_id="songs_from_prompts",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["music"],
    doc_md=__doc__,
):
    GenerateMusicOperator.partial(
        task_id="song",
        model="stable-audio",
        seconds_total=20,
        timeout=timedelta(minutes=15),
        pool="music",
    ).expand(prompt=PROMPTS)
