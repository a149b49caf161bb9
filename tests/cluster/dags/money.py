# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs in both lanes whose workers and triggerers are killed: connection and words come with the run.

Folders come from the environment of all components: from a template, the record would lie elsewhere than the audio.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_music.compat import DAG, task
from airflow_provider_music.operators.music import GenerateMusicOperator

COMMON: dict[str, Any] = {
    "task_id": "song",
    "conn_id": "{{ dag_run.conf['conn_id'] }}",
    "output_dir": os.environ.get("MONEY_OUTPUT_DIR"),
    "timeout": timedelta(minutes=5),
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}
QUEUED = {"model": "minimax/music-2.6", "poll_interval": 1}
SYNCHRONOUS = {
    "model": "music-01",
    "refer_voice": "vocal-2025082518145625-6XW9wCOF",
    "audio_setting": {"sample_rate": 16000, "bitrate": 64000, "format": "mp3"},
}
S3 = {"output_dir": os.environ.get("MONEY_S3_DIR")}
PROMPT = {"prompt": "A song of {{ run_id }}, with a long way home", "lyrics": "We row until the end of night"}
LYRICS = {"lyrics": "##A song of {{ run_id }}##"}
DAG_OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 64,
}


@task
def words(*, same: bool = False) -> list[str]:
    """As many lines as the run asks for."""
    from airflow_provider_music.compat import get_current_context

    count = int(get_current_context()["dag_run"].conf["songs"])
    return [f"##song number {0 if same else n}##" for n in range(count)]


with DAG("money_queued", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator(**COMMON, **QUEUED, **PROMPT)

with DAG("money_queued_s3", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator(**{**COMMON, **S3}, **QUEUED, **PROMPT)

with DAG("money_queued_impatient", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator(**{**COMMON, "timeout": timedelta(seconds=15)}, **QUEUED, **PROMPT)

with DAG("money_synchronous", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator(**COMMON, **SYNCHRONOUS, **LYRICS)

with DAG("money_synchronous_s3", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator(**{**COMMON, **S3}, **SYNCHRONOUS, **LYRICS)

with DAG("money_synchronous_on_worker", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator(**COMMON, **SYNCHRONOUS, **LYRICS, deferrable=False)

with DAG("money_many_queued", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator.partial(**COMMON, **QUEUED, lyrics="We row until the end of night").expand(prompt=words())

with DAG("money_many_synchronous", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator.partial(**COMMON, **SYNCHRONOUS).expand(lyrics=words())

with DAG("money_budget", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator.partial(
        **COMMON, **QUEUED, lyrics="We row until the end of night", budget="marketing"
    ).expand(prompt=words())

with DAG("money_reuse", schedule=None, **DAG_OPTIONS):
    GenerateMusicOperator.partial(**COMMON, **QUEUED, prompt="A song of all of us", reuse="identical").expand(
        lyrics=words(same=True)
    )
