# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A song on its way into storage: a part file first, its final name only when whole and verified."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import uuid
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self, cast, get_args

from airflow_provider_music.audio.inspect import (
    AudioFacts,
    AudioFormat,
    NotAudioError,
    describe_head,
    inspect_audio,
    raw_pcm_facts,
    sniff,
)
from airflow_provider_music.exceptions import AudioError, OutputError
from airflow_provider_music.storage.folder import store_errors

if TYPE_CHECKING:
    from airflow_provider_music.storage.folder import Folder

#: What one upload block of an object store holds; S3 takes no part below 5 MiB.
_BLOCK_BYTES = 5 * 2**20
_LOCAL_BUFFER_BYTES = 2**18
#: Headers stand at the start and late tags at the end; what lies between is never needed to tell the facts.
_HEAD_BYTES = 2**18
_TAIL_BYTES = 2**16
_UNITS = ("bytes", "KiB", "MiB", "GiB")


@dataclass(frozen=True, slots=True)
class AskedAudio:
    """What the request asked for: what is None is free.

    ``format`` mp3, wav or pcm; ``sample_rate_hz`` matters for raw PCM, which does not tell it.
    """

    format: str | None = None
    sample_rate_hz: int | None = None


@dataclass(frozen=True, slots=True)
class LandedAudio:
    """A song in place: its URL, SHA-256 (hex) and facts."""

    url: str
    sha256: str
    facts: AudioFacts

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


class Landing:
    """Takes a song's bytes in order and puts them in place.

    Used as a context manager: leaving it before :meth:`finish` removes the part file.
    Its calls block; from an event loop they go through a thread.

    :param folder: where the song goes.
    :param asked: what the request asked for; audio of another format is refused.
    :param max_bytes: more than that is refused.
    """

    def __init__(self, folder: Folder, asked: AskedAudio, *, max_bytes: int) -> None:
        self._folder = folder
        self._asked = asked
        self._max_bytes = max_bytes
        self._part = f".song.part-{uuid.uuid4().hex}"
        self._file: IO[bytes] | None = None
        self._sha256 = hashlib.sha256()
        self._window = _Window()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abandon()

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._window.size

    def write(self, chunk: bytes) -> None:
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
                block = _LOCAL_BUFFER_BYTES if self._folder.is_local else _BLOCK_BYTES
                self._file = self._folder.open_new(self._part, block_size=block)
            with store_errors():
                self._file.write(chunk)
        except OSError as exc:
            raise self._cannot_write(exc) from exc
        self._sha256.update(chunk)
        self._window.add(chunk)

    def finish(self, *, expected_bytes: int | None = None, channels: int | None = None) -> LandedAudio:
        """Verify what came, give it its final name and say what it is.

        :param expected_bytes: the size that the sender announced, where it did.
        :param channels: of raw PCM, from the API's ``music_channel``.
        :raises AudioError: it is not the audio asked for, or not all of it.
        :raises OutputError: the store does not take it.
        """
        if expected_bytes is not None and expected_bytes != self.size:
            raise AudioError(f"The song is cut short: {self.size} of {expected_bytes} bytes came.")
        facts = self._verify(channels)
        name = f"song.{facts.format}"
        try:
            if self._file is None:
                raise AudioError("The song is empty: 0 bytes came.")
            with store_errors():
                self._file.flush()
                if self._folder.is_local:
                    os.fsync(self._file.fileno())
                self._file.close()
            self._folder.move(self._part, name)
        except OSError as exc:
            raise self._cannot_write(exc) from exc
        self._file = None
        return LandedAudio(self._folder.url_of(name), self._sha256.hexdigest(), facts)

    def abandon(self) -> None:
        """Remove the part file, if there is one; what already has its final name stays."""
        if self._file is None:
            return
        file, self._file = self._file, None
        # A full disk or a lost store says it again at close; the part file still has to go.
        with contextlib.suppress(OSError), store_errors():
            file.close()
        with contextlib.suppress(OSError):
            self._folder.remove(self._part)

    def _verify(self, channels: int | None) -> AudioFacts:
        head = self._window.head(64)
        if self._asked.format == "pcm" and self._may_be_raw(head):
            if describe_head(head) != "its first bytes are of no audio format" and self.size < _HEAD_BYTES:
                raise AudioError(f"Raw PCM was asked for, but {describe_head(head)}.")
            return self._checked(lambda: raw_pcm_facts(self.size, self._asked.sample_rate_hz, channels))
        facts = self._checked(lambda: inspect_audio(cast("IO[bytes]", self._window)))
        if self._asked.format not in (None, facts.format):
            raise AudioError(f"{self._asked.format} was asked for, but the API sent {facts.format}.")
        return facts

    def _may_be_raw(self, head: bytes) -> bool:
        if sniff(head) not in (None, "mp3"):
            return False
        try:
            # Samples can look like the two bytes that start an MP3 frame; a row of frames is an MP3.
            inspect_audio(cast("IO[bytes]", self._window))
        except NotAudioError:
            return not head.startswith(b"ID3")
        return False

    def _checked(self, read: Any) -> AudioFacts:
        try:
            return cast("AudioFacts", read())
        except NotAudioError as exc:
            raise AudioError(f"What came is no song: {exc}.") from exc

    def _cannot_write(self, exc: OSError) -> OutputError:
        return OutputError(f"The song cannot be written to {self._folder.url} after {readable(self.size)}: {exc}.")


