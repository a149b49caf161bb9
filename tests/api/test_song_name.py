# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The name of a song's files: one path segment, whatever a task gives."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.request import fingerprint, prepare_all, prepare_one
from airflow_provider_music.api.song_name import MAX_BYTES, file_name
from airflow_provider_music.exceptions import InvalidRequestError

REQUEST = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("2026-11-28-jingle", "2026-11-28-jingle"),
        ("Für Elise (v1.2)", "Für_Elise_(v1.2)"),
        ("夏の歌", "夏の歌"),
        ("cafe\u0301", "café"),
        ("../../etc/passwd", "etc_passwd"),
        ("a/b\\c:d*e?f#g%h[i]", "a_b_c_d_e_f_g_h_i"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("two\nlines\x00\x1b[31m", "two_lines_31m"),
        ("left\u202egnp.3pm", "left_gnp.3pm"),
        ("jingle.mp3", "jingle"),
        ("jingle.WAV.mp3 ", "jingle"),
        ("jingle.rejected", "jingle"),
        ("jingle.rejected-2", "jingle"),
        ("song", "song"),
        (20261128, "20261128"),
        (None, None),
    ],
)
def test_a_name_becomes_one_path_segment_without_an_ending(value, named):
    assert file_name(value) == named


@pytest.mark.parametrize("value", ["", "   ", "None", "...", "///", "\u200b", "🎵", "--", True, 1.5, ["a"], {"a": 1}])
def test_what_leaves_no_name_is_refused(value):
    with pytest.raises(InvalidRequestError, match="name: "):
        file_name(value)


def test_a_long_name_is_cut_at_a_whole_character():
    named = file_name("é" * 500)
    assert named == "é" * (MAX_BYTES // 2)
    # The longest suffix, and the mark of a file on its way.
    assert len(f".{named}.flac.provenance.json.part-01234567-4194304-99999999999-0123456789ab".encode()) <= 255


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_text_is_refused_or_becomes_a_name_that_stays_as_it_is(value):
    try:
        named = file_name(value)
    except InvalidRequestError:
        return
    assert 0 < len(named.encode()) <= MAX_BYTES
    assert not named.startswith((".", "-"))
    assert not set(named) & set('/\\\0\n\r\t :?#%*[]{}"<>|')
    assert not any(unicodedata.category(char)[0] in "CZ" for char in named)
    assert file_name(named) == named


def test_a_name_is_neither_sent_nor_part_of_what_is_compared():
    named = prepare_one({**REQUEST, "name": "a jingle"})
    assert named.name == "a_jingle"
    assert named.body == prepare_one(REQUEST).body
    assert fingerprint(named, "music_default") == fingerprint(prepare_one(REQUEST), "music_default")


def test_a_name_s_problem_is_told_with_the_others():
    with pytest.raises(InvalidRequestError) as caught:
        prepare_all([{**REQUEST, "name": "..."}, {**REQUEST, "lyrics": "x" * 3001, "name": ""}])
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "requests[0] name",
        "requests[1] lyrics",
        "requests[1] name",
    ]


def test_a_near_name_is_told():
    with pytest.raises(InvalidRequestError, match=r"nme.*did you mean name"):
        prepare_one({**REQUEST, "nme": "x"})
