# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Format, length and rates of a WAV file: RIFF, RIFX, RF64 and BW64, of samples or of a compressed format.

Not mutagen's reader: that takes a placeholder for the length, and refuses one in the outermost chunk.

Sources: Microsoft's WAVEFORMATEX and "New Multimedia Data Types" (1994), EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import IO, TYPE_CHECKING, NamedTuple

from airflow_provider_music.audio.containers import riff_chunks
from airflow_provider_music.audio.counter import FrameCounter
from airflow_provider_music.audio.facts import AudioFacts, NotAudioError
from airflow_provider_music.audio.mpeg import mpeg_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_music.audio.containers import RiffChunk

_FORM_BYTES, _DS64_BYTES = 40, 16
_READ_BYTES = 2**18
#: The format tags of samples as they are (integers, floats, A-law, mu-law), of ADPCM, and of whole MPEG frames.
_SAMPLES, _ADPCM, _MPEG, _EXTENSIBLE = (1, 3, 6, 7), (2, 0x11), (0x50, 0x55), 0xFFFE
_MOST_SAMPLE_BYTES = 8
#: A writer that cannot go back leaves 0, or some size that no song has, where the length of the sound stands.
_LONGEST_SECONDS = 3600
_LARGEST_BYTES = 2**30
#: With such a length a whole song looks like a cut one, but less than this is none.
_LEAST_STREAMED_SECONDS = 0.1
#: Writers miscount by their own headers, by a pad byte or by a part of a block; a file that was cut lacks more.
_MISCOUNTED_BYTES = 64
#: A length that follows from a mean rate may be off by that part of it.
_ESTIMATE = 0.1


class _Form(NamedTuple):
    """What the format chunk says, and the two numbers behind it that only some formats have."""

    tag: int
    channels: int
    rate: int
    byte_rate: int
    block: int
    bits: int
    block_samples: int
    #: What the fact chunk says; 0 where there is none.
    samples: int = 0

    @classmethod
    def read(cls, form: bytes, order: str) -> _Form:
        if len(form) < 16:  # noqa: PLR2004 - the shortest format chunk
            raise NotAudioError("it starts like wav, but does not say its format")
        tag, channels, rate, byte_rate, block, bits = struct.unpack(f"{order}HHIIHH", form[:16])
        extra = struct.unpack(f"{order}H", form[18:20])[0] if len(form) >= 20 else 0  # noqa: PLR2004 - its place
        if tag == _EXTENSIBLE and len(form) >= 26:  # noqa: PLR2004 - where the GUID's first two bytes are the tag
            tag = struct.unpack(f"{order}H", form[24:26])[0]
        return cls(tag, channels, rate, byte_rate, block, bits, extra)

    @property
    def bytes_per_second(self) -> float:
        """Bytes a second; exact but for formats that say a mean."""
        if self.tag in _SAMPLES and self.channels:
            return self.rate * self._frame_bytes
        if self.tag in _ADPCM and self.block_samples and self.block:
            return self.block * self.rate / self.block_samples
        return self.byte_rate

    @property
    def is_exact(self) -> bool:
        """Whether the length follows from the size."""
        return self.tag in _SAMPLES or (self.tag in _ADPCM and self.block_samples > 0)

    @property
    def _frame_bytes(self) -> int:
        """Bytes of one sample of all channels: the block, but for writers that leave nonsense there."""
        least = (self.bits + 7) // 8
        per_channel, rest = divmod(self.block, self.channels)
        if rest == 0 and max(least, 1) <= per_channel <= _MOST_SAMPLE_BYTES:
            return self.block
        return self.channels * least


def wav_facts(file: IO[bytes], size: int, start: int) -> AudioFacts:
    """Read a WAV's headers, and how much sound there is.

    :param size: of the file.
    :param start: where its RIFF header starts.
    :raises NotAudioError: it does not say its format, has no sound, or less than it says.
    """
    file.seek(start)
    order = ">" if file.read(4) == b"RIFX" else "<"
    form, long_size, samples = b"", 0, 0
    for chunk in _chunks(file, size, start, order):
        if chunk.name == b"fmt ":
            form = file.read(min(chunk.length, _FORM_BYTES))
        elif chunk.name == b"ds64":
            body = file.read(_DS64_BYTES)
            long_size = int.from_bytes(body[8:16], "little")
        elif chunk.name == b"fact" and chunk.length >= 4:  # noqa: PLR2004 - one number
            samples = int(struct.unpack(f"{order}I", file.read(4).ljust(4, b"\0"))[0])
        elif chunk.name == b"data":
            declared = long_size if long_size and chunk.length == 0xFFFFFFFF else chunk.length  # noqa: PLR2004 - "see ds64"
            return _facts(file, _Form.read(form, order)._replace(samples=samples), declared, size, chunk)
    raise NotAudioError(f"a wav header with no sound behind it ({size} bytes)")


def _chunks(file: IO[bytes], size: int, start: int, order: str) -> Iterator[RiffChunk]:
    for chunk in riff_chunks(file, size, start=start, byte_order=order):
        file.seek(chunk.body)
        yield chunk


def _facts(file: IO[bytes], form: _Form, declared: int, size: int, chunk: RiffChunk) -> AudioFacts:
    per_second = form.bytes_per_second
    there = _sound_bytes(form, declared, size - chunk.body, open_ended=chunk.open_ended)
    if there <= 0:
        raise NotAudioError(f"a wav header with no sound behind it ({size} bytes)")
    framed = _framed(file, chunk.body, chunk.body + there, size) if form.tag in _MPEG else None
    if framed is not None:
        return framed
    if not per_second:
        raise NotAudioError("it starts like wav, but its format has no bit rate")
    seconds = there / per_second
    told_seconds = form.samples / form.rate if form.rate else 0.0
    # Where a writer filled the fact chunk in, it is right; the rate is a mean, or of whole blocks.
    if form.tag not in _SAMPLES and 0.5 * seconds < told_seconds < 2 * seconds:
        seconds = told_seconds
    return AudioFacts(
        format="wav",
        duration_ms=round(seconds * 1000),
        sample_rate_hz=form.rate or None,
        bitrate_bps=round(per_second * 8),
        channels=form.channels or None,
        size_bytes=size,
        tolerance_ms=0 if form.is_exact else round(seconds * 1000 * _ESTIMATE),
        doubts=() if form.is_exact else ("its length follows from a mean rate",),
    )


def _sound_bytes(form: _Form, declared: int, there: int, *, open_ended: bool) -> int:
    """Return how many bytes of sound there are, by what the header says and what came."""
    per_second = form.bytes_per_second
    lacks = declared > there + max(form.block, _MISCOUNTED_BYTES)
    if (declared == 0 and open_ended) or (lacks and declared >= min(_LARGEST_BYTES, per_second * _LONGEST_SECONDS)):
        return there if there >= per_second * _LEAST_STREAMED_SECONDS else 0
    if lacks:
        raise NotAudioError(f"cut short: the wav header says {declared} bytes of sound, but there are {there}")
    return min(declared, there)


def _framed(file: IO[bytes], start: int, end: int, size: int) -> AudioFacts | None:
    """Count the frames of an MP3 in a WAV's clothes."""
    counter = FrameCounter()
    file.seek(start, io.SEEK_SET)
    while counter.size < end - start and (data := file.read(min(_READ_BYTES, end - start - counter.size))):
        counter.update(data)
    frames = counter.result()
    if frames is None or not frames.count:
        return None
    return replace(mpeg_facts(frames, end - start), format="wav", size_bytes=size)
