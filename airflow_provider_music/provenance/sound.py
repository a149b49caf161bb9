# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where in a file its sound lies, and the hashes of both: what no tag and no signature may change."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

from airflow_provider_music.audio.containers import (
    CHUNK_HEADER_BYTES,
    ID3_HEADER_BYTES,
    RIFF_HEADER_BYTES,
    id3_tag_bytes,
    riff_chunks,
)
from airflow_provider_music.audio.credentials import CredentialsScanner
from airflow_provider_music.exceptions import NotTaggableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_READ_BYTES = 2**18
_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32
_APE_HAS_HEADER = 0x80000000
_OGG_HEADER_BYTES, _OGG_SEGMENT = 27, 255
#: An hour of Opus in pages of a fifth of a second has 18,000; a file of nothing but headers ends here.
_MOST_PARTS = 200_000


class Region(NamedTuple):
    """Bytes of a file, from ``start`` up to and without ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FileHashes:
    """SHA-256 (hex) of a file and of its sound, its size, and whether it holds Content Credentials."""

    whole: str
    sound: str
    size: int
    has_credentials: bool


def hash_file(
    file: IO[bytes], sound: Sequence[Region] | None, write: Callable[[bytes], object] | None = None
) -> FileHashes:
    """Read a file once, from its start, in little memory.

    :param sound: where its sound lies, in order; None means all of it.
    :param write: gets what was read.
    """
    whole, heard, scanner, at = hashlib.sha256(), hashlib.sha256(), CredentialsScanner(), 0
    regions = iter(sound if sound is not None else ())
    region = next(regions, None)
    file.seek(0)
    while piece := file.read(_READ_BYTES):
        if write is not None:
            write(piece)
        whole.update(piece)
        scanner.update(piece)
        end = at + len(piece)
        while region is not None and region.start < end:
            heard.update(memoryview(piece)[max(0, region.start - at) : max(0, region.end - at)])
            if region.end > end:
                break
            region = next(regions, None)
        at = end
    sound_hash = whole if sound is None else heard
    return FileHashes(whole.hexdigest(), sound_hash.hexdigest(), at, scanner.found)


def sound_of(file: IO[bytes], sound: Sequence[Region]) -> str:
    """Return the SHA-256 (hex) of a file's sound alone."""
    heard = hashlib.sha256()
    for start, end in sound:
        file.seek(start)
        left = end - start
        while left > 0 and (piece := file.read(min(_READ_BYTES, left))):
            heard.update(piece)
            left -= len(piece)
    return heard.hexdigest()


def sound_in(file: IO[bytes], audio_format: str) -> list[Region]:
    """Locate a file's sound; reads headers.

    :raises NotTaggableError: files of this format, or this file, are not taken apart here; says why.
    """
    find = _FINDERS.get(audio_format)
    if find is None:
        raise NotTaggableError(
            "raw PCM holds no tags" if audio_format == "pcm" else f"{audio_format} files get no tags"
        )
    found = []
    for region in find(file, file.seek(0, io.SEEK_END)):
        if region.start < region.end:
            found.append(region)
        if len(found) > _MOST_PARTS:
            raise NotTaggableError(f"it is in more than {_MOST_PARTS} parts")
    return found


