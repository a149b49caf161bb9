# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator

MODEL = "minimax/music-2.6"
PRICE = 0.195


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """A price that cannot be had is requested again at once, and no test inherits an open circuit of the usage log."""
    monkeypatch.setattr("airflow_provider_music.cost.budget._PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("airflow_provider_music.generation.usage_log._open_until", 0.0)


@pytest.fixture
def song(music_sandbox, output_dir):
    """A task for one queued song, which costs 0.195 USD."""

    def make(**more):
        fields = {
            "task_id": "song",
            "model": MODEL,
            "prompt": "a calm song of the sea",
            "output_dir": str(output_dir),
            "poll_interval": 0.05,
        }
        return GenerateMusicOperator(**{**fields, **more})

    return make


@pytest.fixture
def synchronous_song(song, music_sandbox):
    """A task for one song of music-01, which costs 0.07 USD."""
    music_sandbox.settings(any_reference=True)

    def make(**more):
        voice = "vocal-2025082518145625-6XW9wCOF"
        return song(**{"model": "music-01", "prompt": None, "lyrics": "##we row##", "refer_voice": voice, **more})

    return make


@pytest.fixture
def batch(music_sandbox, output_dir):
    """A task for some songs of 0.195 USD each."""

    def make(count=3, **more):
        requests = [{"model": MODEL, "prompt": f"a calm song of the sea, number {i}"} for i in range(count)]
        fields = {
            "task_id": "songs",
            "requests": requests,
            "output_dir": str(output_dir),
            "poll_interval": 0.05,
        }
        return GenerateMusicBatchOperator(**{**fields, **more})

    return make
