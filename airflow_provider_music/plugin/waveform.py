# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The waveform of a song, as its quality was measured: the lowest and the highest sample of each step, in order."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import bounded_json, number_or_none
from airflow_provider_music.plugin.quality_marks import described, figures_of, marks_of, rows_of

if TYPE_CHECKING:
    from airflow_provider_music.plugin.songs import AudioFile

#: What ``generation/quality.py`` writes is below 30 kB; a larger file is not read.
_MOST_BYTES = 2**17
_MOST_VALUES = 8000


def waveform_of(file: AudioFile) -> dict[str, Any] | None:
    """Return ``peaks``, low and high by turns from -1 to 1; None where nothing of the kind lies beside the song.

    Where more was measured: ``marks`` on it, the same as ``told`` in words, and the ``figures``, names and values.

    :raises OSError: the store does not answer.
    """
    found, figures = _waveform(file), figures_of(file)
    marks, rows = marks_of(found or {}, figures), list(rows_of(figures))
    if found is None and not rows:
        return None
    more = {"marks": marks, "told": described(marks), "figures": rows}
    return {"peaks": found["peaks"] if found else [], **{name: value for name, value in more.items() if value}}


def _waveform(file: AudioFile) -> dict[str, Any] | None:
    name = f"{file.name}.peaks.json"
    size = file.folder.size(name)
    content = file.folder.read(name) if size is not None and size <= _MOST_BYTES else None
    try:
        found = bounded_json(content) if content is not None else None
    except ValueError:
        return None
    values = found.get("peaks") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(values, list):
        return None
    peaks = [number_or_none(value) for value in islice(values, _MOST_VALUES)]
    if not peaks or len(peaks) % 2 or None in peaks:
        return None
    return {**found, "peaks": [max(-1.0, min(1.0, value)) for value in peaks if value is not None]}
