# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a sensor is given to wait for, in all the shapes in which Airflow hands it on, and what that tells."""

from __future__ import annotations

from typing import Any

from airflow_provider_music.api.models import find
from airflow_provider_music.api.templated import parse_templated

#: Of a model that nobody names: a song of most models takes about that long.
USUAL_SECONDS = 60.0


def read_generation(value: Any) -> dict[str, Any]:
    """Read what names a generation: a dict, a dict that a template rendered as text, or an id.

    Returns what an operator returned, as far as it is there; an empty dict where nothing is named.
    """
    if isinstance(value, str):
        text = value.strip()
        value = parse_templated(text) if text.startswith("{") else text
        if isinstance(value, str):
            return {"generation_id": text if text != "None" else None}
    return dict(value) if isinstance(value, dict) else {}


def usual_seconds(model: Any) -> float:
    """How long a song of that model usually takes."""
    known = find(model)
    return known.usual_seconds if known else USUAL_SECONDS
