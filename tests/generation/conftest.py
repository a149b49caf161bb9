# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import socket

import httpx
import pytest

from airflow_provider_music.api import client as api_client
from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.cost import metrics
from airflow_provider_music.generation import hosts, usage_log
from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.generation.attempt import GenerationOptions
from airflow_provider_music.generation.folders import FolderOptions, SongFolders
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.spec import GenerationSpec
from airflow_provider_music.generation.state_machine import run_generation
from airflow_provider_music.generation.task import Defer, GenerationTask
from airflow_provider_music.provenance.attach import ProvenanceOptions
from airflow_provider_music.record.identity import SongIdentity, TaskAttempt
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.task_memory import TaskMemory
from airflow_provider_music.sandbox.songs import SongSpec, make


class Clocks:
    """Waits end at once and add up to the time that has passed."""

    def __init__(self):
        self.wall, self.elapsed = 1_800_000_000.0, 1000.0

    async def sleep(self, seconds):
        self.wall += seconds
        self.elapsed += seconds


@pytest.fixture
def clocks(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(clock, "now", lambda: clocks.wall)
    monkeypatch.setattr(clock, "monotonic", lambda: clocks.elapsed)
    monkeypatch.setattr(clock, "sleep", clocks.sleep)
    return clocks


#: Of the synchronous lane, in hex, and behind a queued song's link.
AUDIO = make(SongSpec("we row", "seed", seconds=1.0, rate=16000, bitrate=64000, format="wav")).data


class ScriptedApi:
    """The API without a socket: answers to POSTs, polls and the usage log are given one by one; counts them all."""

    def __init__(self):
        self.answers, self.polls, self.rows = [], [], []
        self.posted, self.polled, self.searched = [], 0, 0
        self.log_breaks = []
        self.on_post = lambda: None
        self.until_answered = lambda: asyncio.sleep(0)

    async def handle(self, request):
        if request.method == "POST":
            self.posted.append((request.headers["X-Client-Request-Id"], json.loads(request.content)))
            self.on_post()
            await self.until_answered()
            answer = self.answers.pop(0) if self.answers else self.accepted(request)
        elif request.url.path == "/v2/logs":
            self.searched += 1
            page = {"data": self.rows, "pagination": {"has_more": False}}
            answer = self.log_breaks.pop(0) if self.log_breaks else page
        elif request.url.path == "/song.wav":
            answer = httpx.Response(200, content=AUDIO)
        else:
            self.polled += 1
            answer = self.polls.pop(0) if self.polls else DONE
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, json=answer) if isinstance(answer, dict) else answer

    def accepted(self, request):
        if request.url.path.endswith("minimax/generate"):
            return {"data": {"status": 2, "audio": AUDIO.hex()}, "base_resp": {"status_code": 0}, "trace_id": "t-1"}
        return {"id": "gen-1", "status": "queued"}

    def has_row(self, request_id, **values):
        cost = {"usd": 0.2, "credits": 400000}
        self.rows = [{"status": "succeeded", "inference_id": "gen-9", "cost": cost, "client_request_id": request_id}]
        self.rows[0].update(values)


def no_such_name(monkeypatch):
    """The error of a host that has no address, in a process that it has never answered."""
    monkeypatch.setattr(api_client, "_answered", set())
    monkeypatch.setattr(hosts, "_failures", {})
    error = httpx.ConnectError("Name or service not known")
    error.__cause__ = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return error


DONE = {"id": "gen-1", "status": "completed", "audio_file": {"url": "http://127.0.0.1/song.wav"}}


@pytest.fixture
def api(monkeypatch):
    uri = {"conn_type": "music", "host": "http://127.0.0.1:1", "password": "a-made-up-key"}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(uri))
    api = ScriptedApi()
    with use_transport(httpx.MockTransport(api.handle)):
        yield api


