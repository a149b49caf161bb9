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


FIGURES = {
    "duration_ms": 125_000,
    "loudness_lufs": -14.25,
    "loudness_range_lu": 6.1,
    "true_peak_dbtp": 0.5,
    "clipped_samples": 1280,
    "clipped_ratio": 0.00012,
    "leading_silence_s": 2.5,
    "trailing_silence_s": 5.0,
    "longest_silence_s": 12.5,
    "silence_ratio": 0.16,
    "channels": 2,
    "dual_mono": True,
    "requested_ms": 120_000,
}
SPANS = {"silences": [[0, 2.5], [50, 62.5], [120, 125]], "clipping": [[62.5, 63.0]]}


@pytest.fixture
def judged(tables):
    """The same, with what was measured of the song."""

    def make(waveform, figures):
        key = tables.song()
        song = Path(key["result"]["audio_uri"].removeprefix("file://"))
        Path(f"{song}.peaks.json").write_text(json.dumps(waveform))
        if figures is not None:
            content = figures if isinstance(figures, str) else json.dumps(figures)
            song.with_name("quality.json").write_text(content)
        return tables.path(key, "/take/1/waveform")

    return make


def test_silence_and_clipping_are_marked_and_told_in_words(reader, judged):
    found = reader.get(judged({**PEAKS, **SPANS}, FIGURES)).json()

    marks = {(mark["kind"], round(mark["from"], 3), round(mark["to"], 3)) for mark in found["marks"]}
    assert marks == {
        ("silence", 0.0, 0.02),
        ("silence", 0.4, 0.5),
        ("silence", 0.96, 1.0),
        ("clipping", 0.5, 0.504),
    }
    assert [line["text"] for line in found["told"]] == [
        "Silence from 0:00.0 to 0:02.5 (2.5 s)",
        "Silence from 0:50.0 to 1:02.5 (12.5 s)",
        "Clipping from 1:02.5 to 1:03.0 (0.5 s)",
        "Silence from 2:00.0 to 2:05.0 (5.0 s)",
    ]
    assert found["figures"] == [
        ["Loudness", "-14.2 LUFS, range 6.1 LU"],
        ["True peak", "0.5 dBTP"],
        ["Clipping", "1,280 samples at full scale (0.0120% of all)"],
        ["Silence", "2.5 s at the start, 5.0 s at the end, longest 12.5 s, 16% of the song"],
        ["Channels", "2, both the same"],
        ["Length asked for", "2:00"],
    ]


def test_of_a_waveform_without_spans_the_figures_mark_beginning_and_end(reader, judged):
    found = reader.get(judged(PEAKS, FIGURES)).json()
    assert [(mark["kind"], mark["seconds"]) for mark in found["marks"]] == [
        ("silence", [0.0, 2.5]),
        ("silence", [120.0, 125.0]),
    ]


def test_a_song_without_a_defect_has_figures_and_no_marks(reader, judged):
    clean = {"duration_ms": 125_000, "clipped_samples": 0, "longest_silence_s": 0.0}
    found = reader.get(judged({**PEAKS, "silences": [], "clipping": []}, clean)).json()
    assert found == {"peaks": [-0.5, 0.5, -1.0, 1.0], "figures": [["Clipping", "none"], ["Silence", "none"]]}


def test_a_song_that_cannot_be_measured_says_so(reader, judged):
    found = reader.get(judged([], {"error": "FFmpeg finds no audio in https://x.example/a?key=topsecret"})).json()
    assert found == {"peaks": [], "figures": [["Quality", "FFmpeg finds no audio in https://x.example/a?…"]]}


@pytest.mark.parametrize(
    "spans",
    [
        {"silences": "x"},
        {"silences": [1, "a", [1], [2, 1], [None, 3], [5, 5], [[], {}]]},
        {"silences": [[500, 600]], "clipping": [[-5, -1]]},
        {"silences": [[float("nan"), 1]], "clipping": {"a": 1}},
    ],
)
def test_what_is_no_span_is_no_mark(reader, judged, spans):
    found = reader.get(judged({**PEAKS, **spans}, "[")).json()
    assert found == {"peaks": [-0.5, 0.5, -1.0, 1.0]}


def test_of_many_marks_the_longest_are_told_and_the_rest_counted(reader, judged):
    spans = [[at, at + 0.1 + at / 1000] for at in range(100)]
    found = reader.get(judged({**PEAKS, "silences": [], "clipping": spans}, None)).json()
    assert len(found["marks"]) == 100
    assert len(found["told"]) == 13
    assert found["told"][-1] == {"kind": "more", "text": "and 88 shorter ones"}
