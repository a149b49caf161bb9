# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How the songs of a batch ended: a manifest of one line a song, the counts, and the error where some are missing."""

from __future__ import annotations

import collections
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_music.exceptions import HopelessBatchError, MusicError, OutputError, PartialBatchError, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_music.storage.folder import Folder

#: completed: in storage. failed: the API said so; not billed. unknown: the answer is lost. pending: paid or about to
#: be, and another try goes on with it. not_asked: nothing was sent.
Status = Literal["completed", "failed", "unknown", "pending", "not_asked"]
_MOST_TOLD = 5
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class SongEnd:
    """How one song of a batch ended.

    :param index: its place in the list of requests.
    :param n: number of its newest request, 0 where there is none.
    :param told: what the manifest says beside that: the song's result, or ``error`` and ``message``.
    """

    index: int
    status: Status
    n: int = 0
    told: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def without(cls, index: int, status: Status, n: int, exc: MusicError) -> SongEnd:
        """Make the end of a song that is not in storage."""
        return cls(index, status, n, {"error": type(exc).__name__, "message": str(exc)})

    @property
    def hopeless(self) -> bool:
        """Whether another try would not bring it."""
        return self.status in ("failed", "unknown") and isinstance(
            named(self.told.get("error"), ""), AirflowFailException
        )

    @property
    def line(self) -> str:
        """The song's line in the manifest."""
        return json.dumps({**self.told, "index": self.index, "status": self.status})


def write_manifest(folder: Folder, try_number: int, ends: Sequence[SongEnd]) -> str:
    """Write one JSON line a song and return the manifest's URL; blocks.

    :raises OutputError: the store does not take it; the songs are in place all the same.
    """
    name = f"manifest-try-{try_number}.jsonl"
    content = "".join(f"{end.line}\n" for end in ends)
    try:
        folder.replace(name, content.encode())
    except OSError as exc:
        raise OutputError(
            f"The manifest {folder.url_of(name)} cannot be written: {exc}. The songs are in place; a retry writes it."
        ) from exc
    return folder.url_of(name)


def result_of(ends: Sequence[SongEnd], manifest_uri: str) -> dict[str, Any]:
    """Return what the task returns: small, however many songs there are."""
    counts = collections.Counter(end.status for end in ends)
    return {
        "manifest_uri": manifest_uri,
        "requested": len(ends),
        "delivered": counts["completed"],
        "failed": counts["failed"],
        "unknown": counts["unknown"],
        "usage": {key: _sum(ends, key) for key in ("credits_used", "usd_spent")},
    }


def missing(ends: Sequence[SongEnd], manifest_uri: str, reason: str | None = None) -> PartialBatchError:
    """Make the error that says what is missing, what is paid, and how to go on.

    :param reason: what broke the wait as a whole, if something did.
    """
    counts = collections.Counter(end.status for end in ends)
    lost = [end for end in ends if end.status != "completed"]
    spelled = ", ".join(f"{counts[status]} {status.replace('_', ' ')}" for status in sorted(counts))
    lines = [f"  - requests[{end.index}] {end.status}: {_told(end)}" for end in lost[:_MOST_TOLD]]
    if len(lost) > _MOST_TOLD:
        lines.append(f"  - and {len(lost) - _MOST_TOLD} more")
    hopeless = all(end.hopeless for end in lost)
    how = (
        "Another try would end the same: mend the requests, or clear the task to ask again where an answer is lost."
        if hopeless
        else "A retry or a clear goes on with these only; songs in storage and songs under way are not asked for again."
    )
    head = f"{reason} " if reason else ""
    cls = HopelessBatchError if hopeless else PartialBatchError
    return cls(f"{head}Of {len(ends)} songs: {spelled}. {how} Manifest: {manifest_uri}\n" + "\n".join(lines))


def _told(end: SongEnd) -> str:
    return str(end.told.get("message") or "no reason is recorded")[:_LONGEST]


def _sum(ends: Sequence[SongEnd], key: str) -> Any:
    """Sum over the songs in storage, or None where the API said it of none."""
    usages = (end.told.get("usage") or {} for end in ends if end.status == "completed")
    known = [usage[key] for usage in usages if usage.get(key) is not None]
    return round(sum(known), 6) if known else None
