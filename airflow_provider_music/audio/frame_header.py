# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The header of one MPEG audio frame (Layer I to III) or one AAC frame (ADTS): how long it is and what it holds.

Sources: ISO/IEC 11172-3 and 13818-3, 2.4.1.3 (MPEG), ISO/IEC 13818-7, 6.2 (ADTS).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_provider_music.audio.facts import AudioFormat

HEADER_BYTES = 7
#: What starts a frame: the sync word, then no reserved version, layer, bitrate or rate. Free format is none of these.
#: Compiled, so that megabytes without a frame cost next to nothing.
FRAME_START = re.compile(
    rb"\xff(?:[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\x1b\x20-\x2b\x30-\x3b\x40-\x4b\x50-\x5b\x60-\x6b\x70-\x7b"
    rb"\x80-\x8b\x90-\x9b\xa0-\xab\xb0-\xbb\xc0-\xcb\xd0-\xdb\xe0-\xeb]|[\xf0\xf1\xf8\xf9])",
    re.DOTALL,
)
#: kbit/s by version 1 or not, and layer.
_BITRATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_ADTS_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_LAYERS: dict[int, AudioFormat] = {1: "mp1", 2: "mp2", 3: "mp3"}
_MONO = 3


class FrameHeader(NamedTuple):
    """One frame: its bytes, its samples, and the stream that it is of.

    ``stream`` is the same for all frames of one stream, ``bitrate_kbps`` 0 where the header does not say it.
    """

    format: AudioFormat
    stream: int
    length: int
    samples: int
    rate: int
    bitrate_kbps: int


def frame_header(data: bytes | bytearray, at: int) -> FrameHeader | None:
    """Read the header at a place, or None where none stands; ``HEADER_BYTES`` have to be there."""
    first, second, third = data[at], data[at + 1], data[at + 2]
    if first != 0xFF or second & 0xE0 != 0xE0:  # noqa: PLR2004 - the eleven bits of the sync word
        return None
    if second & 0xF6 == 0xF0:  # noqa: PLR2004 - twelve bits and no layer: AAC
        return _adts(data, at)
    return _mpeg(second & 0xFE, third)


def channels_of(data: bytes | bytearray, at: int, header: FrameHeader) -> int:
    """Return the channels of the frame whose header stands there; 0 where it does not say them."""
    if header.format == "aac":
        configuration = (data[at + 2] & 1) << 2 | data[at + 3] >> 6
        return 8 if configuration == 7 else configuration  # noqa: PLR2004 - 7 is 7.1
    return 1 if data[at + 3] >> 6 == _MONO else 2


@lru_cache(maxsize=4096)
def _mpeg(second: int, third: int) -> FrameHeader | None:
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bitrate, rate = third >> 4, third >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:  # noqa: PLR2004 - reserved, or free format
        return None
    first = version == 3  # noqa: PLR2004 - MPEG-1
    kbps, hz, padding = _BITRATES[first, layer][bitrate - 1], _RATES[version][rate], third >> 1 & 1
    samples = 384 if layer == 1 else 576 if layer == 3 and not first else 1152  # noqa: PLR2004 - Layer III
    slot = 4 if layer == 1 else 1
    length = (samples // 8 // slot * kbps * 1000 // hz + padding) * slot
    return FrameHeader(_LAYERS[layer], second << 2 | rate, length, samples, hz, kbps)


def _adts(data: bytes | bytearray, at: int) -> FrameHeader | None:
    rate = data[at + 2] >> 2 & 15
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate >= len(_ADTS_RATES) or length <= HEADER_BYTES:
        return None
    blocks = (data[at + 6] & 3) + 1
    return FrameHeader("aac", 0x10000 | rate, length, 1024 * blocks, _ADTS_RATES[rate], 0)
