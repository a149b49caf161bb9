# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import wave

import pytest
from mutagen.mp3 import MP3

from airflow_provider_music.sandbox.songs import SongCache, SongSpec, compose, make

WORDS = "In the realm of innovation,\nwhere visions align\n\n##tech shine##"


def spec(audio_format="mp3", rate=44100, bitrate=128000, seconds=3.0, **more) -> SongSpec:
    return SongSpec("a song of rivers", "seed", seconds, rate, bitrate, audio_format, **more)


@pytest.mark.parametrize("rate", [16000, 24000, 32000, 44100])
def test_a_wav_is_what_it_says(rate):
    song = make(spec("wav", rate))
    with wave.open(io.BytesIO(song.data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate, song.channels, 2)
        assert file.getnframes() == 3 * rate
    assert (song.duration_ms, song.sample_rate_hz, song.bitrate_bps) == (3000, rate, rate * 16)


@pytest.mark.parametrize("rate", [16000, 24000, 32000, 44100])
@pytest.mark.parametrize("bitrate", [32000, 64000, 128000, 256000])
def test_an_mp3_is_what_it_says(rate, bitrate):
    song = make(spec("mp3", rate, bitrate))
    info = MP3(io.BytesIO(song.data)).info
    assert (info.sample_rate, info.bitrate, info.channels) == (rate, song.bitrate_bps, song.channels)
    assert info.bitrate == (min(bitrate, 160000) if rate <= 24000 else bitrate)
    assert abs(info.length * 1000 - song.duration_ms) < 5
    assert 3000 <= song.duration_ms < 3250


def test_pcm_is_the_wav_without_its_header():
    assert make(spec("pcm")).data == make(spec("wav")).data[44:]


def test_the_same_request_makes_the_same_bytes():
    assert make(spec()).sha256 == make(spec()).sha256
    assert make(spec()).sha256 != make(spec(rate=32000)).sha256


@pytest.mark.parametrize("audio_format", ["mp3", "wav", "pcm"])
@pytest.mark.parametrize("size", [30_000, 1_000_000, 5_000_000])
def test_a_song_can_be_blown_up_and_stays_audio(audio_format, size):
    song = make(spec(audio_format, size=size))
    assert abs(len(song.data) - size) < 0.06 * size
    if audio_format == "mp3":
        assert abs(MP3(io.BytesIO(song.data)).info.length * 1000 - song.duration_ms) < 20
    if audio_format == "wav":
        with wave.open(io.BytesIO(song.data)) as file:
            assert round(file.getnframes() / file.getframerate() * 1000) == song.duration_ms


async def test_the_cache_gives_the_same_song_and_forgets_beyond_its_size():
    cache = SongCache(max_bytes=500_000)
    first = await cache.get(spec("wav", seconds=1))
    assert await cache.get(spec("wav", seconds=1)) is first
    for rate in (16000, 24000, 32000):
        await cache.get(spec("wav", rate, seconds=7))
    again = await cache.get(spec("wav", seconds=1))
    assert again is not first
    assert again.sha256 == first.sha256


def test_the_same_words_make_the_same_samples():
    assert compose(WORDS, "seed", 3, 16000) == compose(WORDS, "seed", 3, 16000)


def test_words_that_differ_in_one_letter_make_different_songs():
    songs = {compose("a calm song", f"seed {number}", 2, 16000).tobytes() for number in range(40)}
    assert len(songs) == 40


def test_other_words_or_another_seed_make_another_song():
    song = compose(WORDS, "seed", 3, 16000)
    assert compose("Another song altogether", "seed", 3, 16000) != song
    assert compose(WORDS, "other", 3, 16000) != song


@pytest.mark.parametrize("seconds", [0.01, 1, 2.5, 7])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_length_is_exact_to_a_sample(seconds, rate):
    assert len(compose(WORDS, "seed", seconds, rate)) == round(seconds * rate)


@pytest.mark.parametrize("seed", [str(number) for number in range(12)])
def test_it_is_loud_but_never_clips(seed):
    peak = max(map(abs, compose(WORDS, seed, 6, 16000)))
    assert 8_000 < peak < 32_767


def test_lead_and_backing_can_be_had_alone():
    whole = compose(WORDS, "s", 4, 16000)
    lead = compose(WORDS, "s", 4, 16000, backing=False)
    backing = compose(WORDS, "s", 4, 16000, lead=False)
    assert any(lead)
    assert any(backing)
    assert list(whole) == [a + b for a, b in zip(lead, backing, strict=True)]


@pytest.mark.parametrize("words", ["", "\n\n", "## ##", "\U0001f3b5", "春が来た", "a"])
def test_any_text_makes_a_tune(words):
    assert any(compose(words, "s", 2, 16000, backing=False))
