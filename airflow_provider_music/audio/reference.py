# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Checks a reference track against the API's limits before a byte of it leaves.

Source of the limits: aimlapi/api-docs, music-01 upload: WAV or MP3, longer than 10 s, at most 10 min.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_music.audio.probe import NotAudioError, probe
from airflow_provider_music.compat import ObjectStoragePath
from airflow_provider_music.exceptions import InvalidReferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_music.audio.probe import AudioFacts

PURPOSES = ("song", "voice", "instrumental")
MIN_SECONDS = 10
MAX_SECONDS = 600
CONTENT_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
#: What is left of "s3://b" in a Path; one letter would be a drive of Windows.
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
#: Names that promise a format; another content under them is a mix-up worth stopping for.
_SUFFIXES = {
    ".mp3": "mp3",
    ".wav": "wav",
    ".wave": "wav",
    ".flac": "flac",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".m4a": "m4a",
    ".mp4": "m4a",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A track that the API will take.

    ``file`` is open, at its start, and hashes what is read from it.
    """

    file: HashingReader
    facts: AudioFacts
    filename: str
    content_type: str


class HashingReader(io.RawIOBase):
    """A readable file that knows the SHA-256 of what went through it; going back to the start starts anew."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._sha256 = hashlib.sha256()

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether it can seek, for a length before sending: yes."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Read on."""
        data = self._file.read(-1 if size is None else size)
        self._sha256.update(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; at the start the hash begins again."""
        at = self._file.seek(offset, whence)
        if at == 0:
            self._sha256 = hashlib.sha256()
        return at

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()

    def hexdigest(self) -> str:
        """SHA-256 of the bytes read since the start."""
        return self._sha256.hexdigest()


@contextlib.contextmanager
def open_reference(file: Any, purpose: Any) -> Iterator[Reference]:
    """Open a track and check it; every problem is in one error.

    :param file: any ``ObjectStoragePath`` or its URL, or a local path.
    :param purpose: ``song``, ``voice`` or ``instrumental``.
    :raises InvalidReferenceError: the file or the purpose is not what the API takes; nothing was sent.
    """
    problems = []
    if purpose not in PURPOSES:
        problems.append(f"purpose: {purpose!r:.60}, but one of {', '.join(PURPOSES)} is taken; choose one of them.")
    with contextlib.ExitStack() as stack:
        opened = open_track(file, problems, stack)
        facts = _facts(file, opened, problems) if opened is not None else None
        if problems or opened is None or facts is None:
            raise InvalidReferenceError(problems, f"The reference {str(file)!r:.200}")
        reader = HashingReader(opened)
        reader.seek(0)
        yield Reference(reader, facts, f"reference.{facts.format}", CONTENT_TYPES[facts.format])


def open_track(file: Any, problems: list[str], stack: contextlib.ExitStack) -> IO[bytes] | None:
    """Open a file wherever it lies, until the stack is closed; None with one problem more where that cannot be."""
    path = _path(file, problems)
    if path is None:
        return None
    try:
        opened: IO[bytes] = stack.enter_context((ObjectStoragePath(path) if isinstance(path, str) else path).open("rb"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        problems.append(f"file: {path} does not exist or is no file; give the path of a WAV or MP3 file.")
    except PermissionError as exc:
        problems.append(f"file: {path} may not be read by this worker: {exc}; grant it, or copy the file.")
    except (ValueError, ImportError) as exc:
        problems.append(f"file: {path} is in no storage known here: {exc}; install the provider of its scheme.")
    else:
        return opened
    return None


def _path(file: Any, problems: list[str]) -> Any:
    """Return what can be opened: a URL, a path, or the path of an object store as it is, with its connection."""
    is_stored = any(base.__module__.partition(".")[0] == "upath" for base in type(file).__mro__)
    if not (file is None or is_stored or isinstance(file, str | PurePath)):
        problems.append(f"file: {file!r:.60} is no path; give the path or the URL of a WAV or MP3 file as text.")
        return None
    url = str("" if file is None else file).strip()
    if not url or url == "None":
        problems.append(f"file: {file!r} names no file; give a path or a URL of a WAV or MP3 file.")
        return None
    cut = _ONE_SLASH.match(url)
    if cut is not None and cut[1] not in ("file", "local"):
        problems.append(
            f"file: {url} has one slash after {cut[1]}: where a URL has two, as a Path makes of a URL; "
            "give the URL as a text."
        )
        return None
    if is_stored:
        return file
    return str(Path(url).expanduser()) if urlsplit(url).scheme == "" else url


def _facts(file: Any, opened: IO[bytes], problems: list[str]) -> AudioFacts | None:
    try:
        facts = probe(opened)
    except NotAudioError as exc:
        problems.append(f"file: {exc}; give a WAV or MP3 file.")
        return None
    if facts.format not in CONTENT_TYPES:
        problems.append(f"file: its content is {facts.format}, but WAV or MP3 is taken; convert it.")
    suffix = Path(urlsplit(str(file)).path).suffix.lower()
    if _SUFFIXES.get(suffix, facts.format) != facts.format:
        problems.append(
            f"file: it is named {suffix}, but its content is {facts.format}; rename it to .{facts.format}, "
            "or give the file that was meant."
        )
    seconds = (facts.duration_ms or 0) / 1000
    if seconds <= MIN_SECONDS:
        problems.append(f"file: {seconds:.2f} s long, but it must be longer than {MIN_SECONDS} s; give a longer part.")
    if seconds > MAX_SECONDS:
        problems.append(f"file: {seconds:.1f} s long, but at most {MAX_SECONDS} s (10 min) are taken; cut it.")
    return facts
