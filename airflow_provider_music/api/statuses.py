# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the words of a generation's status mean, and where its song is.

The documents name ``queued``, ``generating``, ``completed`` and ``error``. The other words are those that public
clients of this API, and the APIs behind it, take for the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DONE = frozenset(
    ("completed", "complete", "succeeded", "success", "successful", "done", "ready", "finished", "generated")
)
#: Not "expired": that may be the link, or a song that was made and billed.
_FAILED = frozenset(
    (
        *("error", "errored", "failed", "failure", "fail", "canceled", "cancelled", "aborted", "terminated"),
        *("rejected", "refused", "denied", "declined", "timeout", "timed_out", "timedout"),
        *("moderated", "blocked", "flagged", "censored", "nsfw", "content_filtered", "content_policy_violation"),
    )
)
_UNDER_WAY = frozenset(
    (
        *("queued", "queueing", "in_queue", "pending", "waiting", "scheduled", "submitted", "created", "accepted"),
        *("generating", "processing", "in_progress", "running", "started", "starting", "preparing", "rendering"),
        *("streaming", "uploading", "retrying", "working"),
    )
)
_LONGEST = 40
#: Where a song's URL may stand, the documented place first.
_AUDIO = ("audio_file", "audio_files", "audio_url", "audio")
_URL_KEYS = ("url", "audio_url", "file_url", "download_url", "href")
_DEPTH = 4
_FILE_URL = re.compile(r"https?://[^/?#]+/[^/?#]", re.IGNORECASE)


def word_of(status: str) -> str:
    """Return a status as it is compared, shown and logged: short, in small letters."""
    return status[:_LONGEST].lower()


def meaning(status: str) -> Literal["done", "failed", "under way", "unknown"]:
    """Return what a status says, in whatever spelling; an unknown one is taken for "under way"."""
    word = re.sub(r"[\s-]+", "_", status.strip().lower())
    if word in _DONE:
        return "done"
    if word in _FAILED:
        return "failed"
    return "under way" if word in _UNDER_WAY else "unknown"


def audio_url_of(body: Mapping[str, Any]) -> str | None:
    """Return the URL of a song from an answer that has it as text, as an object, or in a list; None without one."""
    return next((url for name in _AUDIO for url in _urls(body.get(name), _DEPTH, is_url=False)), None)


def _urls(value: Any, depth: int, *, is_url: bool) -> Iterator[str]:
    if not depth:
        return
    if isinstance(value, str):
        # Bytes in hex or base64 are text too.
        url = value.strip()
        if url and (is_url or url.lower().startswith(("http://", "https://"))):
            yield url
    elif isinstance(value, list):
        for item in value:
            # A list is nowhere documented: a bare text in it has to look like the address of a file.
            if not isinstance(item, str) or _FILE_URL.match(item):
                yield from _urls(item, depth - 1, is_url=is_url)
    elif isinstance(value, dict):
        for key in _URL_KEYS:
            yield from _urls(value.get(key), depth - 1, is_url=True)
