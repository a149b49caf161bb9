# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.audio.facts import AudioFacts, NotAudioError, raw_pcm_facts
from airflow_provider_music.audio.formats import describe_head, sniff
from airflow_provider_music.audio.probe import probe


def facts(data):
    return probe(io.BytesIO(data))


def refusal(data):
    with pytest.raises(NotAudioError) as caught:
        facts(data)
    return str(caught.value)


def id3(size):
    """An ID3v2 tag of so many bytes beside its header."""
    lengths = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + lengths + bytes(size)


@pytest.mark.parametrize("rate", [16000, 24000, 32000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [0.5, 10.0, 10.01])
def test_a_wav_says_its_length_and_rates(wav, rate, channels, seconds):
    data = wav(seconds, rate, channels)
    expected = AudioFacts("wav", round(seconds * 1000), rate, rate * channels * 16, channels, len(data))
    assert facts(data) == expected


@pytest.mark.parametrize(("rate", "bitrate"), [(44100, 256), (44100, 128), (32000, 64), (24000, 32), (16000, 32)])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_mp3_says_its_length_and_rates(mp3, rate, bitrate, channels):
    data = mp3(3.0, rate, bitrate, channels)
    found = facts(data)
    assert (found.format, found.sample_rate_hz, found.channels) == ("mp3", rate, channels)
    assert found.bitrate_bps == bitrate * 1000
    assert found.size_bytes == len(data)
    assert 2950 <= found.duration_ms <= 3200


@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_tag_before_the_sound_changes_nothing(mp3, size):
    plain, tagged = facts(mp3(2.0)), facts(id3(size) + mp3(2.0))
    assert (tagged.format, tagged.bitrate_bps) == ("mp3", plain.bitrate_bps)
    assert abs(tagged.duration_ms - plain.duration_ms) < 50


@pytest.mark.parametrize("version", [2, 3])
def test_only_a_tag_of_version_4_has_a_footer_so_no_frame_is_taken_for_one(mp3, version):
    tag = bytearray(id3(100))
    tag[3], tag[5] = version, 0x10
    plain, tagged = facts(mp3(2.0)), facts(bytes(tag) + mp3(2.0))
    assert tagged.duration_ms == plain.duration_ms


def with_length(data, length):
    at = data.index(b"data") + 4
    return data[:4] + struct.pack("<I", length) + data[8:at] + struct.pack("<I", length) + data[at + 4 :]


@pytest.mark.parametrize("placeholder", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF - 36])
def test_a_streamed_wav_has_the_length_of_what_is_there(wav, placeholder):
    data = wav(2.0)
    assert facts(with_length(data, placeholder)).duration_ms == 2000


@pytest.mark.parametrize("placeholder", [None, 0, 0xFFFFFFFF])
def test_a_wav_header_with_nothing_behind_is_no_song(wav, placeholder):
    data = wav(0.0)
    message = refusal(data if placeholder is None else with_length(data, placeholder))
    assert "no sound behind it" in message


@pytest.mark.parametrize("placeholder", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("samples", [1, 700])
def test_a_streamed_wav_of_a_few_samples_is_no_song(wav, placeholder, samples):
    data = wav(1.0)
    at = data.index(b"data") + 8
    assert "no sound behind it" in refusal(with_length(data[: at + 2 * samples], placeholder))


@pytest.mark.parametrize("kept", [44, 100, 10_000, 31_944])
def test_a_wav_that_lacks_what_its_header_promises_is_cut_short(wav, kept):
    assert refusal(wav(1.0)[:kept]).startswith("cut short: the wav header says 32000 bytes")


def test_a_wav_may_have_other_chunks_around_its_sound(wav):
    data = wav(1.0)
    at = data.index(b"data")
    listed = b"LIST" + struct.pack("<I", 5) + b"abcde\x00"
    whole = data[:at] + listed + data[at:] + listed
    whole = whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]
    assert facts(whole).duration_ms == 1000


@pytest.mark.parametrize("size", [0xFFFFFFF0, 10**6])
def test_a_wav_chunk_that_leads_nowhere_is_no_song(wav, size):
    data = wav(1.0)
    at = data.index(b"data")
    refusal(data[:at] + b"LIST" + struct.pack("<I", size) + data[at:])


def test_a_wav_of_endless_chunks_is_left_soon(wav):
    assert "no sound" in refusal(wav(1.0)[:12] + bytes(8) * 100_000)


@pytest.mark.parametrize("field", [slice(22, 36), slice(22, 24), slice(24, 36)])
def test_a_wav_whose_format_makes_no_sense_is_no_song(wav, field):
    data = bytearray(wav(1.0))
    data[28:32] = bytes(4)
    data[field] = bytes(field.stop - field.start)
    assert "no bit rate" in refusal(bytes(data))
    assert "does not say its format" in refusal(bytes(data).replace(b"fmt ", b"xxxx"))


@pytest.mark.parametrize("kept", [12, 20, 36, 43])
def test_a_wav_that_ends_in_its_header_is_no_song(wav, kept):
    assert refusal(wav(1.0)[:kept])


