# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Puts an ID3 tag into an MP3 or WAV file: where sound and tag lie, what has to be patched, and the patched copy.

The copy is made in one pass and little memory, and hashed on the way. The sound is copied as it is.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol, Self

from airflow_provider_music.audio.containers import (
    CHUNK_HEADER_BYTES,
    ID3_HEADER_BYTES,
    RIFF_HEADER_BYTES,
    RiffChunk,
    id3_tag_bytes,
    riff_chunks,
)
from airflow_provider_music.exceptions import NotTaggableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_COPY_BYTES = 2**18
_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32
_APE_HAS_HEADER = 0x80000000
_MAX_RIFF_BYTES = 2**32 - 1


class Region(NamedTuple):
    """Bytes of a file, from ``start`` up to and without ``end``."""

    start: int
    end: int


class Patch(NamedTuple):
    """What stands from ``start`` to ``end`` is replaced; where both are the same, ``content`` is inserted."""

    start: int
    end: int
    content: bytes


class TaggableFile(Protocol):
    """Where in a file its sound lies, and its tag region."""

    @property
    def sound(self) -> Region:
        """The frames or samples."""

    @property
    def tag(self) -> Region | None:
        """The ID3 tag that the file has."""

    def patches(self, tag: bytes, comment: str, software: str) -> list[Patch]:
        """Return what puts another tag in its place."""


def taggable_file(file: IO[bytes], audio_format: str) -> TaggableFile:
    """Locate a file's sound and tag.

    :raises NotTaggableError: files of this format, or this file, cannot take tags; says why.
    """
    if audio_format == "mp3":
        return Mp3File.read(file)
    if audio_format == "wav":
        return WavFile.read(file)
    raise NotTaggableError("raw PCM holds no tags" if audio_format == "pcm" else f"{audio_format} files get no tags")


@dataclass(frozen=True, slots=True)
class Mp3File:
    """An MP3 file: the frames, and the ID3v2 tag before them."""

    sound: Region
    tag: Region | None

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Locate both; reads the start and the end of the file.

        :raises NotTaggableError: its tag says that it is longer than the file.
        """
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        length = id3_tag_bytes(file.read(ID3_HEADER_BYTES))
        if length > size:
            raise NotTaggableError(f"its ID3 tag says {length} bytes, the file has {size}")
        tag = Region(0, length) if length else None
        return cls(Region(length, max(length, _end_of_sound(file, size))), tag)

    def patches(self, tag: bytes, comment: str, software: str) -> list[Patch]:  # noqa: ARG002 - as of a WAV file
        """Return what puts a tag in, in place of the one that is there."""
        return [Patch(0, self.tag.end if self.tag else 0, tag)]


def _end_of_sound(file: IO[bytes], size: int) -> int:
    """Where the frames end: other programs put ID3v1 and APE tags behind them."""
    start = max(0, size - _ID3V1_BYTES - _APE_FOOTER_BYTES)
    file.seek(start)
    tail = file.read(size - start)
    end = size
    if tail[-_ID3V1_BYTES:].startswith(b"TAG") and len(tail) >= _ID3V1_BYTES:
        end -= _ID3V1_BYTES
        tail = tail[:-_ID3V1_BYTES]
    footer = tail[-_APE_FOOTER_BYTES:]
    if footer.startswith(b"APETAGEX") and len(footer) == _APE_FOOTER_BYTES:
        length, flags = int.from_bytes(footer[12:16], "little"), int.from_bytes(footer[20:24], "little")
        end -= min(end, length + (_APE_FOOTER_BYTES if flags & _APE_HAS_HEADER else 0))
    return end


@dataclass(frozen=True, slots=True)
class WavFile:
    """A WAV file: the samples, and the ID3 tag in a chunk of its own."""

    sound: Region
    tag: Region | None
    _riff_end: int
    _data: RiffChunk
    _id3: RiffChunk | None
    _has_info: bool

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Locate both; reads the chunks' headers.

        :raises NotTaggableError: its chunks cannot be followed.
        """
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(RIFF_HEADER_BYTES)
        if len(head) < RIFF_HEADER_BYTES or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise NotTaggableError("it is no RIFF file with 32-bit sizes")
        riff_end = int.from_bytes(head[4:8], "little") + CHUNK_HEADER_BYTES
        if not RIFF_HEADER_BYTES < riff_end <= size:
            riff_end = size
        chunks = list(riff_chunks(file, size, riff_end))
        data = next((chunk for chunk in chunks if chunk.name == b"data"), None)
        if data is None:
            raise NotTaggableError("it has no chunk of samples")
        tags = [chunk for chunk in chunks if chunk.name.lower() == b"id3 "]
        if len(tags) > 1:
            raise NotTaggableError("it has several ID3 chunks")
        id3 = tags[0] if tags else None
        return cls(
            Region(data.body, data.end),
            Region(id3.body, id3.end) if id3 else None,
            max(riff_end, chunks[-1].next),
            data,
            id3,
            any(chunk.name == b"LIST" and _is_info(file, chunk) for chunk in chunks),
        )

    def patches(self, tag: bytes, comment: str, software: str) -> list[Patch]:
        """Return what puts a tag in, in place of the one that is there, and a LIST/INFO where there is none.

        :raises NotTaggableError: the file gets too long for its format.
        """
        data, id3 = self._data, self._id3
        added = b"" if data.end % 2 == 0 or data.next > data.end else b"\0"
        if not self._has_info:
            added += _info(comment, software)
        added += _chunk(b"id3 ", tag)
        patches = [Patch(data.next, data.next, added)]
        if data.open_ended:
            patches.append(Patch(data.start, data.body, struct.pack("<4sI", b"data", data.end - data.body)))
        if id3:
            patches.append(Patch(id3.start, id3.next, b""))
        total = self._riff_end - CHUNK_HEADER_BYTES + sum(len(new) - (end - start) for start, end, new in patches)
        if total > _MAX_RIFF_BYTES:
            raise NotTaggableError("with tags it would be longer than a WAV file can be (4 GiB)")
        patches.append(Patch(4, CHUNK_HEADER_BYTES, struct.pack("<I", total)))
        return sorted(patches, key=lambda patch: (patch.start, patch.end))


