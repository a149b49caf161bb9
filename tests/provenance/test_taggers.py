# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Tags in every format that takes them, judged by FFmpeg: old and new ones are seen, and the sound is the same."""

from __future__ import annotations

import contextlib
import errno
import io
import math
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import NotTaggableError, ProvenanceError
from airflow_provider_music.provenance import embed, taggers
from airflow_provider_music.provenance.manifest import DIGITAL_SOURCE_TYPE, manifest_of
from airflow_provider_music.provenance.sound import sound_in
from airflow_provider_music.provenance.taggers import read_tags, write_tags
from airflow_provider_music.provenance.tags import comment_of, texts_of

FMT = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)
TEXTS = {"digitalSourceType": "made by a model", "provenance.manifest": '{"a":1}'}
COMMENT = "Made by a generative model"


def retagged(data, audio_format, texts=TEXTS, comment=COMMENT):
    file = io.BytesIO(data)
    write_tags(file, audio_format, texts, comment)
    return file.getvalue()


def heard(data, audio_format):
    return b"".join(data[start:end] for start, end in sound_in(io.BytesIO(data), audio_format))


# By FFmpeg's eyes and ears


def played(data):
    """What FFmpeg shows and plays: the tags by their names in lower case, and the samples."""
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(data)) as file:
        shown = {**dict(file.metadata), **dict(file.streams.audio[0].metadata)}
        samples = b"".join(frame.to_ndarray().tobytes() for frame in file.decode(audio=0))
    return {name.lower(): text for name, text in shown.items()}, samples


CODECS = {"mp3": "libmp3lame", "wav": "pcm_s16le", "flac": "flac", "m4a": "aac", "ogg": "libopus"}
_made = {}


def encoded(audio_format, **tags):
    """Three seconds of a tone, from FFmpeg's own encoder and muxer."""
    av = pytest.importorskip("av")
    import numpy as np

    key = (audio_format, tuple(tags.items()))
    if key not in _made:
        rate, out = 48000, io.BytesIO()
        with av.open(out, "w", format={"m4a": "ipod"}.get(audio_format, audio_format)) as file:
            file.metadata.update(tags)
            stream = file.add_stream(CODECS[audio_format], rate=rate, layout="mono")
            tone = np.sin(np.arange(3 * rate, dtype=np.float32) * (440 * 2 * math.pi / rate))
            frame = av.AudioFrame.from_ndarray((tone * 9000).astype(np.int16)[None, :], format="s16", layout="mono")
            frame.rate = rate
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                file.mux(packet)
        _made[key] = out.getvalue()
    return _made[key]


@pytest.mark.parametrize("audio_format", CODECS)
@pytest.mark.parametrize("tags", [{}, {"title": "A song"}, {"title": "A song", "comment": "Recorded at sea"}])
def test_a_player_shows_old_and_new_tags_and_plays_the_same(audio_format, tags, tmp_path, hand):
    data, path = encoded(audio_format, **tags), tmp_path / "song"
    path.write_bytes(data)
    manifest = manifest_of(hand.take_of(data, audio_format), hand.ORIGIN)
    hashes = embed(path, manifest)
    after = path.read_bytes()
    before, samples = played(data)
    shown, plays = played(after)
    assert plays == samples
    assert len(samples) > 100_000
    assert hashes.note is None
    assert hashes.sound_sha256 == hand.sha256(heard(data, audio_format)) == hand.sha256(heard(after, audio_format))
    assert {name: shown.get(name) for name in before} == before
    assert shown["digitalsourcetype"] == DIGITAL_SOURCE_TYPE
    assert shown["provenance.manifest"] == texts_of(manifest)["provenance.manifest"]
    assert comment_of(manifest) in shown.values()
    assert read_tags(io.BytesIO(after), audio_format) == {
        **read_tags(io.BytesIO(data), audio_format),
        **{name.lower(): text for name, text in texts_of(manifest).items()},
        **({"comment": comment_of(manifest)} if audio_format in ("flac", "ogg") and "comment" not in tags else {}),
        **({"provenance": comment_of(manifest)} if audio_format not in ("mp3", "wav") and "comment" in tags else {}),
    }
    assert embed(path, manifest) == hashes
    facts = probe(io.BytesIO(data)), probe(io.BytesIO(after))
    assert facts[0].duration_ms == facts[1].duration_ms


def test_what_stood_in_an_id3v1_tag_alone_is_still_shown(mp3):
    v1 = b"TAG" + b"A song".ljust(30, b"\0") + b"Ana".ljust(30, b"\0") + bytes(30) + b"2026" + bytes(30) + b"\x11"
    shown, samples = played(mp3 + v1)
    after = retagged(mp3 + v1, "mp3")
    assert after.endswith(mp3 + v1)
    found, plays = played(after)
    assert (shown["title"], plays) == ("A song", samples)
    assert {**shown, "digitalsourcetype": "made by a model"}.items() <= found.items()


# WAV


def wav_of_chunks(hand, *chunks, **more):
    return hand.riff(hand.chunk(b"fmt ", FMT), *chunks, **more)


