# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs where disks, folders, requests and runs change between the tries: one DAG for each folder and lane.

The run's conf says the words, the connection, and through which try the task fails after it returned its song. DAGs
are made only where the test that needs them says where the folders are.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_music.compat import DAG, AirflowException

try:
    from airflow.sdk import get_parsing_context
except ImportError:  # 2.11
    from airflow.utils.dag_parsing_context import get_parsing_context

from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator

# music: the default folder, which each machine has on its own disk; shared: one that all machines see;
# bucket: on S3; edits: files that a test writes as a person edits a DAG or a configuration.
PLACES: dict[str, str] = json.loads(os.environ.get("MUSIC_DISKS", "{}"))
QUEUED: dict[str, Any] = {"model": "minimax/music-2.6", "poll_interval": 1}
SYNCHRONOUS: dict[str, Any] = {
    "model": "music-01",
    "refer_voice": "vocal-2025082518145625-6XW9wCOF",
    "audio_setting": {"sample_rate": 16000, "bitrate": 64000, "format": "mp3"},
}
# A person edits the words of a run: its variable outranks its conf.
WORDS = "{{ var.value.get('words_' ~ dag_run.conf['conn_id'], dag_run.conf['words']) }}"
COMMON: dict[str, Any] = {
    "task_id": "song",
    "conn_id": "{{ dag_run.conf['conn_id'] }}",
    "timeout": timedelta(minutes=3),
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}
NOW = "{{ macros.datetime.now().strftime('%H-%M-%S-%f') }}"
TRY = "{{ ti.try_number }}"


class FailingLater:
    """Fail after the song was returned, through the try that the run's conf names: Airflow loses the success."""

    def execute(self, context: Any) -> Any:
        """Run the first half."""
        return self._failing(context, super().execute(context))

    def execute_complete(self, context: Any, event: Any) -> Any:
        """Run the second half."""
        return self._failing(context, super().execute_complete(context, event))

    def _failing(self, context: Any, result: Any) -> Any:
        if context["ti"].try_number <= int(context["dag_run"].conf.get("fail_through", 0)):
            raise AirflowException("made to fail after its song was returned")
        return result


class Song(FailingLater, GenerateMusicOperator):
    """One song."""


class Batch(FailingLater, GenerateMusicBatchOperator):
    """Many songs."""


def song(name: str, lane: str, **options: Any) -> None:
    """Make a DAG of one song."""
    words = {"lyrics": WORDS} if lane == "synchronous" else {"prompt": WORDS, "lyrics": WORDS}
    with _dag(f"{name}_{lane}"):
        Song(**COMMON | (SYNCHRONOUS if lane == "synchronous" else QUEUED) | words | options)


def batch(name: str, **options: Any) -> None:
    """Make a DAG of a batch; its words are the whole list of requests."""
    requests = "{{ var.value.get('words_' ~ dag_run.conf['conn_id'], dag_run.conf['words'] | tojson) }}"
    with _dag(f"{name}_batch"):
        Batch(**COMMON | options, requests=requests, poll_interval=1, max_usd=1.0)


def _dag(name: str) -> DAG:
    return DAG(
        f"disks_{name}",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        is_paused_upon_creation=False,
        max_active_tasks=64,
    )


def _edit(name: str, otherwise: Any) -> Any:
    """Return what a person has edited meanwhile."""
    file = Path(PLACES["edits"]) / name
    return json.loads(file.read_text()) if file.is_file() else otherwise


if PLACES:
    own, shared, bucket = PLACES["music"], PLACES["shared"], PLACES["bucket"]
    # [music] output_dir as the task's process finds it, edited between two tries.
    os.environ["AIRFLOW__MUSIC__OUTPUT_DIR"] = _edit(f"{get_parsing_context().dag_id}.output_dir", f"{shared}/before")
    # Long enough for the test to act between two tries.
    pause: dict[str, Any] = {"retry_delay": timedelta(seconds=5)}
    # As long as a response is searched for, where the usage log does not have it.
    search = pause | {"timeout": timedelta(seconds=40)}
    for lane in ("queued", "synchronous"):
        song("undeclared", lane, queue="undeclared", output_dir=own)
        song("own", lane, output_dir=own)
        song("shared", lane, output_dir=shared)
        song("bucket", lane, output_dir=bucket)
        song("now", lane, output_dir=f"{bucket}/{NOW}")
        song("try", lane, output_dir=f"{shared}/{TRY}")
        song("edited", lane, **pause)
        song("relative", lane, output_dir="songs")
        song("retries", lane, output_dir=shared, retries=_edit(f"disks_retries_{lane}.retries", 2))
        song("pods", lane, output_dir=f"{own}/pods_{lane}", **pause, deferrable=lane == "queued")
        song("lost", lane, output_dir=f"{own}/lost_{lane}", **pause, deferrable=lane == "queued")
        song("later", lane, output_dir=f"{own}/later_{lane}", **search, deferrable=lane == "queued")
    song("mute", "queued", output_dir=f"{own}/mute_queued", **search)
    song("killed", "queued", output_dir=f"{own}/killed", **pause)
    song("gone", "queued", output_dir=f"{own}/gone")
    song("cleared", "queued", output_dir=f"{own}/cleared_queued")
    song("halves", "queued", output_dir=f"{own}/halves")
    song("worker", "synchronous", output_dir=own, deferrable=False)
    batch("own", output_dir=own)
    batch("pods", output_dir=f"{own}/pods_batch", **pause, deferrable=False)
    batch("now", output_dir=f"{bucket}/{NOW}")
    batch("relative", output_dir="songs")
    batch("listed", output_dir=shared, **pause)
