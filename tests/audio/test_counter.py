# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.audio.counter import FrameCounter

from .conftest import make_adts, make_frame, make_vbr, make_xing


def count(data, piece=2**18):
    counter = FrameCounter()
    for at in range(0, len(data), piece):
        counter.update(data[at : at + piece])
    assert counter.size == len(data)
    return counter.result()


def id3(size):
    return b"ID3\x04\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, 50, 1, 0xA0000000) + b"x" * 50


@pytest.mark.parametrize("seconds", [3, 20, 240])
@pytest.mark.parametrize("piece", [417, 1000, 2**18])
def test_every_frame_counts_whatever_the_first_one_says(seconds, piece):
    found = count(make_vbr(seconds), piece)
    assert found.count == round(seconds * 44100 / 1152)
    assert found.seconds == pytest.approx(seconds, abs=0.02)
    assert (found.format, found.rate, found.channels, found.start, found.stray_bytes) == ("mp3", 44100, 1, 0, 0)
    assert not found.ends_in_mid_frame


@pytest.mark.parametrize(
    "junk",
    [
        *(b"\0", bytes(417), bytes(3 * 2**20), b"\xef\xbb\xbf", APE, id3(0), id3(1000), id3(1000) + bytes(2**21)),
        *(make_frame(320)[700:], make_frame(320)[1:], APE + id3(200), id3(200) + id3(3000), b"\xff" * 5000, b"a" * 999),
    ],
)
def test_what_stands_before_the_first_frame_changes_nothing(junk):
    song = make_vbr(5)
    found, plain = count(junk + song), count(song)
    assert (found.count, found.seconds, found.start) == (plain.count, plain.seconds, len(junk))


@pytest.mark.parametrize("junk", [b"\0", bytes(5000), id3(3000), APE, b"TAG" + bytes(125), make_frame()[50:]])
def test_frames_behind_a_gap_count_too(junk):
    song = make_vbr(5)
    found = count(song + junk + song + junk)
    assert found.count == 2 * count(song).count
    is_tag = junk[:3] in (b"ID3", b"APE", b"TAG")
    assert found.stray_bytes == (0 if is_tag else len(junk))


def test_songs_of_two_rates_that_are_joined_are_as_long_as_both():
    song = b"".join([make_frame(rate=44100)] * 100 + [make_frame(rate=32000)] * 100)
    assert count(song).seconds == pytest.approx(100 * 1152 / 44100 + 100 * 1152 / 32000)


def test_a_frame_that_ends_too_soon_does_not_count():
    song = make_vbr(5)
    found = count(song[:-10])
    assert found.ends_in_mid_frame
    assert found.count == count(song).count - 1
    assert not count(song + id3(100)[:50]).ends_in_mid_frame


def test_a_header_frame_is_no_sound():
    song = make_vbr(5)
    found = count(make_xing(191, 1000) + song)
    assert (found.count, found.seconds, found.sound_bytes) == (191, pytest.approx(count(song).seconds), len(song))
    assert (found.declared.frames, found.declared.bytes, found.declared.skipped) == (191, 1000, 0)
    assert count(make_xing(1, 2, (576, 1000)) + song).declared.skipped == 1576


def test_aac_and_the_other_layers_are_counted_as_what_they_are():
    aac = count(b"".join(make_adts(length) for length in (300, 400, 371) * 50))
    assert (aac.format, aac.count, aac.rate, aac.channels) == ("aac", 150, 44100, 2)
    assert aac.seconds == pytest.approx(150 * 1024 / 44100)
    second = bytes((0xFF, 0xFD, 0x84, 0xC0)).ljust(144 * 128_000 // 48000, b"\0") * 50
    assert (count(second).format, count(second).count) == ("mp2", 50)
    first = bytes((0xFF, 0xFF, 0x40, 0xC0)).ljust(12 * 128_000 // 44100 * 4, b"\0") * 50
    assert (count(first).format, count(first).seconds) == ("mp1", pytest.approx(50 * 384 / 44100))


@pytest.mark.parametrize("data", [b"", b"\xff", make_frame(), make_frame()[:-1], bytes(10**6), b"\xff" * 10**6])
def test_less_than_two_frames_are_none(data):
    assert count(data) is None


def test_two_frames_are_enough_where_the_file_ends_or_a_tag_follows():
    assert count(make_frame() * 2).count == 2
    assert count(make_frame() * 2 + b"TAG" + bytes(125)).count == 2
    assert count(make_frame() * 2 + bytes(1000)) is None


def test_a_song_of_ten_minutes_is_counted_in_little_memory():
    frame = make_frame(320)
    piece = frame * 63  # about 64 KiB
    counter = FrameCounter()
    tracemalloc.start()
    try:
        for _ in range(365):
            counter.update(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counter.size > 24_000_000
    assert counter.result().count == 63 * 365
    assert peak < 2**20


@pytest.mark.parametrize("fill", [b"\0", b"\xff\xfb\x90\x00"])
def test_what_has_no_frames_is_left_soon(fill):
    counter = FrameCounter()
    for _ in range(70):
        counter.update(fill * (2**18 // len(fill)))
        if counter.gave_up:
            break
    assert counter.gave_up
    assert counter.result() is None


@given(st.binary(max_size=3000), st.lists(st.integers(1, 4000), max_size=10), st.booleans())
def test_no_cut_of_any_bytes_changes_the_count(data, cuts, framed):
    data = data + make_vbr(0.3) + data[:500] + make_vbr(0.2) if framed else data
    counter, at = FrameCounter(), 0
    for cut in [*cuts, len(data)]:
        counter.update(data[at : at + cut])
        at += cut
    assert counter.result() == count(data)
