# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task returns, built from the record alone, and the fact that it did."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import MusicError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

#: What operators and sensor return, in this order.
RESULT_KEYS = (
    "generation_id",
    "model",
    "status",
    "audio_uri",
    "audio",
    "usage",
    "submissions",
    "trace_id",
    "record_uri",
)


def result_of(take: Take) -> dict[str, Any]:
    """Build what the task returns of a take that is in storage, or accepted.

    :raises MusicError: the take holds no song.
    """
    if "completed" in take:
        fact = take["completed"]
        return _in_order(
            {
                **{key: fact.get(key) for key in RESULT_KEYS},
                "model": fact.get("model") or take.model,
                "status": "completed",
                "submissions": take.submissions - take.is_reused,
                "record_uri": take.fact_url("completed"),
            },
            take,
        )
    if "accepted" not in take:
        raise MusicError(f"The record in {take.folder.url} holds no song to deliver.")
    fact = take["accepted"]
    return _in_order(
        {
            "generation_id": fact["generation_id"],
            "model": take.model,
            "status": "accepted",
            "audio_uri": None,
            "audio": {
                "format": take["intent"].get("audio_format"),
                "size_bytes": None,
                "duration_ms": None,
                "sample_rate_hz": take["intent"].get("sample_rate_hz"),
                "bitrate_bps": None,
                "sha256": None,
            },
            "usage": fact.get("usage") or {"credits_used": None, "usd_spent": None},
            "submissions": take.submissions - take.is_reused,
            "trace_id": fact.get("trace_id"),
            "record_uri": take.fact_url("accepted"),
        },
        take,
    )


def mark_delivered(record: SongRecord, take: Take, attempt: Mapping[str, Any], *, chosen: bool | None = None) -> None:
    """Write down that the task returns the take's result: from here on only a clear makes a new song.

    :param chosen: of several takes of one request, whether it is the one that the task delivers.
    """
    if marked := mark_returned(record, take, attempt, chosen=chosen):
        metrics.delivered(marked)


def mark_returned(
    record: SongRecord, take: Take, attempt: Mapping[str, Any], *, chosen: bool | None = None
) -> Take | None:
    """Write down that the task returns a take, and return it; None where an earlier or another try did."""
    status = "completed" if "completed" in take else "accepted"
    if "delivered" not in take:
        values = {"status": status} if chosen is None else {"status": status, "chosen": chosen}
        return record.write_first(take, "delivered", **attempt, **values)
    if int(take["delivered"].get("try_number", 0)) < int(attempt["try_number"]):
        record.returned_again(take, int(attempt["try_number"]))
    return None


def log_ready(result: Mapping[str, Any]) -> None:
    """Say that the song is there: how long it is, how large, what it cost, and where it lies."""
    audio, usd = result.get("audio") or {}, (result.get("usage") or {}).get("usd_spent")
    if result.get("audio_uri") is None:
        log.info("Accepted as generation %s; the song is waited for elsewhere", result.get("generation_id"))
        return
    seconds = f"{audio['duration_ms'] / 1000:.1f} s " if audio.get("duration_ms") is not None else ""
    cost = f"{usd:g} USD" if isinstance(usd, int | float) else "cost not known"
    log.info(
        "Song ready: %s%s, %s bytes, %s, %s",
        seconds,
        audio.get("format"),
        f"{audio.get('size_bytes') or 0:,}",
        cost,
        result["audio_uri"],
    )


def _in_order(result: Mapping[str, Any], take: Take) -> dict[str, Any]:
    reused = {"reused": dict(take["intent"]["reused"])} if take.is_reused else {}
    return {**{key: result[key] for key in RESULT_KEYS}, **reused}
