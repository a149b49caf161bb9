# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks against a hostile API: how they end, and what they leave behind."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hostile_api import LANES, HostileApi, wave

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.storage.audio_writer import is_rejected

#: No attack may hold a task much longer than what its connection allows; generous, for busy machines.
MOST_SECONDS = 60.0


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def api(monkeypatch):
    with HostileApi(wave()) as started:
        monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", started.connection(connect_timeout=5, read_timeout=10))
        yield started


@dataclass
class Ended:
    """How a task ended: its result or its error."""

    result: dict | None = None
    error: BaseException | None = None
    files: list[str] = field(default_factory=list)

    def __str__(self):
        return f"{type(self.error).__name__}: {self.error}" if self.error else str(self.result)


@pytest.fixture
def attempt(api, airflow, output_dir, monkeypatch):
    """Run a task of a lane to its end, and check what holds for every one of them."""

    def go(lane, *, most_bytes=None, connection=None, **more):
        if connection:
            monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", api.connection(**connection))
        task = GenerateMusicOperator(task_id="song", **{"output_dir": str(output_dir), **LANES[lane], **more})
        began, ended = time.monotonic(), Ended()
        with _little_memory(most_bytes):
            try:
                ended.result = airflow.run(task)
            except MusicError as exc:
                ended.error = exc
        assert time.monotonic() - began < MOST_SECONDS
        ended.files = left(output_dir)
        assert not [name for name in ended.files if "part" in name]
        if ended.result is not None:
            landed = Path(ended.result["audio_uri"].removeprefix("file://")).read_bytes()
            assert landed == api.song
        else:
            # What came in place of the song is paid, so it is kept, and said where.
            kept = [name for name in ended.files if name.startswith("song.")]
            assert all(is_rejected(name) and f"/{name}" in str(ended.error) for name in kept)
        assert api.posts() == 1
        return ended

    return go


@contextlib.contextmanager
def _little_memory(most):
    if most is None:
        yield
        return
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


def left(folder):
    """Names of all files but the facts."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
