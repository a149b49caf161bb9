# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""WAV files of every format: how long they are, whatever the header's figures are worth."""

from __future__ import annotations

import io
import struct

import pytest

from airflow_provider_music.audio.facts import NotAudioError
from airflow_provider_music.audio.probe import probe

from .conftest import make_adts, make_form, make_frame, make_riff, make_vbr

PCM = make_form(1, 1, 16000, 32000, 2, 16)
SECONDS = bytes(12 * 32000)
GUID = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


def facts(data):
    return probe(io.BytesIO(data))


def refusal(data):
    with pytest.raises(NotAudioError) as caught:
        facts(data)
    return str(caught.value)


def extensible(tag, bits, block, rate=44100, channels=2):
    more = struct.pack("<HHIH", 22, bits, 3, tag) + GUID
    return make_form(0xFFFE, channels, rate, rate * block, block, bits, more)


@pytest.mark.parametrize(
    ("form", "size", "ms"),
    [
        (make_form(1, 2, 44100, 176400, 4, 16), 176400 * 12, 12000),
        # 12 bits in two bytes, 20 in three or four, as their blocks say.
        (make_form(1, 1, 8000, 16000, 2, 12), 16000 * 12, 12000),
        (make_form(1, 2, 48000, 288000, 6, 20), 288000 * 12, 12000),
        (make_form(1, 2, 48000, 384000, 8, 20), 384000 * 12, 12000),
        (make_form(1, 2, 48000, 288000, 6, 24), 288000 * 12, 12000),
        (make_form(1, 1, 8000, 8000, 1, 8), 8000 * 12, 12000),
        (make_form(3, 2, 44100, 352800, 8, 32), 352800 * 12, 12000),
        (make_form(3, 1, 44100, 352800, 8, 64), 352800 * 12, 12000),
        (make_form(6, 1, 8000, 8000, 1, 8), 8000 * 12, 12000),
        (make_form(7, 1, 8000, 8000, 1, 8), 8000 * 12, 12000),
        (extensible(1, 24, 6), 44100 * 6 * 12, 12000),
        (extensible(3, 32, 8), 44100 * 8 * 12, 12000),
        (extensible(1, 24, 18, channels=6), 44100 * 18 * 12, 12000),
        # Writers that leave nonsense in the block or the byte rate.
        (make_form(1, 2, 44100, 0, 0, 16), 176400 * 12, 12000),
        (make_form(1, 2, 44100, 1, 2, 16), 176400 * 12, 12000),
        # MS and IMA ADPCM: samples a block.
        (make_form(2, 1, 22050, 11155, 512, 4, struct.pack("<HH", 32, 1012)), 512 * 261, round(261 * 1012 / 22.05)),
        (make_form(0x11, 1, 22050, 11100, 512, 4, struct.pack("<HH", 2, 1017)), 512 * 260, round(260 * 1017 / 22.05)),
    ],
)
def test_the_length_follows_from_what_the_format_says(form, size, ms):
    found = facts(make_riff(form, bytes(size)))
    assert (found.format, found.duration_ms, found.doubts) == ("wav", ms, ())


@pytest.mark.parametrize(
    ("form", "size", "ms"),
    [
        (make_form(0x31, 1, 8000, 1625, 65, 0, struct.pack("<HH", 2, 320)), 1625 * 12, 12000),  # GSM 6.10
        (make_form(0x22, 1, 8000, 1067, 32, 1), 1067 * 12, 12000),  # TrueSpeech
        (make_form(0x2000, 2, 48000, 24000, 1, 0), 24000 * 12, 12000),  # AC-3
    ],
)
def test_of_another_compressed_format_the_mean_rate_gives_a_length_that_is_a_guess(form, size, ms):
    found = facts(make_riff(form, bytes(size)))
    assert (found.duration_ms, found.tolerance_ms) == (ms, 1200)
    assert found.doubts == ("its length follows from a mean rate",)


