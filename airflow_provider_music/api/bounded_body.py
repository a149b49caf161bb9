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
    from collections.abc import Iterator

    from airflow_provider_music.api.connection import MusicSettings

#: No answer but a song is larger; a catalogue of all models was about half a megabyte.
MAX_ANSWER_BYTES = 4 * 2**20
#: A whole quick answer may take this many read timeouts, so that a slow drip ends.
DRIP_FACTOR = 3
#: What is decompressed at once.
_PIECE_BYTES = 2**18


class AnyResponse(Protocol):
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
class BufferedResponse:
    """An answer that was read; a second ``httpx.Response`` for it would cost a tenth of a poll's CPU."""

    status_code: int
    headers: httpx.Headers
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300  # noqa: PLR2004 - HTTP's own


def without(content: bytes, key: bytes) -> bytes:
    """Take the key out of what a server said: it would be quoted in logs, facts and errors."""
    return content.replace(key, b"***") if key and key in content else content


def headers_without(headers: httpx.Headers, key: bytes) -> httpx.Headers:
    """Do the same for an answer's headers."""
    raw = headers.raw
    if not key or not any(key in value for _, value in raw):
        return headers
    return httpx.Headers([(name, without(value, key)) for name, value in raw])


class BodyCollector:
    """Takes a body's pieces as they come, and nothing beyond the bounds.

    :param response: the answer, its body unread.
    """

    def __init__(self, response: httpx.Response, settings: MusicSettings) -> None:
        self._response = response
        self._key = settings.api_key.encode()
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

    def whole(self) -> BufferedResponse:
        """Return the answer, without the key where it quotes it.

        :raises httpx.DecodingError: it is compressed in a way that cannot be undone, or is too large.
        """
        headers = headers_without(self._response.headers, self._key)
        return BufferedResponse(self._response.status_code, headers, without(self._decoded(), self._key))

    def _decoded(self) -> bytes:
        inflater = Decompressor(self._response.headers)
        content = bytearray()
        for piece in inflater.pieces(self._chunks):
            content += piece
            if len(content) > MAX_ANSWER_BYTES:
                raise httpx.DecodingError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        inflater.end()
        return bytes(content)


class Decompressor:
    """Undoes a content encoding within bounds: asked for plain, some proxies compress all the same.

    :param headers: the answer's.
    :raises httpx.DecodingError: it is none that is known here.
    """

    def __init__(self, headers: httpx.Headers) -> None:
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "deflate"):
            raise httpx.DecodingError(f"the answer is encoded as {encoding!r:.60}, which was not asked for")
        self._decoder = zlib.decompressobj(wbits=47) if encoding in ("gzip", "deflate") else None

    def pieces(self, chunk: bytes | bytearray) -> Iterator[bytes]:
        """Yield what a piece of the body holds, in pieces of bounded size.

        :raises httpx.DecodingError: it is not encoded so, or more follows its end.
        """
        decoder = self._decoder
        if decoder is None:
            yield bytes(chunk)
            return
        rest = bytes(chunk)
        try:
            while rest and not decoder.eof:
                yield decoder.decompress(rest, _PIECE_BYTES)
                rest = decoder.unconsumed_tail
        except zlib.error as exc:
            raise httpx.DecodingError(str(exc)) from exc
        if rest or decoder.unused_data:
            # The decoder would keep it all: an endless tail is memory without end.
            raise httpx.DecodingError("more follows the end of the compressed answer")

    def end(self) -> None:
        """Say that the body ended.

        :raises httpx.DecodingError: it is cut short.
        """
        if self._decoder is not None and not self._decoder.eof:
            raise httpx.DecodingError("the compressed answer ends early")
