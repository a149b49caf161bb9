# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A melody from words, as mono 16-bit PCM: letters choose the notes, the length of a word their length.

The same words and seed give the same samples, to the bit. Levels add up to less than full scale, so
nothing clips. Notes are made once per pitch, length and rate, and then only copied and added.
"""

from __future__ import annotations

import hashlib
import math
import operator
from array import array
from functools import lru_cache
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
