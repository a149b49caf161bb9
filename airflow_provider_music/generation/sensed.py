# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How long the song that a sensor waits for usually takes."""

from __future__ import annotations

from typing import Any

from airflow_provider_music.api.models import find

#: Of a model that nobody names: a song of most models takes about that long.
USUAL_SECONDS = 60.0


def usual_seconds(model: Any) -> float:
    """How long a song of that model usually takes."""
    known = find(model)
    return known.usual_seconds if known else USUAL_SECONDS
