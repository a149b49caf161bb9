# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps where a song came from, once its audio is in place: the manifest beside it, and the tags where asked.

The manifest is created once and never changed. With tags it is created when the tagged song is whole and before
that gets its name: a process that dies in between leaves a manifest that the next try finds and fulfils.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.provenance.embedding import EmbeddedHashes, embed_in
from airflow_provider_music.provenance.errors import ManifestError, ProvenanceError
from airflow_provider_music.provenance.manifest import as_bytes, from_bytes, manifest_name, manifest_of, same_song

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.store import Take
    from airflow_provider_music.storage.folder import Folder


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is kept of a song: the manifest, and where it lies."""

    url: str
    manifest: Mapping[str, Any]


def keep_provenance(folder: Folder, take: Take, origin: Mapping[str, Any], *, embed: bool = False) -> Provenance:
    """Write the manifest of a take whose song is in place; blocks. A second call finds it and changes nothing.

    :param folder: the take's, where the song lies.
    :param origin: as in :func:`airflow_provider_music.provenance.manifest.manifest_of`.
    :param embed: write it into the song's own tags too, which changes the file's size and hash.
    :raises ProvenanceError: it cannot be written, or the song is not the one that the take speaks of.
    """
    fresh = manifest_of(take, origin)
    song = str(fresh["file"]["name"])
    there = _there(folder, song, fresh)
    if there is None and not embed:
        there = _create(folder, song, fresh)
    elif there is None:
        there = _embedded(folder, song, fresh)
    elif _is_open(folder, song, there):
        there = _embedded(folder, song, there)
    return Provenance(folder.url_of(manifest_name(song)), there)


def with_file(manifest: Mapping[str, Any], hashes: EmbeddedHashes) -> dict[str, Any]:
    """Return the manifest with what the file is after the tags went in."""
    file = {
        **manifest["file"],
        "sha256": hashes.sha256_after,
        "size_bytes": hashes.size_after,
        "sound_sha256": hashes.sound_sha256,
        "tags_embedded": hashes.embedded,
        "tags_note": hashes.note,
    }
    return {**manifest, "file": file}


def _embedded(folder: Folder, song: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}

    def write(hashes: EmbeddedHashes) -> None:
        written.update(_create(folder, song, with_file(manifest, hashes)))

    embed_in(folder, song, manifest, before_move=write)
    return written


def _is_open(folder: Folder, song: str, manifest: Mapping[str, Any]) -> bool:
    """Whether the manifest promises tags that the file does not have yet; they always change its size."""
    if not manifest["file"].get("tags_embedded"):
        return False
    try:
        return bool(folder.size(song) != manifest["file"].get("size_bytes"))
    except OSError as exc:
        raise ProvenanceError(f"{folder.url_of(song)} cannot be looked at: {exc}") from exc


def _there(folder: Folder, song: str, fresh: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the manifest that stands beside the song, or None."""
    url = folder.url_of(manifest_name(song))
    try:
        content = folder.read(manifest_name(song))
    except OSError as exc:
        raise ProvenanceError(f"The manifest {url} cannot be read: {exc}") from exc
    if content is None:
        return None
    try:
        found = from_bytes(content)
    except ManifestError as exc:
        raise ManifestError(f"{url}: {exc}. It was not written now; move it away to have a new one.") from exc
    if not same_song(found, fresh):
        raise ProvenanceError(f"The manifest {url} is of another song; move it away to have one of this song.")
    return found


def _create(folder: Folder, song: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """Create the manifest; one that is there already has to say the same of the file."""
    url = folder.url_of(manifest_name(song))
    try:
        if folder.create(manifest_name(song), as_bytes(manifest)):
            return manifest
    except OSError as exc:
        raise ProvenanceError(f"The manifest {url} cannot be written: {exc}") from exc
    there = _there(folder, song, manifest)
    if there is None or there["file"] != manifest["file"]:
        raise ProvenanceError(
            f"The manifest {url} is there and says something else of the file; it was not changed, nor was the song."
        )
    return there
