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


def remember(ids: Iterable[str | None], *, purpose: str, file: str, sha256: str) -> None:
    """Write ``<output_dir>/references/<id>.json`` for each id; a store that does not take it is no error."""
    fact = {
        "purpose": purpose,
        "file": file.partition("?")[0],
        "sha256": sha256,
        "uploaded_at": datetime.now(UTC).isoformat(),
    }
    for name in filter(None, ids):
        try:
            _folder().replace(_file(name), (json.dumps({"id": name, **fact}, indent=2) + "\n").encode())
        except Exception as exc:  # noqa: BLE001 - the track is uploaded; a store's library may raise anything
            log.warning("The file behind reference %s cannot be recorded: %s: %s", name, type(exc).__name__, exc)


def references_of(body: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the references that a request names, each with its file's hash where that is recorded; blocks."""
    from airflow_provider_music.api.models import REFERENCES

    uploads = (field for field, reference in REFERENCES.items() if reference.is_upload)
    named = [str(body[field]) for field in uploads if body.get(field)]
    return [{"id": name, "sha256": _sha256_or_none(name)} for name in named] or None


def _sha256_or_none(name: str) -> str | None:
    try:
        return _sha256(_folder().url, name)
    except Exception as exc:  # noqa: BLE001 - as above; no song fails by that
        log.debug("The file behind reference %s is not recorded: %s", name, exc)
        return None


@functools.lru_cache(maxsize=256)
def _sha256(folder_url: str, name: str) -> str:
    from airflow_provider_music.storage.folder import Folder

    content = Folder(folder_url).read(_file(name))
    if content is None:
        raise LookupError(name)
    return str(json.loads(content)["sha256"])


def _folder() -> Folder:
    from airflow_provider_music.storage.folder import Folder, default_output_dir

    return Folder(default_output_dir()) / "references"


def _file(name: str) -> str:
    from airflow_provider_music.storage.folder import safe_name

    return f"{safe_name(name)}.json"
