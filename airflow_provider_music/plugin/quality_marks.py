# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What was measured of a song, for its page: the figures in words, and where it is silent or clipped."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import bounded_json, number_or_none
from airflow_provider_music.plugin import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_music.plugin.songs import AudioFile

#: As ``generation/quality.py`` names them.
_FIGURES = "quality.json"
_MOST_BYTES = 2**14
_MOST_MARKS = 200
#: Marks that are described in words; the rest are counted.
_MOST_TOLD = 12
_KINDS = (("silences", "silence"), ("clipping", "clipping"))


def figures_of(file: AudioFile) -> dict[str, Any]:
    """Return the figures that lie beside a song; empty where it was not measured.

    :raises OSError: the store does not answer.
    """
    size = file.folder.size(_FIGURES)
    content = file.folder.read(_FIGURES) if size is not None and size <= _MOST_BYTES else None
    try:
        found = bounded_json(content) if content is not None else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def rows_of(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the figures in words, by name."""
    if figures.get("error"):
        yield "Quality", words.text(figures["error"])
        return
    known = {name: number_or_none(value) for name, value in figures.items()}
    if (loudness := known.get("loudness_lufs")) is not None:
        spread = known.get("loudness_range_lu")
        yield "Loudness", f"{loudness:.1f} LUFS" + (f", range {spread:.1f} LU" if spread is not None else "")
    if (peak := known.get("true_peak_dbtp")) is not None:
        yield "True peak", f"{peak:.1f} dBTP"
    if (clipped := known.get("clipped_samples")) is not None:
        share = known.get("clipped_ratio")
        part = f" ({share:.4%} of all)" if share else ""
        yield "Clipping", f"{clipped:,.0f} samples at full scale{part}" if clipped else "none"
    if (longest := known.get("longest_silence_s")) is not None:
        yield "Silence", _silence(known, longest) if longest else "none"
    if (channels := known.get("channels")) is not None:
        yield "Channels", f"{channels:.0f}" + (", both the same" if figures.get("dual_mono") is True else "")
    if requested := known.get("requested_ms"):
        yield "Length asked for", words.length(requested)


def _silence(known: Mapping[str, float | None], longest: float) -> str:
    parts = [f"{known[name]:.1f} s at the {where}" for name, where in _EDGES if known.get(name)]
    share = known.get("silence_ratio")
    return ", ".join([*parts, f"longest {longest:.1f} s", *([f"{share:.0%} of the song"] if share else [])])


_EDGES = (("leading_silence_s", "start"), ("trailing_silence_s", "end"))


def marks_of(waveform: Mapping[str, Any], figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is marked on a waveform: the kind, and from where to where as parts of the song.

    :param waveform: as it lies beside the song. One of an earlier version names no spans: what the figures say of the
        beginning and the end is marked then.
    """
    length = number_or_none(waveform.get("duration_ms") or figures.get("duration_ms")) or 0.0
    if length <= 0:
        return []
    spans = {kind: _spans(waveform.get(name), length / 1000) for name, kind in _KINDS}
    if "silences" not in waveform:
        spans["silence"] = list(_edges(figures, length / 1000))
    return [
        {"kind": kind, "from": start * 1000 / length, "to": end * 1000 / length, "seconds": [start, end]}
        for kind, found in spans.items()
        for start, end in found
    ]


def _edges(figures: Mapping[str, Any], seconds: float) -> Iterator[tuple[float, float]]:
    leading, trailing = (number_or_none(figures.get(name)) or 0.0 for name, _ in _EDGES)
    if 0 < leading <= seconds:
        yield 0.0, leading
    if 0 < trailing < seconds:
        yield seconds - trailing, seconds


def _spans(value: Any, seconds: float) -> list[tuple[float, float]]:
    found = []
    for each in islice(value, _MOST_MARKS) if isinstance(value, list) else ():
        pair = [number_or_none(at) for at in each] if isinstance(each, list) and len(each) == 2 else []  # noqa: PLR2004
        if len(pair) == 2 and pair[0] is not None and pair[1] is not None:  # noqa: PLR2004 - a begin and an end
            start, end = max(0.0, pair[0]), min(pair[1], seconds)
            if start < end:
                found.append((start, end))
    return found


def described(marks: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the marks in words, in their order in time; the longest where there are many."""
    all_of_them = sorted(marks, key=lambda mark: mark["seconds"][0] - mark["seconds"][1])
    chosen = sorted(all_of_them[:_MOST_TOLD], key=lambda mark: mark["seconds"])
    lines = [{"kind": mark["kind"], "text": _sentence(mark)} for mark in chosen]
    if more := len(all_of_them) - len(chosen):
        lines.append({"kind": "more", "text": f"and {more} shorter ones"})
    return lines


def _sentence(mark: Mapping[str, Any]) -> str:
    start, end = mark["seconds"]
    return f"{mark['kind'].capitalize()} from {_at(start)} to {_at(end)} ({end - start:.1f} s)"


def _at(seconds: float) -> str:
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"
