# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What an encoder wrote into the first frame of an MP3 about the whole of it: Xing, Info and VBRI headers.

Source: gabriel.mp3-tech.org, "Mp3 Info Tag" (Xing, Info, LAME), and Fraunhofer's VBRI.
"""

from __future__ import annotations

from typing import NamedTuple

#: As much of the first frame as these headers take.
VBR_HEADER_BYTES = 256
_HAS_FRAMES, _HAS_BYTES, _HAS_TABLE, _HAS_QUALITY = 1, 2, 4, 8
_TABLE_BYTES = 100
#: Where the name stands: behind the side information, whose length goes by version and channels, and a checksum.
_SEARCHED_BYTES = 48
_LAME_DELAYS_AT = 21
_LAME_BYTES = 24


class VbrHeader(NamedTuple):
    """What the header says of the frames behind it: 0 where it does not say it.

    ``skipped`` are the samples at both ends that are the encoder's own and no sound of the song.
    """

    frames: int
    bytes: int
    skipped: int


def vbr_header_of(frame: bytes) -> VbrHeader | None:
    """Read the header in the first bytes of a frame, or None where there is none."""
    name = max(frame.find(b"Xing", 0, _SEARCHED_BYTES), frame.find(b"Info", 0, _SEARCHED_BYTES))
    if name >= 0:
        return _xing(frame, name)
    vbri = frame.find(b"VBRI", 0, _SEARCHED_BYTES)
    if vbri >= 0 and len(frame) >= vbri + 18:
        return VbrHeader(_number(frame, vbri + 14), _number(frame, vbri + 10), 0)
    return None


def _xing(frame: bytes, name: int) -> VbrHeader:
    flags, at = _number(frame, name + 4), name + 8
    frames = size = 0
    if flags & _HAS_FRAMES:
        frames, at = _number(frame, at), at + 4
    if flags & _HAS_BYTES:
        size, at = _number(frame, at), at + 4
    at += (_TABLE_BYTES if flags & _HAS_TABLE else 0) + (4 if flags & _HAS_QUALITY else 0)
    return VbrHeader(frames, size, _lame_skipped(frame[at : at + _LAME_BYTES]))


def _lame_skipped(lame: bytes) -> int:
    """Return the encoder's delay and padding: two numbers of twelve bits."""
    if len(lame) < _LAME_BYTES or lame[:4] not in (b"LAME", b"Lavf", b"Lavc", b"L3.9"):
        return 0
    both = int.from_bytes(lame[_LAME_DELAYS_AT:_LAME_BYTES])
    return (both >> 12) + (both & 0xFFF)


def _number(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 4])
