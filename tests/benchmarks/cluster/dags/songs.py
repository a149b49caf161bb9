# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "songs": many songs at once through music-01, with this package and with Airflow's own HttpOperator."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import DAG
from only_wait import OnlyWait

from airflow_provider_music.operators.music import GenerateMusicOperator

PATH = "/v2/generate/audio/minimax/generate"
VOICE = "vocal-2025082518145625-6XW9wCOF"
SETTING = {"sample_rate": 44100, "bitrate": 256000, "format": "mp3"}
RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 512,
}


def keep(response: Any) -> str:
    """Leave the song in a file, as this package does."""
    body = response.json()
    folder = Path(os.environ["AIRFLOW_HOME"]) / "songs" / "http"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{body['trace_id']}.mp3"
    path.write_bytes(bytes.fromhex(body["data"]["audio"]))
    return str(path)


def lyrics(count: int) -> list[str]:
    """As many words as songs."""
    return [f"##song number {number} of {count}, with a long way home##" for number in range(count)]


def bodies(count: int) -> list[str]:
    """The same request as the package sends."""
    common = {"model": "music-01", "refer_voice": VOICE, "audio_setting": SETTING}
    return [json.dumps({**common, "lyrics": words}) for words in lyrics(count)]


for songs in (1, 6, 20):
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

    with DAG(f"songs_http_{songs}", schedule=None, **OPTIONS):
        HttpOperator.partial(
            task_id="song",
            http_conn_id="bench_http",
            method="POST",
            endpoint=PATH,
            response_filter=keep,
            deferrable=True,
            **RETRIES,
        ).expand(data=bodies(songs))

    with DAG(f"songs_wait_{songs}", schedule=None, **OPTIONS):
        OnlyWait.partial(task_id="song", **RETRIES).expand(seconds=[15.0 + number / 100 for number in range(songs)])
