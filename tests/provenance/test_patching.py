# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import NotTaggableError
from airflow_provider_music.provenance import patching
from airflow_provider_music.provenance.patching import Mp3File, Patch, Region, WavFile, copy

# MP3


TAG = b"ID3\x04\0\0\0\0\0\x05" + bytes(5)
ID3V1 = b"TAG" + bytes(125)
APE_FOOTER = b"APETAGEX" + (2000).to_bytes(4, "little") + (52).to_bytes(4, "little") + bytes(4)


def read_mp3(data):
    return Mp3File.read(io.BytesIO(data))


def ape(*, header):
    flags = (0x80000000 if header else 0).to_bytes(4, "little")
    return (bytes(32) if header else b"") + bytes(20) + APE_FOOTER + flags + bytes(8)


@pytest.mark.parametrize("head", [b"", TAG])
@pytest.mark.parametrize("tail", [b"", ID3V1, ape(header=True), ape(header=False), ape(header=True) + ID3V1])
def test_the_sound_is_what_stands_between_the_tags(head, tail, mp3, hand):
    found = read_mp3(head + mp3 + tail)
    assert found.sound == Region(len(head), len(head) + len(mp3))
    assert found.tag == (Region(0, len(head)) if head else None)
    assert b"".join(hand.mp3_frames(head + mp3 + tail)) == mp3


def test_a_tag_is_put_before_all_or_in_place_of_the_one_there(mp3):
    assert read_mp3(mp3).patches(b"new", "", "") == [Patch(0, 0, b"new")]
    assert read_mp3(TAG + mp3).patches(b"new", "", "") == [Patch(0, len(TAG), b"new")]


def test_a_tag_longer_than_its_file_is_said():
    with pytest.raises(NotTaggableError, match="says 15 bytes, the file has 14"):
        read_mp3(TAG[:-1])


@given(st.binary(max_size=400), st.sampled_from([b"", TAG]), st.sampled_from([b"", ID3V1, ape(header=True)]))
def test_the_sound_lies_in_the_file_whatever_the_file_is(data, head, tail):
    data = head + data + tail
    try:
        found = read_mp3(data)
    except NotTaggableError:
        return
    assert 0 <= found.sound.start <= found.sound.end <= len(data)


# WAV


FMT = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)
NEW = b"ID3-new"


def read_wav(data):
    return WavFile.read(io.BytesIO(data))


def retagged(data, tag=NEW, comment="made by a model"):
    out = io.BytesIO()
    found = read_wav(data)
    copy(io.BytesIO(data), found.patches(tag, comment, "package 1"), found.sound, out.write)
    return out.getvalue()


def test_the_sound_is_the_data_chunk(wav, hand):
    found = read_wav(wav)
    assert wav[found.sound.start : found.sound.end] == dict(hand.riff_chunks(wav))[b"data"]
    assert found.tag is None


def test_a_tag_goes_into_a_chunk_of_its_own_with_an_info_list_beside(wav, hand):
    chunks = dict(hand.riff_chunks(retagged(wav)))
    assert chunks.pop(b"id3 ") == NEW
    info = chunks.pop(b"LIST")
    assert info == b"INFO" + hand.chunk(b"ICMT", b"made by a model\0") + hand.chunk(b"ISFT", b"package 1\0")
    assert chunks == dict(hand.riff_chunks(wav))
    assert hand.sound_of(retagged(wav)) == hand.sound_of(wav)


@pytest.mark.parametrize("name", [b"id3 ", b"ID3 "])
@pytest.mark.parametrize("old", [b"ID3-old", b"ID3-older"])
@pytest.mark.parametrize("first", [True, False])
def test_the_tag_that_is_there_gives_its_place_to_the_new_one(name, old, first, hand):
    fmt, data, tag = hand.chunk(b"fmt ", FMT), hand.chunk(b"data", bytes(50)), hand.chunk(name, old)
    song = hand.riff(fmt, tag, data) if first else hand.riff(fmt, data, tag)
    assert song[slice(*read_wav(song).tag)] == old
    chunks = hand.riff_chunks(retagged(song))
    assert [content for name, content in chunks if name.lower() == b"id3 "] == [NEW]
    assert (b"data", bytes(50)) in chunks


def test_an_info_list_that_is_there_stays_the_only_one(hand):
    info = hand.chunk(b"LIST", b"INFO" + hand.chunk(b"INAM", b"A song\0"))
    song = hand.riff(hand.chunk(b"fmt ", FMT), hand.chunk(b"data", bytes(50)), info)
    found = retagged(song)
    assert info in found
    assert found.count(b"LIST") == 1


def test_a_list_of_another_kind_is_no_info_list(hand):
    song = hand.riff(hand.chunk(b"fmt ", FMT), hand.chunk(b"LIST", b"adtl"), hand.chunk(b"data", bytes(50)))
    assert retagged(song).count(b"LIST") == 2


def test_a_comment_in_the_info_list_is_ascii(wav):
    assert b"m?de\0" in retagged(wav, comment="m\u00e4de")


@pytest.mark.parametrize("data", [bytes(20_000), bytes(20_001)], ids=["even", "odd"])
@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("riff_length", [0, 0xFFFFFFFF, None])
def test_a_stream_that_left_no_lengths_gets_them(data, length, riff_length, hand):
    song = hand.riff(hand.chunk(b"fmt ", FMT), hand.chunk(b"data", data, length=length, pad=False), length=riff_length)
    chunks = dict(hand.riff_chunks(retagged(song)))
    assert chunks[b"data"] == data
    assert chunks[b"id3 "] == NEW
    before, after = probe(io.BytesIO(song)), probe(io.BytesIO(retagged(song)))
    assert after.duration_ms == before.duration_ms


