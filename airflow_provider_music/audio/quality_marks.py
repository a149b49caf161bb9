# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where a song is silent and where it is clipped: spans in seconds, few enough to be drawn on its waveform."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Span: TypeAlias = tuple[float, float]
#: Of 16 bit; players clip what is decoded to more.
FULL_SCALE = 32768
CLIPS = (FULL_SCALE - 2) / FULL_SCALE
#: Of a kind.
MOST_SPANS = 100


def longest(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the longest spans, in their order."""
    return tuple(sorted(sorted(spans, key=lambda span: span[0] - span[1])[:MOST_SPANS]))


def clipping(steps: Sequence[Span], step: float, seconds: float) -> tuple[Span, ...]:
    """Return the first spans with a sample at full scale; steps that follow each other are one span.

    :param steps: lowest and highest sample of each, -1 to 1.
    :param step: length of one, in seconds.
    :param seconds: length of the song.
    """
    return tuple(islice(_clipping(steps, step, seconds), MOST_SPANS))


def _clipping(steps: Sequence[Span], step: float, seconds: float) -> Iterator[Span]:
    begin = None
    for at, (low, high) in enumerate([*steps, (0.0, 0.0)]):
        clips = max(high, -low) >= CLIPS
        if clips and begin is None:
            begin = at
        elif begin is not None and not clips:
            yield begin * step, min(at * step, seconds)
            begin = None
