# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the API takes for the reference track of a cover. The sandbox checks with it too, so nothing of Airflow is here.

Source: live OpenAPI, POST /v2/generate/audio/preprocess and music-cover.
"""

from __future__ import annotations

from airflow_provider_music.api.models import MusicCover, MusicRequest
from airflow_provider_music.api.schema import MAX_INLINE_BYTES, URL, WebUrlOrDataUri, described

MIN_SECONDS = 6
MAX_SECONDS = 360
MAX_BYTES = MAX_INLINE_BYTES


class CoverReference(MusicRequest):
    """The body of the call. Not in the catalogue: nothing is generated."""

    id = MusicCover.id
    usual_seconds = 30.0
    source = "live OpenAPI"
    required = ("reference_audio_url",)

    reference_audio_url: WebUrlOrDataUri | None = described(
        f"{URL}, or a data URI of its bytes (data:audio/mpeg;base64,<bytes>)"
    )
