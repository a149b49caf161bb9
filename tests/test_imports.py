# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a DAG file's import of the operators and the sensor loads: it is paid at every parse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_music

ROOT = Path(airflow_provider_music.__file__).parent.parent
PROGRAM = """
import json, sys
# What every provider's operators stand on, and every DAG file has loaded.
try:
    from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:
    from airflow.configuration import conf
    from airflow.exceptions import TaskDeferred
    from airflow.hooks.base import BaseHook
    from airflow.models.baseoperator import BaseOperator
    from airflow.sensors.base import BaseSensorOperator
{before}
before = set(sys.modules)
import {modules}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
HEAVY = (
    *("aiohttp", "httpx_aiohttp", "httpx", "httpcore", "anyio", "mutagen", "pydantic", "lameenc", "starlette"),
    *("fsspec", "upath", "sqlalchemy", "uvicorn", "flask_appbuilder", "airflow.triggers"),
)
OURS = (
    *("api.models", "api.schema", "api.client", "api.transports", "hooks.clients", "record", "sandbox", "storage"),
    *("generation", "triggers"),
)


def loaded_by(*modules, before=""):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(modules=", ".join(modules), before=before)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def loaded():
    ours = ("operators.music", "sensors.music", "requests")
    return loaded_by(*(f"airflow_provider_music.{name}" for name in ours))


def at_or_below(names, prefix):
    return [name for name in names if name == prefix or name.startswith(f"{prefix}.")]


def test_the_operators_and_the_sensor_are_loaded(loaded):
    assert at_or_below(loaded, "airflow_provider_music.operators.music")
    assert at_or_below(loaded, "airflow_provider_music.sensors.music")


@pytest.mark.parametrize("name", HEAVY)
def test_a_dag_file_loads_no_library_through_us(loaded, name):
    assert at_or_below(loaded, name) == []


@pytest.mark.parametrize("name", OURS)
def test_a_dag_file_loads_nothing_of_ours_that_only_a_run_needs(loaded, name):
    assert at_or_below(loaded, f"airflow_provider_music.{name}") == []


def test_the_hooks_module_is_light_too():
    found = loaded_by("airflow_provider_music.hooks.music")
    assert [name for heavy in HEAVY for name in at_or_below(found, heavy)] == []


def test_the_decorators_load_no_more_than_airflows_own_do():
    airflows = "from airflow_provider_music.compat import DecoratedOperator"
    found = loaded_by("airflow_provider_music.decorators.music", before=airflows)
    assert [name for heavy in HEAVY for name in at_or_below(found, heavy)] == []
    assert [name for own in OURS for name in at_or_below(found, f"airflow_provider_music.{own}")] == []
