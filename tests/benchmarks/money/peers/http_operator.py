# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow's HTTP provider: a deferrable HttpOperator submits, an HttpSensor waits, a task downloads; each with retries.

HttpSensor cannot wait in the triggerer for what a body says: with a `response_check` it polls on a worker.
"""

from __future__ import annotations

import json
import os
from typing import Any

import airflow_tasks
import requests
import told
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.sensors.http import HttpSensor
from airflow.providers.http.triggers import http  # noqa: F401 - before the processes are forked
from airflow.providers.standard.operators.python import PythonOperator

from airflow_provider_music.compat import PokeReturnValue

_PATH = "/v2/generate/audio"


def submit(song: str, _results: list[Any]) -> HttpOperator:
    """The paid request, from the triggerer."""
    return HttpOperator(
        task_id="submit",
        http_conn_id="money_http",
        method="POST",
        endpoint=_PATH,
        data=json.dumps({"model": told.MODEL, "prompt": told.prompt(song), "lyrics": told.LYRICS}),
        response_filter=lambda response: response.json()["id"],
        deferrable=True,
        retries=airflow_tasks.RETRIES,
    )


def wait(_song: str, results: list[Any]) -> HttpSensor:
    """Polls until the body says that the song is there."""
    return HttpSensor(
        task_id="wait",
        http_conn_id="money_http",
        endpoint=_PATH,
        request_params={"generation_id": results[0]},
        response_check=_is_done,
        poke_interval=told.POLL_SECONDS,
        deferrable=True,
        retries=airflow_tasks.RETRIES,
    )


def download(song: str, results: list[Any]) -> PythonOperator:
    """Lands the song."""
    return PythonOperator(
        task_id="download", python_callable=_download, op_args=[song, results[1]], retries=airflow_tasks.RETRIES
    )


def _is_done(response: requests.Response) -> PokeReturnValue:
    body = response.json()
    done = body["status"] == "completed"
    return PokeReturnValue(is_done=done, xcom_value=body["audio_file"]["url"] if done else None)


def _download(song: str, url: str) -> str:
    path = told.OUT / f"{song}.mp3"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with requests.get(url, stream=True, timeout=60) as response, part.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_content(2**16):
            file.write(chunk)
    os.replace(part, path)  # noqa: PTH105
    return str(path)


if __name__ == "__main__":
    airflow_tasks.main([submit, wait, download], lambda _song, results: str(results[2]))
