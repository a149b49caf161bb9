# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs for requests: made in threads, the same for the same request, the last few kept."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from dataclasses import dataclass

from airflow_provider_music.sandbox.encode import Audio, Format, bitrate_of, encode
from airflow_provider_music.sandbox.melody import compose

MAX_CACHED_BYTES = 64 * 1024 * 1024
_LOOP_SECONDS = 4.0


@dataclass(frozen=True)
class SongSpec:
    """All that a song depends on.

    :param text: lyrics or prompt.
    :param seed: the request in a canonical form.
    :param seconds: length in seconds.
    :param rate: sample rate in Hz.
    :param bitrate: of an MP3, in bits per second.
    :param lead: with a melody.
    :param backing: with bass and chords.
    :param size: bytes to blow the song up to by repeating it, or None.
    """

    text: str
    seed: str
    seconds: float
    rate: int
    bitrate: int
    format: Format
    lead: bool = True
    backing: bool = True
    size: int | None = None


def make(spec: SongSpec) -> Audio:
    """Return the song; pure and slow (tens of milliseconds per 20 s)."""
    seconds, repeats = spec.seconds, 1
    if spec.size is not None:
        bytes_per_second = bitrate_of(spec.format, spec.rate, spec.bitrate) / 8
        wanted = max(0.2, spec.size / bytes_per_second)
        repeats = max(1, round(wanted / _LOOP_SECONDS))
        seconds = wanted / repeats
    samples = compose(spec.text, spec.seed, seconds, spec.rate, lead=spec.lead, backing=spec.backing)
    return encode(samples, spec.format, spec.rate, spec.bitrate, repeats)


class SongShelf:
    """Finished songs by what they were made from, the least used dropped first beyond a number of bytes."""

    def __init__(self, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._songs: OrderedDict[SongSpec, Audio] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    async def get(self, spec: SongSpec) -> Audio:
        """Return the song, from the shelf or made in a thread."""
        kept = self._kept(spec)
        return kept if kept is not None else await asyncio.to_thread(self._make, spec)

    def _kept(self, spec: SongSpec) -> Audio | None:
        with self._lock:
            if spec in self._songs:
                self._songs.move_to_end(spec)
            return self._songs.get(spec)

    def _make(self, spec: SongSpec) -> Audio:
        # One at a time: two threads of pure Python are no faster, and may be after the same song.
        with self._turn:
            song = self._kept(spec)
            if song is None:
                song = make(spec)
                self._keep(spec, song)
            return song

    def _keep(self, spec: SongSpec, song: Audio) -> None:
        with self._lock:
            self._songs[spec] = song
            self._bytes += len(song.data)
            while self._bytes > self._max_bytes and len(self._songs) > 1:
                self._bytes -= len(self._songs.popitem(last=False)[1].data)
