# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A small song in each lane, and the sandbox's name for its paid POST."""

from __future__ import annotations

LANES = {
    "queued": {"model": "minimax/music-2.6", "prompt": "a calm song of the sea", "poll_interval": 0.05},
    "synchronous": {
        "model": "music-01",
        "lyrics": "##we row until the end of night##",
        "refer_voice": "vocal-2025082518145625-6XW9wCOF",
        "audio_setting": {"sample_rate": 16000, "bitrate": 64000, "format": "mp3"},
    },
}
ROUTES = {"queued": "submit", "synchronous": "generate"}