def _is_info(file: IO[bytes], chunk: RiffChunk) -> bool:
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


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: SHA-256 (hex) of the source, of the copy, and of the sound, and the copy's size."""

    before: str
    after: str
    sound: str
    size: int


def copy(source: IO[bytes], patches: Sequence[Patch], sound: Region, write: Callable[[bytes], object]) -> Copied:
    """Copy ``source`` to ``write``.

    :param patches: in order, none over another.
    :param sound: where the source's sound lies.
    """
    reader, after, size = _Reader(source, sound), hashlib.sha256(), 0

    def put(piece: bytes) -> None:
        nonlocal size
        write(piece)
        after.update(piece)
        size += len(piece)

    for patch in patches:
        for piece in reader.up_to(patch.start):
            put(piece)
        for _ in reader.up_to(patch.end):
            pass
        put(patch.content)
    for piece in reader.up_to(None):
        put(piece)
    return Copied(reader.all.hexdigest(), after.hexdigest(), reader.sound.hexdigest(), size)


class _Reader:
    """Reads a file once from its start."""

    def __init__(self, source: IO[bytes], sound: Region) -> None:
        source.seek(0)
        self._source = source
        self._sound = sound
        self._at = 0
        self.all = hashlib.sha256()
        self.sound = hashlib.sha256()

    def up_to(self, end: int | None) -> Iterator[bytes]:
        while end is None or self._at < end:
            piece = self._source.read(_COPY_BYTES if end is None else min(_COPY_BYTES, end - self._at))
            if not piece:
                return
            self._hash(piece)
            yield piece

    def _hash(self, piece: bytes) -> None:
        self.all.update(piece)
        start, end = (min(max(0, edge - self._at), len(piece)) for edge in self._sound)
        self.sound.update(memoryview(piece)[start:end])
        self._at += len(piece)
