# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A real Airflow at DEBUG: nothing that it writes holds the key or a signed URL, after successes and failures."""

import sqlite3
from pathlib import Path

import pytest
from harness.processes import leave_nothing_behind
from harness.sandbox import SandboxProcess
from harness.settings import IS_3
from harness.standalone import Standalone

pytestmark = pytest.mark.cluster

KEY = "sk-marked-4711-must-not-be-seen"
#: Of the sandbox's signed URLs.
SIGNED = ("Signature=", "OSSAccessKeyId")
DAGS = """
from datetime import datetime, timedelta, UTC
from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor

QUEUED = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea", "poll_interval": 1}
SYNCHRONOUS = {"model": "music-01", "lyrics": "##we row##", "refer_voice": "vocal-2025082518145625-6XW9wCOF"}
SECOND = timedelta(seconds=1)
OPTIONS = {"schedule": None, "start_date": datetime(2026, 1, 1, tzinfo=UTC), "catchup": False}
for name, fields in {"queued": QUEUED, "synchronous": SYNCHRONOUS}.items():
    with DAG(f"secrets_{name}", **OPTIONS):
        GenerateMusicOperator(task_id="song", timeout=60, **fields)
with DAG("secrets_sensor", **OPTIONS):
    song = GenerateMusicOperator(task_id="song", wait_for_completion=False, **QUEUED)
    # The scheduler may fail a try that comes back too soon for it (apache/airflow#66374).
    MusicGenerationSensor(task_id="wait", generation=song.output, poll_interval=1, retries=2, retry_delay=SECOND)
"""
#: DAG, the faults that spoil its run, and how it ends.
RUNS = (
    ("secrets_queued", (), "success"),
    ("secrets_synchronous", (), "success"),
    ("secrets_sensor", ("poll:junk=html", "poll:status=401,skip=1"), "success"),
    ("secrets_queued", ("submit:status=400",), "failed"),
    ("secrets_queued", ("download:audio=html",), "failed"),
    ("secrets_queued", ("poll:url=http://10.0.0.1/song?Signature=x&OSSAccessKeyId=y,times=all",), "failed"),
    ("secrets_synchronous", ("generate:cut-after",), "failed"),
)


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A sandbox with a marked key."""
    # A song that is there at once brings a task back too soon for the scheduler (apache/airflow#66374), which fails it.
    process = SandboxProcess(tmp_path_factory.mktemp("marked"), "--delay", "8", "--key", KEY, key=KEY)
    process.settings(any_reference=True)
    yield process
    process.stop()


@pytest.fixture(scope="module")
def talkative(tmp_path_factory, marked):
    """An Airflow that logs all there is."""
    leave_nothing_behind()
    home, dags = tmp_path_factory.mktemp("talkative"), tmp_path_factory.mktemp("dags")
    (dags / "secrets.py").write_text(DAGS)
    env = {
        "AIRFLOW_CONN_MUSIC_DEFAULT": marked.connection_json(),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "AIRFLOW__MUSIC__OUTPUT_DIR": str(home / "songs"),
    }
    with Standalone(home, dags, env) as airflow:
        yield airflow


def rows(database: Path):
    """Every value of every table, as text."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            yield table, " ".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row)
    connection.close()


def test_nothing_that_airflow_writes_holds_a_secret(talkative, marked):
    if not IS_3:
        pytest.skip("one version is enough: what is written is written by the same code")
    for dag_id, faults, ends in RUNS:
        marked.fault(*faults)
        run = talkative.run(dag_id)
        assert run.until_end() == ends, talkative.explain(run)
        marked.clear_faults()

    written = talkative.written()
    places = {str(path): content.decode("latin-1") for path, content in written.items() if path.suffix != ".pid"}
    found = [
        f"{name}: ...{text[max(0, text.index(secret) - 200) : text.index(secret) + 20]}"
        for name, text in places.items()
        for secret in (KEY, *SIGNED)
        if secret in text
    ]
    (database,) = talkative.home.glob("airflow.db")
    values = list(rows(database))
    found += [f"{table}: {row[:500]}" for table, row in values for secret in (KEY, *SIGNED) if secret in row]
    assert not found, "\n".join(found)

    # That there was something to be found in: DEBUG lines of our tasks, songs, rows of triggers and XCom.
    assert any("DEBUG" in text or '"debug"' in text for name, text in places.items() if "/logs/" in name)
    assert sum(name.endswith("completed.json") for name in places) == 3
    assert {"xcom", "log", "task_instance"} <= {table for table, _ in values}
