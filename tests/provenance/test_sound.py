# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where the sound of a file lies, and the hashes of a file that is read once."""

from __future__ import annotations

import hashlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.audio.credentials import _POINTER, _STORE
from airflow_provider_music.exceptions import NotTaggableError
from airflow_provider_music.provenance import sound
from airflow_provider_music.provenance.sound import Region, hash_file, id3_at, sound_in

TAG = b"ID3\x04\0\0\0\0\0\x05" + bytes(5)
ID3V1 = b"TAG" + bytes(125)
APE_FOOTER = b"APETAGEX" + (2000).to_bytes(4, "little") + (52).to_bytes(4, "little") + bytes(4)
FMT = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)


def ape(*, header):
    flags = (0x80000000 if header else 0).to_bytes(4, "little")
    return (bytes(32) if header else b"") + bytes(20) + APE_FOOTER + flags + bytes(8)


def heard(data, audio_format):
    return b"".join(data[start:end] for start, end in sound_in(io.BytesIO(data), audio_format))


@pytest.mark.parametrize("head", [b"", TAG])
@pytest.mark.parametrize("tail", [b"", ID3V1, ape(header=True), ape(header=False), ape(header=True) + ID3V1])
def test_the_sound_of_an_mp3_is_what_stands_between_the_tags(head, tail, mp3, hand):
    data = head + mp3 + tail
    assert sound_in(io.BytesIO(data), "mp3") == [Region(len(head), len(head) + len(mp3))]
    assert id3_at(io.BytesIO(data)) == (Region(0, len(head)) if head else None)
    assert b"".join(hand.mp3_frames(data)) == mp3


def test_a_tag_longer_than_its_file_is_said():
    with pytest.raises(NotTaggableError, match="says 15 bytes, the file has 14"):
        sound_in(io.BytesIO(TAG[:-1]), "mp3")


@given(st.binary(max_size=400), st.sampled_from([b"", TAG]), st.sampled_from([b"", ID3V1, ape(header=True)]))
def test_the_sound_lies_in_the_file_whatever_the_file_is(data, head, tail):
    data = head + data + tail
    for audio_format in ("mp3", "wav", "flac", "m4a", "ogg"):
        for start in (b"", b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS\0"):
            try:
                found = sound_in(io.BytesIO(start + data), audio_format)
            except NotTaggableError:
                continue
            ends = [edge for region in found for edge in region]
            assert ends == sorted(ends)
            assert all(0 <= edge <= len(start + data) for edge in ends)


def test_the_sound_of_a_wav_is_its_data_chunk(wav, hand):
    assert heard(wav, "wav") == dict(hand.riff_chunks(wav))[b"data"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no RIFF file"),
        (b"RIFF", "no RIFF file"),
        (b"RF64" + bytes(4) + b"WAVE" + bytes(30), "no RIFF file with 32-bit sizes"),
        (b"RIFF" + bytes(4) + b"AVI " + bytes(30), "no RIFF file"),
        (b"RIFF" + bytes(4) + b"WAVEfmt " + bytes(4), "no chunk of samples"),
    ],
)
def test_a_wav_that_is_none_is_said(data, says):
    with pytest.raises(NotTaggableError, match=says):
        sound_in(io.BytesIO(data), "wav")


def block(kind, content, *, last=False):
    return bytes([kind | (0x80 if last else 0)]) + len(content).to_bytes(3) + content


@pytest.mark.parametrize("tag", [b"", TAG])
@pytest.mark.parametrize("tail", [b"", ID3V1])
def test_the_sound_of_a_flac_is_what_stands_behind_its_headers(tag, tail):
    frames = b"\xff\xf8" + bytes(200)
    data = tag + b"fLaC" + block(0, bytes(34)) + block(4, b"comments", last=True) + frames + tail
    assert heard(data, "flac") == frames


def test_headers_of_a_flac_that_do_not_end_are_said():
    with pytest.raises(NotTaggableError, match="headers do not end"):
        sound_in(io.BytesIO(b"fLaC" + block(0, bytes(34))), "flac")


