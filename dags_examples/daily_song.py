# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A song for every morning: a queued model, submitted by one task and waited for by a sensor.

The first task ends as soon as the API has accepted the request. Anything may stand between the two; the sensor
holds no worker slot, and its asset starts whatever is scheduled on it.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum

from airflow_provider_music.compat import DAG, Asset
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor

DAY = "(dag_run.logical_date or dag_run.run_after)"
song_of_the_day = Asset("x-music://songs/daily")

with DAG(
    dag_id="daily_song",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule="0 5 * * *",
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["music"],
    doc_md=__doc__,
):
    submit = GenerateMusicOperator(
        task_id="submit",
        model="minimax/music-2.6",
        prompt=f"A bright acoustic morning song for a {{{{ {DAY}.strftime('%A in %B') }}}}, 100 bpm, warm voice",
        lyrics=(
            f"[Verse]\nIt is {{{{ {DAY}.strftime('%A') }}}} and the kettle sings\n"
            "[Chorus]\nGood morning, all you sleepy things"
        ),
        audio_setting={"sample_rate": 44100, "bitrate": 128000, "format": "mp3"},
        wait_for_completion=False,
    )

    wait = MusicGenerationSensor(
        task_id="wait",
        generation=submit.output,
        timeout=timedelta(minutes=30).total_seconds(),
        outlets=[song_of_the_day],
    )

    submit >> wait
