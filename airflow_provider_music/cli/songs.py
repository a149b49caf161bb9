# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``songs``: what the records below a folder say, newest first. Free, and reads only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import OK, WRONG
from airflow_provider_music.cli.output import counted, usd

if TYPE_CHECKING:
    import argparse

    from airflow_provider_music.cli.output import Output
    from airflow_provider_music.record.take import Take

_READ_AT_ONCE = 8
_COLUMNS = ("submitted", "task", "take", "model", "state", "cost", "length", "where")


def run(args: argparse.Namespace, out: Output) -> int:
    """Print one line a take."""
    from airflow_provider_music.cli.records import root_of
    from airflow_provider_music.record.listing import takes_below

    root = root_of(args.folder)
    places = list(takes_below(root))
    with ThreadPoolExecutor(_READ_AT_ONCE, thread_name_prefix="music") as pool:
        found = sorted(pool.map(_described, places), key=lambda row: row["submitted_at"] or "", reverse=True)
    shown = found[: args.limit]
    unreadable = [row for row in found if row["state"] == "unreadable"]
    known = [row["usd_spent"] for row in found if row["usd_spent"] is not None]
    more = f" (the newest {len(shown)} are shown)" if len(shown) < len(found) else ""
    out.show(
        {"root": root, "takes": len(found), "usd_spent": sum(known), "songs": shown},
        _COLUMNS,
        [_row(row) for row in shown],
        f"{counted(len(found), 'take')} below {root}{more}; {usd(sum(known))} known to be spent.",
    )
    return WRONG if unreadable else OK


def _described(place: tuple[str, int]) -> dict[str, Any]:
    from airflow_provider_music.exceptions import MusicError
    from airflow_provider_music.record.store import SongRecord

    url, n = place
    record = SongRecord(url)
    try:
        take = record.read(n)
    except MusicError as exc:
        return {**_NOTHING, "take": n, "state": "unreadable", "record": record.take_folder(n).url, "error": str(exc)}
    return describe(take) if take is not None else {**_NOTHING, "take": n, "record": record.take_folder(n).url}


_NOTHING: dict[str, Any] = dict.fromkeys(
    (
        *("submitted_at", "task", "take", "model", "state", "billing", "generation_id", "usd_spent"),
        *("duration_ms", "sha256", "audio_uri", "record", "error"),
    )
)


def describe(take: Take) -> dict[str, Any]:
    """Return what a take's record says, as plain JSON."""
    from airflow_provider_music.cost.budget import cost_of
    from airflow_provider_music.cost.pricing import Quote

    intent, done = take.facts.get("intent", {}), take.facts.get("completed", {})
    spent = cost_of(take, Quote(None, "not asked for"), None)
    failed = take.facts.get("failed") or take.facts.get("unknown") or {}
    return {
        "submitted_at": intent.get("written_at"),
        "task": intent.get("task"),
        "take": take.n,
        "model": take.model,
        "state": take.state,
        "billing": take.billing,
        "generation_id": done.get("generation_id") or take.generation_id,
        "usd_spent": float(spent) if spent is not None and take.billing != "not_billed" else None,
        "duration_ms": (done.get("audio") or {}).get("duration_ms"),
        "sha256": (done.get("audio") or {}).get("sha256"),
        "audio_uri": done.get("audio_uri"),
        "record": take.folder.url,
        "error": failed.get("reason") if take.state in ("failed", "unknown") else None,
    }


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    length = f"{row['duration_ms'] / 1000:.1f} s" if row["duration_ms"] else ""
    where = row["audio_uri"] or row["record"]
    return (
        str(row["submitted_at"] or "")[:19].replace("T", " "),
        row["task"],
        row["take"],
        row["model"],
        row["state"],
        usd(row["usd_spent"]) if row["usd_spent"] is not None else row["billing"],
        length,
        where,
    )
