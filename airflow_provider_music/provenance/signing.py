# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a song's Content Credentials say when a task signs them, and whether those that a file holds are a task's.

The standard's own words for what was done (``c2pa.created`` by a trained model, or ``c2pa.opened`` where the song came
with credentials, which become the ingredient), and one assertion of ours that ties them to the request.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_music import __version__
from airflow_provider_music.audio import content_credentials
from airflow_provider_music.audio.content_credentials import (
    FORMATS,
    INSTALL,
    CannotSignError,
    Credentials,
    opened,
    read,
    sign,
)
from airflow_provider_music.exceptions import NotTaggableError, SigningError
from airflow_provider_music.provenance.manifest import DIGITAL_SOURCE_TYPE, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import IO

    from airflow_provider_music.audio.content_credentials import Signer

#: Songs of a batch that are signed at once: the library holds each in memory.
_slots = threading.BoundedSemaphore(2)
#: Label of our assertion.
LABEL = "com.aimlapi.airflow-provider-music"
_IN_ASSERTION = ("digitalSourceType", "model", "generation_id", "request_fingerprint")


def assertion_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is signed of a manifest: model, request's hash, and the hash of what the API sent."""
    said = {name: manifest.get(name) for name in _IN_ASSERTION}
    said["sha256_as_sent"] = (manifest.get("as_sent") or {}).get("sha256")
    return {name: value for name, value in said.items() if value is not None}


def sign_copy(
    source: Path, target: Path, manifest: Mapping[str, Any], audio_format: str, signer: Signer, *, parent: bool
) -> None:
    """Write a signed copy of a song's file.

    :param parent: whether the song came with credentials, which become an ingredient.
    :raises NotTaggableError: files of this format cannot hold credentials.
    :raises SigningError: it cannot be signed now.
    """
    if audio_format not in FORMATS:
        raise NotTaggableError(f"{audio_format} files cannot hold Content Credentials")
    if source.stat().st_size > content_credentials.MAX_BYTES:
        raise NotTaggableError(content_credentials.TOO_LARGE)
    made = {"action": "c2pa.created", "softwareAgent": {"name": str(manifest.get("model") or "unnamed")}}
    action = {**(opened() if parent else made), "digitalSourceType": DIGITAL_SOURCE_TYPE}
    definition = {
        "claim_generator_info": [{"name": PACKAGE, "version": __version__}],
        "title": str(manifest["file"].get("name")),
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {"label": LABEL, "data": assertion_of(manifest)},
        ],
    }
    try:
        with _slots, source.open("rb") as file, target.open("w+b") as copy:
            sign(file, copy, audio_format, definition, signer, parent=parent)
    except ImportError as exc:
        raise SigningError(f"Content Credentials need c2pa-python: {INSTALL}.") from exc
    except CannotSignError as exc:
        raise SigningError(f"The Content Credentials cannot be signed: {exc}.") from None


def signed_by_us(file: IO[bytes], audio_format: str, manifest: Mapping[str, Any]) -> bool:
    """Whether a file holds valid credentials of this very manifest.

    :raises SigningError: c2pa-python is not installed.
    """
    try:
        found = read(file, audio_format)
    except ImportError as exc:
        raise SigningError(f"Content Credentials need c2pa-python: {INSTALL}.") from exc
    return found is not None and not found.problems and contradiction(found, manifest) is None


def contradiction(credentials: Credentials, manifest: Mapping[str, Any]) -> str | None:
    """Return what credentials say that their manifest does not."""
    said, expected = credentials.assertions.get(LABEL), assertion_of(manifest)
    if not isinstance(said, dict):
        return "its Content Credentials say nothing of the request"
    wrong = [name for name, value in expected.items() if said.get(name) != value]
    return f"its Content Credentials contradict the manifest: {', '.join(wrong)}" if wrong else None
