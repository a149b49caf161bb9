# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs of any size that are what they say: WAV of a melody, MP3 of whole frames, sent from one small block."""

from __future__ import annotations

import functools
import io
import json
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_music.sandbox.songs import compose, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

_RATE = 44_100
_BITRATE = 256_000
_BLOCK_BYTES = 2**20
_WAV_HEAD_BYTES = 44


@dataclass(frozen=True)
class Song:
    """A head, and a block that is repeated and cut until the size is reached."""

    head: bytes
    block: bytes
    size: int
    hexed_block: bytes

    def pieces(self, count: int, *, hexed: bool) -> Iterator[bytes | memoryview]:
        """The song in pieces of about so many bytes, as it is or as hex digits."""
        block, factor = (memoryview(self.hexed_block), 2) if hexed else (memoryview(self.block), 1)
        if self.head:
            yield self.head.hex().encode() if hexed else self.head
        left = (self.size - len(self.head)) * factor
        while left:
            for at in range(0, min(left, len(block)), count):
                yield block[at : min(at + count, left)]
            left -= min(left, len(block))

    def json_around(self) -> tuple[bytes, bytes]:
        """What stands before and after the hex in the answer of a synchronous generation."""
        body = {
            "data": {"audio": "@", "status": 2},
            "extra_info": {
                "audio_length": 0,
                "audio_size": self.size,
                "audio_bitrate": _BITRATE,
                "audio_sample_rate": _RATE,
            },
            "analysis_info": None,
            "trace_id": "0" * 32,
            "base_resp": {"status_code": 0, "status_msg": "success"},
        }
        start, end = json.dumps(body, separators=(",", ":")).split("@")
        return start.encode(), end.encode()


@functools.lru_cache(maxsize=8)
def song_of(audio_format: str, size: int) -> Song:
    """A song of that many bytes; an MP3 is cut to whole seconds' worth of frames by its player, as any is."""
    if audio_format == "mp3":
        block = _mp3_block()
        return Song(b"", block, size, _hexed(block))
    head = io.BytesIO()
    with wave.open(head, "wb") as file:
        file.setparams((1, 2, _RATE, (size - _WAV_HEAD_BYTES) // 2, "NONE", ""))
        file.writeframes(b"")
    whole = _patched(head.getvalue(), size)
    return Song(whole, _wav_block(), size, _hexed(_wav_block()))


@functools.lru_cache(maxsize=2)
def _hexed(block: bytes) -> bytes:
    return block.hex().encode()


@functools.lru_cache(maxsize=1)
def _wav_block() -> bytes:
    samples = compose("a song of some length", "bench", _BLOCK_BYTES / 2 / _RATE, _RATE)
    return samples.tobytes()[: _BLOCK_BYTES // 2 * 2]


@functools.lru_cache(maxsize=1)
def _mp3_block() -> bytes:
    samples = compose("a song of some length", "bench", 4.0, _RATE)
    return encode(samples, "mp3", _RATE, _BITRATE, repeats=8).data


def _patched(head: bytes, size: int) -> bytes:
    """The WAV's sizes, which the module writes for the samples that it was given."""
    return head[:4] + (size - 8).to_bytes(4, "little") + head[8:40] + (size - 44).to_bytes(4, "little")
