# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a song's own tags say of where it came from, and how they get into its file.

The tags hold the manifest but for what they cannot know or should not publish: the file's own hash, which they
are a part of, and who asked, since songs are given away.

The song is read and written once, as a stream: on disk and in a bucket alike, in little memory and with no
room needed beside the store. It gets its final name only when whole. All calls that take a file or folder block.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from airflow_provider_music.exceptions import NotTaggableError, ProvenanceError
from airflow_provider_music.provenance.id3 import MAX_TAG_BYTES, Tag
from airflow_provider_music.provenance.patching import Patch, Region, TaggableFile, copy, taggable_file
from airflow_provider_music.storage.cleanup import part_name
from airflow_provider_music.storage.folder import Folder, store_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

#: The whole manifest, as JSON.
MANIFEST_TAG = "provenance.manifest"
SOURCE_TAG = "digitalSourceType"
_NOT_IN_TAGS = ("file", "submitted_by")
#: What one block of an object store holds, down and up; S3 takes no part below 5 MiB.
_BLOCK_BYTES = 5 * 2**20
_LOCAL_BUFFER_BYTES = 2**18


def texts_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a manifest by their names."""
    published = {name: value for name, value in manifest.items() if name not in _NOT_IN_TAGS}
    as_sent, times = manifest.get("as_sent") or {}, manifest.get("times") or {}
    found = {
        SOURCE_TAG: manifest.get("digitalSourceType"),
        "provenance.model": manifest.get("model"),
        "provenance.generation_id": manifest.get("generation_id"),
        "provenance.request_fingerprint": manifest.get("request_fingerprint"),
        "provenance.sha256_as_sent": as_sent.get("sha256"),
        "provenance.airflow": _task(manifest.get("airflow") or {}),
        "provenance.completed": times.get("completed"),
        "provenance.software": software_of(manifest),
        MANIFEST_TAG: json.dumps(published, sort_keys=True, separators=(",", ":")),
    }
    return {name: _plain(str(value)) for name, value in found.items() if value}


def comment_of(manifest: Mapping[str, Any]) -> str:
    """Return the comment that players show."""
    generation = manifest.get("generation_id")
    return _plain(
        f"Made by a generative model ({manifest.get('model') or 'unnamed'}"
        f"{f', generation {generation}' if generation else ''}). Digital source type: trainedAlgorithmicMedia."
    )


def software_of(manifest: Mapping[str, Any]) -> str:
    """Return the name and version of what wrote the manifest."""
    software = manifest.get("software") or {}
    return _plain(f"{software.get('name')} {software.get('version')}")


def _task(task: Mapping[str, Any]) -> str:
    indexes = "".join(f"[{task[name]}]" for name in ("map_index", "song_index") if task.get(name) is not None)
    names = " / ".join(str(task.get(name)) for name in ("dag_id", "run_id", "task_id"))
    return f"{names}{indexes} / take {task.get('take')}"


def _plain(text: str) -> str:
    """Without what ends a text in a tag, or cannot be in one."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def tag_in(file: IO[bytes], layout: TaggableFile) -> Tag:
    """Read the tag of a file; one that has none gets an empty one.

    :raises NotTaggableError: the tag cannot be made longer without a change to what it says.
    """
    if layout.tag is None:
        return Tag()
    start, end = layout.tag
    if end - start > MAX_TAG_BYTES:
        raise NotTaggableError(f"its ID3 tag is longer than {MAX_TAG_BYTES} bytes")
    file.seek(start)
    return Tag.parse(file.read(end - start))


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
            plan = _plan(source, manifest)
            if not plan.patches:
                hashes = _unpatched(source, plan, manifest)
                if before_move:
                    before_move(hashes)
                return hashes
            with _part(folder) as (part, file):
                copied = copy(source, plan.patches, plan.sound, file.write)
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a song gets its tags: by these patches, or by none, because it has the tags or cannot take them (note)."""

    sound: Region
    patches: tuple[Patch, ...] = ()
    note: str | None = None


def _plan(source: IO[bytes], manifest: Mapping[str, Any]) -> _Plan:
    sound = Region(0, source.seek(0, os.SEEK_END))
    try:
        layout = taggable_file(source, str(manifest["as_sent"].get("format")))
        sound = layout.sound
        tag, texts, comment = tag_in(source, layout), texts_of(manifest), comment_of(manifest)
        present = tag.texts().get(MANIFEST_TAG)
        if present is None:
            patches = layout.patches(tag.with_texts(texts, comment), comment, software_of(manifest))
            return _Plan(sound, tuple(patches))
    except NotTaggableError as exc:
        log.warning("No provenance in the song's own tags: %s", exc)
        return _Plan(sound, note=str(exc))
    if present != texts[MANIFEST_TAG]:
        raise ProvenanceError("The song holds the tags of another manifest already; it is as it was.")
    return _Plan(sound)


def _unpatched(source: IO[bytes], plan: _Plan, manifest: Mapping[str, Any]) -> EmbeddedHashes:
    """Hash a song that cannot take tags, or has them."""
    copied = copy(source, [], plan.sound, len)
    before = copied.before if plan.note is not None else str(manifest["as_sent"]["sha256"])
    hashes = EmbeddedHashes(before, copied.after, copied.sound, copied.size, plan.note)
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
