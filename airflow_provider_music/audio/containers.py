# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where things lie in a track's file: the tags before an MP3's frames, and the chunks of a WAV. Reads headers."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ID3_HEADER_BYTES = 10
RIFF_HEADER_BYTES = 12
CHUNK_HEADER_BYTES = 8
APE_HEADER_BYTES = 32

_ID3_V24, _ID3_HAS_FOOTER = 4, 0x10
_APE_IS_HEADER = 0x20000000
_MAX_CHUNKS = 1000
#: Chunks that writers put behind the sound. Behind a length of 0 they say that there is none; other bytes are sound.
_BEHIND_SOUND = frozenset(
    (b"LIST", b"id3 ", b"ID3 ", b"fact", b"cue ", b"smpl", b"bext", b"iXML", b"PEAK", b"JUNK", b"PAD ", b"C2PA")
)


class RiffChunk(NamedTuple):
    """A chunk: its name, where its header starts, where its content lies, and where the next chunk starts.

    ``length`` is what its header says. ``end`` lies in the file whatever the header says, and ``next`` is behind
    the pad byte of an odd length.
    """

    name: bytes
    start: int
    body: int
    end: int
    next: int
    length: int
    #: A writer that cannot seek back leaves no length for the samples; they then run to the end of the file.
    open_ended: bool


def riff_chunks(
    file: IO[bytes], size: int, riff_end: int | None = None, *, start: int = 0, byte_order: str = "<"
) -> Iterator[RiffChunk]:
    """Walk the chunks of a RIFF file, at most 1000 of them. The caller may read and seek in between.

    :param size: of the file in bytes.
    :param riff_end: where the outermost chunk ends, if that is trusted and before the end of the file.
    :param start: where the RIFF header starts, behind a tag.
    :param byte_order: of the lengths, as ``struct`` says it: RIFX has the other one.
    """
    at, last = start + RIFF_HEADER_BYTES, size if riff_end is None else riff_end
    for _ in range(_MAX_CHUNKS):
        if at + CHUNK_HEADER_BYTES > last:
            return
        file.seek(at)
        header = file.read(CHUNK_HEADER_BYTES)
        if len(header) < CHUNK_HEADER_BYTES:
            return
        name, length = struct.unpack(f"{byte_order}4sI", header)
        body = at + CHUNK_HEADER_BYTES
        open_ended = name == b"data" and (body + length > size or (length == 0 and not _chunk_follows(file, size)))
        end = size if open_ended else min(body + length, size)
        chunk = RiffChunk(name, at, body, end, min(end + (end - body) % 2, size), length, open_ended)
        yield chunk
        at = chunk.next


def _chunk_follows(file: IO[bytes], size: int) -> bool:
    """Whether a chunk stands where the file is: then a length of 0 before it is meant."""
    header = file.read(CHUNK_HEADER_BYTES)
    return header[:4] in _BEHIND_SOUND and file.tell() + int.from_bytes(header[4:], "little") <= size


def id3_tag_bytes(head: bytes) -> int:
    """Return the length of the ID3v2 tag that starts with this header, with header and footer; 0 where there is none.

    :param head: the first 10 bytes of the tag, or more.
    """
    size = head[6:ID3_HEADER_BYTES]
    if len(head) < ID3_HEADER_BYTES or head[:3] != b"ID3" or not is_syncsafe(size):
        return 0
    footer = ID3_HEADER_BYTES if head[3] == _ID3_V24 and head[5] & _ID3_HAS_FOOTER else 0
    return ID3_HEADER_BYTES + syncsafe(size) + footer


def ape_tag_bytes(head: bytes) -> int:
    """Return the length of the APE tag that starts with this header; 0 where there is none.

    :param head: the first 32 bytes of the tag, or more.
    """
    if len(head) < APE_HEADER_BYTES or head[:8] != b"APETAGEX":
        return 0
    size, flags = struct.unpack("<I4xI", head[12:24])
    # The size holds the items and the footer. At the end of a file the footer may stand alone.
    return APE_HEADER_BYTES + (size if flags & _APE_IS_HEADER else 0)


def is_syncsafe(number: bytes) -> bool:
    """Whether these bytes can be a number of 7 bits a byte: in ID3 no byte of a size may look like a frame's start."""
    return all(byte < 0x80 for byte in number)  # noqa: PLR2004 - the eighth bit


def syncsafe(number: bytes) -> int:
    """Read a number of 7 bits a byte."""
    total = 0
    for byte in number:
        total = total << 7 | byte & 0x7F
    return total