def box(name, content):
    return (8 + len(content)).to_bytes(4) + name + content


def test_the_sound_of_an_m4a_is_its_media_data():
    data = box(b"ftyp", b"M4A ") + box(b"mdat", b"one") + box(b"moov", bytes(20)) + box(b"mdat", b"two")
    assert heard(data, "m4a") == b"onetwo"
    long = (1).to_bytes(4) + b"mdat" + (20).to_bytes(8) + b"four"
    assert heard(long + box(b"free", b""), "m4a") == b"four"
    assert heard((0).to_bytes(4) + b"mdat" + b"to the end", "m4a") == b"to the end"


@pytest.mark.parametrize("data", [box(b"moof", b""), (3).to_bytes(4) + b"mdat", (90).to_bytes(4) + b"mdat"])
def test_an_m4a_that_cannot_be_followed_is_said(data):
    with pytest.raises(NotTaggableError, match=r"cannot be followed|fragmented"):
        sound_in(io.BytesIO(data), "m4a")


def page(packets, *, serial=b"abcd", open_ended=False):
    lacing = b"".join(bytes([255] * (len(each) // 255)) + bytes([len(each) % 255]) for each in packets)
    lacing = lacing[:-1] if open_ended else lacing
    return b"OggS" + bytes(10) + serial + bytes(8) + bytes([len(lacing)]) + lacing + b"".join(packets)


def test_the_sound_of_an_ogg_is_all_packets_but_the_comments():
    head, comments, rest = b"OpusHead", b"C" * 700, [b"sound" * 100, b"more"]
    one = page([head]) + page([comments]) + page(rest)
    # The same, its comments over a page and a half and their end beside the sound.
    other = page([head]) + page([comments[:510]], open_ended=True) + page([comments[510:], *rest])
    assert heard(one, "ogg") == heard(other, "opus") == head + b"".join(rest)


def test_an_ogg_of_several_streams_is_said():
    with pytest.raises(NotTaggableError, match="several streams"):
        sound_in(io.BytesIO(page([b"a"]) + page([b"b"], serial=b"efgh")), "ogg")


def test_a_file_of_countless_parts_is_said(monkeypatch):
    monkeypatch.setattr(sound, "_MOST_PARTS", 3)
    with pytest.raises(NotTaggableError, match="more than 3 parts"):
        sound_in(io.BytesIO(box(b"mdat", b"x") * 4), "m4a")


# The hashes


@st.composite
def cases(draw):
    """Bytes, and regions of them in order."""
    data = draw(st.binary(max_size=200))
    edges = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return data, [Region(*pair) for pair in zip(edges[::2], edges[1::2], strict=False)]


@given(cases(), st.integers(1, 64))
def test_a_file_and_its_sound_are_hashed_in_pieces_of_any_size(case, piece_bytes):
    data, regions = case
    out = io.BytesIO()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sound, "_READ_BYTES", piece_bytes)
        found = hash_file(io.BytesIO(data), regions, out.write)
    assert out.getvalue() == data
    assert found.whole == hashlib.sha256(data).hexdigest()
    assert found.sound == hashlib.sha256(b"".join(data[start:end] for start, end in regions)).hexdigest()
    assert (found.size, found.has_credentials) == (len(data), any(mark in data for mark in (_STORE, _POINTER)))


def test_a_file_that_is_not_taken_apart_is_all_sound():
    source = io.BytesIO(b"abcdef")
    source.seek(4)
    found = hash_file(source, None)
    assert found.whole == found.sound == hashlib.sha256(b"abcdef").hexdigest()


def test_no_more_than_a_piece_is_read_at_once():
    sizes = []

    class Counting(io.BytesIO):
        def read(self, size=-1):
            sizes.append(size)
            return super().read(size)

    hash_file(Counting(bytes(2**20)), [Region(0, 2**20)])
    assert set(sizes) == {2**18}
