# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Attaches provenance to a song once its audio is in place: the manifest beside it, and the tags where requested.

A task does this before it marks the song delivered, so a retry does what is missing.

The manifest is created once and never changed. With tags it is created when the tagged song is whole and before
that gets its name: a process that dies in between leaves a manifest that the next attempt finds and fulfils. Where
nothing is left to fulfil it with, it is removed and made anew: the song is still as the API sent it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_music.exceptions import ManifestError, OutputError, ProvenanceError
from airflow_provider_music.provenance.manifest import as_bytes, from_bytes, manifest_name, manifest_of, same_song

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.provenance.embedding import EmbeddedHashes
    from airflow_provider_music.record.identity import SongIdentity
    from airflow_provider_music.record.take import Take
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

#: manifest: a file beside the song. tags: in the song's own tags too, which changes the file; embed is the old name of
#: that. none: nothing.
ProvenancePolicy = Literal["manifest", "tags", "embed", "none"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was attached to a song: the manifest, and where it lies."""

    url: str
    manifest: Mapping[str, Any]


def check_provenance(policy: str) -> None:
    """Check an operator's argument.

    :raises ValueError: names the argument, its value and the fix.
    """
    if policy not in get_args(ProvenancePolicy):
        raise ValueError(f"provenance: {policy!r}; give 'manifest', 'tags' or 'none'.")


def attach_provenance(
    folder: Folder,
    take: Take,
    identity: SongIdentity,
    policy: ProvenancePolicy,
    *,
    song_index: int | None = None,
    quality: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Attach the provenance of a task's take; blocks, and may be called again.

    :param folder: the take's, where the song lies.
    :param song_index: of a song in its batch.
    :param quality: what was measured of its sound, if it was.
    :return: what changed of the song's audio, for :func:`with_attached`; nothing where the policy is ``none`` or the
        take holds no song yet.
    :raises OutputError: it cannot be attached; a retry does, and submits nothing.
    """
    if policy == "none" or "completed" not in take:
        return {}
    origin = {
        "dag_id": identity.dag_id,
        "run_id": identity.run_id,
        "task_id": identity.task_id,
        "map_index": identity.map_index,
        "song_index": song_index,
        "quality": quality,
    }
    try:
        file = attach_manifest(folder, take, origin, embed=policy in ("tags", "embed")).manifest["file"]
    except OutputError as exc:
        raise OutputError(
            f"{exc} The song is paid and in place; a retry attaches its provenance without submitting a request."
        ) from exc
    return {"sha256": file["sha256"], "size_bytes": file["size_bytes"]}


def with_attached(result: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's result with its audio described as the file is now."""
    return {**result, "audio": {**result["audio"], **changed}} if changed else result


def attach_manifest(folder: Folder, take: Take, origin: Mapping[str, Any], *, embed: bool = False) -> Provenance:
    """Write the manifest of a take whose song is in place; blocks. A second call finds it and changes nothing.

    :param folder: the take's, where the song lies.
    :param origin: as in :func:`airflow_provider_music.provenance.manifest.manifest_of`.
    :param embed: write it into the song's own tags too, which changes the file's size and hash.
    :raises ProvenanceError: it cannot be written, or the song is not the one that the take speaks of.
    """
    fresh = manifest_of(take, origin)
    song = str(fresh["file"]["name"])
    # Created before it is looked for: most songs have none, and a store's "not there" costs two requests.
    if not embed and _create_first(folder, song, fresh):
        return Provenance(folder.url_of(manifest_name(song)), fresh)
    written = _read(folder, song, fresh)
    if written is None:
        written = _embed(folder, song, fresh) if embed else _create(folder, song, fresh)
    elif not _stands(folder, song, written):
        written = _fulfil(folder, song, written)
    return Provenance(folder.url_of(manifest_name(song)), written)


def _embed(
    folder: Folder, song: str, manifest: Mapping[str, Any], *, instead_of: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    # Imported here: a DAG file needs the policy alone, and no storage.
    from airflow_provider_music.provenance.embedding import embed_in

    written: dict[str, Any] = {}

    def write(hashes: EmbeddedHashes) -> None:
        written.update(_create(folder, song, _with_file(manifest, hashes), instead_of))

    embed_in(folder, song, manifest, before_move=write)
    return written


def _fulfil(folder: Folder, song: str, written: dict[str, Any]) -> dict[str, Any]:
    """Give a song the marks that its manifest promises, or others where nobody can give it those."""
    from airflow_provider_music.provenance.embedding import move_part

    try:
        if move_part(folder, song, str(written["file"]["sha256"])) or _stands(folder, song, written):
            return written
    except OSError as exc:
        raise ProvenanceError(f"The marks of {folder.url_of(song)} cannot be put in place: {exc}") from exc
    return _embed(folder, song, written, instead_of=written)


def _with_file(manifest: Mapping[str, Any], hashes: EmbeddedHashes) -> dict[str, Any]:
    """Return the manifest with what the file is after the tags went in."""
    file = {
        **manifest["file"],
        "sha256": hashes.sha256_after,
        "size_bytes": hashes.size_after,
        "sound_sha256": hashes.sound_sha256,
        "tags_embedded": hashes.embedded,
        "tags_note": hashes.note,
        "content_credentials": hashes.credentials,
    }
    return {**manifest, "file": file}


def _stands(folder: Folder, song: str, manifest: Mapping[str, Any]) -> bool:
    """Whether the song is the file that its manifest says: the marks come after it, and change the size."""
    file = manifest["file"]
    if not file.get("tags_embedded"):
        return True
    try:
        return bool(folder.size(song) == file.get("size_bytes"))
    except OSError as exc:
        raise ProvenanceError(f"{folder.url_of(song)} cannot be checked: {exc}") from exc


def _read(folder: Folder, song: str, fresh: Mapping[str, Any]) -> dict[str, Any] | None:
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


def _create(
    folder: Folder, song: str, manifest: dict[str, Any], instead_of: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Create the manifest; one that is there already has to say the same of the file.

    :param instead_of: one that is there, and whose file nobody has: it gives its place.
    """
    name = manifest_name(song)
    if _create_first(folder, song, manifest):
        return manifest
    present = _read(folder, song, manifest)
    if present is not None and present["file"] == manifest["file"]:
        return present
    if present is not None and present == instead_of:
        log.warning("%s promises a file that was never put in place; it is made anew", folder.url_of(name))
        try:
            folder.remove(name)
        except OSError as exc:
            raise ProvenanceError(f"{folder.url_of(name)} promises a file that is lost, and stays: {exc}") from exc
        return _create(folder, song, manifest)
    raise ProvenanceError(
        f"The manifest {folder.url_of(name)} is there and says something else of the file; it was not changed, nor "
        "was the song."
    )


def _create_first(folder: Folder, song: str, manifest: dict[str, Any]) -> bool:
    """Create the manifest; False where another one is there."""
    try:
        return folder.create(manifest_name(song), as_bytes(manifest))
    except OSError as exc:
        raise ProvenanceError(f"The manifest {folder.url_of(manifest_name(song))} cannot be written: {exc}") from exc
