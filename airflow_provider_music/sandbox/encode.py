# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""PCM samples as WAV, MP3 or raw PCM, and what is true of the result."""

from __future__ import annotations

import hashlib
import struct
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from array import array

Format = Literal["wav", "mp3", "pcm"]
CHANNELS = 1
CONTENT_TYPES: dict[Format, str] = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm": "audio/pcm"}
_MPEG2_RATE_LIMIT, _MPEG2_BITRATE_LIMIT = 24_000, 160_000


@dataclass(frozen=True)
class Audio:
    """A finished song.

    :param data: the file's bytes.
    :param duration_ms: length in milliseconds.
    :param bitrate_bps: bits per second, as they are in the file.
    """

    data: bytes = field(repr=False)
    format: Format
    duration_ms: int
    sample_rate_hz: int
    bitrate_bps: int
    channels: int = CHANNELS
    sha256: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())


def bitrate_of(audio_format: Format, rate: int, asked: int) -> int:
    """Return the bits per second that the file will have; MPEG-2 (24 kHz and below) ends at 160 kbit/s."""
    if audio_format != "mp3":
        return rate * 16 * CHANNELS
    return min(asked, _MPEG2_BITRATE_LIMIT) if rate <= _MPEG2_RATE_LIMIT else asked


def encode(samples: array[int], audio_format: Format, rate: int, bitrate: int, repeats: int = 1) -> Audio:
    """Return the samples as a file, its sound repeated so many times.

    :param rate: sample rate in Hz.
    :param bitrate: of an MP3 in bits per second; constant.
    """
    bitrate = bitrate_of(audio_format, rate, bitrate)
    if audio_format == "mp3":
        data = _mp3(samples, rate, bitrate) * repeats
        return Audio(data, "mp3", round(len(data) * 8000 / bitrate), rate, bitrate)
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    pcm = samples.tobytes() * repeats
    data = _wav_header(len(pcm), rate) + pcm if audio_format == "wav" else pcm
    return Audio(data, audio_format, round(len(pcm) * 500 / rate), rate, bitrate)


def _mp3(samples: array[int], rate: int, bitrate: int) -> bytes:
    import lameenc

    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(CHANNELS)
    encoder.set_bit_rate(bitrate // 1000)
    encoder.set_quality(7)
    return bytes(encoder.encode(samples.tobytes()) + encoder.flush())


def _wav_header(size: int, rate: int) -> bytes:
    frame = 2 * CHANNELS
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, CHANNELS, rate, rate * frame, frame, 16),
        *(b"data", size),
    )
