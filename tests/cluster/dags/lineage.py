# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs whose way is followed: split in two tasks, in one, many in one, and who is told of them."""

from datetime import UTC, datetime, timedelta

from airflow_provider_music.compat import DAG, Asset, AssetAlias, task
from airflow_provider_music.operators.music import (
    GenerateMusicBatchOperator,
    GenerateMusicOperator,
    UploadReferenceOperator,
)
from airflow_provider_music.sensors.music import MusicGenerationSensor

SPLIT = Asset("x-music://lineage/split")
SONGS = AssetAlias("lineage-songs")
HERE = {"start_date": datetime(2026, 1, 1, tzinfo=UTC), "catchup": False}
PATIENT = {"retries": 2, "retry_delay": timedelta(seconds=1)}
REFERENCE = "{{ var.value.music_reference }}"

with DAG("lineage_split", schedule=None, default_args=PATIENT, **HERE):
    upload = UploadReferenceOperator(task_id="upload", file=REFERENCE)
    ask = GenerateMusicOperator(
        task_id="ask",
        model="minimax/music-of-tomorrow",
        prompt="a quiet canal before sunrise, single cello",
        lyrics="[Verse]\nNothing moves but fog",
        refer_voice=upload.output["voice_id"],
        refer_instrumental=upload.output["instrumental_id"],
        wait_for_completion=False,
    )
    wait = MusicGenerationSensor(task_id="wait", generation=ask.output, poll_interval=2, outlets=[SPLIT])
    upload >> ask >> wait

with DAG("lineage_whole", schedule=None, default_args=PATIENT, **HERE):
    sent = UploadReferenceOperator(task_id="upload", file=REFERENCE)
    GenerateMusicOperator(
        model="music-01",
        task_id="song",
        lyrics="##Nobody reads the harbour lights##",
        refer_voice=sent.output["voice_id"],
        refer_instrumental=sent.output["instrumental_id"],
    )

with DAG("lineage_batch", schedule=None, default_args=PATIENT, **HERE):
    GenerateMusicBatchOperator(
        task_id="songs",
        requests=[{"model": "stable-audio", "prompt": f"a bell, {n} times"} for n in range(3)],
        poll_interval=2,
        outlets=[SONGS],
    )

with DAG("lineage_linked", schedule=None, default_args=PATIENT, **HERE):
    GenerateMusicOperator(
        task_id="song",
        model="stable-audio",
        prompt="a bell, far off",
        output_dir="s3://aws_music@music/songs",
        poll_interval=2,
    )

with DAG("lineage_told", schedule=[SPLIT], **HERE):

    @task
    def read(**context):
        """Return what the events say that started this run."""
        told = context.get("triggering_asset_events") or context.get("triggering_dataset_events")
        return [event.extra for events in told.values() for event in events]

    read()
