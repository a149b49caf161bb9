# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where in a WAV file its samples and its tags lie."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import IO, NamedTuple, Self

from airflow_provider_music.provenance.errors import NotTaggableError
from airflow_provider_music.provenance.splice import Edit, Span

_HEADER_BYTES = 8
_RIFF_BYTES = 12
_MAX_CHUNKS = 1000
_MAX_SIZE = 2**32 - 1


class _Chunk(NamedTuple):
    """A chunk: its name, where its header starts, and where its content lies; ``next`` is behind its pad byte."""

    name: bytes
    start: int
    body: int
    end: int
    next: int
    #: A writer that cannot go back leaves no length; the content then goes on to the end of the file.
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class WavFile:
    """A WAV file's stretches: the samples, and the ID3 tag in a chunk of its own."""

    sound: Span
    tag: Span | None
    _riff_end: int
    _data: _Chunk
    _id3: _Chunk | None
    _has_info: bool

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Find them; reads the chunks' headers.

        :raises NotTaggableError: its chunks cannot be followed.
        """
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(_RIFF_BYTES)
        if len(head) < _RIFF_BYTES or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise NotTaggableError("it is no RIFF file with 32-bit sizes")
        riff_end = int.from_bytes(head[4:8], "little") + _HEADER_BYTES
        if not _RIFF_BYTES < riff_end <= size:
            riff_end = size
        chunks = _chunks(file, riff_end, size)
        data = next((chunk for chunk in chunks if chunk.name == b"data"), None)
        if data is None:
            raise NotTaggableError("it has no chunk of samples")
        tags = [chunk for chunk in chunks if chunk.name.lower() == b"id3 "]
        if len(tags) > 1:
            raise NotTaggableError("it has several ID3 chunks")
        id3 = tags[0] if tags else None
        return cls(
            Span(data.body, data.end),
            Span(id3.body, id3.end) if id3 else None,
            max(riff_end, chunks[-1].next),
            data,
            id3,
            any(chunk.name == b"LIST" and _is_info(file, chunk) for chunk in chunks),
        )

    def edits(self, tag: bytes, comment: str, software: str) -> list[Edit]:
        """Return what puts a tag in, in place of the one that is there, and a LIST/INFO where there is none.

        :raises NotTaggableError: the file gets too long for its format.
        """
        data, id3 = self._data, self._id3
        added = b"" if data.end % 2 == 0 or data.next > data.end else b"\0"
        if not self._has_info:
            added += _info(comment, software)
        added += _chunk(b"id3 ", tag)
        edits = [Edit(data.next, data.next, added)]
        if data.open_ended:
            edits.append(Edit(data.start, data.body, struct.pack("<4sI", b"data", data.end - data.body)))
        if id3:
            edits.append(Edit(id3.start, id3.next, b""))
        total = self._riff_end - _HEADER_BYTES + sum(len(edit.content) - (edit.end - edit.start) for edit in edits)
        if total > _MAX_SIZE:
            raise NotTaggableError("with tags it would be longer than a WAV file can be (4 GiB)")
        edits.append(Edit(4, _HEADER_BYTES, struct.pack("<I", total)))
        return sorted(edits, key=lambda edit: (edit.start, edit.end))


def _chunks(file: IO[bytes], riff_end: int, size: int) -> list[_Chunk]:
    found: list[_Chunk] = []
    at = _RIFF_BYTES
    while at + _HEADER_BYTES <= riff_end and len(found) < _MAX_CHUNKS:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(_HEADER_BYTES))
        body = at + _HEADER_BYTES
        open_ended = name == b"data" and (length == 0 or body + length > size)
        end = size if open_ended else min(body + length, size)
        chunk = _Chunk(name, at, body, end, min(end + (end - body) % 2, size), open_ended)
        found.append(chunk)
        at = chunk.next
    return found


def _is_info(file: IO[bytes], chunk: _Chunk) -> bool:
    file.seek(chunk.body)
    return file.read(4) == b"INFO"


def _info(comment: str, software: str) -> bytes:
    texts = [(b"ICMT", comment), (b"ISFT", software)]
    return _chunk(b"LIST", b"INFO" + b"".join(_chunk(name, _ascii(text) + b"\0") for name, text in texts))


def _ascii(text: str) -> bytes:
    """INFO says nothing of its encoding."""
    return text.encode("ascii", "replace")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)
