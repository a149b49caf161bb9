# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The waveform of a song, as its quality was measured: the lowest and the highest sample of each step, in order."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import bounded_json, number_or_none

if TYPE_CHECKING:
    from airflow_provider_music.plugin.songs import AudioFile

#: What ``generation/quality.py`` writes is below 20 kB; a larger file is not read.
_MOST_BYTES = 2**17
_MOST_VALUES = 8000


def waveform_of(file: AudioFile) -> dict[str, Any] | None:
    """Return ``peaks``, low and high by turns from -1 to 1; None where nothing of the kind lies beside the song.

    :raises OSError: the store does not answer.
    """
    name = f"{file.name}.peaks.json"
    size = file.folder.size(name)
    content = file.folder.read(name) if size is not None and size <= _MOST_BYTES else None
    try:
        found = bounded_json(content) if content is not None else None
    except ValueError:
        return None
    values = found.get("peaks") if isinstance(found, dict) else None
    if not isinstance(values, list):
        return None
    peaks = [number_or_none(value) for value in islice(values, _MOST_VALUES)]
    if not peaks or len(peaks) % 2 or None in peaks:
        return None
    return {"peaks": [max(-1.0, min(1.0, value)) for value in peaks if value is not None]}
