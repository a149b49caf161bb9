# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a song's own tags say of where it came from.

They hold the manifest but for what they cannot know or should not publish: the file's own hash, which they are a part
of, and who asked, since songs are given away.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The whole manifest, as JSON.
MANIFEST_TAG = "provenance.manifest"
SOURCE_TAG = "digitalSourceType"
_NOT_IN_TAGS = ("file", "submitted_by")
#: Of the disclosure sheet: licences, and files of others, are not everybody's who gets the song.
_NOT_DISCLOSED = ("rights", "references")


def texts_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a manifest by their names."""
    published = {name: value for name, value in manifest.items() if name not in _NOT_IN_TAGS}
    if isinstance(sheet := published.get("disclosure"), dict):
        published["disclosure"] = {name: value for name, value in sheet.items() if name not in _NOT_DISCLOSED}
    as_sent, times = manifest.get("as_sent") or {}, manifest.get("times") or {}
    found = {
        SOURCE_TAG: manifest.get("digitalSourceType"),
        "provenance.model": manifest.get("model"),
        "provenance.generation_id": manifest.get("generation_id"),
        "provenance.request_fingerprint": manifest.get("request_fingerprint"),
        "provenance.sha256_as_sent": as_sent.get("sha256"),
        "provenance.airflow": _task(manifest.get("airflow") or {}),
        "provenance.completed": times.get("completed"),
        "provenance.software": software_of(manifest),
        MANIFEST_TAG: json.dumps(published, sort_keys=True, separators=(",", ":")),
    }
    return {name: _plain(str(value)) for name, value in found.items() if value}


def comment_of(manifest: Mapping[str, Any]) -> str:
    """Return the comment that players show."""
    generation = manifest.get("generation_id")
    return _plain(
        f"Made by a generative model ({manifest.get('model') or 'unnamed'}"
        f"{f', generation {generation}' if generation else ''}). Digital source type: trainedAlgorithmicMedia."
    )


def software_of(manifest: Mapping[str, Any]) -> str:
    """Return the name and version of what wrote the manifest."""
    software = manifest.get("software") or {}
    return _plain(f"{software.get('name')} {software.get('version')}")


def _task(task: Mapping[str, Any]) -> str:
    indexes = "".join(f"[{task[name]}]" for name in ("map_index", "song_index") if task.get(name) is not None)
    names = " / ".join(str(task.get(name)) for name in ("dag_id", "run_id", "task_id"))
    return f"{names}{indexes} / take {task.get('take')}"


def _plain(text: str) -> str:
    """Without what ends a text in a tag, or cannot be in one."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
