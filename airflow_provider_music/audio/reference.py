# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Checks a reference track against the API's limits before a byte of it leaves.

Source of the limits: aimlapi/api-docs, music-01 upload: WAV or MP3, longer than 10 s, at most 10 min.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from airflow_provider_music.api.purposes import purpose_problem
from airflow_provider_music.audio.facts import NotAudioError, OtherAudioError
from airflow_provider_music.audio.formats import label
from airflow_provider_music.audio.opening import open_track, unavailable
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import InvalidReferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_music.audio.facts import AudioFacts

log = logging.getLogger(__name__)

MIN_SECONDS = 10
MAX_SECONDS = 600
CONTENT_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
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
        """Read on; whatever the store's library raises is an ``OSError``."""
        try:
            data = self._file.read(-1 if size is None else size)
        except OSError:
            raise
        except Exception as exc:
            raise OSError(f"{type(exc).__name__}: {exc}") from exc
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
    :raises ReferenceUnavailableError: its store does not answer; nothing was sent.
    """
    problems: list[str] = []
    wrong = purpose_problem(purpose)
    if wrong is not None:
        problems.append(wrong)
    with contextlib.ExitStack() as stack:
        opened = open_track(file, problems)
        reader = HashingReader(stack.enter_context(opened)) if opened is not None else None
        facts = _facts(file, reader, problems) if reader is not None else None
        if problems or reader is None or facts is None:
            raise InvalidReferenceError(problems, f"The reference {str(file)!r:.200}")
        reader.seek(0)
        yield Reference(reader, facts, f"reference.{facts.format}", CONTENT_TYPES[facts.format])


def _facts(file: Any, reader: HashingReader, problems: list[str]) -> AudioFacts | None:
    """Check what can be told for certain. What is only likely is a warning: the API judges the track itself."""
    try:
        facts = probe(cast("IO[bytes]", reader), may_be_edited=True)
    except NotAudioError as exc:
        failed = _store_error(exc)
        if failed is not None:
            raise unavailable(file, failed) from failed
        what = f"{exc}, but WAV or MP3 is taken; convert it." if isinstance(exc, OtherAudioError) else None
        problems.append(f"file: {what or f'{exc}; give a WAV or MP3 file.'}")
        return None
    except OSError as exc:
        raise unavailable(file, exc) from exc
    suffix = Path(urlsplit(str(file)).path).suffix.lower()
    if facts.format not in CONTENT_TYPES:
        problems.append(f"file: its content is {label(facts.format)}, but WAV or MP3 is taken; convert it.")
    elif _SUFFIXES.get(suffix, facts.format) != facts.format:
        problems.append(
            f"file: it is named {suffix}, but its content is {facts.format}; rename it to .{facts.format}, "
            "or give the file that was meant."
        )
    _check_length(facts, problems)
    for doubt in facts.doubts if not problems else ():
        log.warning("The reference %s is odd: %s. It is sent, and the API may refuse it.", file, doubt)
    return facts


def _check_length(facts: AudioFacts, problems: list[str]) -> None:
    if facts.duration_ms is None:
        return
    seconds, off_by = facts.duration_ms / 1000, facts.tolerance_ms / 1000
    if seconds + off_by <= MIN_SECONDS:
        problems.append(f"file: {seconds:.2f} s long, but it must be longer than {MIN_SECONDS} s; give a longer part.")
    if seconds - off_by > MAX_SECONDS:
        problems.append(f"file: {seconds:.1f} s long, but at most {MAX_SECONDS} s (10 min) are taken; cut it.")
    if not problems and not MIN_SECONDS < seconds <= MAX_SECONDS:
        log.warning(
            "The reference is %.2f s long, by up to %.2f s more or less; the API takes more than %d and at most %d s",
            *(seconds, off_by, MIN_SECONDS, MAX_SECONDS),
        )


def _store_error(exc: BaseException | None) -> OSError | None:
    """Return the store's own error, where a reader took it for a fault of the track."""
    while exc is not None and not isinstance(exc, OSError):
        exc = exc.__cause__ or exc.__context__
    return exc
