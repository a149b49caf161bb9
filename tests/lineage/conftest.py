# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import collections
from types import SimpleNamespace

import pytest


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
