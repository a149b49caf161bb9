# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the DAGs of row "songs" share. Each side has a file of its own: a worker reads its task's whole file."""

from datetime import UTC, datetime, timedelta
from typing import Any

PATH = "/v2/generate/audio/minimax/generate"
VOICE = "vocal-2025082518145625-6XW9wCOF"
SETTING = {"sample_rate": 44100, "bitrate": 256000, "format": "mp3"}
COUNTS = (1, 6, 20)
RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
OPTIONS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_tasks": 512,
}


def lyrics(count: int) -> list[str]:
    """As many words as songs."""
    return [f"##song number {number} of {count}, with a long way home##" for number in range(count)]