def landed_in(folder: Folder, asked: AskedAudio) -> LandedAudio | None:
    """Return the song that stands in ``folder`` under its final name, or None; blocks, and reads it whole.

    A final name is given to whole and verified songs only, so this is one whose fact was not written.
    """
    for audio_format in get_args(AudioFormat):
        name = f"song.{audio_format}"
        if folder.size(name) is None:
            continue
        sha256, window = hashlib.sha256(), _Window()
        with folder.open(name) as file:
            while chunk := file.read(_LOCAL_BUFFER_BYTES):
                sha256.update(chunk)
                window.add(chunk)
        if audio_format == "pcm":
            facts = raw_pcm_facts(window.size, asked.sample_rate_hz, None)
        else:
            facts = inspect_audio(cast("IO[bytes]", window))
        return LandedAudio(folder.url_of(name), sha256.hexdigest(), facts)
    return None


class _Window(io.RawIOBase):
    """The start and the end of a stream that went by, readable like the whole file.

    What lies between reads as zeros, so a song of any size is checked in a few hundred KiB of memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self._head = bytearray()
        self._tail = bytearray()
        self._at = 0
        self.size = 0

    def add(self, chunk: bytes) -> None:
        room = _HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += chunk[:room]
        if len(chunk) >= _TAIL_BYTES:
            self._tail[:] = chunk[-_TAIL_BYTES:]
        else:
            self._tail += chunk
        if len(self._tail) > 2 * _TAIL_BYTES:
            del self._tail[:-_TAIL_BYTES]
        self.size += len(chunk)

    def head(self, count: int) -> bytes:
        return bytes(self._head[:count])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int | None = -1) -> bytes:
        end = self.size if count is None or count < 0 else min(self.size, self._at + count)
        start, self._at = self._at, max(self._at, end)
        parts = []
        tail_from = self.size - len(self._tail)
        while start < end:
            if start < len(self._head):
                stop = min(end, len(self._head))
                parts.append(bytes(self._head[start:stop]))
            elif start < tail_from:
                stop = min(end, tail_from)
                parts.append(bytes(stop - start))
            else:
                stop = end
                parts.append(bytes(self._tail[start - tail_from : stop - tail_from]))
            start = stop
        return b"".join(parts)


def readable(count: int) -> str:
    """Bytes for a person: 1536 is "1.5 KiB"."""
    figure = float(count)
    for unit in _UNITS:
        if figure < 1024 or unit == _UNITS[-1]:  # noqa: PLR2004 - a unit is 1024 of the one before
            break
        figure /= 1024
    return f"{figure:.0f} {unit}" if unit == "bytes" else f"{figure:.1f} {unit}"
