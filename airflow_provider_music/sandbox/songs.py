# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The audio of a song: a melody from the request's words, encoded as WAV, MP3 or raw PCM, the last few cached.

Letters choose the notes, the length of a word their length. The same words and seed give the same bytes. Levels
add up to less than full scale, so nothing clips. Notes are made once per pitch, length and rate, and then only
copied and added.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import operator
import struct
import sys
import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import cycle
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Format = Literal["wav", "mp3", "pcm"]
CHANNELS = 1
CONTENT_TYPES: dict[Format, str] = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm": "audio/pcm"}
MAX_CACHED_BYTES = 64 * 1024 * 1024
_LOOP_SECONDS = 4.0
_MPEG2_RATE_LIMIT, _MPEG2_BITRATE_LIMIT = 24_000, 160_000
_TABLE_SIZE = 4096
_SCALES = {"major": (0, 2, 4, 7, 9), "minor": (0, 3, 5, 7, 10)}  # pentatonic: any two notes agree
_CHORDS = {
    "major": ((0, 4, 7), (-3, 0, 4), (-7, -3, 0), (-5, -1, 2)),  # I vi IV V, in semitones from the key note
    "minor": ((0, 3, 7), (-4, 0, 3), (-9, -5, -2), (-2, 2, 5)),  # i VI III VII
}
_STEPS_PER_BAR = 8
_LEAD_LEVEL = 13_000.0
_CHORD_LEVEL = 3_600.0
_BASS_LEVEL = 6_000.0


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


@lru_cache(maxsize=4)
def _wave(harmonics: tuple[float, ...]) -> tuple[float, ...]:
    """Return one period of a tone with these harmonics, peak 1."""
    raw = [
        sum(level * math.sin(2 * math.pi * number * i / _TABLE_SIZE) for number, level in enumerate(harmonics, 1))
        for i in range(_TABLE_SIZE)
    ]
    peak = max(map(abs, raw))
    return tuple(value / peak for value in raw)


@lru_cache(maxsize=32)
def _envelope(length: int, rate: int, half_life: float) -> array[float]:
    """Return a plucked note's loudness over time; its length is in samples, its half-life in seconds."""
    attack, release = max(1, int(0.008 * rate)), max(1, int(0.020 * rate))
    fade = 0.5 ** (1 / (half_life * rate))
    level, curve = 1.0, array("d", bytes(8 * length))
    for i in range(length):
        curve[i] = level * min(1.0, i / attack, (length - 1 - i) / release)
        level *= fade
    return curve


@lru_cache(maxsize=256)
def _note(semitone: int, length: int, rate: int, level: float, harmonics: tuple[float, ...]) -> array[int]:
    """Return one note; semitone 0 is middle C, the length is in samples."""
    frequency = 261.6256 * 2 ** (semitone / 12)
    wave, step = _wave(harmonics), frequency * _TABLE_SIZE / rate
    envelope = _envelope(length, rate, 0.35)
    mask = _TABLE_SIZE - 1
    return array("h", [int(level * wave[int(i * step) & mask] * envelope[i]) for i in range(length)])


@lru_cache(maxsize=64)
def _backing_bar(key: int, chord: tuple[int, ...], step: int, rate: int) -> array[int]:
    """Return one bar of bass and chord, as two half-bar strokes."""
    half = step * _STEPS_PER_BAR // 2
    stroke = _note(key + chord[0] - 24, half, rate, _BASS_LEVEL, (1.0, 0.4, 0.15))
    for interval in chord:
        stroke = _add(stroke, _note(key + interval - 12, half, rate, _CHORD_LEVEL, (1.0, 0.2)))
    return stroke + stroke


def _add(left: array[int], right: array[int]) -> array[int]:
    return array("h", map(operator.add, left, right))


