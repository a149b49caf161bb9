# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a track is, and the errors of bytes that are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

AudioFormat = Literal["mp3", "wav", "pcm", "flac", "ogg", "m4a", "aac", "aiff", "opus", "mp2", "mp1"]


class NotAudioError(ValueError):
    """The bytes are not audio of a format that this package knows, or not all of it."""


class OtherAudioError(NotAudioError):
    """The bytes are audio or video of a format whose name is known, and nothing more about it."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What a track is.

    ``duration_ms`` milliseconds, ``sample_rate_hz`` samples a second, ``bitrate_bps`` bits a second
    (the mean where it varies), ``size_bytes`` bytes; a figure that the content does not give is None.

    ``tolerance_ms`` says how far the length may be off, and ``doubts`` what is odd about the file, a sentence each.
    """

    format: AudioFormat
    duration_ms: int | None
    sample_rate_hz: int | None
    bitrate_bps: int | None
    channels: int | None
    size_bytes: int
    tolerance_ms: int = 0
    doubts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values of what the track is, without what is doubtful about it."""
        return {
            "format": self.format,
            "duration_ms": self.duration_ms,
            "sample_rate_hz": self.sample_rate_hz,
            "bitrate_bps": self.bitrate_bps,
            "channels": self.channels,
            "size_bytes": self.size_bytes,
        }


def raw_pcm_facts(size_bytes: int, sample_rate_hz: int | None, channels: int | None) -> AudioFacts:
    """Facts of headerless 16-bit PCM: only its size is known, the rest is what was requested.

    :param channels: from the API's ``music_channel``; without it the length is not known.
    :raises NotAudioError: an odd number of bytes cannot be 16-bit samples.
    """
    if size_bytes == 0 or size_bytes % 2:
        raise NotAudioError(f"{size_bytes} bytes cannot be 16-bit PCM")
    rate_bps = sample_rate_hz * channels * 16 if sample_rate_hz and channels else None
    return AudioFacts(
        format="pcm",
        duration_ms=round(size_bytes * 8_000 / rate_bps) if rate_bps else None,
        sample_rate_hz=sample_rate_hz,
        bitrate_bps=rate_bps,
        channels=channels,
        size_bytes=size_bytes,
    )
