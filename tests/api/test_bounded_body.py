# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import itertools
import random
import zlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api import bounded_body
from airflow_provider_music.api.bounded_body import DRIP_FACTOR, MAX_ANSWER_BYTES, PIECE_BYTES, Decompressor, buffered

ENCODINGS = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    " GZip ": gzip.compress,
}
PACKED = ["gzip", "deflate"]


def decompressor(encoding):
    return Decompressor(httpx.Headers({"content-encoding": encoding}))


def pieces_of(encoding, *chunks):
    reader = decompressor(encoding)
    found = [piece for chunk in chunks for piece in reader.pieces(chunk)]
    reader.end()
    return found


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(content=st.binary(max_size=300), cut=st.integers(1, 40))
def test_a_body_cut_in_any_way_is_what_it_was(encoding, content, cut):
    packed = ENCODINGS[encoding](content)
    chunks = [packed[at : at + cut] for at in range(0, len(packed), cut)]
    assert b"".join(pieces_of(encoding, *chunks)) == content


def test_without_a_header_a_body_is_plain():
    reader = Decompressor(httpx.Headers())
    assert list(reader.pieces(b"\x1f\x8b")) == [b"\x1f\x8b"]
    reader.end()


@pytest.mark.parametrize("encoding", PACKED)
def test_what_is_decompressed_at_once_is_bounded(encoding):
    content = bytes(5 * PIECE_BYTES + 1)
    found = pieces_of(encoding, ENCODINGS[encoding](content))
    assert max(map(len, found)) <= PIECE_BYTES
    assert b"".join(found) == content


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, br", "compress", "x" * 10_000])
def test_an_encoding_that_was_not_asked_for_is_no_answer_and_quoted_short(encoding):
    with pytest.raises(httpx.DecodingError, match="which was not asked for") as caught:
        decompressor(encoding)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("junk", [b"{}", b"<html>", b"\x1f\x8b\xff\xff"])
def test_what_is_not_encoded_as_it_says_is_no_answer(encoding, junk):
    with pytest.raises(httpx.DecodingError):
        pieces_of(encoding, junk)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("content", [b"", b"a", bytes(3 * PIECE_BYTES)])
def test_a_body_that_is_cut_short_anywhere_is_no_answer(encoding, content):
    packed = ENCODINGS[encoding](content)
    for length in {0, 1, len(packed) // 2, len(packed) - 1}:
        with pytest.raises(httpx.DecodingError, match="ends early"):
            pieces_of(encoding, packed[:length])


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("tail", [b"a", bytes(9), gzip.compress(b"more", mtime=0)])
def test_what_follows_the_end_of_a_compressed_body_is_refused_at_once(encoding, together, tail):
    packed = ENCODINGS[encoding](b"song")
    with pytest.raises(httpx.DecodingError, match="more follows"):
        pieces_of(encoding, *([packed + tail] if together else [packed, tail]))


class Body(httpx.AsyncByteStream):
    """A body in chunks, which counts what was taken of it."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self):
        for chunk in self.chunks:
            self.taken += len(chunk)
            yield chunk


async def read(settings, *chunks, encoding="identity"):
    return await buffered(httpx.Response(200, headers={"content-encoding": encoding}, stream=Body(chunks)), settings)


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_body_as_large_as_allowed_is_read_and_one_byte_more_is_not(encoding, settings_for):
    largest = bytes(MAX_ANSWER_BYTES)
    found = await read(settings_for(), ENCODINGS[encoding](largest), encoding=encoding)
    assert found.content == largest
    assert found.is_success
    with pytest.raises((httpx.ReadError, httpx.DecodingError), match=f"larger than {MAX_ANSWER_BYTES} bytes"):
        await read(settings_for(), ENCODINGS[encoding](largest + b"a"), encoding=encoding)


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_a_body_without_end_is_left_where_it_becomes_too_large(encoding, settings_for):
    chunk = random.Random(1).randbytes(2**16)
    body = Body(itertools.chain([gzip.compress(b"", mtime=0)[:10]] if encoding else [], itertools.repeat(chunk)))
    with pytest.raises(httpx.ReadError, match="larger than"):
        await buffered(httpx.Response(200, headers={"content-encoding": encoding}, stream=body), settings_for())
    assert body.taken <= MAX_ANSWER_BYTES + len(chunk)


@pytest.mark.parametrize(("seconds", "taken"), [(-0.1, True), (0.1, False)])
async def test_a_body_has_some_read_timeouts_of_time(seconds, taken, settings_for, monkeypatch):
    settings = settings_for(read_timeout=2.0)
    now = 1000.0

    class Clock:
        @staticmethod
        def monotonic():
            return now

    class Late(Body):
        async def __aiter__(self):
            nonlocal now
            now += DRIP_FACTOR * settings.read_timeout + seconds
            yield b"{}"

    monkeypatch.setattr(bounded_body, "time", Clock)
    response = httpx.Response(200, stream=Late([]))
    if taken:
        assert (await buffered(response, settings)).content == b"{}"
        return
    with pytest.raises(httpx.ReadTimeout, match="too slowly"):
        await buffered(response, settings)


@pytest.mark.parametrize(("status", "good"), [(199, False), (200, True), (299, True), (300, False), (404, False)])
async def test_a_status_of_200_to_299_is_success(status, good, settings_for):
    found = await buffered(httpx.Response(status, stream=Body([])), settings_for())
    assert (found.status_code, found.is_success) == (status, good)