def id3(hand, title):
    content = b"TIT2" + (len(title) + 1).to_bytes(4) + b"\0\0\0" + title
    return b"ID3\4\0\0" + bytes([0, 0, len(content) >> 7, len(content) & 0x7F]) + content


def test_a_tag_goes_into_a_chunk_of_its_own_and_nothing_else_changes(wav, hand):
    chunks = dict(hand.riff_chunks(retagged(wav, "wav")))
    assert hand.id3_texts(chunks.pop(b"id3 ")) == TEXTS
    assert chunks == dict(hand.riff_chunks(wav))
    assert hand.sound_of(retagged(wav, "wav")) == hand.sound_of(wav)


@pytest.mark.parametrize("name", [b"id3 ", b"ID3 "])
@pytest.mark.parametrize("title", [b"even", b"odd"])
@pytest.mark.parametrize("first", [True, False])
def test_the_tag_that_is_there_gets_ours_beside_its_own(name, title, first, hand):
    data, tag = hand.chunk(b"data", bytes(50)), hand.chunk(name, id3(hand, title))
    song = wav_of_chunks(hand, tag, data) if first else wav_of_chunks(hand, data, tag)
    after = retagged(song, "wav")
    chunks = hand.riff_chunks(after)
    (found,) = [content for name, content in chunks if name.lower() == b"id3 "]
    assert hand.id3_texts(found) == TEXTS
    assert b"\0" + title in found
    assert (b"data", bytes(50)) in chunks
    assert played(after)[0]["title"] == title.decode()


def test_a_new_info_list_is_never_made_since_players_would_read_no_id3_chunk_beside_it(wav):
    assert b"LIST" not in retagged(wav, "wav")


@pytest.mark.parametrize("first", [True, False])
def test_an_info_list_that_is_there_gets_our_comment_and_keeps_its_own(first, hand):
    info = hand.chunk(b"LIST", b"INFO" + hand.chunk(b"INAM", b"A song\0"))
    data = hand.chunk(b"data", bytes(5000))
    after = retagged(wav_of_chunks(hand, *((info, data) if first else (data, info))), "wav", comment="m\u00e4de")
    assert after.count(b"LIST") == 1
    assert dict(hand.riff_chunks(after))[b"LIST"] == (
        b"INFO" + hand.chunk(b"INAM", b"A song\0") + hand.chunk(b"ICMT", b"m?de\0")
    )
    assert dict(hand.riff_chunks(after))[b"data"] == bytes(5000)
    assert played(after)[0]["title"] == "A song"


def test_an_info_list_with_a_comment_and_a_list_of_another_kind_stay_as_they_are(hand):
    info = hand.chunk(b"LIST", b"INFO" + hand.chunk(b"ICMT", b"At sea\0"))
    other = hand.chunk(b"LIST", b"adtl")
    after = retagged(wav_of_chunks(hand, other, hand.chunk(b"data", bytes(50)), info), "wav")
    assert info in after
    assert other in after


@pytest.mark.parametrize("data", [bytes(20_000), bytes(20_001)], ids=["even", "odd"])
@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("riff_length", [0, 0xFFFFFFFF, None])
def test_a_stream_that_left_no_lengths_gets_them(data, length, riff_length, hand):
    song = wav_of_chunks(hand, hand.chunk(b"data", data, length=length, pad=False), length=riff_length)
    after = retagged(song, "wav")
    chunks = dict(hand.riff_chunks(after))
    assert chunks[b"data"] == data
    assert hand.id3_texts(chunks[b"id3 "]) == TEXTS
    assert probe(io.BytesIO(after)).duration_ms == probe(io.BytesIO(song)).duration_ms


@pytest.mark.parametrize("behind", [b"LIST", b"id3 ", b"bext", b"C2PA"])
def test_no_sound_and_chunks_behind_it_stay_no_sound(behind, hand):
    content = id3(hand, b"A song") if behind == b"id3 " else b"INFO" + bytes(60)
    song = wav_of_chunks(hand, hand.chunk(b"data", b""), hand.chunk(behind, content))
    after = retagged(song, "wav")
    assert heard(song, "wav") == heard(after, "wav") == b""
    assert dict(hand.riff_chunks(after))[b"data"] == b""


def test_an_odd_number_of_bytes_is_padded_where_the_writer_did_not(hand):
    song = wav_of_chunks(hand, hand.chunk(b"data", bytes(51), pad=False))
    assert dict(hand.riff_chunks(retagged(song, "wav")))[b"data"] == bytes(51)


@pytest.mark.parametrize("short", [1, 20])
def test_a_length_that_leaves_out_the_end_of_the_sound_is_mended(short, hand):
    song = wav_of_chunks(hand, hand.chunk(b"data", bytes(51)))
    song = hand.riff(song[12:], length=len(song) - 8 - short)
    chunks = dict(hand.riff_chunks(retagged(song, "wav")))
    assert chunks[b"data"] == bytes(51)
    assert hand.id3_texts(chunks[b"id3 "]) == TEXTS


def test_bytes_behind_the_end_stay_behind_the_end(wav, hand):
    junk = b"some program's notes"
    found = retagged(wav + junk, "wav")
    assert found.endswith(junk)
    assert dict(hand.riff_chunks(found[: -len(junk)])).keys() == {b"fmt ", b"data", b"id3 "}


