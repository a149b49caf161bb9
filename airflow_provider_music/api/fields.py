# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The names of the request fields, for code that must not import pydantic (DAG files are parsed often).

What a field takes stands in ``models.py``; the operator's argument of that name in ``operators/generate.py``.
"""

from __future__ import annotations

REQUEST_FIELDS: tuple[str, ...] = (
    "lyrics",
    "prompt",
    "refer_voice",
    "refer_instrumental",
    "reference_audio_url",
    "audio_setting",
    "lyrics_optimizer",
    "is_instrumental",
    "negative_prompt",
    "seed",
    "seconds_start",
    "seconds_total",
    "steps",
    "music_length_ms",
    "cover_feature_id",
    "duration",
)
"""Every field that any model of the catalogue takes, except ``model`` itself."""

SONG_KEYS = ("model", *REQUEST_FIELDS, "extra_body")
"""What says one song to the API."""

UNSENT_KEYS = ("name", "rights")
"""What a request may hold and is not sent: the name of its files, and the licence or consent that it goes by."""

REQUEST_KEYS = (*SONG_KEYS, *UNSENT_KEYS)
"""What a request may hold."""
