# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.provenance.errors import NotTaggableError
from airflow_provider_music.provenance.mp3_file import Mp3File
from airflow_provider_music.provenance.splice import Edit, Span

TAG = b"ID3\x04\0\0\0\0\0\x05" + bytes(5)
ID3V1 = b"TAG" + bytes(125)
APE_FOOTER = b"APETAGEX" + (2000).to_bytes(4, "little") + (52).to_bytes(4, "little") + bytes(4)


def read(data):
    return Mp3File.read(io.BytesIO(data))


def ape(*, header):
    flags = (0x80000000 if header else 0).to_bytes(4, "little")
    return (bytes(32) if header else b"") + bytes(20) + APE_FOOTER + flags + bytes(8)


@pytest.mark.parametrize("head", [b"", TAG])
@pytest.mark.parametrize("tail", [b"", ID3V1, ape(header=True), ape(header=False), ape(header=True) + ID3V1])
def test_the_sound_is_what_stands_between_the_tags(head, tail, mp3, hand):
    found = read(head + mp3 + tail)
    assert found.sound == Span(len(head), len(head) + len(mp3))
    assert found.tag == (Span(0, len(head)) if head else None)
    assert b"".join(hand.mp3_frames(head + mp3 + tail)) == mp3


def test_a_tag_is_put_before_all_or_in_place_of_the_one_there(mp3):
    assert read(mp3).edits(b"new", "", "") == [Edit(0, 0, b"new")]
    assert read(TAG + mp3).edits(b"new", "", "") == [Edit(0, len(TAG), b"new")]


def test_a_tag_longer_than_its_file_is_said():
    with pytest.raises(NotTaggableError, match="says 15 bytes, the file has 14"):
        read(TAG[:-1])


@given(st.binary(max_size=400), st.sampled_from([b"", TAG]), st.sampled_from([b"", ID3V1, ape(header=True)]))
def test_the_sound_lies_in_the_file_whatever_the_file_is(data, head, tail):
    data = head + data + tail
    try:
        found = read(data)
    except NotTaggableError:
        return
    assert 0 <= found.sound.start <= found.sound.end <= len(data)