CHUNKS = st.lists(
    st.tuples(st.sampled_from([b"LIST", b"bext", b"cue ", b"JUNK", b"XMP "]), st.binary(max_size=30)), max_size=5
)


@given(CHUNKS, st.binary(min_size=1, max_size=60), CHUNKS)
def test_every_other_chunk_stays_as_it_is_and_in_order(hand, before, data, after):
    there = [(b"fmt ", FMT), *before, (b"data", data), *after]
    song = hand.riff(*(hand.chunk(*one) for one in there))
    try:
        found = hand.riff_chunks(retagged(song, "wav"))
    except NotTaggableError:
        # A list that is none, which mutagen does not read.
        assert any(name == b"LIST" for name, _ in there)
        return
    assert found[: len(there)] == there
    assert [name for name, _ in found[len(there) :]] == [b"id3 "]


@given(st.binary(max_size=200))
@pytest.mark.parametrize("start", [b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS\0", b"\0\0\0\x18ftypM4A ", b"ID3\4\0\0"])
def test_no_bytes_break_a_tagger(start, data):
    for audio_format in ("mp3", "wav", "flac", "m4a", "ogg"):
        with contextlib.suppress(NotTaggableError):
            read_tags(io.BytesIO(start + data), audio_format)
        with contextlib.suppress(NotTaggableError):
            retagged(start + data, audio_format)


@pytest.mark.parametrize(
    ("chunks", "says"),
    [
        ([(b"data", b"ab"), (b"id3 ", b"ID3"), (b"ID3 ", b"ID3")], "several ID3 chunks"),
        ([(b"data", b"ab"), *[(b"JUNK", b"")] * 1000], "1000 chunks or more"),
    ],
)
def test_a_wav_that_takes_no_tags_is_said(chunks, says, hand):
    with pytest.raises(NotTaggableError, match=says):
        retagged(wav_of_chunks(hand, *(hand.chunk(*each) for each in chunks)), "wav")


def test_a_wav_that_would_get_too_long_is_not_tagged(tmp_path, hand):
    path, size = tmp_path / "song.wav", 2**32 - 2**24
    head = struct.pack("<4sI4s", b"RIFF", size - 8, b"WAVE") + hand.chunk(b"fmt ", FMT)
    with path.open("w+b") as file:
        file.write(head + struct.pack("<4sI", b"data", size - len(head) - 8))
        file.truncate(size)
        with pytest.raises(NotTaggableError, match="4 GiB"):
            write_tags(file, "wav", TEXTS, COMMENT)


# What breaks


def test_a_flac_of_nothing_but_pictures_is_not_read_into_memory():
    pictures = (b"\x06" + (2**24 - 1).to_bytes(3) + bytes(2**24 - 1)) * 3
    data = b"fLaC\0\0\0\x22" + bytes(34) + pictures
    tracemalloc.start()
    try:
        with pytest.raises(NotTaggableError):
            read_tags(io.BytesIO(data), "flac")
        with pytest.raises(NotTaggableError):
            write_tags(io.BytesIO(data), "flac", TEXTS, COMMENT)
        assert tracemalloc.get_traced_memory()[1] < 2**27
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("audio_format", CODECS)
def test_a_store_that_fails_under_a_reader_is_never_a_song_without_tags(audio_format):
    class Down(io.BytesIO):
        reads = 0

        def read(self, size=-1):
            self.reads += 1
            if self.reads > 1:
                raise PermissionError(errno.EACCES, "the store is down")
            return super().read(size)

    with pytest.raises(PermissionError, match="the store is down"):
        read_tags(Down(encoded(audio_format, title="A song")), audio_format)


@pytest.mark.parametrize("audio_format", CODECS)
def test_a_full_disk_under_a_tagger_is_an_error_and_no_song_that_takes_no_tags(audio_format):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_tags(Full(encoded(audio_format)), audio_format, TEXTS, COMMENT)


def test_tags_that_would_change_the_sound_are_left_out_and_the_manifest_says_so(tmp_path, mp3, hand, monkeypatch):
    path = tmp_path / "song.mp3"
    path.write_bytes(mp3)

    def spoil(file, texts, comment):
        file.seek(len(mp3) // 2)
        file.write(b"\0\0\0\0")

    monkeypatch.setitem(taggers._WRITERS, "mp3", spoil)
    hashes = embed(path, manifest_of(hand.take_of(mp3), hand.ORIGIN))
    assert hashes.note == "tags would change its sound, or do not come back as they were written"
    assert path.read_bytes() == mp3


def test_without_room_for_a_copy_the_song_stays_as_it_is(tmp_path, mp3, hand, monkeypatch):
    path = tmp_path / "song.mp3"
    path.write_bytes(mp3)

    def full(source, copy):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(ProvenanceError, match="No space left"):
        embed(path, manifest_of(hand.take_of(mp3), hand.ORIGIN))
    assert [each.name for each in tmp_path.iterdir()] == ["song.mp3"]
    assert path.read_bytes() == mp3
