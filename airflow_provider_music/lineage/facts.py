# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the record says of a song beside its result: which request it was, which take, how long it took."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAKE = re.compile(r"/take-([1-9][0-9]*)$")


@dataclass(frozen=True, slots=True)
class SongFacts:
    """Facts of one song; None where the record does not say.

    :param take: which request of its task it came from.
    :param fingerprint: of the request.
    :param wait_seconds: from just before it was asked for until it was in place, or accepted where nobody waited.
    """

    take: int | None = None
    fingerprint: str | None = None
    wait_seconds: float | None = None


def facts_of(result: Mapping[str, Any], asked: Mapping[str, Any] | None = None) -> SongFacts:
    """Read what the record of a result says; blocks.

    :param asked: what the sensor was given, if that was the result of the task that asked for the song.
    :raises OSError: the store does not answer.
    """
    folder, last = _split(result.get("record_uri"))
    asked_folder = folder
    intent = _read(folder, "intent.json")
    if not intent and asked:
        asked_folder, _ = _split(asked.get("record_uri"))
        intent = _read(asked_folder, "intent.json")
    take = _TAKE.search(asked_folder or "")
    return SongFacts(
        take=int(take[1]) if take and intent else None,
        fingerprint=intent.get("fingerprint"),
        wait_seconds=_between(intent, _read(folder, last)),
    )


def asked_facts(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return intent and accepted fact of the task that asked, where what the sensor was given leads to them."""
    folder, _ = _split(given.get("record_uri"))
    found = {name: _read(folder, f"{name}.json") for name in ("intent", "accepted")}
    return {name: fact for name, fact in found.items() if fact} if found["intent"] else {}


def _split(record_uri: Any) -> tuple[str | None, str]:
    folder, _, name = str(record_uri or "").rpartition("/")
    return folder or None, name


def _read(folder: str | None, name: str) -> dict[str, Any]:
    if folder is None or not name.endswith(".json"):
        return {}
    from airflow_provider_music.storage.folder import Folder

    content = Folder(folder).read(name)
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _between(begin: Mapping[str, Any], end: Mapping[str, Any]) -> float | None:
    try:
        times = [datetime.fromisoformat(fact["written_at"]) for fact in (begin, end)]
        return round((times[1] - times[0]).total_seconds(), 3)
    except (KeyError, TypeError, ValueError):
        return None
