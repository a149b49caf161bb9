# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""ID3v2 tags as bytes: our frames are added, and those that were there stay byte by byte."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.audio.containers import ID3_HEADER_BYTES, is_syncsafe, syncsafe
from airflow_provider_music.exceptions import NotTaggableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Cover art and all; a longer one is not touched.
MAX_TAG_BYTES = 2**24

_FRAME_HEADER_BYTES = 10
_MAX_FRAMES = 10_000
_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{3}")
_V23, _V24 = 3, 4
_EXPERIMENTAL = 0x20
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
        if len(blob) < ID3_HEADER_BYTES or blob[:3] != b"ID3":
            raise NotTaggableError("its ID3 chunk holds no ID3 tag")
        version, flags = blob[3], blob[5]
        if version not in (_V23, _V24) or flags & ~_EXPERIMENTAL:
            raise NotTaggableError(f"its ID3 tag is of a kind that is not rewritten (2.{version}, flags {flags:#04x})")
        end = ID3_HEADER_BYTES + syncsafe(blob[6:ID3_HEADER_BYTES])
        return cls(version, tuple(_frames(blob[ID3_HEADER_BYTES:end], version)))

    def texts(self) -> dict[str, str]:
        """Return the named texts (TXXX)."""
        from mutagen import MutagenError, id3

        reader: Any = id3.ID3
        # Mutagen gets no other frame: what a compressed one unpacks to has no bound.
        frames = [frame for frame in self.frames if frame[:4] == b"TXXX" and not _is_encoded(frame, self.version)]
        try:
            found = reader(io.BytesIO(_tag_of(self.version, frames)), translate=False)
        except (MutagenError, ValueError, IndexError) as exc:
            raise NotTaggableError(f"its ID3 tag cannot be read: {exc}") from exc
        return {frame.desc: "\0".join(frame.text) for frame in found.getall("TXXX")}

    def with_texts(self, texts: Mapping[str, str], comment: str) -> bytes:
        """Return the tag with these texts and a comment more; only texts of the same names are replaced."""
        kept = [frame for frame in self.frames if _name_of_text(frame, self.version) not in texts]
        has_comment = any(frame[:4] == b"COMM" for frame in kept)
        return _tag_of(self.version, [*kept, self._new_frames(texts, comment, "provenance" if has_comment else "")])

    def _new_frames(self, texts: Mapping[str, str], comment: str, name_of_comment: str) -> bytes:
        """Return our frames."""
        from mutagen import id3

        library: Any = id3
        frames = library.ID3()
        for name, text in texts.items():
            frames.add(library.TXXX(encoding=library.Encoding.UTF8, desc=name, text=[text]))
        frames.add(library.COMM(encoding=library.Encoding.UTF8, lang="eng", desc=name_of_comment, text=[comment]))
        buffer = io.BytesIO()
        frames.save(buffer, v1=0, v2_version=self.version, v23_sep=None, padding=lambda _: 0)
        return buffer.getvalue()[ID3_HEADER_BYTES:]


def _frames(data: bytes, version: int) -> list[bytes]:
    """Take the frames apart, up to the padding."""
    frames: list[bytes] = []
    at = 0
    while at < len(data):
        head = data[at : at + _FRAME_HEADER_BYTES]
        if head[0] == 0 and not any(data[at:]):
            break
        size = syncsafe(head[4:8]) if version == _V24 else int.from_bytes(head[4:8])
        end = at + _FRAME_HEADER_BYTES + size
        plain = _FRAME_ID.fullmatch(head[:4]) and (version == _V23 or is_syncsafe(head[4:8]))
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


def _tag_of(version: int, frames: Sequence[bytes]) -> bytes:
    content = b"".join(frames)
    if len(content) > MAX_TAG_BYTES:
        raise NotTaggableError(f"its ID3 tag is longer than {MAX_TAG_BYTES} bytes")
    size = bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return struct.pack(">3sBBB4s", b"ID3", version, 0, 0, size) + content
