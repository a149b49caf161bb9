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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_music.exceptions import ManifestError, OutputError, ProvenanceError, SigningError
from airflow_provider_music.provenance.manifest import as_bytes, from_bytes, manifest_name, manifest_of, same_song

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from airflow_provider_music.audio.content_credentials import Signer
    from airflow_provider_music.hooks.c2pa import C2paHook
    from airflow_provider_music.provenance.embedding import EmbeddedHashes
    from airflow_provider_music.record.identity import SongIdentity
    from airflow_provider_music.record.take import Take
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

#: manifest: a file beside the song. tags: in the song's own tags too, which changes the file; embed is the old name of
#: that. c2pa: both, and signed Content Credentials. none: nothing.
ProvenancePolicy = Literal["manifest", "tags", "embed", "c2pa", "none"]
_IN_FILE = ("tags", "embed", "c2pa")


@dataclass(frozen=True, slots=True)
class ProvenanceOptions:
    """What a task says of its songs' provenance: the parameters of the operators.

    :param c2pa_conn_id: Airflow connection of type ``c2pa``.
    """

    policy: ProvenancePolicy = "manifest"
    c2pa_conn_id: str = "c2pa_default"
    _known: list[Signer | SigningError] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, task: Any) -> ProvenanceOptions:
        """Read them from an operator or a sensor."""
        return cls(task.provenance, task.c2pa_conn_id)

    def check_before(self, steps: Container[str]) -> None:
        """Refuse before anything is paid what could not be signed afterwards.

        :param steps: what the task is about to do.
        :raises SigningError: certificate and key do not sign; nothing was sent.
        """
        if self.policy != "c2pa" or "submit" not in steps:
            return
        try:
            self._hook().check()
        except SigningError as exc:
            raise SigningError(f"{exc} Nothing was sent.") from exc

    def beside_only(self) -> ProvenanceOptions:
        """Return these for a file that is another task's: nothing is written into it."""
        return self if self.policy == "none" else replace(self, policy="manifest")

    def look_up(self) -> None:
        """Look up who signs, before songs are signed in threads: only the task's own may talk to Airflow's supervisor.

        What is wrong with the connection, the song that has to be signed says.
        """
        if self.policy != "c2pa" or self._known:
            return
        try:
            self._known.append(self._hook().get_signer())
        except SigningError as exc:
            self._known.append(exc)

    def signer(self) -> Signer:
        """Return who signs; blocks.

        :raises SigningError: the connection is missing or cannot be used.
        """
        self.look_up()
        if isinstance(found := self._known[0], SigningError):
            raise found
        return found

    def _hook(self) -> C2paHook:
        from airflow_provider_music.hooks.c2pa import C2paHook

        return C2paHook(self.c2pa_conn_id)


NO_PROVENANCE = ProvenanceOptions("none")


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
        raise ValueError(f"provenance: {policy!r}; give 'manifest', 'tags', 'c2pa' or 'none'.")


