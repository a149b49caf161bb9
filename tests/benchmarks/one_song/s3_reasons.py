# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What each request to S3 is for."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PART = r"\.song\.part-[\w-]+"
#: Part of the task, kind, name: the reason. The first that fits counts.
_REASONS: tuple[tuple[str, str, str, str], ...] = (
    ("first", "LIST", r"objects below .*", "what is known of the song"),
    ("first", "PUT", "intent.json", "the claim, before the POST; once a process a second one, which has to lose"),
    ("first", "PUT", "post.json", "which process holds the open POST"),
    ("first", "PUT", "sent.json", "the request is about to leave"),
    ("first", "PUT", "accepted.json", "the API gave an id"),
    (".*", "LIST", r"uploads in parts below .*", "uploads that a killed process left open"),
    ("second", "LIST", r"objects below .*take-\d+", "files that a killed process left"),
    ("wait|second", "LIST", r"objects below .*", "what is known of the song"),
    ("wait|second", "GET", r"(intent|accepted)\.json", "what is known of the song"),
    ("second", "PUT", _PART, "the song, under a name of its own"),
    ("second", "HEAD|GET", _PART, "read back and verified; the copy asks for its size once more"),
    ("second", "PUT|DELETE", r"song\.\w+|" + _PART, "its final name: a copy, since a bucket has no rename"),
    ("second", "PUT", "completed.json", "the audio is in place and verified"),
    ("second", "PUT", r".*\.provenance\.json", "the manifest"),
    ("second", "PUT", "delivered.json", "the result is handed out"),
)


def reason_of(part: str, kind: str, name: str) -> str:
    """Return what a request is for; "?" where nobody has said so."""
    last = name if name.startswith(("objects", "uploads")) else name.rpartition("/")[2]
    for parts, kinds, names, reason in _REASONS:
        if re.fullmatch(parts, part) and re.fullmatch(kinds, kind) and re.fullmatch(names, last):
            return reason
    return "?"


def by_reason(requests: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, str, Counter[str]]]:
    """Yield part, reason and requests by kind, in the order of the first of each."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for part, request in requests:
        key = (part, reason_of(part, request["kind"], request["name"]))
        found.setdefault(key, Counter())[request["kind"]] += 1
    for (part, reason), kinds in found.items():
        yield part, reason, kinds
