# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""ID3v2 tags, as bytes: one made longer by our frames, those that were there kept byte by byte."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.provenance.errors import NotTaggableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADER_BYTES = 10
#: Cover art and all; a longer one is left alone.
MAX_TAG_BYTES = 2**24

_FRAME_HEADER_BYTES = 10
_MAX_FRAMES = 10_000
_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{3}")
_V23, _V24 = 3, 4
_HAS_FOOTER, _EXPERIMENTAL = 0x10, 0x20
#: Compressed, encrypted, or in need of another tag than this one; in 2.3 and 2.4.
_ENCODED = {_V23: 0x00E0, _V24: 0x004F}


@dataclass(frozen=True, slots=True)
class Tag:
    """An ID3v2.3 or 2.4 tag: its frames as they stand."""

    version: int = _V24
    frames: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, blob: bytes) -> Tag:
        """Read a tag.

        :raises NotTaggableError: it cannot be taken apart and put together again without a change.
        """
        if len(blob) < HEADER_BYTES or blob[:3] != b"ID3":
            raise NotTaggableError("its ID3 chunk holds no ID3 tag")
        version, flags = blob[3], blob[5]
        if version not in (_V23, _V24) or flags & ~_EXPERIMENTAL:
            raise NotTaggableError(f"its ID3 tag is of a kind that is not rewritten (2.{version}, flags {flags:#04x})")
        end = HEADER_BYTES + _syncsafe(blob[6:HEADER_BYTES])
        return cls(version, tuple(_frames(blob[HEADER_BYTES:end], version)))

    def texts(self) -> dict[str, str]:
        """Return the texts that have a name (TXXX)."""
        from mutagen import MutagenError, id3

        reader: Any = id3.ID3
        # Nothing else is handed on: what a compressed frame unpacks to knows no bounds.
        frames = [frame for frame in self.frames if frame[:4] == b"TXXX" and not _is_encoded(frame, self.version)]
        try:
            found = reader(io.BytesIO(_whole(self.version, frames)), translate=False)
        except (MutagenError, ValueError, IndexError) as exc:
            raise NotTaggableError(f"its ID3 tag cannot be read: {exc}") from exc
        return {frame.desc: "\0".join(frame.text) for frame in found.getall("TXXX")}

    def with_texts(self, texts: Mapping[str, str], comment: str) -> bytes:
        """Return the tag with these texts and a comment more; only texts of the same names give way."""
        kept = [frame for frame in self.frames if _name_of_text(frame, self.version) not in texts]
        has_comment = any(frame[:4] == b"COMM" for frame in kept)
        return _whole(self.version, [*kept, self._made(texts, comment, "provenance" if has_comment else "")])

    def _made(self, texts: Mapping[str, str], comment: str, name_of_comment: str) -> bytes:
        """Return our frames."""
        from mutagen import id3

        made: Any = id3
        frames = made.ID3()
        for name, text in texts.items():
            frames.add(made.TXXX(encoding=made.Encoding.UTF8, desc=name, text=[text]))
        frames.add(made.COMM(encoding=made.Encoding.UTF8, lang="eng", desc=name_of_comment, text=[comment]))
        buffer = io.BytesIO()
        frames.save(buffer, v1=0, v2_version=self.version, v23_sep=None, padding=lambda _: 0)
        return buffer.getvalue()[HEADER_BYTES:]


def tag_bytes(head: bytes) -> int:
    """Return how long the tag is that starts with this header, its header and footer with it; 0 where there is none."""
    if len(head) < HEADER_BYTES or head[:3] != b"ID3" or not _is_syncsafe(head[6:HEADER_BYTES]):
        return 0
    footer = HEADER_BYTES if head[3] == _V24 and head[5] & _HAS_FOOTER else 0
    return HEADER_BYTES + _syncsafe(head[6:HEADER_BYTES]) + footer


def _frames(data: bytes, version: int) -> list[bytes]:
    """Take the frames apart, up to the padding."""
    frames: list[bytes] = []
    at = 0
    while at < len(data):
        head = data[at : at + _FRAME_HEADER_BYTES]
        if head[0] == 0 and not any(data[at:]):
            break
        size = _syncsafe(head[4:8]) if version == _V24 else int.from_bytes(head[4:8])
        end = at + _FRAME_HEADER_BYTES + size
        plain = _FRAME_ID.fullmatch(head[:4]) and (version == _V23 or _is_syncsafe(head[4:8]))
        if not plain or end > len(data) or len(frames) == _MAX_FRAMES:
            raise NotTaggableError("the frames of its ID3 tag cannot be told apart")
        frames.append(data[at:end])
        at = end
    return frames


def _name_of_text(frame: bytes, version: int) -> str | None:
    if frame[:4] != b"TXXX":
        return None
    return next(iter(Tag(version, (frame,)).texts()), None)


def _is_encoded(frame: bytes, version: int) -> bool:
    return bool(int.from_bytes(frame[8:10]) & _ENCODED[version])


def _whole(version: int, frames: Sequence[bytes]) -> bytes:
    content = b"".join(frames)
    if len(content) > MAX_TAG_BYTES:
        raise NotTaggableError(f"its ID3 tag is longer than {MAX_TAG_BYTES} bytes")
    size = bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return struct.pack(">3sBBB4s", b"ID3", version, 0, 0, size) + content


def _is_syncsafe(four: bytes) -> bool:
    return all(byte < 0x80 for byte in four)  # noqa: PLR2004 - the eighth bit


def _syncsafe(four: bytes) -> int:
    """Read a number of 7 bits a byte."""
    total = 0
    for byte in four:
        total = total << 7 | byte & 0x7F
    return total
