# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.audio.containers import RiffChunk, ape_tag_bytes, id3_tag_bytes, riff_chunks


def chunk(name, content, length=None):
    return struct.pack("<4sI", name, len(content) if length is None else length) + content


def walk(*chunks, riff_end=None):
    data = b"RIFF????WAVE" + b"".join(chunks)
    return list(riff_chunks(io.BytesIO(data), len(data), riff_end))


def test_chunks_follow_each_other_with_a_pad_byte_behind_an_odd_length():
    found = walk(chunk(b"fmt ", b"abc") + b"\0", chunk(b"data", b"de"))
    assert found == [
        RiffChunk(b"fmt ", start=12, body=20, end=23, next=24, length=3, open_ended=False),
        RiffChunk(b"data", start=24, body=32, end=34, next=34, length=2, open_ended=False),
    ]


@pytest.mark.parametrize("length", [0, 11, 0x7FFFFFFF, 0xFFFFFFFF])
def test_samples_without_a_length_that_holds_run_to_the_end_of_the_file(length):
    found = walk(chunk(b"data", b"de" + chunk(b"LIST", b""), length))
    assert [(one.name, one.end, one.next, one.open_ended) for one in found] == [(b"data", 30, 30, True)]


@pytest.mark.parametrize("name", [b"LIST", b"id3 ", b"bext", b"C2PA"])
def test_behind_a_length_of_nothing_a_known_chunk_is_a_chunk_and_no_sound(name):
    found = walk(chunk(b"data", b""), chunk(name, b"abcd"))
    assert [(one.name, one.end, one.open_ended) for one in found] == [(b"data", 20, False), (name, 32, False)]
    # One that says more than there is may as well be samples.
    assert [one.name for one in walk(chunk(b"data", b""), chunk(name, b"abcd", 1000))] == [b"data"]


def test_another_chunk_that_says_more_than_there_is_ends_with_the_file_and_keeps_what_it_says():
    (found,) = walk(chunk(b"LIST", b"ab", 1000))
    assert (found.end, found.next, found.length, found.open_ended) == (22, 22, 1000, False)


def test_a_trusted_end_ends_the_walk():
    chunks = [chunk(b"aaaa", b""), chunk(b"bbbb", b"")]
    assert [one.name for one in walk(*chunks)] == [b"aaaa", b"bbbb"]
    assert [one.name for one in walk(*chunks, riff_end=27)] == [b"aaaa"]


def test_of_endless_chunks_a_thousand_are_read():
    assert len(walk(bytes(8) * 100_000)) == 1000


def test_the_caller_may_read_and_seek_between_two_chunks():
    file = io.BytesIO(b"RIFF????WAVE" + chunk(b"aaaa", b"12") + chunk(b"bbbb", b"34"))
    contents = []
    for found in riff_chunks(file, 32):
        contents.append(file.read(2))
        file.seek(found.start)
    assert contents == [b"12", b"34"]


@given(st.binary(max_size=200), st.none() | st.integers(0, 300))
def test_no_bytes_lead_the_walk_out_of_the_file_or_backwards(data, riff_end):
    size, at = len(data), 12
    for found in riff_chunks(io.BytesIO(data), size, riff_end):
        assert at == found.start < found.body <= found.end <= found.next <= size
        at = found.next


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"", 0),
        (b"ID3\4\0\0\0\0\0", 0),
        (b"\xff\xfb" + bytes(8), 0),
        (b"ID3\4\0\0\0\0\2\1", 267),
        (b"ID3\4\0\x10\0\0\0\1", 21),
        (b"ID3\3\0\x10\0\0\0\1", 11),
        (b"ID3\4\0\0\0\0\0\x80", 0),
    ],
)
def test_a_tags_length_is_in_its_header(head, length):
    assert id3_tag_bytes(head) == length


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"", 0),
        (b"APETAGEX" + struct.pack("<IIII8x", 2000, 50, 1, 0xA0000000), 82),
        (b"APETAGEX" + struct.pack("<IIII8x", 2000, 50, 1, 0x80000000), 32),
        (b"APETAGEX" + bytes(20), 0),
    ],
)
def test_an_ape_tag_is_as_long_as_its_header_says_and_a_footer_stands_alone(head, length):
    assert ape_tag_bytes(head) == length
