# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "polls": waits that poll every 2 s, with this package's sensor, with Airflow's HttpSensor, and without polls."""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG
from only_wait import OnlyWait

from airflow_provider_music.sensors.music import MusicGenerationSensor

WAITS = 300
OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 512,
}
OURS: dict[str, Any] = {"task_id": "wait", "poll_interval": 2}
HTTP: dict[str, Any] = {"task_id": "wait", "deferrable": True, "poke_interval": 2}
# Nothing gets a slot there: the benchmark itself puts the tasks into the state in which a worker leaves them.
CLOSED = {"pool": "closed"}

with DAG("polls_ours_1", schedule=None, **OPTIONS):
    MusicGenerationSensor.partial(**OURS, conn_id="pattern_music").expand(generation=["wait-of-ours"])

with DAG("polls_ours_many", schedule=None, **OPTIONS):
    MusicGenerationSensor.partial(**OURS, **CLOSED, conn_id="polls_music").expand(
        generation=[f"wait-{n}" for n in range(WAITS)]
    )

with DAG("polls_http_1", schedule=None, **OPTIONS):
    HttpSensor.partial(**HTTP, http_conn_id="pattern_http").expand(endpoint=["waiting/wait-of-http"])

with DAG("polls_http_many", schedule=None, **OPTIONS):
    HttpSensor.partial(**HTTP, **CLOSED, http_conn_id="polls_http").expand(
        endpoint=[f"waiting/wait-{n}" for n in range(WAITS)]
    )

with DAG("polls_wait_1", schedule=None, **OPTIONS):
    OnlyWait.partial(task_id="wait").expand(seconds=[3600.0])

with DAG("polls_wait_many", schedule=None, **OPTIONS):
    OnlyWait.partial(task_id="wait", **CLOSED).expand(seconds=[3600.0] * WAITS)
