# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Finds Content Credentials (C2PA) in a song's bytes while they go past, whatever container the song has.

They hash the file, so any later change to it, a tag too, makes them invalid.
"""

from __future__ import annotations

#: The box that every manifest store starts with: a JUMBF description of type "c2pa" (C2PA 2.2, 11.1.4). MP3 and FLAC
#: hold it in an ID3 frame, WAV in a chunk ``C2PA``, MP4 in a ``uuid`` box; none of them packs it.
_STORE = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
#: XMP's pointer to a manifest that lies elsewhere and hashes this file all the same (C2PA 2.2, 11.4).
_POINTER = b"dcterms:provenance"
_OVERLAP = max(len(_STORE), len(_POINTER)) - 1


class CredentialsScanner:
    """Takes a file's bytes in order; ``found`` says whether they hold Content Credentials, or point to some."""

    def __init__(self) -> None:
        self._tail = b""
        self.found = False

    def update(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes."""
        if self.found:
            return
        seam = self._tail + bytes(chunk[:_OVERLAP])
        self.found = any(mark in seam or mark in chunk for mark in (_STORE, _POINTER))
        self._tail = (self._tail + bytes(chunk[-_OVERLAP:]))[-_OVERLAP:]
