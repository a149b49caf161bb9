# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import collections
from types import SimpleNamespace

import pytest

from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator


@pytest.fixture
def song(output_dir):
    def make(**more):
        fields = {
            "task_id": "song",
            "model": "minimax/music-2.6",
            "prompt": "a calm song of the sea",
            "output_dir": str(output_dir),
            "poll_interval": 0.05,
        }
        return GenerateMusicOperator(**{**fields, **more})

    return make


@pytest.fixture
def batch(output_dir):
    def make(**more):
        requests = [{"model": "minimax/music-2.6", "prompt": f"a calm song of the sea, {n}"} for n in range(3)]
        fields = {"task_id": "songs", "requests": requests, "output_dir": str(output_dir), "poll_interval": 0.05}
        return GenerateMusicBatchOperator(**{**fields, **more})

    return make


class Event:
    """As much of Airflow's outlet event as a task writes to."""

    def __init__(self):
        self.extra = {}
        self.added = []

    def add(self, asset, extra=None):
        self.added.append((asset.uri, extra))


@pytest.fixture
def outlet_events(monkeypatch, airflow):
    """The events that tasks leave, by outlet."""
    events = collections.defaultdict(Event)
    bare = type(airflow).context
    monkeypatch.setattr(type(airflow), "context", lambda self, task: {**bare(self, task), "outlet_events": events})
    return events


@pytest.fixture
def ti():
    """A task instance as a listener sees it."""

    def make(airflow, task, pulled=None):
        return SimpleNamespace(**vars(airflow.context(task)["ti"]), xcom_pull=lambda **_: pulled)

    return make
