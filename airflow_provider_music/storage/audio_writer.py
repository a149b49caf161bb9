# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Lands a song in storage: a part file first, the final name only when whole and verified.

What came and is not the song that was requested is paid all the same: it is kept as ``<name>.rejected.*``, for people.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self, get_args

from airflow_provider_music.audio.counter import FrameCounter
from airflow_provider_music.audio.credentials import CredentialsScanner
from airflow_provider_music.audio.facts import AudioFacts, AudioFormat, NotAudioError, raw_pcm_facts
from airflow_provider_music.audio.formats import describe_head, is_text, sniff
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import AudioError, OutputError
from airflow_provider_music.storage.cleanup import part_name
from airflow_provider_music.storage.folder import store_errors
from airflow_provider_music.storage.song_name import DEFAULT_NAME, recorded_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

#: What one upload block of an object store holds; S3 takes no part below 5 MiB.
_BLOCK_BYTES = 5 * 2**20
_READ_BYTES = 2**18
#: A text of that size in place of samples would be no error message.
_TEXT_BYTES = 2**18
#: A host may send other bytes at each try; nobody needs all of them.
_MOST_REJECTED = 9
_REJECTED = re.compile(r".+\.rejected(-\d)?\.[a-z0-9]+")
_HEAD_BYTES = 64
_UNITS = ("bytes", "KiB", "MiB", "GiB")


