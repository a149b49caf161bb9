# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Verifies a song against its manifest and says in words what does not agree. Reads only, in little memory."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_music.audio.content_credentials import INSTALL, Credentials, read
from airflow_provider_music.exceptions import ManifestError, NotTaggableError
from airflow_provider_music.provenance.embedding import folder_at, open_song
from airflow_provider_music.provenance.manifest import (
    DIGITAL_SOURCE_TYPE,
    MAX_MANIFEST_BYTES,
    SUFFIX,
    from_bytes,
    manifest_name,
)
from airflow_provider_music.provenance.signing import contradiction
from airflow_provider_music.provenance.sound import FileHashes, hash_file, sound_in
from airflow_provider_music.provenance.taggers import read_tags
from airflow_provider_music.provenance.tags import MANIFEST_TAG, texts_of
from airflow_provider_music.storage.audio_writer import is_rejected
from airflow_provider_music.storage.folder import store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_music.storage.folder import Folder

_SONGS = (".mp3", ".wav", ".pcm", ".flac", ".ogg", ".m4a")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one song.

    :param url: of the song.
    :param problems: in words; none where all agrees.
    :param manifest: what it was verified against, where that can be read.
    :param notes: who signed its Content Credentials, or why they were not checked.
    """

    url: str
    problems: tuple[str, ...]
    manifest: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the song is the one that its manifest says, and says so itself where it should."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Found:
    """What a song is, as it lies there."""

    hashes: FileHashes
    texts: Mapping[str, str]
    unreadable: str | None
    credentials: Credentials | None


def verify(path: str | os.PathLike[str]) -> Verdict:
    """Verify one song against its manifest; blocks, and reads the song whole.

    :param path: of the song or its manifest: local, or any ``ObjectStoragePath`` URL.
    :raises OSError: neither is there, or the store does not answer.
    :raises OutputError: no storage is installed for this URL.
    """
    return _verify(*_located(path))


def verify_all(path: str | os.PathLike[str]) -> Iterator[Verdict]:
    """Verify every song in a folder and below it; of one file, that file.

    :raises OSError: there is nothing to verify, or the store does not answer.
    :raises OutputError: no storage is installed for this URL.
    """
    url = os.fspath(path).rstrip("/") or "/"
    folder = folder_at(url)
    with store_errors():
        top = folder.key("").rstrip("/")
        names = [key[len(top) + 1 :] for key in folder.fs.find(top)] if folder.fs.isdir(top) else None
    if names is None:
        yield verify(url)
        return
    songs = {name.removesuffix(SUFFIX) for name in names if _is_song_or_manifest(name)}
    if not songs:
        raise FileNotFoundError(f"no song lies in {folder.url} or below it")
    for song in sorted(songs):
        head, _, name = song.rpartition("/")
        yield _verify(folder / head if head else folder, name)


def _is_song_or_manifest(name: str) -> bool:
    # What starts with a dot is a part of a song on its way.
    last = name.rpartition("/")[2]
    return not last.startswith(".") and not is_rejected(last) and name.lower().endswith((*_SONGS, SUFFIX))


def _located(path: str | os.PathLike[str]) -> tuple[Folder, str]:
    """Return the folder and the name of the song."""
    head, slash, name = os.fspath(path).rpartition("/")
    return folder_at(head or slash or "."), name.removesuffix(SUFFIX)


def _verify(folder: Folder, song: str) -> Verdict:
    problems: list[str] = []
    manifest = _manifest(folder, song, problems)
    found = None
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        found = _read_song(folder, song, manifest)
    if found is None and problems and manifest is None and folder.size(manifest_name(song)) is None:
        raise FileNotFoundError(f"{folder.url_of(song)} is not there, nor is its manifest")
    if found is None:
        problems.append(f"the song {song} is missing")
    elif manifest is not None:
        problems += _of_file(manifest, found, song)
        problems += _of_tags(manifest, found)
        problems += _of_credentials(manifest, found)
    elif MANIFEST_TAG in found.texts:
        problems.append("its own tags hold one, which nothing stands against")
    return Verdict(folder.url_of(song), tuple(problems), manifest, _notes_of(found))


def _manifest(folder: Folder, song: str, problems: list[str]) -> dict[str, Any] | None:
    name = manifest_name(song)
    size = folder.size(name)
    if size is not None and size > MAX_MANIFEST_BYTES:
        problems.append(f"the manifest is too long for one ({size} bytes)")
        return None
    content = folder.read(name) if size is not None else None
    if content is None:
        problems.append(f"the manifest {name} is missing")
        return None
    try:
        manifest = from_bytes(content)
    except ManifestError as exc:
        problems.append(str(exc))
        return None
    source = manifest.get("digitalSourceType")
    if source is None:
        problems.append("the manifest's digitalSourceType is missing")
    elif source != DIGITAL_SOURCE_TYPE:
        problems.append(f"the manifest's digitalSourceType is {source!r:.120}, not {DIGITAL_SOURCE_TYPE}")
    file, as_sent = manifest["file"], manifest["as_sent"]
    is_marked = file.get("tags_embedded") or file.get("content_credentials") == "signed"
    if not is_marked and file["sha256"] != as_sent["sha256"]:
        problems.append("the manifest contradicts itself: no tags were written, but file and as_sent differ")
    return manifest


def _read_song(folder: Folder, song: str, manifest: Mapping[str, Any] | None) -> _Found:
    """Read a song: its hashes and its tags."""
    audio_format = manifest["as_sent"].get("format") if manifest else song.rpartition(".")[2].lower()
    with store_errors(), open_song(folder, song) as source:
        sound, texts, unreadable = None, {}, None
        try:
            sound = sound_in(source, str(audio_format))
            texts = read_tags(source, str(audio_format))
        except NotTaggableError as exc:
            unreadable = str(exc)
        hashes = hash_file(source, sound)
        return _Found(hashes, texts, unreadable, _credentials(source, str(audio_format), hashes))


def _credentials(source: IO[bytes], audio_format: str, hashes: FileHashes) -> Credentials | None:
    if not hashes.has_credentials:
        return None
    try:
        return read(source, audio_format)
    except ImportError:
        return Credentials(unchecked=f"c2pa-python is not installed: {INSTALL}")


def _of_file(manifest: Mapping[str, Any], found: _Found, song: str) -> list[str]:
    """Compare the file's hash with the manifest's."""
    file, hashes = manifest["file"], found.hashes
    if hashes.whole == file["sha256"]:
        return []
    if hashes.whole == manifest["as_sent"]["sha256"]:
        return ["the song is as the API sent it, without the tags that the manifest promises"]
    differs = f"sha256 is {hashes.whole} ({hashes.size} bytes), the manifest says {file['sha256']}"
    if file.get("sound_sha256") == hashes.sound:
        return [f"{differs}; the sound is unchanged, so its tags were changed"]
    if file.get("name") != song:
        return [f"the manifest is of another file ({file.get('name')!r:.120}): {differs}"]
    size = file.get("size_bytes")
    return [differs if size == hashes.size else f"{differs} ({size} bytes)"]


def _of_credentials(manifest: Mapping[str, Any], found: _Found) -> list[str]:
    """Compare the file's Content Credentials with the file itself, and with the manifest where a task signed them."""
    credentials, signed = found.credentials, manifest["file"].get("content_credentials") == "signed"
    if credentials is None:
        return ["its Content Credentials are missing"] if signed else []
    if credentials.unchecked:
        return []
    if credentials.problems:
        whose = "its Content Credentials" if signed else "the Content Credentials that it came with"
        return [f"{whose} are not valid: {', '.join(credentials.problems)}"]
    wrong = contradiction(credentials, manifest) if signed else None
    return [wrong] if wrong else []


def _notes_of(found: _Found | None) -> tuple[str, ...]:
    credentials = found.credentials if found is not None else None
    if credentials is None:
        return ()
    if credentials.unchecked:
        return (f"its Content Credentials were not checked, {credentials.unchecked}",)
    who = " of ".join(name for name in (credentials.name, credentials.issuer) if name)
    return (f"its Content Credentials are signed by {who or 'nobody with a name'}",) if not credentials.problems else ()


def _of_tags(manifest: Mapping[str, Any], found: _Found) -> list[str]:
    """Compare the file's own tags with the manifest."""
    expected = {name.lower(): text for name, text in texts_of(manifest).items()}
    if not manifest["file"].get("tags_embedded"):
        present = found.texts.get(MANIFEST_TAG, expected[MANIFEST_TAG])
        return [] if present == expected[MANIFEST_TAG] else ["its tags hold another manifest"]
    if not set(expected) & set(found.texts):
        return ["its tags are missing" + (f": {found.unreadable}" if found.unreadable else "")]
    return [
        f"its tag {name} contradicts the manifest" if name.lower() in found.texts else f"its tag {name} is missing"
        for name, text in texts_of(manifest).items()
        if found.texts.get(name.lower()) != text
    ]
