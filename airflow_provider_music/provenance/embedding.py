# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Puts a song's marks into its file: on a local copy, which takes the song's place only when whole and verified.

The song itself is never written to: until the copy takes its name it is what the API sent, and it is paid. A song that
holds Content Credentials gets no tags, which would make them invalid. All calls block.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from airflow_provider_music.exceptions import NotTaggableError, ProvenanceError
from airflow_provider_music.provenance.signing import sign_copy, signed_by_us
from airflow_provider_music.provenance.sound import FileHashes, hash_file, sound_in, sound_of
from airflow_provider_music.provenance.taggers import read_tags, write_tags
from airflow_provider_music.provenance.tags import MANIFEST_TAG, comment_of, texts_of
from airflow_provider_music.storage.cleanup import is_part, part_name, remove_abandoned
from airflow_provider_music.storage.folder import Folder, store_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_music.audio.content_credentials import Signer

log = logging.getLogger(__name__)

#: What one block of an object store holds, down and up; S3 takes no part below 5 MiB.
_BLOCK_BYTES = 5 * 2**20
_LOCAL_BUFFER_BYTES = 2**18
HAS_CREDENTIALS = "it holds Content Credentials (C2PA), which tags would make invalid"


@dataclass(frozen=True, slots=True)
class EmbeddedHashes:
    """A song's file before and after; SHA-256 in hex.

    :param audio_sha256_before: of the bytes that the API sent.
    :param sha256_after: of the file as it stands now; the same where it takes no marks.
    :param sound_sha256: of the frames or samples alone, which no mark changes.
    :param size_after: bytes of the file as it stands now.
    :param note: why the file has no tags, or None where it has them.
    :param credentials: the Content Credentials that it holds: ``as_sent``, which it came with, or ``signed`` here.
    :param credentials_note: why it was not signed, where that was wanted.
    """

    audio_sha256_before: str
    sha256_after: str
    sound_sha256: str
    size_after: int
    note: str | None = None
    credentials: Literal["as_sent", "signed"] | None = None
    credentials_note: str | None = None

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
    signer: Callable[[], Signer] | None = None,
    before_move: Callable[[EmbeddedHashes], bool | None] | None = None,
) -> EmbeddedHashes:
    """Write ``manifest`` into the tags of its song in ``folder``. A second call finds the tags and changes nothing.

    :param signer: who signs Content Credentials on top; called where there is something to sign.
    :param before_move: called when the marked song is whole, under its part name still, or found in place; False
        leaves the song to another process, whose marks stand.
    :raises ProvenanceError: it is not the song of that manifest, or cannot be read, signed or written; it is as it was.
    """
    try:
        with store_errors(), _scratch(folder) as scratch:
            copy, hashes = marked_copy(folder, name, manifest, scratch, signer)
            if copy is None:
                if before_move:
                    before_move(hashes)
                return hashes
            _put_in_place(folder, name, copy, hashes, before_move)
        # What a killed process left; nothing lands in this folder any more that would see to it.
        remove_abandoned(folder)
    except OSError as exc:
        raise ProvenanceError(f"The tags of {folder.url_of(name)} cannot be written: {exc}. It is as it was.") from exc
    log.info("Wrote its provenance into %s", folder.url_of(name))
    return hashes


def _put_in_place(
    folder: Folder,
    name: str,
    copy: Path,
    hashes: EmbeddedHashes,
    before_move: Callable[[EmbeddedHashes], bool | None] | None,
) -> None:
    part, is_promised = _stored(folder, copy, hashes), False
    try:
        if before_move and before_move(hashes) is False:
            folder.discard(None, part)
            return
        # A signature is never the same twice: who finds the manifest that promises this one has to find the part.
        is_promised = before_move is not None and hashes.credentials == "signed"
        _move(folder, part, name, hashes.sha256_after)
    except BaseException:
        if not is_promised:
            folder.discard(None, part)
        raise


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
    whole = hashlib.sha256()
    with open_song(folder, name) as file:
        while piece := file.read(_LOCAL_BUFFER_BYTES):
            whole.update(piece)
    return whole.hexdigest()


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


@dataclass(frozen=True, slots=True)
class _Found:
    """A song as it stands: a local copy, its hashes, its format, whether it has our tags, or why it takes none."""

    path: Path
    audio_format: str
    hashes: FileHashes
    sound: str
    has_tags: bool
    note: str | None
    credentials: Literal["as_sent", "signed"] | None


