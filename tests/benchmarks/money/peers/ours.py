# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""This package: one GenerateMusicOperator a song, deferrable, with the retries that its documents ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import airflow_tasks
import told

from airflow_provider_music.generation import runtime  # noqa: F401 - before the processes are forked
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.triggers import music  # noqa: F401 - the same

#: How long a lost response is searched for; an hour by default, which nobody wants to wait for here.
_TIMEOUT = timedelta(seconds=45)


def song_task(song: str, _results: list[Any]) -> GenerateMusicOperator:
    """Return the task of one song."""
    return GenerateMusicOperator(
        task_id="song",
        model=told.MODEL,
        prompt=told.prompt(song),
        lyrics=told.LYRICS,
        output_dir=str(told.OUT),
        conn_id="money_music",
        poll_interval=told.POLL_SECONDS,
        timeout=_TIMEOUT,
        retries=airflow_tasks.RETRIES,
    )


def _path_of(_song: str, results: list[Any]) -> str:
    return str(results[0]["audio_uri"]).removeprefix("file://")


if __name__ == "__main__":
    airflow_tasks.main([song_task], _path_of)
