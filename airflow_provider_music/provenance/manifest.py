# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The manifest: plain JSON that says what a song's file is, and which request of which task it came from.

It holds no words of lyrics or prompt, no key and no URL; the request is there as its fingerprint.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music import __version__
from airflow_provider_music.exceptions import ManifestError, ProvenanceError
from airflow_provider_music.provenance.disclosure import sheet_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.take import Take

#: Version of the manifest's layout. A newer one is refused: it may mean what this version cannot know.
SCHEMA = 1
SUFFIX = ".provenance.json"
#: IPTC's term for media that a trained model made.
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MAX_MANIFEST_BYTES = 2**20
PACKAGE = "airflow-provider-music"

_ID = re.compile(r"(?!data:)(?!.*//)[A-Za-z0-9_-][A-Za-z0-9._:@+=~/-]{0,255}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FACTS = ("format", "size_bytes", "sha256", "duration_ms", "sample_rate_hz", "bitrate_bps")
_PARTS = ("as_sent", "file", "airflow", "times", "cost", "software")
#: What identifies a song; the rest may differ in words, as the version of the software does.
_SAME = ("as_sent", "model", "generation_id", "request_fingerprint")


def manifest_name(song: str) -> str:
    """Name of the manifest beside a song."""
    return song + SUFFIX


def manifest_of(take: Take, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Build the manifest of a take whose song is in place, as the API sent it.

    :param origin: whose song it is: ``dag_id``, ``run_id``, ``task_id``, ``map_index``; where there are such,
        ``song_index`` (in its batch), ``references`` (a list of ``{"id", "sha256"}``) and ``submitted_by``, which
        are otherwise taken from the intent, and ``quality``, what was measured of its sound. What is missing is null.
    :raises ProvenanceError: the take holds no song.
    """
    completed = take.facts.get("completed", {})
    audio = completed.get("audio")
    if not isinstance(audio, dict) or not completed.get("audio_uri") or not _sha256(audio.get("sha256")):
        raise ProvenanceError(f"Take {take.n} holds no song that is in place, so there is nothing to say about it.")
    intent, accepted = take.facts.get("intent", {}), take.facts.get("accepted", {})
    usage = completed.get("usage") or accepted.get("usage") or {}
    as_sent = {name: audio.get(name) for name in _FACTS}
    return {
        "schema": SCHEMA,
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
        "as_sent": as_sent,
        "file": {
            "name": str(completed["audio_uri"]).rpartition("/")[2],
            "sha256": as_sent["sha256"],
            "size_bytes": as_sent["size_bytes"],
            "sound_sha256": None,
            "tags_embedded": False,
            "tags_note": None,
            "content_credentials": "as_sent" if completed.get("content_credentials") else None,
        },
        "model": completed.get("model") or intent.get("model"),
        "generation_id": _id(completed.get("generation_id") or accepted.get("generation_id")),
        "request_id": _id(intent.get("client_request_id")),
        "request_fingerprint": _sha256(intent.get("fingerprint")),
        "references": _references(origin.get("references", intent.get("references"))),
        "airflow": _task(take, origin),
        "submitted_by": origin.get("submitted_by", intent.get("submitted_by")),
        "times": {
            "submitted": _utc(intent.get("written_at")),
            "accepted": _utc(accepted.get("written_at")),
            "completed": _utc(completed.get("written_at")),
        },
        "cost": {"credits": usage.get("credits_used"), "usd": usage.get("usd_spent")},
        "disclosure": sheet_of(take),
        "software": {"name": PACKAGE, "version": __version__},
        **({"reused_from": intent["reused"]} if intent.get("reused") else {}),
        **({"quality": origin["quality"]} if origin.get("quality") else {}),
    }


def as_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest's file: the same bytes for the same manifest."""
    return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()


def from_bytes(content: bytes) -> dict[str, Any]:
    """Read a manifest's file.

    :raises ManifestError: it is none, or of a newer version; says which.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise ManifestError(f"the manifest is no JSON ({len(content)} bytes)") from exc
    if not isinstance(found, dict):
        raise ManifestError("the manifest is no JSON object")
    schema = found.get("schema")
    if schema != SCHEMA:
        raise ManifestError(f"the manifest's schema is {schema!r:.20}, known here is {SCHEMA}")
    for name in _PARTS:
        if not isinstance(found.get(name), dict):
            raise ManifestError(f"the manifest's {name} is missing or no JSON object")
    for name in ("as_sent", "file"):
        if not _sha256(found[name].get("sha256")):
            raise ManifestError(f"the manifest has no {name}.sha256")
    return found


def same_song(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two manifests are of one song, whatever version wrote them and whether its tags are embedded."""
    return all(one.get(name) == other.get(name) for name in _SAME)


def _task(take: Take, origin: Mapping[str, Any]) -> dict[str, Any]:
    map_index = origin.get("map_index")
    return {
        "dag_id": origin.get("dag_id"),
        "run_id": origin.get("run_id"),
        "task_id": origin.get("task_id"),
        "map_index": map_index if isinstance(map_index, int) and map_index >= 0 else None,
        "song_index": origin.get("song_index"),
        "take": take.n if "intent" in take.facts else None,
    }


def _references(references: Any) -> list[dict[str, Any]] | None:
    """Ids and hashes and nothing else: a reference may be named by a signed URL."""
    if not isinstance(references, list | tuple):
        return None
    known = [reference for reference in references if isinstance(reference, dict)]
    return [{"id": _id(reference.get("id")), "sha256": _sha256(reference.get("sha256"))} for reference in known]


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _sha256(value: Any) -> str | None:
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else None


def _utc(value: Any) -> str | None:
    """RFC 3339 in UTC of the time in a fact."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