@dataclass(frozen=True, slots=True)
class RequestedAudio:
    """The audio that the request specifies: what is None is free.

    ``format`` mp3, wav or pcm; ``sample_rate_hz`` matters for raw PCM, which does not hold it; ``name`` of the files,
    without what follows its dot.
    """

    format: str | None = None
    sample_rate_hz: int | None = None
    name: str = DEFAULT_NAME

    @classmethod
    def of(cls, intent: Mapping[str, Any]) -> Self:
        """Return what a take's intent says, whatever a template would say now."""
        return cls(intent.get("audio_format"), intent.get("sample_rate_hz"), recorded_name(intent))


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A song in place: its URL, SHA-256 (hex) and facts, and whether it holds Content Credentials."""

    url: str
    sha256: str
    facts: AudioFacts
    has_credentials: bool = False

    @property
    def marks(self) -> dict[str, Any]:
        """Return what its completed fact says of marks that it came with; nothing where there are none."""
        return {"content_credentials": True} if self.has_credentials else {}

    def as_dict(self) -> dict[str, Any]:
        """Return what operators return as ``audio``: plain JSON, sizes in bytes, times in milliseconds."""
        return {
            "format": self.facts.format,
            "size_bytes": self.facts.size_bytes,
            "duration_ms": self.facts.duration_ms,
            "sample_rate_hz": self.facts.sample_rate_hz,
            "bitrate_bps": self.facts.bitrate_bps,
            "sha256": self.sha256,
        }


class AudioWriter:
    """Takes a song's bytes in order and puts them in place.

    Used as a context manager: leaving it before :meth:`finish` removes the part file.
    Its calls block; from an event loop they go through a thread.

    :param folder: where the song goes.
    :param requested: what the request specifies; audio of another format is refused.
    :param max_bytes: more than that is refused.
    :param only_copy: the song cannot be fetched again, so what there is of it is kept where the store breaks, too.
    """

    def __init__(self, folder: Folder, requested: RequestedAudio, *, max_bytes: int, only_copy: bool = False) -> None:
        self._folder = folder
        self._requested = requested
        self._max_bytes = max_bytes
        self._only_copy = only_copy
        self._head = b""
        self._part = part_name("song")
        self._file: IO[bytes] | None = None
        self._leaves_part = False
        self._is_closed = False
        self._sha256 = hashlib.sha256()
        self._counter = FrameCounter()
        self._scanner = CredentialsScanner()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abandon()

    def write(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes.

        :raises AudioError: more than ``max_bytes``.
        :raises OutputError: the store does not take them.
        """
        if self.size + len(chunk) > self._max_bytes:
            raise AudioError(
                f"The song is larger than max_audio_bytes ({readable(self._max_bytes)}) of the connection; "
                "nothing was kept. Raise max_audio_bytes there."
            )
        try:
            if self._file is None:
                self._leaves_part = True
                self._file = self._folder.open_new(self._part, block_size=_BLOCK_BYTES)
            with store_errors():
                self._file.write(chunk)
        except OSError as exc:
            raise self._cannot_write(exc) from exc
        self._head += chunk[: _HEAD_BYTES - len(self._head)]
        self._sha256.update(chunk)
        # While they are here: to count them later would fetch the song from the store again.
        if sniff(self._head) in (None, "mp3"):
            self._counter.update(chunk)
        self._scanner.update(chunk)
        self.size += len(chunk)

    def finish(self, *, expected_bytes: int | None = None, channels: int | None = None) -> StoredAudio:
        """Verify what came, give it its final name and say what it is.

        :param expected_bytes: the size that the sender announced, where it did.
        :param channels: of raw PCM, from the API's ``music_channel``.
        :raises AudioError: it is not the audio requested, or not all of it.
        :raises OutputError: the store does not take it.
        """
        if expected_bytes is not None and expected_bytes != self.size:
            raise self.reject(f"The song is cut short: {self.size} of {expected_bytes} bytes came.")
        if self._file is None:
            raise AudioError("The song is empty: 0 bytes came.")
        try:
            self._close(self._file)
            # Read back from where it lies: what is verified is what is kept, and nothing of it is held in memory.
            with self._folder.open(self._part) as file, store_errors():
                facts = self._verify(file, channels)
            name = f"{self._requested.name}.{facts.format}"
            self._folder.move(self._part, name)
        except OSError as exc:
            raise self._cannot_write(exc) from exc
        except AudioError as exc:
            raise self.reject(str(exc)) from exc
        self._leaves_part = False
        return StoredAudio(self._folder.url_of(name), self._sha256.hexdigest(), facts, self._scanner.found)

    def reject(self, reason: str) -> AudioError:
        """Keep what came as ``<name>.rejected.*``, and return the error, which names it.

        The same bytes have the same name, however often they are fetched; a text, such as an error page, is not kept.

        :param reason: why it is not the song, a sentence.
        """
        worthless = not self.size or (is_text(self._head) and self.size < _TEXT_BYTES)
        if worthless or not self._leaves_part or self._file is None:
            return AudioError(reason)
        try:
            self._close(self._file)
            kept = self._kept()
        except OSError as exc:
            return AudioError(f"{reason} It cannot be kept: {exc}.{self._salvaged()}")
        if kept is None:
            return AudioError(f"{reason} It is not kept: {_MOST_REJECTED} others of this song are kept there already.")
        return AudioError(f"{reason} What came is kept as {kept}.")

    def abandon(self) -> None:
        """Remove the part file, if there is one; what already has its final name stays."""
        if not self._leaves_part:
            return
        self._leaves_part = False
        self._folder.discard(self._file, self._part)

    def _kept(self) -> str | None:
        """Give the part its name as a rejected song, and return its URL; None where there are too many."""
        extension = sniff(self._head) or "bin"
        for number in range(1, _MOST_REJECTED + 1):
            name = f"{self._requested.name}.rejected{f'-{number}' if number > 1 else ''}.{extension}"
            size = self._folder.size(name)
            if size is None:
                self._folder.move(self._part, name)
                self._leaves_part = False
            if size is None or (size == self.size and self._holds_the_same(name)):
                return self._folder.url_of(name)
        return None

    def _holds_the_same(self, name: str) -> bool:
        with self._folder.open(name) as file, store_errors():
            return _sha256_of(file) == self._sha256.hexdigest()

    def _close(self, file: IO[bytes]) -> None:
        if self._is_closed:
            return
        with store_errors():
            file.flush()
            if self._folder.is_local:
                os.fsync(file.fileno())
            file.close()
        self._is_closed = True

    def _verify(self, file: IO[bytes], channels: int | None) -> AudioFacts:
        head = file.read(_HEAD_BYTES)
        if self._requested.format == "pcm" and self._may_be_raw(head, file):
            if describe_head(head) != "its first bytes are of no audio format" and self.size < _TEXT_BYTES:
                raise AudioError(f"Raw PCM was requested, but {describe_head(head)}.")
            return self._checked(lambda: raw_pcm_facts(self.size, self._requested.sample_rate_hz, channels))
        facts = self._checked(lambda: probe(file, counter=self._counter))
        if self._requested.format not in (None, facts.format):
            raise AudioError(f"{self._requested.format} was requested, but the API sent {facts.format}.")
        for doubt in facts.doubts:
            log.warning("The song in %s is odd: %s", self._folder.url, doubt)
        return facts

    def _may_be_raw(self, head: bytes, file: IO[bytes]) -> bool:
        if sniff(head) not in (None, "mp3"):
            return False
        try:
            # Samples can look like the two bytes that start an MP3 frame; a row of frames is an MP3.
            probe(file, counter=self._counter)
        except NotAudioError as exc:
            _raise_store_error(exc)
            return not head.startswith(b"ID3")
        return False

    def _checked(self, read: Callable[[], AudioFacts]) -> AudioFacts:
        try:
            return read()
        except NotAudioError as exc:
            _raise_store_error(exc)
            raise AudioError(f"What came is no song: {exc}.") from exc

    def _cannot_write(self, exc: OSError) -> OutputError:
        message = f"The song cannot be written to {self._folder.url} after {readable(self.size)}: {exc}."
        return OutputError(message + self._salvaged())

    def _salvaged(self) -> str:
        """Keep what the store has of a song that cannot be fetched again, and say what that is."""
        if not self._only_copy or not self._leaves_part:
            return ""
        self._folder.close_unfinished(self._file)
        self._file = None
        url = self._folder.url_of(self._part)
        try:
            there = self._folder.size(self._part)
        except OSError:
            self._leaves_part = False
            return f" What there is of it may be at {url}."
        if not there:
            return " Nothing of it is in the store."
        with contextlib.suppress(OSError):
            url = self._kept() or url
        self._leaves_part = False
        return f" What there is of it, {readable(there)}, is kept as {url}."


