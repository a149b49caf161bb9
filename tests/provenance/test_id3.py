# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import re
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.audio.containers import id3_tag_bytes
from airflow_provider_music.exceptions import NotTaggableError
from airflow_provider_music.provenance import id3
from airflow_provider_music.provenance.id3 import id3_texts, id3_with

OURS = {"provenance.model": "music-01", "provenance.manifest": '{"a":1}'}


def safe(number):
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(name, content, version=4, flags=0):
    size = safe(len(content)) if version == 4 else len(content).to_bytes(4)
    return name + size + flags.to_bytes(2) + content


def tag(*frames, version=4, flags=0, padding=0):
    content = b"".join(frames) + bytes(padding)
    return struct.pack(">3sBBB4s", b"ID3", version, 0, flags, safe(len(content))) + content


def test_a_new_tag_holds_the_texts_and_a_comment(hand):
    blob = id3_with(b"", OURS, "made by a model")
    assert blob[:4] == b"ID3\x04"
    assert hand.id3_texts(blob) == OURS
    assert hand.id3_comments(blob) == {"": "made by a model"}
    assert id3_tag_bytes(blob) == len(blob)


@given(st.lists(st.tuples(st.sampled_from([b"TIT2", b"APIC", b"XYZ1", b"UFID"]), st.binary(min_size=1, max_size=300))))
@pytest.mark.parametrize("version", [3, 4])
def test_frames_that_were_there_stay_byte_by_byte_and_first(hand, version, frames):
    there = [frame(name, content, version) for name, content in frames]
    blob = id3_with(tag(*there, version=version, padding=50), OURS, "c")
    assert blob[3] == version
    assert blob[10:].startswith(b"".join(there))
    assert [(name, content) for name, _, content in hand.id3_frames(blob)][: len(frames)] == [
        (name.decode(), content) for name, content in frames
    ]
    assert hand.id3_texts(blob) == OURS


def test_a_frame_that_says_nothing_which_the_format_forbids_is_dropped(hand):
    blob = id3_with(tag(frame(b"TIT2", b""), frame(b"TALB", b"\x00Sea")), OURS, "c")
    assert [name for name, _, _ in hand.id3_frames(blob)] == ["TALB", "COMM", "TXXX", "TXXX"]


@given(
    st.dictionaries(
        st.text("ab.\u00e4\u4e00", min_size=1), st.text(st.characters(exclude_categories=["C"]), min_size=1)
    )
)
@pytest.mark.parametrize("version", [3, 4])
def test_texts_come_back_as_they_went_in(hand, version, texts):
    blob = id3_with(tag(frame(b"TIT2", b"\x00A song", version), version=version), texts, "c")
    assert hand.id3_texts(blob) == texts
    assert id3_texts(blob) == texts


@pytest.mark.parametrize("version", [3, 4])
def test_only_a_text_of_our_name_is_replaced(version, hand):
    kept = frame(b"TXXX", b"\x00BPM source\x00ear", version)
    stale = frame(b"TXXX", b"\x00provenance.model\x00other", version)
    blob = id3_with(tag(kept, stale, version=version), OURS, "c")
    assert hand.id3_texts(blob) == {"BPM source": "ear", **OURS}
    assert kept in blob
    assert stale not in blob


def test_a_comment_that_is_there_is_not_the_place_for_ours(hand):
    there = frame(b"COMM", b"\x03eng\x00Recorded at sea")
    blob = id3_with(tag(there), OURS, "made by a model")
    assert hand.id3_comments(blob) == {"": "Recorded at sea", "provenance": "made by a model"}


def test_the_same_tag_is_the_same_bytes():
    assert id3_with(b"", OURS, "c") == id3_with(b"", dict(reversed(OURS.items())), "c")


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (b"", "no ID3 tag"),
        (b"RIFF......", "no ID3 tag"),
        (tag(version=2), "kind that is not rewritten (2.2"),
        (tag(version=5), "kind that is not rewritten (2.5"),
        (tag(flags=0x80), "flags 0x80"),
        (tag(flags=0x40, version=3), "flags 0x40"),
        (tag(flags=0x10), "flags 0x10"),
        (tag(b"TIT2" + safe(500) + b"\0\0short"), "cannot be told apart"),
        (tag(b"TIT2" + b"\0\0\x01\xff\0\0" + bytes(600)), "cannot be told apart"),
        (tag(b"tit2" + safe(1) + b"\0\0a"), "cannot be told apart"),
        (tag(frame(b"TIT2", b"a"), b"\0\0\0junk"), "cannot be told apart"),
        (tag(b"TIT"), "cannot be told apart"),
    ],
)
def test_a_tag_that_cannot_be_put_together_again_is_not_touched(blob, says):
    with pytest.raises(NotTaggableError, match=re.escape(says)):
        id3_texts(blob)
    if blob:
        with pytest.raises(NotTaggableError, match=re.escape(says)):
            id3_with(blob, OURS, "c")


@given(st.binary(max_size=300))
@pytest.mark.parametrize("version", [3, 4])
def test_no_bytes_break_the_reader(version, content):
    try:
        blob = tag(content, version=version)
        id3_texts(blob)
        id3_with(blob, OURS, "c")
    except NotTaggableError:
        pass


@given(st.binary(max_size=60))
@pytest.mark.parametrize("version", [3, 4])
def test_no_content_of_a_text_breaks_the_reader(version, content):
    with contextlib.suppress(NotTaggableError):
        id3_with(tag(frame(b"TXXX", content, version), version=version), OURS, "c")


@pytest.mark.parametrize(("version", "flags"), [(3, 0x80), (4, 0x08), (4, 0x09)])
def test_a_packed_text_is_never_unpacked(version, flags):
    bomb = zlib.compress(bytes(2**27))
    blob = tag(frame(b"TXXX", b"\x08\0\0\0" + bomb, version, flags), version=version)
    tracemalloc.start()
    try:
        assert id3_texts(blob) == {}
        assert blob[10:] in id3_with(blob, OURS, "c")
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_tag_of_countless_frames_is_not_touched():
    blob = tag(*[frame(b"TXXX", b"\0a\0b")] * 20_000)
    with pytest.raises(NotTaggableError, match="cannot be told apart"):
        id3_texts(blob)


def test_a_tag_that_would_be_too_long_is_not_made(monkeypatch):
    monkeypatch.setattr(id3, "MAX_TAG_BYTES", 1000)
    with pytest.raises(NotTaggableError, match="longer than 1000 bytes"):
        id3_with(b"", {"a": "x" * 1000}, "c")
