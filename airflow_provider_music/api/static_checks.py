# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Mistakes that are written plainly in a DAG, found when its file is parsed, where no template is involved.

The catalogue (``models.py``) says what is right; its import is too much for a DAG file, so that a test keeps this table
to it. All else is found before anything is sent, when the task runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.rendered import sources_of
from airflow_provider_music.api.templated import parse_templated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The longest text of each model's fields, in characters.
LONGEST: Mapping[str, Mapping[str, int]] = {
    "music-01": {"lyrics": 600},
    "minimax-music": {"prompt": 600, "lyrics": 600},
    "minimax/music-1.5": {"prompt": 300, "lyrics": 3000},
    "minimax/music-2.0": {"prompt": 2000, "lyrics": 3000},
    "minimax/music-2.6": {"prompt": 2000, "lyrics": 3000},
    "minimax/music-cover": {"prompt": 2000, "lyrics": 3000},
    "google/lyria2": {"prompt": 600},
    "lyria2": {"prompt": 600},
    "elevenlabs/eleven_music": {"prompt": 2000},
}
#: What the fields of ``audio_setting`` take, in any model that the catalogue knows.
AUDIO_SETTING: Mapping[str, tuple[int | str, ...]] = {
    "sample_rate": (16000, 24000, 32000, 44100),
    "audio_sample_rate": (16000, 24000, 32000, 44100),
    "bitrate": (32000, 64000, 128000, 256000),
    "format": ("mp3", "wav", "pcm"),
}
#: Models that take an ``audio_setting``.
_WITH_SETTING = ("music-01", "minimax/music-1.5", "minimax/music-2.0", "minimax/music-2.6", "minimax/music-cover")


def static_problems(model: Any, fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the fields of one request, as far as it is written plainly."""
    for name, longest in (LONGEST.get(model, {}) if isinstance(model, str) else {}).items():
        text = fields.get(name)
        if isinstance(text, str) and sources_of(text) is None and len(text) > longest:
            over = len(text) - longest
            yield f"{name}: {len(text)} characters, but {model} takes at most {longest}; shorten by {over}."
    setting = fields.get("audio_setting") if model in _WITH_SETTING else None
    if isinstance(setting, str) and sources_of(setting) is None:
        setting = parse_templated(setting, dict)
    for name, choices in AUDIO_SETTING.items() if isinstance(setting, dict) else ():
        value = setting.get(name)
        # Another type is for the check at run time, which knows what text can stand for a number.
        if isinstance(value, str | int) and sources_of(value) is None and str(value) not in map(str, choices):
            listed = ", ".join(map(str, choices))
            yield f"audio_setting.{name}: {value!r:.60}, but one of {listed} is taken; choose one of them."


def static_batch_problems(requests: Any) -> Iterator[str]:
    """Yield the same for the requests of a batch, where they are a list in the DAG."""
    if not isinstance(requests, list | tuple):
        return
    if not requests:
        yield "requests: the list is empty; give one dict a song."
    for index, request in enumerate(requests):
        if isinstance(request, dict):
            yield from (f"requests[{index}] {one}" for one in static_problems(request.get("model"), request))
