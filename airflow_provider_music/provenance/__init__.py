# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where a song came from, provable months later: a manifest beside it, and the same in its own tags.

    from airflow_provider_music.provenance import verify
    verify("s3://conn@bucket/songs/.../take-1/song.mp3").ok

``python -m airflow_provider_music.provenance verify <file or folder>...`` does it from a shell.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_music.exceptions import ProvenanceError
    from airflow_provider_music.provenance.attach import Provenance, attach_manifest
    from airflow_provider_music.provenance.embedding import EmbeddedHashes, embed, embed_in
    from airflow_provider_music.provenance.manifest import DIGITAL_SOURCE_TYPE, manifest_name, manifest_of
    from airflow_provider_music.provenance.verify_song import Verdict, verify, verify_all

__all__ = [
    "DIGITAL_SOURCE_TYPE",
    "EmbeddedHashes",
    "Provenance",
    "ProvenanceError",
    "Verdict",
    "attach_manifest",
    "embed",
    "embed_in",
    "manifest_name",
    "manifest_of",
    "verify",
    "verify_all",
]

#: The module of each name. None may be called as a name is: loading it would put the module in the name's place.
_HOME = {
    "DIGITAL_SOURCE_TYPE": "manifest",
    "EmbeddedHashes": "embedding",
    "Provenance": "attach",
    "ProvenanceError": "manifest",
    "Verdict": "verify_song",
    "attach_manifest": "attach",
    "embed": "embedding",
    "embed_in": "embedding",
    "manifest_name": "manifest",
    "manifest_of": "manifest",
    "verify": "verify_song",
    "verify_all": "verify_song",
}


def __getattr__(name: str) -> Any:
    """Import on first use: what only needs one of these names loads neither Airflow's storage nor mutagen."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
