# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is run on every Airflow: both lanes, split in two tasks and whole, on disk and in S3."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import GenerateMusicOperator, UploadReferenceOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor

OPTIONS: dict[str, Any] = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
}

with DAG("matrix_card", **OPTIONS):
    upload = UploadReferenceOperator(task_id="upload", file="{{ var.value.music_reference }}")
    GenerateMusicOperator(
        task_id="song",
        model="music-01",
        lyrics="##We row until the end of night\nand leave behind a song##",
        refer_voice=upload.output["voice_id"],
        refer_instrumental=upload.output["instrumental_id"],
        audio_setting={"sample_rate": 44100, "bitrate": 256000, "format": "mp3"},
    )

with DAG("matrix_queued", **OPTIONS):
    submitted = GenerateMusicOperator(
        task_id="submit",
        model="minimax/music-2.6",
        prompt="A calm song of the sea",
        lyrics="[Verse]\nNothing moves but fog",
        wait_for_completion=False,
    )
    MusicGenerationSensor(task_id="wait", generation=submitted.output, poll_interval=2)
    GenerateMusicOperator(
        task_id="stored",
        model="minimax/music-2.6",
        prompt="A calm song of the river",
        lyrics="[Verse]\nNothing moves but reed",
        output_dir="s3://aws_music@music/songs",
        poll_interval=2,
    )