def xing(mp3, *, promised, flags=3):
    """An MP3 whose first frame says how many frames and bytes there are."""
    data = mp3(3.0, 44100, 128, 2)
    length = 144 * 128_000 // 44100
    head = bytearray(data[:4] + bytes(length - 4))
    head[2] &= 0xFD  # no padding
    figures = struct.pack(">I", flags) + struct.pack(">I", 115) * (flags & 1)
    figures += struct.pack(">I", promised(len(data) + length)) * (flags >> 1 & 1)
    head[36 : 36 + 4 + len(figures)] = b"Info" + figures
    return bytes(head) + data


def test_an_mp3_that_has_what_its_header_promises_is_whole(mp3):
    assert facts(xing(mp3, promised=lambda size: size)).format == "mp3"
    assert facts(xing(mp3, promised=lambda size: size - 417)).format == "mp3"
    assert facts(xing(mp3, promised=lambda _: 0, flags=1)).format == "mp3"
    assert facts(xing(mp3, promised=lambda size: size, flags=2)).format == "mp3"


@pytest.mark.parametrize("flags", [2, 3])
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.95])
def test_an_mp3_that_lacks_what_its_header_promises_is_cut_short(mp3, kept, flags):
    data = xing(mp3, promised=lambda size: size, flags=flags)
    assert refusal(data[: round(len(data) * kept)]).startswith("cut short: the mp3 header says")


def test_an_mp3_whose_header_promises_minutes_for_a_few_frames_is_cut_short(mp3):
    data = bytearray(xing(mp3, promised=lambda size: size, flags=1)[:4000])
    data[44:48] = struct.pack(">I", 100_000)
    assert refusal(bytes(data)).startswith("cut short")


@pytest.mark.parametrize("kept", [1, 2, 4, 100, 417])
def test_an_mp3_header_with_nothing_behind_is_no_song(mp3, kept):
    assert refusal(mp3(1.0)[:kept])
    assert refusal(id3(100) + mp3(1.0)[:kept])
    assert refusal(id3(100))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"<html><body>Not found</body></html>", "it looks like HTML or XML"),
        (b"\n<?xml version='1.0'?>", "it looks like HTML or XML"),
        (b'{"error": "expired"}', "it looks like JSON"),
        (b"  [1, 2]", "it looks like JSON"),
        (b"This link has expired.\r\n", "it looks like text"),
        (bytes(range(200, 255)) * 10, "its first bytes are of no audio format"),
        (bytes(1000), "its first bytes are of no audio format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "its first bytes are of no audio format"),
    ],
)
def test_what_is_no_audio_is_described_and_not_quoted(data, message):
    assert refusal(data) == f"not audio: {message}"


@pytest.mark.parametrize(
    "head",
    [
        b"fLaC" + bytes(100),
        b"OggS" + bytes(100),
        bytes(4) + b"ftypM4A " + bytes(100),
        b"RF64\xff\xff\xff\xffWAVE" + bytes(100),
        b"\xff\xfb" + bytes(100),
        b"\xff\xfb\x90\x00" * 300,
    ],
)
def test_a_head_alone_makes_no_song_of_any_format(head):
    assert refusal(head)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"RIFF\x00\x00\x00\x00WAVE", "wav"),
        (b"RIFF\x00\x00\x00\x00AVI ", None),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90", "mp3"),
        (b"\xff\xf3\x90", "mp3"),
        (b"\xff\xe3\x90", "mp3"),
        (b"\xff\xf1\x50", None),
        (b"\xff\xff\xff", None),
        (b"\xff", None),
        (b"", None),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"\x00\x00\x00\x20ftypM4A ", "m4a"),
    ],
)
def test_the_first_bytes_say_the_format(head, found):
    assert sniff(head) == found


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"ID3", b"\xff\xfb", b"OggS"]),
)
def test_any_bytes_are_audio_or_are_refused(tail, head):
    try:
        found = facts(head + tail)
    except NotAudioError:
        return
    assert found.size_bytes == len(head + tail)


@given(st.binary(max_size=64))
def test_any_head_can_be_described(head):
    assert describe_head(head).isascii()


def test_raw_pcm_is_as_long_as_the_requested_rates_make_it():
    assert raw_pcm_facts(64_000, 16000, 2) == AudioFacts("pcm", 1000, 16000, 512_000, 2, 64_000)
    assert raw_pcm_facts(64_000, 16000, None) == AudioFacts("pcm", None, 16000, None, None, 64_000)
    assert raw_pcm_facts(64_000, None, 2) == AudioFacts("pcm", None, None, None, 2, 64_000)
    assert raw_pcm_facts(2, 16000, 1).as_dict()["format"] == "pcm"


@pytest.mark.parametrize("size", [0, 1, 63_999])
def test_a_size_that_holds_no_whole_samples_is_no_raw_pcm(size):
    with pytest.raises(NotAudioError, match="cannot be 16-bit PCM"):
        raw_pcm_facts(size, 16000, 2)
