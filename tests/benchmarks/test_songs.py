# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The songs of the benchmarks are what they say, however large."""

from __future__ import annotations

import io
import json
import wave

import pytest
from inprocess.songs import song_of

from airflow_provider_music.audio.probe import probe


def whole(song, *, hexed=False, piece=2**16):
    return b"".join(song.pieces(piece, hexed=hexed))


@pytest.mark.parametrize("size", [46, 1_000_000, 2**20 + 44, 3_000_000])
def test_a_wav_has_the_size_asked_for_and_says_so(size):
    content = whole(song_of("wav", size))
    assert len(content) == size
    with wave.open(io.BytesIO(content)) as file:
        assert file.getnframes() == (size - 44) // 2
        assert (file.getnchannels(), file.getframerate()) == (1, 44_100)


def test_the_sound_of_a_long_wav_is_no_silence():
    content = whole(song_of("wav", 3_000_000))
    assert len(set(content[2_500_000:2_600_000])) > 100


@pytest.mark.parametrize("size", [2**14, 2_000_000, 20_000_000])
def test_an_mp3_is_one_by_its_content(size):
    content = whole(song_of("mp3", size))
    facts = probe(io.BytesIO(content))
    assert (len(content), facts.format, facts.bitrate_bps) == (size, "mp3", 256_000)


@pytest.mark.parametrize("audio_format", ["wav", "mp3"])
@pytest.mark.parametrize("piece", [1000, 2**18])
def test_the_hex_is_that_of_the_song(audio_format, piece):
    song = song_of(audio_format, 1_500_000)
    assert bytes.fromhex(whole(song, hexed=True, piece=piece).decode()) == whole(song, piece=piece)


def test_the_answer_around_the_hex_is_the_json_of_a_song():
    song = song_of("mp3", 2**14)
    start, end = song.json_around()
    body = json.loads(start + whole(song, hexed=True) + end)
    assert bytes.fromhex(body["data"]["audio"]) == whole(song)
    assert body["data"]["status"] == 2
    assert body["extra_info"]["audio_size"] == 2**14
    assert body["base_resp"]["status_code"] == 0


def test_no_piece_is_larger_than_asked_for():
    song = song_of("wav", 3_000_000)
    assert max(len(piece) for piece in song.pieces(4096, hexed=False)) == 4096
