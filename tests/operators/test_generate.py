# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import (
    ChangedRequestError,
    InvalidRequestError,
    UnknownOutcomeError,
)
from airflow_provider_music.operators.music import GenerateMusicOperator

RESULT_KEYS = {
    "generation_id",
    "model",
    "status",
    "audio_uri",
    "audio",
    "usage",
    "submissions",
    "trace_id",
    "record_uri",
}


@pytest.fixture
def queued(output_dir):
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


def test_a_queued_song_lands_in_storage_and_is_told_in_full(music_sandbox, airflow, queued):
    result = airflow.run(queued())

    assert set(result) == RESULT_KEYS
    assert result["status"] == "completed"
    assert result["submissions"] == 1
    audio = Path(result["audio_uri"].removeprefix("file://"))
    assert hashlib.sha256(audio.read_bytes()).hexdigest() == result["audio"]["sha256"]
    assert result["audio"]["sha256"] == music_sandbox.state()["generations"][0]["sha256"]
    assert result["usage"] == {"credits_used": 390000, "usd_spent": 0.195}
    assert len(json.dumps(result)) < 4096
    assert json.loads(Path(result["record_uri"].removeprefix("file://")).read_text())["fact"] == "completed"
    assert music_sandbox.posts("submit") == 1
    assert len(airflow.deferrals) == 1
