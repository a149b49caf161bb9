# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.provenance import splice
from airflow_provider_music.provenance.splice import Edit, Span, copy

NOWHERE = Span(0, 0)


def spliced(data, edits, sound=NOWHERE):
    out = io.BytesIO()
    return copy(io.BytesIO(data), edits, sound, out.write), out.getvalue()


@st.composite
def cases(draw):
    """Bytes, edits in order that do not lie over another, and a span."""
    data = draw(st.binary(max_size=200))
    edges = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    edits = [Edit(start, end, draw(st.binary(max_size=20))) for start, end in pairs]
    return data, edits, Span(*sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data))))))


@given(cases(), st.integers(1, 64))
def test_a_copy_is_the_source_with_its_edits_in_chunks_of_any_size(case, chunk_bytes):
    data, edits, sound = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splice, "_CHUNK_BYTES", chunk_bytes)
        copied, out = spliced(data, edits, sound)
    expected, at = b"", 0
    for edit in edits:
        expected += data[at : edit.start] + edit.content
        at = edit.end
    expected += data[at:]
    assert out == expected
    assert copied.before == hashlib.sha256(data).hexdigest()
    assert copied.after == hashlib.sha256(expected).hexdigest()
    assert copied.sound == hashlib.sha256(data[sound.start : sound.end]).hexdigest()
    assert copied.size == len(expected)


def test_a_source_that_ends_early_ends_the_copy():
    copied, out = spliced(b"abc", [Edit(10, 20, b"!")])
    assert out == b"abc!"
    assert copied.before == hashlib.sha256(b"abc").hexdigest()


def test_a_copy_starts_at_the_start_wherever_its_source_stands():
    source, out = io.BytesIO(b"abcdef"), io.BytesIO()
    source.seek(4)
    copy(source, [Edit(0, 1, b"X")], Span(0, 6), out.write)
    assert out.getvalue() == b"Xbcdef"


def test_no_more_than_a_chunk_is_asked_for_at_once():
    asked = []

    class Counting(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    copy(Counting(bytes(2**20)), [], Span(0, 2**20), len)
    assert set(asked) == {2**18}