@pytest.fixture
def spec(tmp_path, clocks):
    """Makes what a wait has to know; the deadline is in 100 s."""
    queued = GenerationSpec(
        conn_id="music_default",
        record_url=str(tmp_path / "song"),
        n=1,
        lane="queued",
        body={"model": "minimax/music-2.6", "prompt": "the sea"},
        fingerprint="f" * 64,
        audio_format="wav",
        sample_rate_hz=None,
        usual_seconds=60.0,
        deadline=clocks.wall + 100.0,
        poll_interval=1.0,
        task="dag.song",
        try_number=2,
        max_tries=3,
        key="k" * 24,
    )

    def make_spec(lane="queued", **more):
        if lane == "synchronous":
            more = {"body": {"model": "music-01", "lyrics": "we row"}, **more}
        return dataclasses.replace(queued, lane=lane, **more)

    return make_spec


@pytest.fixture
def record(spec):
    return SongRecord(spec().record_url)


# One try of a task, on a worker

REQUESTS = {
    "queued": {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"},
    "synchronous": {
        "model": "music-01",
        "lyrics": "##we row##",
        "refer_voice": "vocal-2025082518145625-6XW9wCOF",
        "audio_setting": {"format": "wav"},
    },
}


class StateStore:
    """Airflow's task state store; keeps every value that it was given."""

    def __init__(self, known=None):
        self.values = [known] if known else []

    def get(self, _):
        return self.values[-1] if self.values else None

    def set(self, key, value):
        assert key == "airflow_provider_music"
        self.values.append(json.loads(json.dumps(value)))


class Stats:
    """Airflow's metrics: each name with its model and status."""

    def __init__(self):
        self.counted = []

    def incr(self, name, count=1, *, tags):
        self.counted.append((name, tags["model"], tags.get("status")))

    def timing(self, name, _, *, tags):
        pass


@pytest.fixture
def stats(monkeypatch):
    stats = Stats()
    monkeypatch.setattr(metrics, "_stats", lambda: stats)
    return stats


@pytest.fixture
def store():
    return StateStore()


@pytest.fixture
def task(api, clocks, tmp_path, monkeypatch):
    """Makes one try of a task."""
    monkeypatch.setattr(usage_log, "_open_until", 0.0)

    def make(lane="queued", *, request=None, store=None, try_number=1, max_tries=3, attempt=None, run="run", **options):
        root = str(tmp_path / "songs")
        values = {
            "conn_id": "music_default",
            "folders": FolderOptions(root, root, is_mapped=False, record_dir=None, executor="LocalExecutor"),
            "timeout": 100.0,
            "poll_interval": 1.0,
            "on_unknown": "fail",
            "max_usd": None,
            "on_unknown_price": "refuse",
            "provenance": ProvenanceOptions("none"),
            "deferrable": True,
        }
        which = TaskAttempt(SongIdentity("dag", run, "song"), try_number, max_tries, **(attempt or {}))
        given = REQUESTS[lane] if request is None else request
        return GenerationTask(GenerationOptions(**{**values, **options}), given, which, TaskMemory(store))

    return make


def second_half(task, event):
    """A task as it resumes: all that it has of its first half is the event."""
    return GenerationTask(task._options, task._given, task._attempt, task._memory).resume(json.loads(json.dumps(event)))


def triggered(deferred):
    """What the triggerer makes of a wait."""
    assert isinstance(deferred, Defer)
    return json.loads(json.dumps(run_sync(run_generation(deferred.spec))))


def record_of(task):
    return SongRecord(task.record_url)


def song_of(task):
    return task._song(SongFolders.of(task._options.folders, task._attempt_here.identity))


def lost(task):
    """Take away the disk that its record was on."""
    shutil.rmtree(record_of(task).folder.url.removeprefix("file://"))


def claimed(task, *facts, n=1, **values):
    """Leave a take in the record as an earlier try of this task would, its request this one; return its record."""
    song = song_of(task)
    record = song.record
    intent = {"lane": song.request.lane, "model": song.request.body["model"], "client_request_id": f"r-{n}"}
    attempt = {**task._attempt.metadata}
    take = record.claim(n, **{**attempt, **intent, "fingerprint": song.fingerprint, "audio_format": "wav", **values})
    for fact in facts:
        take = record.write(take, fact, **attempt, generation_id=f"gen-{n}", sent=True, audio_uri="there")
    return record
