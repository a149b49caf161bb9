# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_music.audio.credentials import _POINTER, _STORE, CredentialsScanner

#: As c2pa-rs writes it, within whatever container.
STORE = b"\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\x008\x9bq\x03c2pa\0"
POINTER = b'<rdf:Description dcterms:provenance="https://example.org/song.c2pa">'


def found(*chunks):
    scanner = CredentialsScanner()
    for chunk in chunks:
        scanner.update(chunk)
    return scanner.found


@given(st.binary(max_size=100), st.binary(max_size=100), st.integers(1, 60))
@pytest.mark.parametrize("mark", [STORE, POINTER])
def test_a_store_and_a_pointer_to_one_are_found_wherever_they_lie_and_however_they_come(mark, before, after, size):
    data = before + mark + after
    assert found(*(data[at : at + size] for at in range(0, len(data), size)))
    assert found(bytearray(data))


@given(st.lists(st.binary(max_size=100)))
def test_sound_is_none(chunks):
    # Hypothesis tries the package's own constants too.
    assume(not any(mark in b"".join(chunks) for mark in (_STORE, _POINTER)))
    assert not found(*chunks)


def test_a_part_of_a_mark_is_none():
    assert not found(STORE[:20], b"x" * 100, STORE[20:], POINTER[:20], b"x" * 100)
