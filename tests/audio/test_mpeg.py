# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs of counted frames: how long they are, and whether something is missing."""

from __future__ import annotations

import io

import pytest

from airflow_provider_music.audio.facts import NotAudioError
from airflow_provider_music.audio.probe import probe

from .conftest import make_adts, make_frame, make_vbr, make_xing

COUNT, WHOLE = 766, make_vbr(20)


def facts(data, **more):
    return probe(io.BytesIO(data), **more)


@pytest.mark.parametrize(("seconds", "ms"), [(240, 240013), (20, 20010)])
@pytest.mark.parametrize("loud", [0, 1, 240])
def test_a_song_of_many_bitrates_without_a_header_is_as_long_as_its_frames(seconds, ms, loud):
    found = facts(make_vbr(seconds, loud=loud))
    assert found.duration_ms == ms
    assert found.doubts == ()


def test_the_bitrate_of_many_is_the_mean():
    found = facts(make_frame(64) * 100 + make_frame(128) * 100)
    assert found.bitrate_bps == pytest.approx(96_000, rel=0.01)
    assert facts(make_frame(128) * 100).bitrate_bps == 128_000


def test_a_header_of_no_frames_says_nothing():
    assert facts(make_xing(0, 0) + WHOLE).duration_ms == 20010
    assert facts(make_xing(0, len(WHOLE)) + WHOLE).duration_ms == 20010


def test_what_the_encoder_added_at_both_ends_is_left_out_where_it_says_so():
    assert facts(make_xing(COUNT, len(WHOLE) + 417, (576, 1000)) + WHOLE).duration_ms == 20010 - 36
    # Of another song: the header was left by an editor.
    assert facts(make_xing(100, 0, (576, 1000)) + WHOLE).duration_ms == 20010


@pytest.mark.parametrize("junk", [b"\0", bytes(417), b"\xef\xbb\xbf", make_frame(320)[500:]])
def test_bytes_before_the_first_frame_are_a_doubt_and_no_more(junk):
    found = facts(junk + WHOLE)
    assert found.duration_ms == 20010
    assert found.doubts == (f"{len(junk)} bytes before its first frame are of none",)


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.95, 0.992])
def test_a_song_that_has_fewer_frames_than_its_header_says_is_cut_short(kept):
    data = (make_xing(COUNT, len(WHOLE) + 417) + WHOLE)[: round(len(WHOLE) * kept) + 7]
    for may_be_edited in (False, True):
        with pytest.raises(NotAudioError, match="cut short: the mp3 header says"):
            facts(data, may_be_edited=may_be_edited)


def test_a_song_that_a_person_cut_between_two_frames_is_taken_as_it_is():
    data = make_xing(COUNT, len(WHOLE) + 417) + make_vbr(12)
    assert facts(data, may_be_edited=True).duration_ms == 11990
    assert "its header says" in facts(data, may_be_edited=True).doubts[0]
    with pytest.raises(NotAudioError, match="cut short"):
        facts(data)


@pytest.mark.parametrize("size", [1, len(WHOLE) - 500, len(WHOLE) * 2, 2**32 - 1])
def test_where_all_frames_are_there_a_wrong_figure_of_bytes_cuts_nothing(size):
    assert facts(make_xing(COUNT, size) + WHOLE).duration_ms == 20010


@pytest.mark.parametrize("frames", [COUNT - 1, COUNT, COUNT + 1, COUNT + 2])
def test_encoders_may_count_their_own_frame_or_not(frames):
    assert facts(make_xing(frames, 0) + WHOLE).duration_ms == 20010


def test_a_song_without_a_header_that_ends_in_mid_frame_is_a_doubt():
    assert facts(WHOLE[:-10]).doubts == ("it ends in mid-frame",)


def test_frames_among_much_else_are_a_doubt_or_another_file():
    frames = len(make_vbr(1))
    assert facts(make_vbr(1) + bytes(10**6)).doubts == (f"its frames are {frames} bytes of {frames + 10**6}",)
    with pytest.raises(NotAudioError, match="not audio"):
        facts(b"\x01" + make_vbr(1) + bytes(10**6))


def test_aac_is_named_and_counted():
    found = facts(make_adts(371) * 500)
    assert (found.format, found.duration_ms, found.sample_rate_hz, found.channels) == ("aac", 11610, 44100, 2)


def test_a_tag_that_is_longer_than_the_file_is_cut_short():
    with pytest.raises(NotAudioError, match="cut short: its tag says 1038 bytes"):
        facts(b"ID3\4\0\0\0\0\x08\x04" + make_frame() * 2)
