# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The line of a song that is ready."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_music.generation.result import log_ready

AUDIO = {"format": "mp3", "size_bytes": 641149, "duration_ms": 20036}
URI = "s3://bucket/songs/take-1/song.mp3"


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            {"audio_uri": URI, "audio": AUDIO, "usage": {"usd_spent": 0.195}},
            f"Song ready: 20.0 s mp3, 641,149 bytes, 0.195 USD, {URI}",
        ),
        (
            {"audio_uri": URI, "audio": {**AUDIO, "duration_ms": None}, "usage": {"usd_spent": None}},
            f"Song ready: mp3, 641,149 bytes, cost not known, {URI}",
        ),
        (
            {"audio_uri": None, "generation_id": "gen-1"},
            "Accepted as generation gen-1; the song is waited for elsewhere",
        ),
    ],
)
def test_a_song_that_is_ready_is_logged_with_length_size_cost_and_place(result, line, caplog):
    caplog.set_level(logging.INFO, "airflow_provider_music.generation.result")
    log_ready(result)

    assert [record.getMessage() for record in caplog.records] == [line]
