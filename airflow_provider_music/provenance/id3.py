# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""An ID3v2 tag as bytes, by mutagen: our frames are added, and those that were there stay byte by byte.

Mutagen gets a tag only when its frames can be told apart, and only text frames to read: it drops what it cannot read,
and what a packed frame unpacks to has no bound.
"""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING, Any

from airflow_provider_music.audio.containers import ID3_HEADER_BYTES, is_syncsafe, syncsafe
from airflow_provider_music.exceptions import NotTaggableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Cover art and all; a longer one is not touched.
MAX_TAG_BYTES = 2**24
_MAX_FRAMES = 2000
_FRAME_HEADER_BYTES = 10
_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{3}")
_V23, _V24 = 3, 4
_EXPERIMENTAL = 0x20
#: Compressed, encrypted, or in need of another tag than this one; in 2.3 and 2.4.
_ENCODED = {_V23: 0x00E0, _V24: 0x004F}


def id3_texts(blob: bytes) -> dict[str, str]:
    """Return the named texts (TXXX) of a tag.

    :raises NotTaggableError: it cannot be taken apart.
    """
    version = _check(blob)
    frames = [frame for frame in _raw(blob).unknown_frames if frame[:4] == b"TXXX" and not _is_encoded(frame, version)]
    return {frame.desc: "\0".join(frame.text) for frame in _texts_in(frames, version)}


def id3_with(blob: bytes, texts: Mapping[str, str], comment: str, *, has_comment: bool = False) -> bytes:
    """Return a tag with these texts and a comment more; only texts of the same names are replaced.

    :param blob: the tag that is there, or nothing.
    :param has_comment: whether the file has one outside of its tag. A player shows one of that name.
    :raises NotTaggableError: it cannot be put together again without a change to what it says.
    """
    if not blob:
        return id3_of(_new_tag(), texts, comment, has_comment=has_comment)
    version, tag = _check(blob), _raw(blob)
    kept = [frame for frame in tag.unknown_frames if not _is_named(frame, version, texts)]
    # FFmpeg writes its comments as a text of that name.
    has_comment |= any(frame[:4] == b"COMM" or _is_named(frame, version, ("comment",)) for frame in kept)
    ours = _raw(id3_of(_new_tag(), texts, comment, version, has_comment=has_comment))
    tag.unknown_frames = [*kept, *ours.unknown_frames]
    return _saved(tag, version)


def id3_of(
    tag: Any, texts: Mapping[str, str], comment: str, version: int = _V24, *, has_comment: bool = False
) -> bytes:
    """Return a tag of mutagen's as bytes, with our frames in it."""
    from mutagen import id3

    library: Any = id3
    desc = "provenance" if has_comment or tag.getall("COMM") else ""
    for name, text in texts.items():
        tag.add(library.TXXX(encoding=library.Encoding.UTF8, desc=name, text=[text]))
    tag.add(library.COMM(encoding=library.Encoding.UTF8, lang="eng", desc=desc, text=[comment]))
    return _saved(tag, version)


def _saved(tag: Any, version: int) -> bytes:
    buffer = io.BytesIO()
    tag.save(buffer, v1=0, v2_version=version, v23_sep=None, padding=lambda _: 0)
    blob = buffer.getvalue()
    if len(blob) > MAX_TAG_BYTES:
        raise NotTaggableError(f"its ID3 tag is longer than {MAX_TAG_BYTES} bytes")
    return blob


def _new_tag() -> Any:
    from mutagen.id3 import ID3

    tag: Any = ID3
    return tag()


def _raw(blob: bytes) -> Any:
    """Let mutagen read a tag without a look into any frame."""
    from mutagen.id3 import ID3

    reader: Any = ID3
    return reader(io.BytesIO(blob), known_frames={}, translate=False, load_v1=False)


def _texts_in(frames: Iterable[bytes], version: int) -> list[Any]:
    from mutagen import MutagenError
    from mutagen.id3 import ID3

    reader: Any = ID3
    content = b"".join(frames)
    size = bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0))
    blob = struct.pack(">3sBBB4s", b"ID3", version, 0, 0, size) + content
    try:
        found: list[Any] = reader(io.BytesIO(blob), translate=False, load_v1=False).getall("TXXX")
    except (MutagenError, ValueError, IndexError) as exc:
        raise NotTaggableError(f"its ID3 tag cannot be read: {exc}") from exc
    return found


def _is_named(frame: bytes, version: int, names: Iterable[str]) -> bool:
    if frame[:4] != b"TXXX" or _is_encoded(frame, version):
        return False
    return any(text.desc in names for text in _texts_in([frame], version))


def _is_encoded(frame: bytes, version: int) -> bool:
    return bool(int.from_bytes(frame[8:10]) & _ENCODED[version])


def _check(blob: bytes) -> int:
    """Return the version of a tag that mutagen can be trusted with."""
    if len(blob) < ID3_HEADER_BYTES or blob[:3] != b"ID3":
        raise NotTaggableError("its ID3 chunk holds no ID3 tag")
    version, flags = blob[3], blob[5]
    if version not in (_V23, _V24) or flags & ~_EXPERIMENTAL:
        raise NotTaggableError(f"its ID3 tag is of a kind that is not rewritten (2.{version}, flags {flags:#04x})")
    data = memoryview(blob)[ID3_HEADER_BYTES : ID3_HEADER_BYTES + syncsafe(blob[6:ID3_HEADER_BYTES])]
    at, count = 0, 0
    while at < len(data):
        head = bytes(data[at : at + _FRAME_HEADER_BYTES])
        if head[0] == 0 and not any(data[at:]):
            break
        size = syncsafe(head[4:8]) if version == _V24 else int.from_bytes(head[4:8])
        plain = _FRAME_ID.fullmatch(head[:4]) and (version == _V23 or is_syncsafe(head[4:8]))
        at, count = at + _FRAME_HEADER_BYTES + size, count + 1
        if not plain or at > len(data) or count > _MAX_FRAMES:
            raise NotTaggableError("the frames of its ID3 tag cannot be told apart")
    return version