def marked_copy(
    folder: Folder, name: str, manifest: Mapping[str, Any], scratch: Path, signer: Callable[[], Signer] | None
) -> tuple[Path | None, EmbeddedHashes]:
    """Return a local copy of a song with its marks, and its hashes; no copy where the song stays as it is."""
    found = _found(folder, name, manifest, scratch / "as-it-is")
    copy, note, credentials, credentials_note = None, found.note, found.credentials, None
    if not found.has_tags and note is None:
        try:
            copy = _tagged(found, manifest)
        except NotTaggableError as exc:
            note = str(exc)
    if note is not None and not found.has_tags:
        log.warning("No provenance in the own tags of %s: %s", folder.url_of(name), note)
    if signer is not None and credentials != "signed":
        try:
            copy, credentials = _signed(found, copy or found.path, manifest, signer()), "signed"
        except NotTaggableError as exc:
            credentials_note = str(exc)
            log.warning("%s is not signed: %s", folder.url_of(name), credentials_note)
    sha256, size = found.hashes.whole, found.hashes.size
    if copy is not None:
        with copy.open("rb") as file:
            sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), copy.stat().st_size
    sent = str(manifest["as_sent"]["sha256"])
    return copy, EmbeddedHashes(sent, sha256, found.sound, size, note, credentials, credentials_note)


def _found(folder: Folder, name: str, manifest: Mapping[str, Any], copy: Path) -> _Found:
    """Fetch a song, and find out what was done to it already.

    :raises ProvenanceError: it is not the song of that manifest.
    """
    audio_format, sent = str(manifest["as_sent"].get("format")), manifest["as_sent"]["sha256"]
    with open_song(folder, name) as source, copy.open("w+b") as file:
        hashes = hash_file(source, None, file.write)
        note, sound, present = None, hashes.whole, None
        try:
            sound = sound_of(file, sound_in(file, audio_format))
            present = read_tags(file, audio_format).get(MANIFEST_TAG)
        except NotTaggableError as exc:
            note = str(exc)
        changed = hashes.whole != sent
        # Ours have the request's hash in them; where our tags are, nobody else wrote after us.
        signed = changed and hashes.has_credentials
        signed = signed and (present is not None or signed_by_us(file, audio_format, manifest))
    if present is not None and present != texts_of(manifest)[MANIFEST_TAG]:
        raise ProvenanceError("The song holds the tags of another manifest already; it is as it was.")
    if changed and present is None and not signed:
        raise ProvenanceError(
            f"{folder.url_of(name)} is not the one of its manifest: sha256 {hashes.whole}, the API sent {sent}. "
            "It is as it was."
        )
    credentials: Literal["as_sent", "signed"] | None = "as_sent" if hashes.has_credentials else None
    if credentials and present is None and note is None:
        note = HAS_CREDENTIALS
    return _Found(copy, audio_format, hashes, sound, present is not None, note, "signed" if signed else credentials)


def _tagged(found: _Found, manifest: Mapping[str, Any]) -> Path:
    """Return a copy with tags that differs in nothing that is heard.

    :raises NotTaggableError: there is none.
    """
    copy = found.path.with_name("tagged")
    shutil.copyfile(found.path, copy)
    with copy.open("r+b") as file:
        write_tags(file, found.audio_format, texts_of(manifest), comment_of(manifest))
    if not _is_the_same(copy, found, manifest, tags=True):
        raise NotTaggableError("tags would change its sound, or do not come back as they were written")
    return copy


def _signed(found: _Found, source: Path, manifest: Mapping[str, Any], signer: Signer) -> Path:
    """Return a signed copy that differs in nothing that is heard.

    :raises NotTaggableError: there is none.
    :raises SigningError: it cannot be signed now.
    """
    copy = found.path.with_name("signed")
    sign_copy(source, copy, manifest, found.audio_format, signer, parent=found.credentials == "as_sent")
    if not _is_the_same(copy, found, manifest, tags=found.has_tags or source != found.path):
        raise NotTaggableError("a signature would change its sound or its tags")
    return copy


def _is_the_same(copy: Path, found: _Found, manifest: Mapping[str, Any], *, tags: bool) -> bool:
    """Whether a copy sounds as the song, and has our tags where it should."""
    with copy.open("rb") as file:
        heard = sound_of(file, sound_in(file, found.audio_format))
        texts = read_tags(file, found.audio_format) if tags else {}
    expected = texts_of(manifest) if tags else {}
    return heard == found.sound and all(texts.get(name.lower()) == text for name, text in expected.items())


def _stored(folder: Folder, copy: Path, hashes: EmbeddedHashes) -> str:
    """Put a copy into the folder as a part file, verified, and return the part's name."""
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
    except BaseException:
        folder.discard(file, part)
        raise
    return part


def _check_part(folder: Folder, part: str, sha256: str) -> None:
    """Read back what is to replace a song that is paid."""
    if _sha256_of(folder, part) != sha256:
        raise ProvenanceError(f"{folder.url} does not give back what was written there; the song is as it was.")
