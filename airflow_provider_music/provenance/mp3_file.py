# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where in an MP3 file its frames and its tags lie."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, Self

from airflow_provider_music.provenance.errors import NotTaggableError
from airflow_provider_music.provenance.id3 import HEADER_BYTES, tag_bytes
from airflow_provider_music.provenance.splice import Edit, Span

_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32
_APE_HAS_HEADER = 0x80000000


@dataclass(frozen=True, slots=True)
class Mp3File:
    """An MP3 file's stretches: the frames, and the ID3v2 tag before them."""

    sound: Span
    tag: Span | None

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Find them; reads the start and the end of the file.

        :raises NotTaggableError: its tag says that it is longer than the file.
        """
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        length = tag_bytes(file.read(HEADER_BYTES))
        if length > size:
            raise NotTaggableError(f"its ID3 tag says {length} bytes, the file has {size}")
        tag = Span(0, length) if length else None
        return cls(Span(length, max(length, _end_of_sound(file, size))), tag)

    def edits(self, tag: bytes, comment: str, software: str) -> list[Edit]:  # noqa: ARG002 - as of a WAV file
        """Return what puts a tag in, in place of the one that is there."""
        return [Edit(0, self.tag.end if self.tag else 0, tag)]


def _end_of_sound(file: IO[bytes], size: int) -> int:
    """Where the frames end: other programs put ID3v1 and APE tags behind them."""
    start = max(0, size - _ID3V1_BYTES - _APE_FOOTER_BYTES)
    file.seek(start)
    tail = file.read(size - start)
    end = size
    if tail[-_ID3V1_BYTES:].startswith(b"TAG") and len(tail) >= _ID3V1_BYTES:
        end -= _ID3V1_BYTES
        tail = tail[:-_ID3V1_BYTES]
    footer = tail[-_APE_FOOTER_BYTES:]
    if footer.startswith(b"APETAGEX") and len(footer) == _APE_FOOTER_BYTES:
        length, flags = int.from_bytes(footer[12:16], "little"), int.from_bytes(footer[20:24], "little")
        end -= min(end, length + (_APE_FOOTER_BYTES if flags & _APE_HAS_HEADER else 0))
    return end
