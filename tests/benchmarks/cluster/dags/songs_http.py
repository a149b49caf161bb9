# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "songs": the same with Airflow's own HttpOperator."""

import json
import os
from pathlib import Path
from typing import Any

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import DAG
from songs_common import COUNTS, OPTIONS, PATH, RETRIES, SETTING, VOICE, lyrics


def keep(response: Any) -> str:
    """Leave the song in a file, as this package does."""
    body = response.json()
    folder = Path(os.environ["AIRFLOW_HOME"]) / "songs" / "http"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{body['trace_id']}.mp3"
    path.write_bytes(bytes.fromhex(body["data"]["audio"]))
    return str(path)


def bodies(count: int) -> list[str]:
    """The same request as the package sends."""
    common = {"model": "music-01", "refer_voice": VOICE, "audio_setting": SETTING}
    return [json.dumps({**common, "lyrics": words}) for words in lyrics(count)]


for songs in COUNTS:
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
