# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What every test shares: an Airflow that needs no database, a sandbox, and songs."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tempfile
import uuid
import wave

# Before Airflow is imported anywhere: its folder must not be the user's.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-music-tests-"))
os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "False")
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

import pytest

from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.sandbox.songs import SongSpec, make
from airflow_provider_music.storage.folder import Folder
from airflow_provider_music.testing import TaskRunner
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


class OnTheOperatorItself(TaskRunner):
    """Runs no copy of the operator and renders nothing: tests put odd values into it, and look at what it keeps."""

    def _prepared(self, task):
        return task, self.context(task)


@pytest.fixture
def airflow():
    return OnTheOperatorItself(skip_waits=False)


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