@pytest.mark.parametrize(("samples", "ms"), [(8000 * 11, 11000), (0, 12000), (0xFFFFFFFF, 12000)])
def test_the_count_of_samples_is_better_where_a_writer_filled_it_in(samples, ms):
    form = make_form(0x31, 1, 8000, 1625, 65, 0, struct.pack("<HH", 2, 320))
    fact = struct.pack("<4sII", b"fact", 4, samples)
    assert facts(make_riff(form, bytes(1625 * 12), before=fact)).duration_ms == ms


def test_an_mp3_in_a_wav_is_counted():
    form = make_form(0x55, 1, 44100, 0, 1, 0, struct.pack("<HHIHHH", 12, 1, 2, 417, 1, 0))
    found = facts(make_riff(form, make_vbr(20), after=b"LIST" + bytes(4)))
    assert (found.format, found.duration_ms, found.sample_rate_hz) == ("wav", 20010, 44100)
    assert "no bit rate" in refusal(make_riff(form, bytes(20_000)))


@pytest.mark.parametrize(
    "declared",
    [
        *(0, 0x10000000, 0x3FFFFFFF, 0x40000000, 2_000_000_000, 0x7FFFEFDC, 0x7FFFF000, 0x7FFFFFDB, 0x7FFFFFFF),
        *(0x80000000, 0xC0000000, 0xFFFFF000, 0xFFFFFFDB, 0xFFFFFFFE, 0xFFFFFFFF),
    ],
)
def test_a_streaming_writers_placeholder_is_known_whatever_its_value(declared):
    data = make_riff(PCM, SECONDS, declared=declared)
    assert facts(data).duration_ms == 12000
    assert facts(data[:4] + b"\xff\xff\xff\xff" + data[8:]).duration_ms == 12000
    assert facts(data[:4] + bytes(4) + data[8:]).duration_ms == 12000


@pytest.mark.parametrize("short", [1, 2, 8, 44, 64])
def test_a_few_bytes_that_a_writer_miscounted_cut_nothing(short):
    assert facts(make_riff(PCM, SECONDS, declared=len(SECONDS) + short)).duration_ms == 12000
    assert facts(make_riff(PCM, SECONDS)[:-short]).duration_ms == pytest.approx(12000, abs=2)


@pytest.mark.parametrize("short", [65, 1000, 32000, len(SECONDS) - 1])
def test_more_is_cut_short(short):
    said = f"cut short: the wav header says {len(SECONDS)} bytes of sound, but there are {len(SECONDS) - short}"
    assert refusal(make_riff(PCM, SECONDS)[:-short]) == said


def rf64(data, declared, magic=b"RF64"):
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, 1000, declared, 0, 0)
    riff = make_riff(PCM, data, declared=0xFFFFFFFF)
    return magic + b"\xff\xff\xff\xffWAVE" + ds64 + riff[12:]


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_the_long_size_of_rf64_is_the_true_one(magic):
    after = b"LIST" + struct.pack("<I", 5000) + bytes(5000)
    assert facts(rf64(SECONDS, len(SECONDS), magic) + after).duration_ms == 12000
    for placeholder in (0, 2**64 - 1):
        assert facts(rf64(SECONDS, placeholder, magic)).duration_ms == 12000
    assert refusal(rf64(SECONDS, len(SECONDS) + 1000, magic)).startswith("cut short")


def test_a_wav_of_the_other_byte_order_is_read_as_well():
    form = make_form(1, 1, 16000, 32000, 2, 16, order=">")
    assert facts(make_riff(form, SECONDS, magic=b"RIFX")).duration_ms == 12000


def test_a_wav_behind_a_tag_is_read_as_well():
    assert facts(b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + make_riff(PCM, SECONDS)).duration_ms == 12000


@pytest.mark.parametrize("name", [b"LIST", b"id3 ", b"C2PA"])
def test_chunks_behind_a_length_of_nothing_are_no_sound(name):
    chunk = name + struct.pack("<I", 50_000) + bytes(50_000)
    assert "no sound behind it" in refusal(make_riff(PCM, b"", after=chunk))


def test_samples_that_are_another_format_do_not_count_as_frames():
    # As samples, a row of frames is what it says: samples.
    assert facts(make_riff(PCM, make_frame() * 1000)).duration_ms == round(417 * 1000 / 32)
    assert facts(make_riff(PCM, make_adts(400) * 1000)).duration_ms == 12500
