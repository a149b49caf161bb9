# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "songs": many songs at once through music-01, with this package."""

from datetime import timedelta

from airflow.sdk import DAG
from songs_common import COUNTS, OPTIONS, RETRIES, SETTING, VOICE, lyrics

from airflow_provider_music.operators.music import GenerateMusicOperator

for songs in COUNTS:
    with DAG(f"songs_ours_{songs}", schedule=None, **OPTIONS):
        GenerateMusicOperator.partial(
            task_id="song",
            model="music-01",
            refer_voice=VOICE,
            audio_setting=SETTING,
            conn_id="bench_music",
            timeout=timedelta(minutes=10),
            **RETRIES,
        ).expand(lyrics=lyrics(songs))
