# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The facts of MP3, Layer I and II, and AAC from their counted frames, and whether something is missing at the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from airflow_provider_music.audio.facts import AudioFacts, NotAudioError

if TYPE_CHECKING:
    from airflow_provider_music.audio.counter import Frames

#: Encoders differ in whether they count the frame of their own header; a song that is cut lacks far more.
_TOLERATED = 0.01
#: An encoder's delay and padding, which not every encoder says and not every reader leaves out, are as long, too.
_TOLERATED_FRAMES = 2


def mpeg_facts(frames: Frames, size: int, *, may_be_edited: bool = False) -> AudioFacts:
    """Return the facts of counted frames.

    :param size: of what was counted.
    :param may_be_edited: a person may have cut the file: editors leave the header of the whole in it.
    :raises NotAudioError: it has no sound, or less than its header says.
    """
    if not frames.count:
        raise NotAudioError(f"a {frames.format} header with no sound behind it ({size} bytes)")
    doubts = _oddities(frames)
    missing = _missing(frames, size)
    if missing:
        # A transfer ends anywhere, an editor between two frames.
        if not may_be_edited or frames.ends_in_mid_frame:
            raise NotAudioError(f"cut short: the {frames.format} header says {missing}")
        doubts.append(f"its header says {missing}")
    own = _encoders_own(frames)
    seconds = frames.seconds - own
    mean = round(frames.sound_bytes * 8 / frames.seconds)
    return AudioFacts(
        format=frames.format,
        duration_ms=round(seconds * 1000),
        sample_rate_hz=frames.rate,
        bitrate_bps=frames.bitrate_kbps * 1000 or mean,
        channels=frames.channels or None,
        size_bytes=size,
        tolerance_ms=math.ceil((own + _TOLERATED_FRAMES * frames.seconds / frames.count) * 1000),
        doubts=tuple(doubts),
    )


def _oddities(frames: Frames) -> list[str]:
    doubts = []
    if frames.stray_bytes:
        doubts.append(f"{frames.stray_bytes} bytes between its frames are of none")
    if frames.ends_in_mid_frame:
        doubts.append("it ends in mid-frame")
    return doubts


def _missing(frames: Frames, size: int) -> str | None:
    """Say what the header promises and is not there; where all frames are there, its figure of bytes is wrong."""
    declared, there = frames.declared, size - frames.start
    if declared is None or (declared.frames and frames.count >= declared.frames - _TOLERATED_FRAMES):
        return None
    if declared.bytes and (
        there < declared.bytes * (1 - _TOLERATED)
        or (there < declared.bytes - frames.length and declared.frames and frames.ends_in_mid_frame)
    ):
        return f"{declared.bytes} bytes of sound, but there are {there}"
    if declared.frames and not declared.bytes and frames.count < declared.frames * (1 - _TOLERATED):
        return f"{declared.frames} frames, but there are {frames.count}"
    return None


def _encoders_own(frames: Frames) -> float:
    """Return the seconds at both ends that the encoder added, where it says so and the header is of this very file."""
    declared = frames.declared
    if declared is None or abs(declared.frames - frames.count) > 1:
        return 0.0
    seconds = declared.skipped / frames.rate
    return seconds if seconds < frames.seconds else 0.0
