# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How the songs of a batch ended: a manifest of one line a song, the counts, and the error where some are missing."""

from __future__ import annotations

import collections
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.compat import AirflowFailException
from airflow_provider_music.exceptions import (
    HopelessBatchError,
    MusicError,
    NoCreditsError,
    OutputError,
    PartialBatchError,
    RateLimitedError,
    named,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_music.generation.batch_list import Lists
    from airflow_provider_music.storage.folder import Folder

#: completed: in storage. failed: the API said so; not billed. unknown: the answer is lost. pending: paid or about to
#: be, and another try resumes it. rejected: paid and in storage, but it breaks a limit of quality. not_submitted:
#: nothing was sent.
Status = Literal["completed", "failed", "unknown", "pending", "rejected", "not_submitted"]
_MOST_LISTED = 5
_LONGEST, _END = 600, 250


@dataclass(frozen=True, slots=True)
class SongOutcome:
    """How one song of a batch ended.

    :param index: its place in the list of requests.
    :param n: number of its newest request, 0 where there is none.
    :param fields: what the manifest says beside that: the song's result, or ``error`` and ``message``.
    """

    index: int
    status: Status
    n: int = 0
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def without(cls, index: int, status: Status, n: int, exc: MusicError) -> SongOutcome:
        """Make the outcome of a song that is not in storage."""
        return cls(index, status, n, {"error": type(exc).__name__, "message": str(exc)})

    @property
    def hopeless(self) -> bool:
        """Whether another try would not bring it."""
        return self.status in ("failed", "unknown", "rejected") and isinstance(
            named(self.fields.get("error"), ""), AirflowFailException
        )

    @property
    def waits(self) -> bool:
        """Whether the API refused it for want of credits or for its rate, so that time alone can bring it."""
        return self.status == "failed" and isinstance(
            named(self.fields.get("error"), ""), NoCreditsError | RateLimitedError
        )

    @property
    def line(self) -> str:
        """The song's line in the manifest."""
        return json.dumps({**self.fields, "index": self.index, "status": self.status})


def write_manifest(folder: Folder, try_number: int, outcomes: Sequence[SongOutcome]) -> str:
    """Write one JSON line a song and return the manifest's URL; blocks.

    :raises OutputError: the store does not take it; the songs are in place all the same.
    """
    name = f"manifest-try-{try_number}.jsonl"
    content = "".join(f"{one.line}\n" for one in outcomes)
    try:
        folder.replace(name, content.encode())
    except OSError as exc:
        raise OutputError(
            f"The manifest {folder.url_of(name)} cannot be written: {exc}. The songs are in place; a retry writes it."
        ) from exc
    return folder.url_of(name)


def result_of(outcomes: Sequence[SongOutcome], manifest_uri: str) -> dict[str, Any]:
    """Return what the task returns: small, however many songs there are."""
    counts = collections.Counter(one.status for one in outcomes)
    return {
        "manifest_uri": manifest_uri,
        "requested": len(outcomes),
        "delivered": counts["completed"],
        "failed": counts["failed"],
        "unknown": counts["unknown"],
        **({"rejected": counts["rejected"]} if counts["rejected"] else {}),
        "usage": {key: _sum(outcomes, key) for key in ("credits_used", "usd_spent")},
    }


def missing(
    outcomes: Sequence[SongOutcome], manifest_uri: str, reason: str | None = None, of: Lists = "requests"
) -> PartialBatchError:
    """Make the error that says what is missing, what is paid, and how to continue.

    :param reason: what broke the wait as a whole, if something did.
    :param of: what the songs are made of: a list of requests, or one request of which several takes are wanted.
    """
    counts = collections.Counter(one.status for one in outcomes)
    lost = [one for one in outcomes if one.status != "completed"]
    spelled = ", ".join(f"{counts[status]} {status.replace('_', ' ')}" for status in sorted(counts))
    name = "requests[{}]" if of == "requests" else "song-{}"
    lines = [f"  - {name.format(one.index)} {one.status}: {_message(one)}" for one in lost[:_MOST_LISTED]]
    if len(lost) > _MOST_LISTED:
        lines.append(f"  - and {len(lost) - _MOST_LISTED} more")
    hopeless = all(one.hopeless for one in lost)
    how = (
        "Another try would end the same: mend the requests, or clear the task to submit again where an answer is lost."
        if hopeless
        else "A retry or a clear resumes these only; songs in storage and songs under way are not submitted again."
    )
    head = f"{reason} " if reason else ""
    cls = HopelessBatchError if hopeless else PartialBatchError
    return cls(
        f"{head}Of {len(outcomes)} songs: {spelled}. {how} Manifest: {manifest_uri}\n" + "\n".join(lines),
        only_waits=all(one.waits for one in lost),
    )


def _message(one: SongOutcome) -> str:
    message = str(one.fields.get("message") or "no reason is recorded")
    # Its begin says what is wrong, its end what that means for the bill; paths stand between them.
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST - _END]} ... {message[-_END:]}"


def _sum(outcomes: Sequence[SongOutcome], key: str) -> Any:
    """Sum over the songs in storage, or None where the API said it of none."""
    usages = (one.fields.get("usage") or {} for one in outcomes if one.status == "completed")
    known = [usage[key] for usage in usages if usage.get(key) is not None]
    return round(sum(known), 6) if known else None
