# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Sensors whose wait begins in the triggerer, and some that only a worker can begin."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor

OPTIONS: dict[str, Any] = {"start_date": datetime(2026, 1, 1, tzinfo=UTC), "catchup": False}
SENSOR: dict[str, Any] = {"poll_interval": 2, "retries": 2, "retry_delay": timedelta(seconds=1)}
PULLED = "{{ ti.xcom_pull(task_ids='ask')['generation_id'] }}"


def asked_for() -> GenerateMusicOperator:
    """Ask for the song and do not wait."""
    return GenerateMusicOperator(
        task_id="ask",
        model="stable-audio",
        prompt="A lantern in the fog",
        wait_for_completion=False,
        retries=2,
        retry_delay=timedelta(seconds=1),
    )


with DAG("sensors_begin", schedule=None, user_defined_macros={"nothing": ""}, **OPTIONS):
    ask = asked_for()
    MusicGenerationSensor(task_id="early", generation=ask.output, **SENSOR)
    ask >> MusicGenerationSensor(task_id="early_by_template", generation=PULLED, **SENSOR)
    ask >> MusicGenerationSensor(task_id="needs_a_worker", generation="{{ nothing }}" + PULLED, **SENSOR)

with DAG("sensors_begin_with_params", schedule=None, params={"needed": Param(type="string")}, **OPTIONS):
    MusicGenerationSensor(task_id="needs_params", generation=asked_for().output, start_from_trigger=True, **SENSOR)
