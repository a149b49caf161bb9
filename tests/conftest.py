# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What every test shares: an Airflow that needs no database, a sandbox, and a stand-in for the task runner."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tempfile
import uuid
import wave
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

# Before Airflow is imported anywhere: its folder must not be the user's.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-music-tests-"))
os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "False")
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

import pytest

from airflow_provider_music.compat import TaskDeferred
from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.hooks.clients import close_clients
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.sandbox.songs import SongSpec, make
from airflow_provider_music.storage.folder import Folder
from tests.lanes import LANES

pytest_plugins = ["airflow_provider_music.sandbox.fixtures"]


@pytest.fixture(autouse=True)
def no_hold_back(monkeypatch):
    """The trigger's first seconds are for a real scheduler."""
    monkeypatch.setattr("airflow_provider_music.triggers.music.HOLD_BACK_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def brisk(monkeypatch):
    """Looks for a lost answer follow each other quickly, and a silent owner is given up soon."""
    monkeypatch.setattr("airflow_provider_music.generation.reconcile._WATCH_SECONDS", 0.02)
    monkeypatch.setattr("airflow_provider_music.record.lease.SILENCE_SECONDS", 0.3)
    monkeypatch.setattr("airflow_provider_music.generation.fetch._FIRST_PAUSE", 0.02)
    monkeypatch.setattr("airflow_provider_music.generation.fetch._gave_up_at", {})


@pytest.fixture
def output_dir(tmp_path):
    return tmp_path / "songs"


@pytest.fixture
def song(output_dir):
    """Makes a task of one song."""

    def make(lane="queued", **more):
        return GenerateMusicOperator(task_id="song", **{"output_dir": str(output_dir), **LANES[lane], **more})

    return make


@pytest.fixture
def batch(output_dir):
    """Makes a task of some songs, each with words of its own."""

    def make(words=("one", "two", "three"), **more):
        requests = [{"model": "minimax/music-2.6", "prompt": f"a calm song of the sea, {word}"} for word in words]
        fields = {"task_id": "songs", "requests": requests, "output_dir": str(output_dir), "poll_interval": 0.05}
        return GenerateMusicBatchOperator(**{**fields, **more})

    return make


def let_this_thread_execute() -> None:
    """Airflow 2.11 keeps who may call execute() in a place of the main thread only."""
    try:
        from airflow.models.baseoperator import ExecutorSafeguard
    except ImportError:
        return
    sentinel = getattr(ExecutorSafeguard, "_sentinel", None)
    if sentinel is not None and not hasattr(sentinel, "callers"):
        sentinel.callers = {}


@dataclass
class FakeAirflow:
    """Runs a task's tries as Airflow does: execute, defer, run the trigger, resume on a fresh context."""

    run_id: str = "scheduled__2026-11-01T00:00:00+00:00"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 2
    run_started_at: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    clear_number: int = 0
    reschedules: int = 0
    deferrals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def context(self, task: Any) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="dag",
            run_id=self.run_id,
            task_id=task.task_id,
            map_index=self.map_index,
            try_number=self.try_number,
            max_tries=self.max_tries,
        )
        run = SimpleNamespace(start_date=self.run_started_at, clear_number=self.clear_number)
        context = {"ti": ti, "task_instance": ti, "run_id": self.run_id, "dag_run": run}
        return context | {"task_reschedule_count": self.reschedules}

    def run(self, task: Any) -> Any:
        """One try, from execute to its end; in any thread."""
        let_this_thread_execute()
        try:
            return task.execute(self.context(task))
        except TaskDeferred as deferred:
            return self.resume(task, deferred)

    def resume(self, task: Any, deferred: TaskDeferred) -> Any:
        path, kwargs = deferred.trigger.serialize()
        self.deferrals.append((path, kwargs))
        event = asyncio.run(self.fire(deferred.trigger.__class__(**kwargs)))
        self.events.append(event)
        try:
            return getattr(task, deferred.method_name)(self.context(task), event)
        except TaskDeferred as again:
            return self.resume(task, again)

    async def fire(self, trigger: Any) -> dict[str, Any]:
        try:
            events = [event.payload async for event in trigger.run()]
        finally:
            await close_clients()
        assert len(events) == 1
        return events[0]

    def reschedule(self) -> None:
        """Airflow puts this try off and starts it again: its number stays."""
        self.reschedules += 1

    def retry(self) -> None:
        """Airflow starts another try."""
        self.try_number += 1

    def clear(self, retries: int = 2) -> None:
        """A person clears the task, which raises max_tries."""
        self.max_tries = self.try_number + retries
        self.try_number += 1
        # The run goes on anew.
        self.clear_number += 1
        self.run_started_at += timedelta(hours=1)

    def create_again(self) -> None:
        """A person deletes the run and creates it again, with the same id."""
        self.try_number, self.max_tries, self.clear_number = 1, 2, 0
        self.run_started_at += timedelta(hours=1)


@pytest.fixture
def airflow():
    return FakeAirflow()


@pytest.fixture
def quick_clock(monkeypatch):
    """Waits end at once, and time goes on by what was waited."""
    skipped = 0.0
    real_now, real_monotonic = clock.now, clock.monotonic

    async def sleep(seconds: float) -> None:
        nonlocal skipped
        skipped += seconds
        await asyncio.sleep(0)

    monkeypatch.setattr(clock, "now", lambda: real_now() + skipped)
    monkeypatch.setattr(clock, "monotonic", lambda: real_monotonic() + skipped)
    monkeypatch.setattr(clock, "sleep", sleep)


# Songs and folders


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "songs" / "take-1"))


@pytest.fixture
def left(tmp_path):
    """Names of all files below the output folder."""
    return lambda: sorted(path.name for path in (tmp_path / "songs").rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def mp3():
    return make(SongSpec(text="la la", seed="", seconds=3, rate=16000, bitrate=32000, format="mp3")).data


@pytest.fixture(scope="session")
def wav():
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16000, 0, "NONE", ""))
        writer.writeframes(bytes(range(256)) * 250)
    return file.getvalue()


# S3, on moto's server


@pytest.fixture(scope="session")
def s3():
    """The address of an S3; one for all tests of a process, since Airflow keeps a store by its connection's id."""
    pytest.importorskip("s3fs")
    pytest.importorskip("airflow.providers.amazon")
    pytest.importorskip("flask_cors")
    server_module = pytest.importorskip("moto.moto_server.threaded_moto_server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(s3, monkeypatch):
    """A take's folder in a new bucket."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    extra = {"endpoint_url": s3, "region_name": "us-east-1"}
    given = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MY_AWS", json.dumps(given))
    name = f"songs-{uuid.uuid4().hex[:8]}"
    boto3.client("s3", **keys, **extra).create_bucket(Bucket=name)
    return Folder(f"s3://my_aws@{name}/songs/take-1")
