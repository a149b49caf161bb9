# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A reference track that travels inside a request, as a data URI: the API prefers that to a URL it has to fetch.

The limits are those of :mod:`airflow_provider_music.api.cover_reference`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.cover_reference import MAX_BYTES, MAX_SECONDS, MIN_SECONDS
from airflow_provider_music.audio.facts import NotAudioError
from airflow_provider_music.audio.opening import open_track
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import InvalidReferenceError

if TYPE_CHECKING:
    from airflow_provider_music.audio.facts import AudioFacts

CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
}


@dataclass(frozen=True, slots=True)
class InlineTrack:
    """A track in memory, checked."""

    content: bytes = field(repr=False)
    facts: AudioFacts
    sha256: str

    def data_uri(self) -> str:
        """Return it as a data URI, a third larger than the file."""
        return f"data:{CONTENT_TYPES[self.facts.format]};base64,{base64.b64encode(self.content).decode()}"


def read_inline(file: Any) -> InlineTrack:
    """Read a track and check it; every problem is in one error.

    :param file: any ``ObjectStoragePath`` or its URL, or a local path.
    :raises InvalidReferenceError: the file is not what the API takes; nothing was sent.
    """
    problems: list[str] = []
    content = None
    with contextlib.ExitStack() as stack:
        opened = open_track(file, problems)
        if opened is not None:
            content = stack.enter_context(opened).read(MAX_BYTES + 1)
    facts = _facts(content, problems) if content is not None else None
    if problems or content is None or facts is None:
        raise InvalidReferenceError(problems, f"The reference {str(file)!r:.200}")
    return InlineTrack(content, facts, hashlib.sha256(content).hexdigest())


def _facts(content: bytes, problems: list[str]) -> AudioFacts | None:
    if len(content) > MAX_BYTES:
        problems.append("file: larger than 50 MB, the most that is taken; shorten it, or give an MP3.")
        return None
    try:
        facts = probe(io.BytesIO(content))
    except NotAudioError as exc:
        problems.append(f"file: {exc}; give an MP3, WAV, FLAC, Ogg or M4A file.")
        return None
    if facts.format not in CONTENT_TYPES:
        problems.append(f"file: its content is {facts.format}; give an MP3, WAV, FLAC, Ogg or M4A file.")
    seconds = facts.duration_ms / 1000 if facts.duration_ms is not None else None
    if seconds is not None and not MIN_SECONDS <= seconds <= MAX_SECONDS:
        problems.append(
            f"file: {seconds:.2f} s long, but {MIN_SECONDS} s to {MAX_SECONDS} s (6 min) are taken; cut it."
        )
    return facts
