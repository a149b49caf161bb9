# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Puts a song's marks into its file: on a local copy, which takes the song's place only when whole and verified.

The song itself is never written to: until the copy takes its name it is what the API sent, and it is paid. A song that
holds Content Credentials gets no tags, which would make them invalid. All calls block.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from airflow_provider_music.exceptions import NotTaggableError, ProvenanceError
from airflow_provider_music.provenance.sound import hash_file, sound_in
from airflow_provider_music.provenance.taggers import read_tags, write_tags
from airflow_provider_music.provenance.tags import MANIFEST_TAG, comment_of, texts_of
from airflow_provider_music.storage.cleanup import is_part, part_name
from airflow_provider_music.storage.folder import Folder, store_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

#: What one block of an object store holds, down and up; S3 takes no part below 5 MiB.
_BLOCK_BYTES = 5 * 2**20
_LOCAL_BUFFER_BYTES = 2**18
HAS_CREDENTIALS = "it holds Content Credentials (C2PA), which tags would make invalid"


@dataclass(frozen=True, slots=True)
class EmbeddedHashes:
    """A song's file before and after; SHA-256 in hex.

    :param audio_sha256_before: of the bytes that the API sent.
    :param sha256_after: of the file as it stands now; the same where it takes no tags.
    :param sound_sha256: of the frames or samples alone, which no tag changes.
    :param size_after: bytes of the file as it stands now.
    :param note: why the file has no tags, or None where it has them.
    :param credentials: ``as_sent`` where the song came with Content Credentials; None where it has none.
    """

    audio_sha256_before: str
    sha256_after: str
    sound_sha256: str
    size_after: int
    note: str | None = None
    credentials: Literal["as_sent"] | None = None

    @property
    def embedded(self) -> bool:
        """Whether the file holds the tags."""
        return self.note is None


def embed(path: str | os.PathLike[str], manifest: Mapping[str, Any]) -> EmbeddedHashes:
    """Write ``manifest`` into the tags of its song, a local file.

    :raises ProvenanceError: it is not the song of that manifest, or cannot be written; the file is as it was.
    """
    target = Path(path).expanduser().absolute()
    try:
        folder = folder_at(str(target.parent))
    except OSError as exc:
        raise ProvenanceError(f"{target} gets no tags: {exc}.") from exc
    return embed_in(folder, target.name, manifest)


def embed_in(
    folder: Folder,
    name: str,
    manifest: Mapping[str, Any],
    *,
    before_move: Callable[[EmbeddedHashes], None] | None = None,
) -> EmbeddedHashes:
    """Write ``manifest`` into the tags of its song in ``folder``. A second call finds the tags and changes nothing.

    :param before_move: called when the tagged song is whole, under its part name still, or found in place.
    :raises ProvenanceError: it is not the song of that manifest, or cannot be read or written; it is as it was.
    """
    try:
        with store_errors(), _scratch(folder) as scratch:
            copy, hashes = _marked(folder, name, manifest, scratch)
            if copy is None:
                if before_move:
                    before_move(hashes)
                return hashes
            with _part(folder, copy, hashes) as part:
                if before_move:
                    before_move(hashes)
                _move(folder, part, name, hashes.sha256_after)
    except OSError as exc:
        raise ProvenanceError(f"The tags of {folder.url_of(name)} cannot be written: {exc}. It is as it was.") from exc
    log.info("Wrote its provenance into %s", folder.url_of(name))
    return hashes


def move_part(folder: Folder, name: str, sha256: str) -> bool:
    """Put a part file of this content in the song's place: whoever wrote it died before it could. False: none is there.

    :raises OSError: the store does not answer.
    """
    with store_errors():
        for part in sorted(child for child in folder.children() if is_part(child)):
            with contextlib.suppress(FileNotFoundError):
                if _sha256_of(folder, part) == sha256:
                    folder.move(part, name)
                    return True
    return False


def _move(folder: Folder, part: str, name: str, sha256: str) -> None:
    try:
        folder.move(part, name)
    except FileNotFoundError:
        # Another process found the part and moved it.
        if _sha256_of(folder, name) != sha256:
            raise


def _sha256_of(folder: Folder, name: str) -> str:
    with open_song(folder, name) as file:
        return hash_file(file, None).whole


def folder_at(url: str) -> Folder:
    """Return the folder of a song that somebody named.

    :raises OSError: it is the root of this machine's files, which has no URL.
    """
    if url.rstrip("/") in ("", "file:", "local:"):
        raise IsADirectoryError("the root folder is no place for songs; put them into a folder below it")
    return Folder(url)


