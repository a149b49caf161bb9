# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A response's body within bounds: buffered whole where it is short, decompressed in pieces where it is a song."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from airflow_provider_music.api.parsing import bounded_json, one_line
from airflow_provider_music.api.secrecy import masked_json, scrubbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_music.api.connection import MusicSettings

#: No answer but a song is larger; a catalogue of all models was about half a megabyte.
MAX_ANSWER_BYTES = 4 * 2**20
#: A whole quick answer may take this many read timeouts, so that a slow drip ends.
DRIP_FACTOR = 3
#: What is decompressed at once.
PIECE_BYTES = 2**18


class AnyResponse(Protocol):
    """What the readers of responses need of one; an ``httpx.Response`` that was read is one too."""

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
    """A response that was read; a second ``httpx.Response`` for it would cost a tenth of a poll's CPU.

    It is as the server sent it, and may quote the key: words of it leave through :func:`quoted` only.
    """

    status_code: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    key: str = field(default="", repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300  # noqa: PLR2004 - HTTP's own


async def buffered(response: httpx.Response, settings: MusicSettings) -> BufferedResponse:
    """Read a short body whole.

    :param response: its body unread.
    :raises httpx.ReadError: the body is too large.
    :raises httpx.ReadTimeout: it comes too slowly.
    :raises httpx.DecodingError: it is compressed in a way that cannot be undone, or is too large.
    """
    until = time.monotonic() + DRIP_FACTOR * settings.read_timeout
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise httpx.ReadError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer comes too slowly")
    return BufferedResponse(
        response.status_code, response.headers, _decompressed(response.headers, body), settings.api_key
    )


def quoted(response: AnyResponse, text: str) -> str:
    """Return a server's words as they may be shown: one line of bounded length, without the key and other secrets."""
    return quoted_without(key_of(response), text)


def key_of(response: AnyResponse) -> str:
    """Return the key that a response was asked for with; empty where that is not known."""
    return response.key if isinstance(response, BufferedResponse) else ""


def quoted_without(key: str, text: str) -> str:
    """Do the same for a response that was not buffered."""
    return one_line(text, lambda line: scrubbed(line, key))


def _decompressed(headers: httpx.Headers, body: bytearray) -> bytes:
    decompressor = Decompressor(headers)
    content = bytearray()
    for piece in decompressor.pieces(body):
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise httpx.DecodingError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    decompressor.end()
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
                yield decoder.decompress(rest, PIECE_BYTES)
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


def json_of(response: AnyResponse) -> Any:
    """Return the body as JSON, or None if it is none, or nested so deep that quoting it would break."""
    try:
        body = bounded_json(response.content)
    except ValueError:
        return None
    return _without_key(response, body)


def _without_key(response: AnyResponse, body: Any) -> Any:
    key, content = key_of(response), response.content
    # Polls are many, and hardly any quotes the key; with an escape it may be spelled in another way.
    return masked_json(body, key) if key and (key.encode() in content or b"\\" in content) else body
