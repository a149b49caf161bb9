# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Specs of generations as GenerateMusicOperator makes them, and records of songs that are accepted already."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOUR = 3600.0
_QUEUED = {
    "model": "minimax/music-2.6",
    "prompt": "slow waltz, strings, rain",
    "lyrics": "We row until the night ends\n" * 8,
}
_SYNCHRONOUS = {
    "model": "music-01",
    "lyrics": "##We row until the end of night\nand leave behind a song##",
    "refer_voice": "vocal-2025082518145625-6XW9wCOF",
}


def record_url(folder: str, run: str, number: int) -> str:
    """Folder of one task instance's record, below a local path or a URL."""
    return f"{'' if '://' in folder else 'file://'}{folder}/bench/{run}/song/{number}"


def spec_of(
    folder: str,
    run: str,
    number: int,
    *,
    lane: str,
    audio_format: str | None = None,
    poll_interval: float | None = None,
) -> dict[str, Any]:
    """One spec, as it stands in a trigger's arguments."""
    body = dict(_QUEUED if lane == "queued" else _SYNCHRONOUS)
    if audio_format:
        body["audio_setting"] = {"sample_rate": 44100, "bitrate": 256000, "format": audio_format}
    return {
        "conn_id": "music_bench",
        "record_url": record_url(folder, run, number),
        "n": 1,
        "lane": lane,
        "body": body,
        "fingerprint": "0" * 64,
        "audio_format": audio_format,
        "sample_rate_hz": 44100 if audio_format else None,
        "usual_seconds": 90.0,
        "deadline": time.time() + _HOUR,
        "poll_interval": poll_interval,
        "task": f"bench / {run} / song[{number}]",
        "try_number": 1,
        "max_tries": 2,
        "resubmission": False,
        "until_accepted": False,
    }


def record_accepted(folder: str, run: str, generation_ids: Sequence[str]) -> None:
    """Write the facts of accepted songs, as the package lays them out but without its fsync of each."""
    stamp = {"schema": 1, "n": 1, "written_at": datetime.now(UTC).isoformat(), "try_number": 1, "max_tries": 2}
    for number, generation_id in enumerate(generation_ids):
        take = Path(record_url(folder, run, number).removeprefix("file://")) / "take-1"
        take.mkdir(parents=True, exist_ok=True)
        intent = {
            "client_request_id": f"bench-{number}",
            "model": _QUEUED["model"],
            "lane": "queued",
            "resubmission": False,
        }
        accepted = {"generation_id": generation_id, "usage": None, "trace_id": None, "source": "answer"}
        for fact, values in (("intent", intent), ("accepted", accepted)):
            (take / f"{fact}.json").write_text(json.dumps({**stamp, "fact": fact, **values}))
