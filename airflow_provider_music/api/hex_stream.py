# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the response of a synchronous generation as it comes: the hex of ``data.audio`` becomes bytes, piece by piece.

A song of 10 MB is 20 MB of JSON; parsed in one piece it takes five times the song in memory and blocks the event
loop. Here the audio is never in memory as a whole, and everything else (under 1 MB) is parsed at the end.
JSON libraries that stream return a string value only when it is complete, and here that is the song.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any, Literal

_AUDIO_PATH = ("data", "audio")
#: Everything in the response but the audio.
_MAX_REST_BYTES = 2**20
_MAX_DEPTH = 64
_MAX_TEXT_BYTES = 2**14
_HEX = frozenset(b"0123456789abcdefABCDEF")
_WHITE = b" \t\r\n"
_STRUCTURE = re.compile(rb'["{}\[\],:]')
_STRING_END = re.compile(rb'["\\]')
_CUT_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")

Mode = Literal["structure", "string", "audio"]


class HexStreamError(ValueError):
    """The response is not the JSON of a song."""


class HexStream:
    """Feed it the response's bytes in order; it returns the audio's bytes in order.

    ``text`` holds ``data.audio`` where that is no hex but a text, such as a URL.
    """

    def __init__(self) -> None:
        self.text: str | None = None
        self._rest = bytearray()
        self._mode: Mode = "structure"
        self._stack: list[str | None] = []
        self._expects_key = False
        self._string = bytearray()
        self._after_backslash = False
        self._carry = b""
        self._nibble = b""
        self._seen_audio = False
        self._started = False
        self._is_text = False
        self._text = bytearray()
        self._audio_ends_at: int | None = None
        self._complete = False
        #: What is wrong behind the audio's closing quote. The song is whole, so its last bytes are still returned.
        self.broken: HexStreamError | None = None

    @property
    def closed(self) -> bool:
        """Whether the audio's closing quote came: all of the song is there, whatever follows it."""
        return self._audio_ends_at is not None

    @property
    def cut_after_audio(self) -> bool:
        """Whether the response ends between the audio's closing quote and its own last bracket."""
        return self.closed and not self._complete and self.broken is None

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the response; return the next bytes of the audio, maybe none.

        :raises HexStreamError: it is no JSON of a song, or its audio is no hex. Once the audio is whole ``broken`` is
            set instead, and the rest is not read.
        """
        audio = bytearray()
        try:
            self._feed(chunk, audio)
        except HexStreamError as exc:
            if not self.closed:
                raise
            self.broken = exc
        return bytes(audio)

    def _feed(self, chunk: bytes, audio: bytearray) -> None:
        at = 0
        while at < len(chunk) and self.broken is None:
            if self._mode == "audio":
                at = self._feed_audio(chunk, at, audio)
            elif self._mode == "string":
                at = self._feed_string(chunk, at)
            else:
                at = self._feed_structure(chunk, at)
            if len(self._rest) > _MAX_REST_BYTES:
                raise HexStreamError(f"the answer has more than {_MAX_REST_BYTES} bytes beside the audio")

    def finish(self) -> dict[str, Any]:
        """Return the response without its audio.

        :raises HexStreamError: it ended early, or is no JSON object.
        """
        if self.broken is not None:
            raise self.broken
        if self._mode != "structure" or self._stack:
            raise HexStreamError("the answer ends in the middle")
        if self._nibble:
            raise HexStreamError("the audio has an odd number of hex digits")
        try:
            body = json.loads(bytes(self._rest))
        except (ValueError, RecursionError) as exc:
            raise HexStreamError(f"the answer is no JSON: {type(exc).__name__}") from exc
        if not isinstance(body, dict):
            raise HexStreamError("the answer is no JSON object")
        data = body.get("data")
        if self._seen_audio and not (isinstance(data, dict) and data.get("audio") == ""):
            raise HexStreamError("the answer holds data or data.audio twice")
        return body

    def finish_at_audio(self) -> dict[str, Any]:
        """Return what came up to the audio's closing quote, where the rest of the response is missing.

        :raises HexStreamError: that is no JSON, or the audio itself is broken.
        """
        del self._rest[self._audio_ends_at :]
        self._rest += b"}" * len(_AUDIO_PATH)
        self._stack.clear()
        self._mode = "structure"
        return self.finish()

    def _feed_structure(self, chunk: bytes, at: int) -> int:
        found = _STRUCTURE.search(chunk, at)
        if found is None:
            self._rest += chunk[at:]
            return len(chunk)
        self._rest += chunk[at : found.end()]
        self._structural(found.group())
        return found.end()

    def _structural(self, token: bytes) -> None:
        if token in b"{[":
            self._stack.append(None)
            self._expects_key = token == b"{"
            if len(self._stack) > _MAX_DEPTH:
                raise HexStreamError(f"the answer is nested more than {_MAX_DEPTH} deep")
        elif token in b"}]":
            if not self._stack:
                raise HexStreamError("the answer closes what it did not open")
            self._stack.pop()
            self._expects_key = False
            self._complete = self._complete or (self.closed and not self._stack)
        elif token == b",":
            # In an object a key follows; in a list a string is taken for a key too, which harms nothing:
            # a list's entry has no key, so no path through it is the audio's.
            self._expects_key = True
        elif token == b":":
            self._expects_key = False
        elif not self._expects_key and tuple(self._stack) == _AUDIO_PATH:
            self._start_audio()
        else:
            self._mode = "string"
            self._string.clear()

    def _feed_string(self, chunk: bytes, at: int) -> int:
        if self._after_backslash:
            self._after_backslash = False
            self._string += chunk[at : at + 1]
            self._rest += chunk[at : at + 1]
            return at + 1
        found = _STRING_END.search(chunk, at)
        end = found.end() if found else len(chunk)
        self._string += chunk[at:end]
        self._rest += chunk[at:end]
        self._after_backslash = found is not None and found.group() == b"\\"
        if found and not self._after_backslash:
            self._mode = "structure"
            if self._expects_key and self._stack:
                self._stack[-1] = self._key(bytes(self._string[:-1]))
        return end

    def _key(self, raw: bytes) -> str:
        try:
            return str(json.loads(b'"' + raw + b'"'))
        except ValueError as exc:
            raise HexStreamError("the answer is no JSON: a broken key") from exc

    def _start_audio(self) -> None:
        if self._seen_audio:
            raise HexStreamError("the answer holds data.audio twice")
        self._seen_audio = True
        self._mode = "audio"

    def _feed_audio(self, chunk: bytes, at: int, audio: bytearray) -> int:
        end = chunk.find(b'"', at)
        piece = self._carry + chunk[at : end if end >= 0 else len(chunk)]
        self._carry = b""
        if b"\\" in piece:
            piece = self._unescaped(piece, closed=end >= 0)
        self._take(piece, audio)
        if end < 0:
            return len(chunk)
        self._rest += b'"'
        self._audio_ends_at = len(self._rest)
        self._mode = "structure"
        if self._is_text:
            self.text = self._text.decode("utf-8", "replace").strip()
        return end + 1

    def _unescaped(self, piece: bytes, *, closed: bool) -> bytes:
        """Undo JSON's escapes; an escape cut by the chunk's end waits for the rest."""
        cut = _CUT_ESCAPE.search(piece)
        if cut:
            if closed:
                # Also an escaped quote, which no hex and no URL holds.
                raise HexStreamError("the audio has a broken escape")
            piece, self._carry = piece[: cut.start(1)], piece[cut.start(1) :]
        try:
            # Surrogates stand for the bytes of a character that the chunk's end cuts in two.
            text = json.loads('"' + piece.decode("utf-8", "surrogateescape") + '"', strict=False)
            return str(text).encode("utf-8", "surrogateescape")
        except ValueError as exc:
            raise HexStreamError("the audio has a broken escape") from exc

    def _take(self, piece: bytes, audio: bytearray) -> None:
        piece = piece if self._is_text else self._nibble + piece
        if not piece:
            return
        if not self._is_text and not self._started and piece.lstrip(_WHITE)[:1]:
            self._is_text = piece.lstrip(_WHITE)[0] not in _HEX
        if self._is_text:
            self._text += piece
            if len(self._text) > _MAX_TEXT_BYTES:
                raise HexStreamError("data.audio is neither hex nor a URL")
            return
        audio += self._unhex(piece)

    def _unhex(self, piece: bytes) -> bytes:
        even = len(piece) - len(piece) % 2
        try:
            decoded = binascii.unhexlify(piece[:even])
        except binascii.Error:
            piece = piece.translate(None, _WHITE)
            even = len(piece) - len(piece) % 2
            try:
                decoded = binascii.unhexlify(piece[:even])
            except binascii.Error as exc:
                raise HexStreamError("the audio is no hex") from exc
        # unhexlify does not see the last of an odd number, which may be white space.
        self._nibble = piece[even:].strip(_WHITE)
        self._started = self._started or bool(decoded or self._nibble)
        return decoded
