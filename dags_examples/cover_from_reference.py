# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A new song in the voice and sound of a reference track: upload, generate, wait without a worker.

For music-01, which the API withdrew on 2026-08-17: with the sandbox (`make demo`), or where an account still has it.

The reference is a WAV or MP3 of more than 10 s and at most 10 min; its path is in the Airflow Variable
``music_reference``, local or any URL that ``ObjectStoragePath`` takes.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum

from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import GenerateMusicOperator, UploadReferenceOperator

with DAG(
    dag_id="cover_from_reference",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # A retry resumes with the song that was paid for; it does not submit another.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["music"],
    doc_md=__doc__,
):
    upload = UploadReferenceOperator(
        task_id="upload",
        file="{{ var.value.get('music_reference', '/opt/airflow/reference.mp3') }}",
        purpose="song",
    )

    song = GenerateMusicOperator(
        task_id="song",
        model="music-01",
        lyrics=(
            "##The river keeps the lantern light\nand carries it along\n\n"
            "We row until the end of night\nand leave behind a song##"
        ),
        refer_voice=upload.output["voice_id"],
        refer_instrumental=upload.output["instrumental_id"],
        audio_setting={"sample_rate": 44100, "bitrate": 256000, "format": "mp3"},
        timeout=timedelta(minutes=15),
    )

    upload >> song
