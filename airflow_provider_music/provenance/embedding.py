# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a manifest into the tags of its song. The sound is copied as it is; only what stands around it changes.

The song is read and written once, as a stream: on disk and in a bucket alike, in little memory and with no
room needed beside the store. It gets its final name only when whole. All calls block.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from airflow_provider_music.provenance.errors import NotTaggableError, ProvenanceError
from airflow_provider_music.provenance.splice import Edit, Span, copy
from airflow_provider_music.provenance.tags import (
    MANIFEST_TAG,
    comment_of,
    software_of,
    stretches_of,
    tag_in,
    texts_of,
)
from airflow_provider_music.storage.folder import Folder, store_errors
from airflow_provider_music.storage.cleanup import part_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

#: What one block of an object store holds, down and up; S3 takes no part below 5 MiB.
_BLOCK_BYTES = 5 * 2**20
_LOCAL_BUFFER_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class EmbeddedHashes:
    """A song's file before and after; SHA-256 in hex.

    :param audio_sha256_before: of the bytes that the API sent.
    :param sha256_after: of the file as it stands now; the same where it takes no tags.
    :param sound_sha256: of the MP3 frames or the samples alone, which no tag changes.
    :param size_after: bytes of the file as it stands now.
    :param note: why the file has no tags, or None where it has them.
    """

    audio_sha256_before: str
    sha256_after: str
    sound_sha256: str
    size_after: int
    note: str | None = None

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
        with store_errors(), open_song(folder, name) as source:
            edits, sound, note, done = _plan(source, manifest)
            if note is not None or done:
                hashes = _looked_at(source, sound, manifest, note, done=done)
                if before_move:
                    before_move(hashes)
                return hashes
            with _part(folder) as (part, file):
                copied = copy(source, edits, sound, file.write)
                file.flush()
                if folder.is_local:
                    os.fsync(file.fileno())
                file.close()
                hashes = EmbeddedHashes(copied.before, copied.after, copied.sound, copied.size)
                _check_same(hashes, manifest, folder.url_of(name))
                if before_move:
                    before_move(hashes)
                folder.move(part, name)
    except OSError as exc:
        raise ProvenanceError(f"The tags of {folder.url_of(name)} cannot be written: {exc}. It is as it was.") from exc
    log.info("Wrote its provenance into %s", folder.url_of(name))
    return hashes


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


def _plan(source: IO[bytes], manifest: Mapping[str, Any]) -> tuple[list[Edit], Span, str | None, bool]:
    """Return the edits, where the sound lies, why there are no edits, and whether they were made before."""
    sound = Span(0, source.seek(0, os.SEEK_END))
    try:
        stretches = stretches_of(source, str(manifest["as_sent"].get("format")))
        sound = stretches.sound
        tag, texts = tag_in(source, stretches), texts_of(manifest)
        there = tag.texts()
        if MANIFEST_TAG in there:
            if there[MANIFEST_TAG] != texts[MANIFEST_TAG]:
                raise ProvenanceError("The song holds the tags of another manifest already; it is as it was.")
            return [], sound, None, True
        comment = comment_of(manifest)
        return (
            stretches.edits(tag.with_texts(texts, comment), comment, software_of(manifest)),
            sound,
            None,
            False,
        )
    except NotTaggableError as exc:
        log.warning("No provenance in the song's own tags: %s", exc)
        return [], sound, str(exc), False


def _looked_at(
    source: IO[bytes], sound: Span, manifest: Mapping[str, Any], note: str | None, *, done: bool
) -> EmbeddedHashes:
    """Hash a song that gets no tags, or has them."""
    copied = copy(source, [], sound, len)
    before = str(manifest["as_sent"]["sha256"]) if done else copied.before
    hashes = EmbeddedHashes(before, copied.after, copied.sound, copied.size, note)
    _check_same(hashes, manifest, "The song")
    return hashes


def _check_same(hashes: EmbeddedHashes, manifest: Mapping[str, Any], what: str) -> None:
    expected = manifest["as_sent"]["sha256"]
    if hashes.audio_sha256_before != expected:
        raise ProvenanceError(
            f"{what} is not the one of its manifest: sha256 {hashes.audio_sha256_before}, the API sent {expected}. "
            "It is as it was."
        )


@contextlib.contextmanager
def _part(folder: Folder) -> Iterator[tuple[str, IO[bytes]]]:
    """Open a part file, which is gone at the end unless it was moved into place."""
    part = part_name("song")
    block = _LOCAL_BUFFER_BYTES if folder.is_local else _BLOCK_BYTES
    file = folder.open_new(part, block_size=block)
    try:
        yield part, file
    except BaseException:
        folder.discard(file, part)
        raise
