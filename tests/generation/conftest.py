# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.generation import runtime as clock


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
