# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A short answer, read whole within bounds of size and time."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import httpx

if TYPE_CHECKING:
    from airflow_provider_music.api.settings import MusicSettings

#: No answer but a song is larger; a catalogue of all models was about half a megabyte.
MAX_ANSWER_BYTES = 4 * 2**20
#: A whole quick answer may take this many read timeouts, so that a slow drip ends.
DRIP_FACTOR = 3


class Reply(Protocol):
    """What the readers of answers need of one; an ``httpx.Response`` that was read is one too."""

    @property
    def status_code(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> httpx.Headers:
        """Headers, by any spelling of their names."""

    @property
    def content(self) -> bytes:
        """The body, not encoded."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""


@dataclass(frozen=True, slots=True)
class WholeReply:
    """An answer that was read; a second ``httpx.Response`` for it would cost a tenth of a poll's CPU."""

    status_code: int
    headers: httpx.Headers
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300  # noqa: PLR2004 - HTTP's own


class Collector:
    """Takes a body's pieces as they come, and nothing beyond the bounds.

    :param response: the answer, its body unread.
    """

    def __init__(self, response: httpx.Response, settings: MusicSettings) -> None:
        self._response = response
        self._chunks = bytearray()
        self._until = time.monotonic() + DRIP_FACTOR * settings.read_timeout

    def add(self, chunk: bytes) -> None:
        """Take the next piece, as it came over the line.

        :raises httpx.ReadError: the answer is too large.
        :raises httpx.ReadTimeout: it comes too slowly.
        """
        self._chunks += chunk
        if len(self._chunks) > MAX_ANSWER_BYTES:
            raise httpx.ReadError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > self._until:
            raise httpx.ReadTimeout("the answer comes too slowly")

    def whole(self) -> WholeReply:
        """Return the answer.

        :raises httpx.DecodingError: it is compressed in a way that cannot be undone, or is too large.
        """
        return WholeReply(self._response.status_code, self._response.headers, self._decoded())

    def _decoded(self) -> bytes:
        encoding = self._response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return bytes(self._chunks)
        if encoding not in ("gzip", "deflate"):
            raise httpx.DecodingError(f"the answer is encoded as {encoding!r}, which was not asked for")
        # Asked for plain, some proxies compress all the same; the bound holds for what comes out.
        decoder = zlib.decompressobj(wbits=47)
        try:
            content = decoder.decompress(bytes(self._chunks), MAX_ANSWER_BYTES)
        except zlib.error as exc:
            raise httpx.DecodingError(str(exc)) from exc
        if decoder.unconsumed_tail or (content and not decoder.eof and len(content) >= MAX_ANSWER_BYTES):
            raise httpx.DecodingError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        return content
