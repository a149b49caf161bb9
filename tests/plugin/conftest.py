# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow's database with a few rows, an auth manager that knows three users, and songs in a folder."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_music.compat import AIRFLOW

if AIRFLOW < (3, 1, 0):
    # Without Airflow's API server there is nothing to ask.
    collect_ignore = [f"test_{name}.py" for name in ("access", "approval", "audio", "library", "song_page", "waveform")]
# Airflow 3.4 has XComs of two kinds behind one name, which needs its whole database: make test-browser.

RUN = "manual__2026-11-28T07:52:40.167767+00:00"
START = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)


@pytest.fixture
def sessions(tmp_path, monkeypatch):
    """Empty tables of Airflow's, in a file of SQLite; the pages read them."""
    from airflow import models
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    # The tables that these three point at.
    models.import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path}/airflow.db")
    tables = [model.__table__ for model in (TaskInstance, XComModel, RenderedTaskInstanceFields)]
    TaskInstance.metadata.create_all(engine, tables=tables)
    made = sessionmaker(engine)

    @contextlib.contextmanager
    def create_session(*, scoped):
        with made() as session:
            yield session

    for module in ("task_facts", "library", "costs"):
        monkeypatch.setattr(f"airflow_provider_music.plugin.{module}.create_session", create_session)
    yield made
    engine.dispose()


class Tables:
    """Writes what Airflow would."""

    def __init__(self, sessions, output_dir):
        self.sessions = sessions
        self.output_dir = output_dir
        self.runs = {}

    def task(self, dag_id="heard", task_id="song", *, run_id=RUN, map_index=-1, state="success", fields=None, **more):
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.models.taskinstance import TaskInstance

        key = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        values = {
            **key,
            "id": uuid.uuid4(),
            "state": state,
            "operator": "GenerateMusicOperator",
            "start_date": START,
            "pool": "default_pool",
            "pool_slots": 1,
            "queue": "default",
            "executor_config": {},
            **more,
        }
        with self.sessions() as session:
            session.execute(TaskInstance.__table__.insert().values(**values))
            if fields is not None:
                rendered = RenderedTaskInstanceFields.__table__
                session.execute(rendered.insert().values(**key, rendered_fields=fields))
            session.commit()
        return key

    @staticmethod
    def result_folder(key):
        """Where the record of a song lies."""
        return Path(key["result"]["record_uri"].removeprefix("file://")).parents[1]

    @staticmethod
    def path(key, what=""):
        """Of a task's page, and what lies below it."""
        from airflow_provider_music.plugin.listen_link import page_path

        return page_path("", key["dag_id"], key["run_id"], key["task_id"], key["map_index"]) + what

    def xcoms(self, key, values, when=START):
        from airflow.models.xcom import XComModel

        run = self.runs.setdefault((key["dag_id"], key["run_id"]), len(self.runs) + 1)
        rows = [{**key, "dag_run_id": run, "key": name, "value": value, "timestamp": when} for name, value in values]
        with self.sessions() as session:
            session.execute(XComModel.__table__.insert(), rows)
            session.commit()

    def song(self, content=b"ID3" + bytes(1000), *, suffix="mp3", takes=1, when=START, usd=0.05, name="song", **more):
        """A task that returned a song of that content, and its record; returns the names of the task."""
        key = self.task(**more)
        url = record(self.output_dir, key, content, suffix=suffix, takes=takes, name=name)
        audio = {"format": suffix, "sha256": hashlib.sha256(content).hexdigest(), "duration_ms": 125_000}
        result = {
            "generation_id": f"gen-{uuid.uuid4().hex[:8]}",
            "model": "minimax/music-2.6",
            "status": "completed",
            "audio_uri": f"{url}/take-{takes}/{name}.{suffix}",
            "audio": {**audio, "size_bytes": len(content)},
            "usage": {"credits_used": 1000, "usd_spent": usd},
            "record_uri": f"{url}/take-{takes}/completed.json",
        }
        self.xcoms(key, [("return_value", result), *result.items()], when)
        return {**key, "result": result}


def record(root, key, content, *, suffix="mp3", takes=1, name="song", **audio):
    """Write the record of delivered takes with their songs; return its URL."""
    from airflow_provider_music.record.store import SongRecord

    folder = root / key["dag_id"] / key["task_id"] / hashlib.sha256(str(key).encode()).hexdigest()[:8]
    store = SongRecord(str(folder))
    for n in range(1, takes + 1):
        take = store.claim(n, model="minimax/music-2.6", task="x", try_number=n, max_tries=n)
        take = store.write(take, "accepted", generation_id=f"gen-{n}", usage={})
        (folder / f"take-{n}" / f"{name}.{suffix}").write_bytes(content)
        (folder / f"take-{n}" / f"{name}.{suffix}.peaks.json").write_text('{"peaks": [-1, 1]}')
        facts = {
            "format": suffix,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "duration_ms": 125_000,
            **audio,
        }
        url = f"file://{folder}/take-{n}/{name}.{suffix}"
        take = store.write(take, "completed", model="minimax/music-2.6", audio_uri=url, audio=facts, usage={})
        store.write(take, "delivered", status="completed", try_number=n)
    return f"file://{folder}"


@pytest.fixture
def output_dir(tmp_path, monkeypatch):
    """The folder that songs are played from."""
    folder = tmp_path / "songs"
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(folder))
    return folder


@pytest.fixture
def tables(sessions, output_dir):
    return Tables(sessions, output_dir)


class AuthManager:
    """Knows users by their token: "reader" reads the DAGs of ``dags``, "stranger" none."""

    def __init__(self, dags):
        self.dags = dags
        self.asked = []

    async def get_user_from_token(self, token):
        from jwt import InvalidTokenError

        if token not in ("reader", "stranger"):
            raise InvalidTokenError
        return SimpleNamespace(username=token)

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        self.asked.append((method, access_entity and access_entity.name, details and details.id))
        if details is None or details.id is None:
            return True
        return user.username == "reader" and details.id in self.dags

    def get_authorized_dag_ids(self, *, user, method):
        return set(self.dags) if user.username == "reader" else set()


@pytest.fixture
def auth_manager(monkeypatch):
    from airflow.api_fastapi import app
    from airflow.models.dag import DagModel

    manager = AuthManager({"heard", "many"})
    monkeypatch.setattr(app._AuthManagerState, "instance", manager)
    monkeypatch.setattr(DagModel, "get_team_name", lambda dag_id: None)
    return manager


@pytest.fixture
def as_user(auth_manager, tables):
    """A client of the pages that has a user's session, or none; mounted as Airflow mounts them."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from airflow_provider_music.plugin.app import app

    airflow = FastAPI()
    airflow.mount("/music", app())

    def client(user):
        cookies = {} if user is None else {"_token": user}
        return TestClient(airflow, cookies=cookies, raise_server_exceptions=False)

    return client


@pytest.fixture
def reader(as_user):
    return as_user("reader")
