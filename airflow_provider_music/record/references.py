# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which file is behind an id that the API gave for a reference: written after an upload, so songs can name its hash."""

from __future__ import annotations

import functools
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)


def remember(
    ids: Iterable[str | None], *, purpose: str, file: str | None, sha256: str | None, **more: str | None
) -> None:
    """Write ``<output_dir>/references/<id>.json`` for each id; a store that does not take it is no error.

    :param more: ``rights`` of the track, ``host`` that it came from, ``words_sha256`` of what was heard in it; None
        where there is none.
    """
    fact = {
        "purpose": purpose,
        "file": file.partition("?")[0] if file else None,
        "sha256": sha256,
        "uploaded_at": datetime.now(UTC).isoformat(),
        **{name: value for name, value in more.items() if value is not None},
    }
    for name in filter(None, ids):
        try:
            _folder().replace(_file(name), (json.dumps({"id": name, **fact}, indent=2) + "\n").encode())
        except Exception as exc:  # noqa: BLE001 - the track is uploaded; a store's library may raise anything
            log.warning("The file behind reference %s cannot be recorded: %s: %s", name, type(exc).__name__, exc)


def references_of(body: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the references that a request names, each with its file's hash where that is recorded; blocks."""
    return uploads_in(tracks_of(body))


def uploads_in(tracks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """Return the uploads among the tracks of a request, as its intent names them."""
    from airflow_provider_music.api.models import REFERENCES

    uploads = (track for track in tracks if REFERENCES[track["field"]].is_upload)
    return [{"id": track["id"], "sha256": track.get("sha256")} for track in uploads] or None


def tracks_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is recorded of the tracks that a request names by an id, each with its ``field``; blocks.

    Of a file's path only the name, which says enough and tells no bucket.
    """
    from airflow_provider_music.api.models import REFERENCES

    fields = (field for field, reference in REFERENCES.items() if reference.kind != "url")
    return [{"field": field, "id": str(body[field]), **_track(str(body[field]))} for field in fields if body.get(field)]


def _track(name: str) -> dict[str, str]:
    fact = _fact_or_none(name) or {}
    file = str(fact.get("file") or "").rstrip("/").rpartition("/")[2]
    told = {**{key: fact.get(key) for key in ("sha256", "host", "rights", "words_sha256")}, "file": file}
    return {key: value for key, value in told.items() if isinstance(value, str) and value}


def _fact_or_none(name: str) -> Mapping[str, Any] | None:
    try:
        return _fact(_folder().url, name)
    except Exception as exc:  # noqa: BLE001 - as above; no song fails by that
        log.debug("The file behind reference %s is not recorded: %s", name, exc)
        return None


@functools.lru_cache(maxsize=256)
def _fact(folder_url: str, name: str) -> Mapping[str, Any]:
    from airflow_provider_music.storage.folder import Folder

    content = Folder(folder_url).read(_file(name))
    if content is None:
        raise LookupError(name)
    fact = json.loads(content)
    if not isinstance(fact, dict):
        raise TypeError(name)
    return fact


def _folder() -> Folder:
    from airflow_provider_music.storage.folder import Folder, default_output_dir

    return Folder(default_output_dir()) / "references"


def _file(name: str) -> str:
    from airflow_provider_music.storage.folder import safe_name

    return f"{safe_name(name)}.json"