def test_an_odd_number_of_bytes_is_padded_where_the_writer_did_not(hand):
    song = hand.riff(hand.chunk(b"fmt ", FMT), hand.chunk(b"data", bytes(51), pad=False))
    assert dict(hand.riff_chunks(retagged(song)))[b"data"] == bytes(51)


@pytest.mark.parametrize("short", [1, 20])
def test_a_length_that_leaves_out_the_end_of_the_sound_is_mended(short, hand):
    song = hand.riff(hand.chunk(b"fmt ", FMT), hand.chunk(b"data", bytes(51)))
    song = hand.riff(song[12:], length=len(song) - 8 - short)
    chunks = dict(hand.riff_chunks(retagged(song)))
    assert (chunks[b"data"], chunks[b"id3 "]) == (bytes(51), NEW)


def test_bytes_behind_the_end_stay_behind_the_end(wav, hand):
    junk = b"some program's notes"
    found = retagged(wav + junk)
    assert found.endswith(junk)
    assert dict(hand.riff_chunks(found[: -len(junk)])).keys() == {b"fmt ", b"data", b"LIST", b"id3 "}


CHUNKS = st.lists(
    st.tuples(st.sampled_from([b"LIST", b"bext", b"cue ", b"JUNK", b"id3 ", b"XMP "]), st.binary(max_size=30)),
    max_size=5,
)


@given(CHUNKS, st.binary(min_size=1, max_size=60), CHUNKS, st.binary(max_size=40))
def test_every_other_chunk_stays_as_it_is_and_in_order(hand, before, data, after, tag):
    there = [(b"fmt ", FMT), *before, (b"data", data), *after]
    song = hand.riff(*(hand.chunk(*one) for one in there))
    if sum(name == b"id3 " for name, _ in there) > 1:
        with pytest.raises(NotTaggableError, match="several ID3 chunks"):
            read_wav(song)
        return
    found = hand.riff_chunks(retagged(song, tag))
    first = next((one for one in there if one[0] == b"id3 "), None)
    kept = list(there)
    if first:
        kept.remove(first)
    rest = iter(found)
    assert all(one in rest for one in kept)
    assert len(found) - len(kept) == 1 + (not any(n == b"LIST" and c[:4] == b"INFO" for n, c in there))
    assert (b"id3 ", tag) in found


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    song = b"RIFF" + data[:4] + b"WAVE" + data[4:]
    try:
        found = read_wav(song)
        retagged(song)
    except NotTaggableError:
        return
    assert 0 <= found.sound.start <= found.sound.end <= len(song)


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
def test_what_takes_no_tags_is_said(data, says):
    with pytest.raises(NotTaggableError, match=says):
        read_wav(data)


class Sparse(io.RawIOBase):
    """A WAV file of nearly 4 GiB that is nowhere."""

    def __init__(self, head, size):
        super().__init__()
        self._head, self._size, self._at = head, size, 0

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        self._at = offset + (self._size if whence == io.SEEK_END else 0)
        return self._at

    def read(self, count=-1):
        piece = self._head[self._at : self._at + count] if self._at < len(self._head) else b""
        piece += bytes(max(0, min(count, self._size - self._at) - len(piece)))
        self._at += len(piece)
        return piece


def test_a_file_that_would_get_too_long_is_not_patched():
    size = 2**32 + 6
    head = struct.pack("<4sI4s", b"RIFF", size - 8, b"WAVE") + struct.pack("<4sI", b"fmt ", 16) + FMT
    head += struct.pack("<4sI", b"data", size - len(head) - 8)
    found = WavFile.read(Sparse(head, size))
    assert found.sound == Region(44, size)
    with pytest.raises(NotTaggableError, match="4 GiB"):
        found.patches(NEW, "c", "s")


# The copy


NOWHERE = Region(0, 0)


def patched(data, patches, sound=NOWHERE):
    out = io.BytesIO()
    return copy(io.BytesIO(data), patches, sound, out.write), out.getvalue()


@st.composite
def cases(draw):
    """Bytes, patches in order that do not lie over another, and a region."""
    data = draw(st.binary(max_size=200))
    edges = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    patches = [Patch(start, end, draw(st.binary(max_size=20))) for start, end in pairs]
    return data, patches, Region(*sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data))))))


@given(cases(), st.integers(1, 64))
def test_a_copy_is_the_source_with_its_patches_in_pieces_of_any_size(case, piece_bytes):
    data, patches, sound = case
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(patching, "_COPY_BYTES", piece_bytes)
        copied, out = patched(data, patches, sound)
    expected, at = b"", 0
    for patch in patches:
        expected += data[at : patch.start] + patch.content
        at = patch.end
    expected += data[at:]
    assert out == expected
    assert copied.before == hashlib.sha256(data).hexdigest()
    assert copied.after == hashlib.sha256(expected).hexdigest()
    assert copied.sound == hashlib.sha256(data[sound.start : sound.end]).hexdigest()
    assert copied.size == len(expected)


def test_a_source_that_ends_early_ends_the_copy():
    copied, out = patched(b"abc", [Patch(10, 20, b"!")])
    assert out == b"abc!"
    assert copied.before == hashlib.sha256(b"abc").hexdigest()


def test_a_copy_starts_at_the_start_wherever_its_source_stands():
    source, out = io.BytesIO(b"abcdef"), io.BytesIO()
    source.seek(4)
    copy(source, [Patch(0, 1, b"X")], Region(0, 6), out.write)
    assert out.getvalue() == b"Xbcdef"


def test_no_more_than_a_piece_is_read_at_once():
    sizes = []

    class Counting(io.BytesIO):
        def read(self, size=-1):
            sizes.append(size)
            return super().read(size)

    copy(Counting(bytes(2**20)), [], Region(0, 2**20), len)
    assert set(sizes) == {2**18}
