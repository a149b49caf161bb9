# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Copies a file with some stretches replaced, in one pass and little memory, and hashes what goes by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CHUNK_BYTES = 2**18


class Span(NamedTuple):
    """Bytes of a file, from ``start`` up to and without ``end``."""

    start: int
    end: int


class Edit(NamedTuple):
    """What stands from ``start`` to ``end`` is replaced; where both are the same, ``content`` is put in."""

    start: int
    end: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Copied:
    """What went by: SHA-256 (hex) of the source, of the copy, and of the sound, and the copy's size."""

    before: str
    after: str
    sound: str
    size: int


def copy(source: IO[bytes], edits: Sequence[Edit], sound: Span, write: Callable[[bytes], object]) -> Copied:
    """Copy ``source`` to ``write``.

    :param edits: in order, none over another.
    :param sound: where the source's sound lies.
    """
    reader, after, size = _Reader(source, sound), hashlib.sha256(), 0

    def put(chunk: bytes) -> None:
        nonlocal size
        write(chunk)
        after.update(chunk)
        size += len(chunk)

    for edit in edits:
        for chunk in reader.up_to(edit.start):
            put(chunk)
        for _ in reader.up_to(edit.end):
            pass
        put(edit.content)
    for chunk in reader.up_to(None):
        put(chunk)
    return Copied(reader.all.hexdigest(), after.hexdigest(), reader.sound.hexdigest(), size)


class _Reader:
    """Reads a file once from its start."""

    def __init__(self, source: IO[bytes], sound: Span) -> None:
        source.seek(0)
        self._source = source
        self._sound = sound
        self._at = 0
        self.all = hashlib.sha256()
        self.sound = hashlib.sha256()

    def up_to(self, end: int | None) -> Iterator[bytes]:
        while end is None or self._at < end:
            chunk = self._source.read(_CHUNK_BYTES if end is None else min(_CHUNK_BYTES, end - self._at))
            if not chunk:
                return
            self._take(chunk)
            yield chunk

    def _take(self, chunk: bytes) -> None:
        self.all.update(chunk)
        start, end = (min(max(0, edge - self._at), len(chunk)) for edge in self._sound)
        self.sound.update(memoryview(chunk)[start:end])
        self._at += len(chunk)