def attach_provenance(
    folder: Folder,
    take: Take,
    identity: SongIdentity,
    options: ProvenanceOptions,
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
    policy = options.policy
    if policy == "none" or "completed" not in take:
        return {}
    signer = options.signer if policy == "c2pa" else None
    origin = {
        "dag_id": identity.dag_id,
        "run_id": identity.run_id,
        "task_id": identity.task_id,
        "map_index": identity.map_index,
        "song_index": song_index,
        "quality": quality,
    }
    try:
        file = attach_manifest(folder, take, origin, embed=policy in _IN_FILE, signer=signer).manifest["file"]
    except OutputError as exc:
        raise OutputError(
            f"{exc} The song is paid and in place; a retry attaches its provenance without submitting a request."
        ) from exc
    return {"sha256": file["sha256"], "size_bytes": file["size_bytes"]}


def with_attached(result: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's result with its audio described as the file is now."""
    return {**result, "audio": {**result["audio"], **changed}} if changed else result


def attach_manifest(
    folder: Folder,
    take: Take,
    origin: Mapping[str, Any],
    *,
    embed: bool = False,
    signer: Callable[[], Signer] | None = None,
) -> Provenance:
    """Write the manifest of a take whose song is in place; blocks. A second call finds it and changes nothing.

    :param folder: the take's, where the song lies.
    :param origin: as in :func:`airflow_provider_music.provenance.manifest.manifest_of`.
    :param embed: write it into the song's own tags too, which changes the file's size and hash.
    :param signer: with ``embed``, who signs Content Credentials on top.
    :raises ProvenanceError: it cannot be written or signed, or the song is not the one that the take speaks of.
    """
    fresh = manifest_of(take, origin)
    song = str(fresh["file"]["name"])
    # Created before it is looked for: most songs have none, and a store's "not there" costs two requests.
    if not embed and _create_first(folder, song, fresh):
        return Provenance(folder.url_of(manifest_name(song)), fresh)
    written, stands = _read(folder, song, fresh), False
    if written is None and embed:
        written, stands = _embed(folder, song, fresh, signer)
    elif written is None:
        written = _create(folder, song, fresh)
    if not stands and not _in_place(folder, song, written):
        # Nobody has the file that it promises.
        written, stands = _embed(folder, song, written, signer, instead_of=written)
        if not stands and not _in_place(folder, song, written):
            raise ProvenanceError(f"Another process puts its marks into {folder.url_of(song)}; a retry finds them.")
    return Provenance(folder.url_of(manifest_name(song)), written)


def _embed(
    folder: Folder,
    song: str,
    manifest: Mapping[str, Any],
    signer: Callable[[], Signer] | None,
    *,
    instead_of: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], bool]:
    """Put the marks into a song; return the manifest, and whether its file is in place: it may be another process's."""
    # Imported here: a DAG file needs the policy alone, and no storage.
    from airflow_provider_music.provenance.embedding import embed_in

    written: dict[str, Any] = {}
    ours: dict[str, Any] = {}

    def write(hashes: EmbeddedHashes) -> bool:
        ours.update(_with_file(manifest, hashes))
        written.update(_create(folder, song, ours, instead_of))
        return bool(written["file"] == ours["file"])

    embed_in(folder, song, manifest, signer=signer, before_move=write)
    return written, written["file"] == ours["file"]


def _in_place(folder: Folder, song: str, written: Mapping[str, Any]) -> bool:
    """Whether the file is in place that a manifest promises; whoever wrote the two may have died before it could."""
    if _stands(folder, song, written):
        return True
    from airflow_provider_music.provenance.embedding import move_part

    try:
        return move_part(folder, song, str(written["file"]["sha256"])) or _stands(folder, song, written)
    except OSError as exc:
        raise ProvenanceError(f"The marks of {folder.url_of(song)} cannot be put in place: {exc}") from exc


def _with_file(manifest: Mapping[str, Any], hashes: EmbeddedHashes) -> dict[str, Any]:
    """Return the manifest with what the file is after the tags went in."""
    file = {
        **{name: value for name, value in manifest["file"].items() if name != "credentials_note"},
        "sha256": hashes.sha256_after,
        "size_bytes": hashes.size_after,
        "sound_sha256": hashes.sound_sha256,
        "tags_embedded": hashes.embedded,
        "tags_note": hashes.note,
        "content_credentials": hashes.credentials,
        **({"credentials_note": hashes.credentials_note} if hashes.credentials_note else {}),
    }
    return {**manifest, "file": file}


def _stands(folder: Folder, song: str, manifest: Mapping[str, Any]) -> bool:
    """Whether the song is the file that its manifest says: the marks come after it, and change the size."""
    file = manifest["file"]
    if not file.get("tags_embedded") and file.get("content_credentials") != "signed":
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
    if instead_of is not None and present == instead_of:
        log.warning("%s promises a file that was never put in place; it is made anew", folder.url_of(name))
        try:
            folder.remove(name)
        except OSError as exc:
            raise ProvenanceError(f"{folder.url_of(name)} promises a file that is lost, and stays: {exc}") from exc
        return _create(folder, song, manifest)
    if present is not None and _are_both_signed(present, manifest):
        return present
    raise ProvenanceError(
        f"The manifest {folder.url_of(name)} is there and says something else of the file; it was not changed, nor "
        "was the song."
    )


def _are_both_signed(*manifests: Mapping[str, Any]) -> bool:
    """Whether they differ in their signatures, which are never the same twice."""
    apart = ("sha256", "size_bytes")
    files = [{name: value for name, value in one["file"].items() if name not in apart} for one in manifests]
    return files[0] == files[1] and files[0].get("content_credentials") == "signed"


def _create_first(folder: Folder, song: str, manifest: dict[str, Any]) -> bool:
    """Create the manifest; False where another one is there."""
    try:
        return folder.create(manifest_name(song), as_bytes(manifest))
    except OSError as exc:
        raise ProvenanceError(f"The manifest {folder.url_of(manifest_name(song))} cannot be written: {exc}") from exc