def id3_at(file: IO[bytes]) -> Region | None:
    """Locate the ID3v2 tag at the start of a file.

    :raises NotTaggableError: it says that it is longer than the file.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = id3_tag_bytes(file.read(ID3_HEADER_BYTES))
    if length > size:
        raise NotTaggableError(f"its ID3 tag says {length} bytes, the file has {size}")
    return Region(0, length) if length else None


def has_id3v1(file: IO[bytes]) -> bool:
    """Whether the last 128 bytes are an ID3v1 tag."""
    if file.seek(0, io.SEEK_END) < _ID3V1_BYTES:
        return False
    file.seek(-_ID3V1_BYTES, io.SEEK_END)
    return file.read(3) == b"TAG"


def wav_size(file: IO[bytes], size: int) -> int:
    """Return where the outermost chunk of a WAV ends by its header, or the file's end where that cannot be.

    :raises NotTaggableError: it is none, or one with 64-bit sizes.
    """
    file.seek(0)
    head = file.read(RIFF_HEADER_BYTES)
    if len(head) < RIFF_HEADER_BYTES or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise NotTaggableError("it is no RIFF file with 32-bit sizes")
    end = int.from_bytes(head[4:8], "little") + CHUNK_HEADER_BYTES
    return end if RIFF_HEADER_BYTES < end <= size else size


def _mp3(file: IO[bytes], size: int) -> Iterator[Region]:
    """Return the frames: what stands between ID3v2 and the tags that other programs put behind, ID3v1 and APE."""
    tag = id3_at(file)
    start = tag.end if tag else 0
    tail_at = max(0, size - _ID3V1_BYTES - _APE_FOOTER_BYTES)
    file.seek(tail_at)
    tail, end = file.read(size - tail_at), size
    if tail[-_ID3V1_BYTES:].startswith(b"TAG") and len(tail) >= _ID3V1_BYTES:
        end -= _ID3V1_BYTES
        tail = tail[:-_ID3V1_BYTES]
    footer = tail[-_APE_FOOTER_BYTES:]
    if footer.startswith(b"APETAGEX") and len(footer) == _APE_FOOTER_BYTES:
        length, flags = int.from_bytes(footer[12:16], "little"), int.from_bytes(footer[20:24], "little")
        end -= min(end, length + (_APE_FOOTER_BYTES if flags & _APE_HAS_HEADER else 0))
    yield Region(start, max(start, end))


def _wav(file: IO[bytes], size: int) -> Iterator[Region]:
    for chunk in riff_chunks(file, size, wav_size(file, size)):
        if chunk.name == b"data":
            yield Region(chunk.body, chunk.end)
            return
    raise NotTaggableError("it has no chunk of samples")


def _flac(file: IO[bytes], size: int) -> Iterator[Region]:
    tag = id3_at(file)
    at = tag.end if tag else 0
    file.seek(at)
    if file.read(4) != b"fLaC":
        raise NotTaggableError("it is no plain FLAC file")
    at += 4
    last = False
    while not last:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or at > size:  # noqa: PLR2004 - a block's header
            raise NotTaggableError("its FLAC headers do not end")
        last = bool(head[0] & 0x80)
        at += 4 + int.from_bytes(head[1:4])
    yield Region(min(at, size), size - _ID3V1_BYTES if has_id3v1(file) and size - _ID3V1_BYTES >= at else size)


def _m4a(file: IO[bytes], size: int) -> Iterator[Region]:
    at = 0
    while at + CHUNK_HEADER_BYTES <= size:
        file.seek(at)
        head = file.read(16)
        length, start = int.from_bytes(head[:4]), at + CHUNK_HEADER_BYTES
        if length == 1:
            length, start = int.from_bytes(head[8:16]), at + 16
        end = size if length == 0 else at + length
        if end < start or end > size:
            raise NotTaggableError("its MP4 boxes cannot be followed")
        if head[4:8] == b"mdat":
            yield Region(start, end)
        elif head[4:8] == b"moof":
            raise NotTaggableError("it is a fragmented MP4 file")
        at = end


def _ogg(file: IO[bytes], size: int) -> Iterator[Region]:
    """Return what the pages hold, but for the second packet: there the comments are, and a tag may renumber pages."""
    at, packet, serial = 0, 0, None
    while at + _OGG_HEADER_BYTES <= size:
        file.seek(at)
        head = file.read(_OGG_HEADER_BYTES + _OGG_SEGMENT)
        segments = head[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + head[26]]
        body = at + _OGG_HEADER_BYTES + len(segments)
        end = body + sum(segments)
        serial = serial or head[14:18]
        if head[:4] != b"OggS" or end > size or serial != head[14:18]:
            raise NotTaggableError("its Ogg pages cannot be followed, or are of several streams")
        start = body
        for length in segments:
            if packet == 1:
                yield Region(start, body)
                start = body + length
            body += length
            packet += length < _OGG_SEGMENT
        yield Region(start, body)
        at = end


_FINDERS: dict[str, Callable[[IO[bytes], int], Iterator[Region]]] = {
    "mp3": _mp3,
    "wav": _wav,
    "flac": _flac,
    "m4a": _m4a,
    "ogg": _ogg,
    "opus": _ogg,
}