def open_song(folder: Folder, name: str) -> IO[bytes]:
    """Open a song for reading, in blocks that are small for what an object store's library would take.

    :raises OSError: it is not there, or the store does not answer.
    """
    folder.fs.invalidate_cache()
    with store_errors():
        block = _LOCAL_BUFFER_BYTES if folder.is_local else _BLOCK_BYTES
        return cast("IO[bytes]", folder.fs.open(folder.key(name), "rb", block_size=block))


@contextlib.contextmanager
def _scratch(folder: Folder) -> Iterator[Path]:
    """Make a folder on this machine's disk for copies of a song; it is gone at the end."""
    try:
        scratch = tempfile.TemporaryDirectory(prefix="airflow-music-", ignore_cleanup_errors=True)
    except OSError as exc:
        raise ProvenanceError(f"No temporary folder for a copy of the song in {folder.url}: {exc}.") from exc
    with scratch:
        yield Path(scratch.name)


def _marked(
    folder: Folder, name: str, manifest: Mapping[str, Any], scratch: Path
) -> tuple[Path | None, EmbeddedHashes]:
    """Return a local copy of a song with its tags, and its hashes; no copy where the song stays as it is."""
    as_it_is, audio_format = scratch / "as-it-is", str(manifest["as_sent"].get("format"))
    with open_song(folder, name) as source, as_it_is.open("w+b") as file:
        before = hash_file(source, None, file.write)
        note, sound, present = None, before.whole, None
        try:
            sound = hash_file(file, sound_in(file, audio_format)).sound
            present = read_tags(file, audio_format).get(MANIFEST_TAG)
        except NotTaggableError as exc:
            note = str(exc)
    if present is not None and present != texts_of(manifest)[MANIFEST_TAG]:
        raise ProvenanceError("The song holds the tags of another manifest already; it is as it was.")
    expected = str(manifest["as_sent"]["sha256"])
    if present is None and before.whole != expected:
        raise ProvenanceError(
            f"{folder.url_of(name)} is not the one of its manifest: sha256 {before.whole}, the API sent {expected}. "
            "It is as it was."
        )
    credentials: Literal["as_sent"] | None = "as_sent" if before.has_credentials else None
    if present is None and note is None:
        note = HAS_CREDENTIALS if credentials else None
    if present is None and note is None:
        try:
            return _tagged(as_it_is, manifest, audio_format, sound)
        except NotTaggableError as exc:
            note = str(exc)
    if note is not None:
        log.warning("No provenance in the own tags of %s: %s", folder.url_of(name), note)
    return None, EmbeddedHashes(expected, before.whole, sound, before.size, note, credentials)


def _tagged(source: Path, manifest: Mapping[str, Any], audio_format: str, sound: str) -> tuple[Path, EmbeddedHashes]:
    """Return a copy with tags that differs in nothing that is heard.

    :raises NotTaggableError: there is none.
    """
    copy, texts = source.with_name("tagged"), texts_of(manifest)
    shutil.copyfile(source, copy)
    with copy.open("r+b") as file:
        write_tags(file, audio_format, texts, comment_of(manifest))
        file.flush()
        after = hash_file(file, sound_in(file, audio_format))
        found = read_tags(file, audio_format)
    if after.sound != sound or any(found.get(name.lower()) != text for name, text in texts.items()):
        raise NotTaggableError("tags would change its sound, or do not come back as they were written")
    return copy, EmbeddedHashes(str(manifest["as_sent"]["sha256"]), after.whole, after.sound, after.size)


@contextlib.contextmanager
def _part(folder: Folder, copy: Path, hashes: EmbeddedHashes) -> Iterator[str]:
    """Put a copy into the folder as a part file, verified; it is gone at the end unless it was moved into place."""
    part = part_name("song")
    file = folder.open_new(part, block_size=_LOCAL_BUFFER_BYTES if folder.is_local else _BLOCK_BYTES)
    try:
        with copy.open("rb") as source:
            shutil.copyfileobj(source, file, _LOCAL_BUFFER_BYTES)
        file.flush()
        if folder.is_local:
            os.fsync(file.fileno())
        file.close()
        _check_part(folder, part, hashes.sha256_after)
        yield part
    except BaseException:
        folder.discard(file, part)
        raise


def _check_part(folder: Folder, part: str, sha256: str) -> None:
    """Read back what is to replace a song that is paid."""
    if _sha256_of(folder, part) != sha256:
        raise ProvenanceError(f"{folder.url} does not give back what was written there; the song is as it was.")
