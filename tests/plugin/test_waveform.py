# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The waveform of a song: what was measured of it, and nothing else that lies there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PEAKS = {"duration_ms": 125_000, "pairs": 2, "peaks": [-0.5, 0.5, -1.5, 1]}


@pytest.fixture
def measured(tables):
    """A song, and what lies beside it as its waveform."""

    def make(content):
        key = tables.song()
        song = key["result"]["audio_uri"].removeprefix("file://")
        Path(f"{song}.peaks.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return tables.path(key, "/take/1/waveform")

    return make


def test_a_measured_song_has_its_waveform_within_bounds(reader, measured):
    answer = reader.get(measured(PEAKS))
    assert answer.status_code == 200
    assert answer.json() == {"peaks": [-0.5, 0.5, -1.0, 1.0]}


def test_a_song_that_was_not_measured_has_none(reader, tables):
    key = tables.song()
    Path(f"{key['result']['audio_uri'].removeprefix('file://')}.peaks.json").unlink()
    assert reader.get(tables.path(key, "/take/1/waveform")).status_code == 404


@pytest.mark.parametrize(
    "content",
    ["", "[", "[]", "{}", "[" * 200, {"peaks": "x"}, {"peaks": []}, {"peaks": [1]}, {"peaks": [0, "x"]}, "x" * 2**18],
)
def test_what_is_no_waveform_is_none(reader, measured, content):
    assert reader.get(measured(content)).status_code == 404


def test_the_page_names_it_also_of_a_task_that_is_called_audio(reader, tables):
    key = tables.song(task_id="audio")
    page = reader.get(tables.path(key)).text
    assert f'data-url="{tables.path(key, "/take/1/waveform")}"' in page
    assert f'data-url="{tables.path(key, "/take/1/verify")}"' in page
