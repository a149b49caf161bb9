# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a song's figures may be, and which limit one breaks by how much; docs/quality.md says where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

#: measure: figures only. warn: a broken limit is logged. fail: it ends the task, and the song is not delivered.
QualityPolicy = Literal["none", "measure", "warn", "fail"]

#: Of each limit: the figure, whether the limit is its least or its most, the unit, and the default.
_LIMITS: dict[str, tuple[str, Literal["least", "most"], str, float]] = {
    "min_loudness_lufs": ("loudness_lufs", "least", "LUFS", -24.0),
    "max_loudness_lufs": ("loudness_lufs", "most", "LUFS", -5.0),
    "max_true_peak_dbtp": ("true_peak_dbtp", "most", "dBTP", 2.0),
    "max_clipped_ratio": ("clipped_ratio", "most", "of the samples", 0.001),
    "max_leading_silence_s": ("leading_silence_s", "most", "s", 3.0),
    "max_trailing_silence_s": ("trailing_silence_s", "most", "s", 5.0),
    "max_longest_silence_s": ("longest_silence_s", "most", "s", 8.0),
    "max_silence_ratio": ("silence_ratio", "most", "of the length", 0.25),
    "min_length_ratio": ("length_ratio", "least", "of the length asked for", 0.8),
    "max_length_ratio": ("length_ratio", "most", "of the length asked for", 1.25),
    "min_channels": ("sounding_channels", "least", "channels", 2),
}
#: Limits beside these have no default: nothing is wrong with a song of any range.
_MORE: dict[str, tuple[str, Literal["least", "most"], str]] = {
    "min_loudness_range_lu": ("loudness_range_lu", "least", "LU"),
    "max_loudness_range_lu": ("loudness_range_lu", "most", "LU"),
}
DEFAULT_LIMITS: dict[str, float] = {name: default for name, (_, _, _, default) in _LIMITS.items()}


def check_quality(policy: str, limits: Any) -> None:
    """Check an operator's arguments.

    :raises ValueError: names the argument, its value and the fix.
    """
    if policy not in get_args(QualityPolicy):
        raise ValueError(f"quality: {policy!r}; give 'none', 'measure', 'warn' or 'fail'.")
    if limits is None:
        return
    if not isinstance(limits, Mapping):
        raise ValueError(f"quality_limits: {limits!r}; give a dict of limits, or None for the defaults.")  # noqa: TRY004
    known = [*_LIMITS, *_MORE]
    for name, value in limits.items():
        if name not in known:
            raise ValueError(f"quality_limits: there is no limit {name!r}; there are {', '.join(known)}.")
        plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not plain:
            raise ValueError(f"quality_limits[{name!r}]: {value!r}; give a number, or None for no limit.")


def broken_limits(figures: Mapping[str, Any], limits: Mapping[str, float | None] | None) -> list[str]:
    """Return which limits a song breaks and by how much, one sentence each; none where it breaks none.

    :param figures: as :meth:`airflow_provider_music.audio.quality.Quality.figures` has them, and ``requested_ms``
        where a length was asked for.
    :param limits: beside the defaults; None as a value switches one off.
    """
    if figures.get("error"):
        return [f"it cannot be measured: {figures['error']}"]
    if figures.get("loudness_lufs") is None:
        return ["it is silent, or too short to measure a loudness"]
    return [
        f"{figure} is {value:g} {unit}, {name} is {limit:g} ({by:.3g} {_WORDS[side]})"
        for name, limit, (figure, side, unit), value, by in _broken(figures, limits)
    ]


def distance(figures: Mapping[str, Any], limits: Mapping[str, float | None] | None) -> tuple[float, float]:
    """Return how far a song is from keeping its limits, to compare songs by: the less, the better.

    First how many limits it breaks, then by how much in all: each limit is counted in steps of its own unit. A song
    that cannot be measured, or is silent, is farther than any other.
    """
    if figures.get("error") or figures.get("loudness_lufs") is None:
        return math.inf, math.inf
    steps = [by / _STEPS.get(figure, 1.0) for _, _, (figure, _, _), _, by in _broken(figures, limits)]
    return len(steps), round(sum(steps), 6)


_WORDS = {"least": "too little", "most": "too much"}
#: What counts as one step; of the others one LU, dB, second or channel is.
_STEPS = {"clipped_ratio": 0.001, "silence_ratio": 0.05, "length_ratio": 0.05}

_Side = Literal["least", "most"]


def _broken(
    figures: Mapping[str, Any], limits: Mapping[str, float | None] | None
) -> Iterator[tuple[str, float, tuple[str, _Side, str], float, float]]:
    """Yield each limit that is broken: its name and value, what it is of, the figure's value, and by how much."""
    found = _derived(figures)
    for name, limit in {**DEFAULT_LIMITS, **(limits or {})}.items():
        figure, side, unit = (_LIMITS.get(name) or _MORE[name])[:3]
        value = found.get(figure)
        if limit is None or value is None:
            continue
        by = limit - value if side == "least" else value - limit
        if by > 0:
            yield name, limit, (figure, side, unit), value, by


def _derived(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Add what follows from the figures: how many channels differ, and the length against the one asked for."""
    sounding = 1 if figures.get("dual_mono") else figures.get("channels")
    asked, length = figures.get("requested_ms"), figures.get("duration_ms")
    ratio = round(length / asked, 4) if asked and length is not None else None
    return {**figures, "sounding_channels": sounding, "length_ratio": ratio}