def _phrase(text: str, motif: bytes) -> list[tuple[int | None, int]]:
    """Return motif and words as (letter's number or None for a rest, length in eighth notes)."""
    notes: list[tuple[int | None, int]] = [(number, 1) for number in motif]
    for line in text.split("\n"):
        for word in line.split():
            letters = [ord(char.lower()) for char in word if char.isalnum()]
            length = 2 if len(letters) <= 3 else 1  # noqa: PLR2004 - short words are sung longer
            notes += [(letter, length) for letter in letters[::2]]
        notes.append((None, 1 if line.strip() else 2))
    return notes


def compose(text: str, seed: str, seconds: float, rate: int, *, lead: bool = True, backing: bool = True) -> array[int]:
    """Return the song as mono samples.

    :param text: lyrics or prompt, which the melody follows.
    :param seed: anything; it chooses key, mode and tempo.
    :param seconds: length in seconds; the result is exact to a sample.
    :param rate: sample rate in Hz.
    :param lead: with the melody.
    :param backing: with bass and chords.
    """
    dice = hashlib.sha256(seed.encode()).digest()
    mode = "minor" if dice[0] % 3 == 0 else "major"
    key, step = dice[1] % 8 - 4, int(rate * (0.20 + dice[2] % 8 / 100))
    total = max(1, round(seconds * rate))
    length = -(-total // (step * _STEPS_PER_BAR)) * step * _STEPS_PER_BAR
    silence = array("h", bytes(2 * length))
    notes = _phrase(text, dice[3:7])  # the motif tells songs apart whose words are alike
    over = _join(_lead(notes, mode, key, (step, rate)), length) if lead else silence
    under = _join((_backing_bar(key, chord, step, rate) for chord in cycle(_CHORDS[mode])), length)
    return (_add(over, under) if backing else over)[:total]


def _join(parts: Iterator[array[int]], length: int) -> array[int]:
    joined = array("h")
    while len(joined) < length:
        joined.extend(next(parts))
    return joined[:length]


def _lead(notes: list[tuple[int | None, int]], mode: str, key: int, pace: tuple[int, int]) -> Iterator[array[int]]:
    """Yield the melody note by note, over and over; the pace is samples per eighth note and per second."""
    scale, (step, rate) = _SCALES[mode], pace
    for letter, steps in cycle(notes):
        if letter is None:
            yield array("h", bytes(2 * step * steps))
            continue
        octave, degree = divmod(letter % (2 * len(scale)), len(scale))
        pitch = key + 12 * octave + scale[degree]
        yield _note(pitch, step * steps, rate, _LEAD_LEVEL, (1.0, 0.5, 0.25, 0.1))


def bitrate_of(audio_format: Format, rate: int, requested: int) -> int:
    """Return the bits per second that the file will have; MPEG-2 (24 kHz and below) ends at 160 kbit/s."""
    if audio_format != "mp3":
        return rate * 16 * CHANNELS
    return min(requested, _MPEG2_BITRATE_LIMIT) if rate <= _MPEG2_RATE_LIMIT else requested


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


class SongCache:
    """Finished songs by what they were made from, the least recently used dropped first beyond a number of bytes."""

    def __init__(self, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._songs: OrderedDict[SongSpec, Audio] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    async def get(self, spec: SongSpec) -> Audio:
        """Return the song, from the cache or made in a thread."""
        cached = self._cached(spec)
        return cached if cached is not None else await asyncio.to_thread(self._make, spec)

    def _cached(self, spec: SongSpec) -> Audio | None:
        with self._lock:
            if spec in self._songs:
                self._songs.move_to_end(spec)
            return self._songs.get(spec)

    def _make(self, spec: SongSpec) -> Audio:
        # One at a time: two threads of pure Python are no faster, and may be after the same song.
        with self._turn:
            song = self._cached(spec)
            if song is None:
                song = make(spec)
                self._store(spec, song)
            return song

    def _store(self, spec: SongSpec, song: Audio) -> None:
        with self._lock:
            self._songs[spec] = song
            self._bytes += len(song.data)
            while self._bytes > self._max_bytes and len(self._songs) > 1:
                self._bytes -= len(self._songs.popitem(last=False)[1].data)