def is_rejected(name: str) -> bool:
    """Whether a file of that name holds what came in place of a song."""
    return _REJECTED.fullmatch(name) is not None


def find_stored_audio(folder: Folder, requested: RequestedAudio) -> StoredAudio | None:
    """Return the song that stands in ``folder`` under its final name, or None; blocks, and reads it whole.

    A final name is given to whole and verified songs only, so this is one whose fact was not written.

    :raises OutputError: the store does not answer; that is never taken for "no song".
    :raises AudioError: somebody changed the song.
    """
    try:
        with store_errors():
            return _landed_in(folder, requested)
    except OSError as exc:
        raise OutputError(f"Whether the song is in {folder.url} cannot be checked: {exc}.") from exc


def _landed_in(folder: Folder, requested: RequestedAudio) -> StoredAudio | None:
    for audio_format in get_args(AudioFormat):
        name = f"{requested.name}.{audio_format}"
        if folder.size(name) is None:
            continue
        with folder.open(name) as file:
            counter, scanner = FrameCounter(), CredentialsScanner()
            sha256 = _sha256_of(file, counter, scanner)
            try:
                if audio_format == "pcm":
                    facts = raw_pcm_facts(file.tell(), requested.sample_rate_hz, None)
                else:
                    facts = probe(file, counter=counter)
            except NotAudioError as exc:
                _raise_store_error(exc)
                raise AudioError(f"{folder.url_of(name)} is no song (any more): {exc}.") from exc
        return StoredAudio(folder.url_of(name), sha256, facts, scanner.found)
    return None


def _sha256_of(file: IO[bytes], *readers: FrameCounter | CredentialsScanner) -> str:
    sha256 = hashlib.sha256()
    while chunk := file.read(_READ_BYTES):
        sha256.update(chunk)
        for reader in readers:
            reader.update(chunk)
    return sha256.hexdigest()


def _raise_store_error(exc: BaseException | None) -> None:
    """Raise the store's own error, where the reader of a song took it for a fault of the song."""
    while exc is not None:
        if isinstance(exc, OSError):
            raise exc
        exc = exc.__cause__ or exc.__context__


def readable(count: int) -> str:
    """Bytes for a person: 1536 is "1.5 KiB"."""
    figure = float(count)
    for unit in _UNITS:
        if figure < 1024 or unit == _UNITS[-1]:  # noqa: PLR2004 - a unit is 1024 of the one before
            break
        figure /= 1024
    return f"{figure:.0f} {unit}" if unit == "bytes" else f"{figure:.1f} {unit}"
