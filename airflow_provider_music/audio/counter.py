# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the frames of MP3, Layer I and II, and AAC from bytes that stream past: the only true length of such a file.

It walks from header to header and holds a few kilobytes, however large the file. What is no frame is skipped: tags,
zeros, the end of a frame whose start is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_music.audio.containers import ID3_HEADER_BYTES, ape_tag_bytes, id3_tag_bytes
from airflow_provider_music.audio.frame_header import (
    FRAME_START,
    HEADER_BYTES,
    FrameHeader,
    channels_of,
    frame_header,
)
from airflow_provider_music.audio.vbr_header import VBR_HEADER_BYTES, VbrHeader, vbr_header_of

if TYPE_CHECKING:
    from airflow_provider_music.audio.facts import AudioFormat

#: Frames in a row that prove a stream: two bytes that look like a header are in any file. At the end two do.
_ROW, _ROW_AT_END, _ROW_AFTER_GAP = 3, 2, 2
#: A row of the longest frames (AAC), and a tag's header.
_LOOKAHEAD_BYTES = _ROW * 8192
#: No encoder or cut puts as much in front of the first frame, tags apart; neither is a place tried so often.
_MOST_JUNK_BYTES = 16 * 2**20
_MOST_TRIES = 100_000
_ID3V1_BYTES = 128
_TAGS_BEHIND = (b"TAG", b"APE", b"LYR", b"ID3")


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a file.

    ``seconds`` is what they hold, without a frame that is a header; ``start`` is where the first one stands, and
    ``length`` its bytes. ``stray_bytes`` stand between the first and the last frame and are of none, tags apart.
    """

    format: AudioFormat
    count: int
    seconds: float
    rate: int
    channels: int
    bitrate_kbps: int
    start: int
    length: int
    sound_bytes: int
    stray_bytes: int
    ends_in_mid_frame: bool
    declared: VbrHeader | None


class FrameCounter:
    """Fed like a hash: :meth:`update` with the file's bytes in order, then :meth:`result`.

    ``size`` is the bytes that it was fed, ``gave_up`` that nothing more will be found.
    """

    def __init__(self) -> None:
        self.size = 0
        self.gave_up = False
        self._buffer = bytearray()
        #: Where the buffer starts in the file, and what of the bytes to come belongs to a frame or tag.
        self._base = 0
        self._skip = 0
        self._in_row = False
        self._in_frame = False
        self._tries = 0
        self._hunted = 0
        self._first: FrameHeader | None = None
        self._start = 0
        self._head = b""
        self._channels = 0
        self._last: FrameHeader | None = None
        self._count = 0
        self._samples = 0
        self._seconds = 0.0
        self._bytes = 0
        self._bitrates: set[int] = set()
        self._stray = self._lost_since = 0

    def update(self, data: bytes | bytearray) -> None:
        """Take the next bytes."""
        self.size += len(data)
        if self.gave_up:
            return
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        if not self._buffer:
            self._base = self.size - len(data) + skipped
        self._buffer += memoryview(data)[skipped:]
        self._walk(at_end=False)

    def result(self) -> Frames | None:
        """Return the frames of what was fed, or None where there are none; ends the counting."""
        if not self.gave_up:
            self._walk(at_end=True)
        ends_in_mid_frame = bool(self._skip and self._in_frame)
        self.gave_up = True
        if self._first is None or self._last is None:
            return None
        declared = vbr_header_of(self._head) if self._first.format == "mp3" else None
        count, samples, length = self._count, self._samples, self._bytes
        if ends_in_mid_frame:
            count, samples, length = count - 1, samples - self._last.samples, length - self._last.length
        seconds = self._seconds + samples / self._last.rate
        if declared is not None:
            count, length = count - 1, length - self._first.length
            seconds -= self._first.samples / self._first.rate
        return Frames(
            format=self._first.format,
            count=count,
            seconds=max(0.0, seconds),
            rate=self._first.rate,
            channels=self._channels,
            bitrate_kbps=next(iter(self._bitrates)) if len(self._bitrates) == 1 else 0,
            start=self._start,
            length=self._first.length,
            sound_bytes=length,
            stray_bytes=self._stray,
            ends_in_mid_frame=ends_in_mid_frame,
            declared=declared,
        )

    def _walk(self, *, at_end: bool) -> None:
        """Go as far as the buffer lets one be sure, and drop what was gone through."""
        at = 0
        while not self.gave_up:
            if self._in_row:
                at = self._follow(at)
            if at >= len(self._buffer) or (self._in_row and at + HEADER_BYTES > len(self._buffer) and not at_end):
                break
            if self._in_row:
                self._in_row = self._in_frame = False
                self._lost_since = self._base + at
            if len(self._buffer) - at < _LOOKAHEAD_BYTES and not at_end:
                break
            found = self._hunt(at, at_end=at_end)
            if found == at and not self._in_row:
                break
            at = found
        self._drop(at)

    def _drop(self, count: int) -> None:
        self._skip += max(0, count - len(self._buffer))
        self._base += min(count, len(self._buffer))
        del self._buffer[:count]
        if self.gave_up:
            self._buffer.clear()

    def _follow(self, at: int) -> int:
        """Count frames from here on, as long as one follows another; return where none stands, or the data ends."""
        data, end, last = self._buffer, len(self._buffer) - HEADER_BYTES, self._last
        count = samples = length = 0
        stream = last.stream if last else None
        while at <= end:
            header = frame_header(data, at)
            if header is None or header.stream != stream:
                break
            count += 1
            samples += header.samples
            length += header.length
            at += header.length
            if header is not last:
                last = header
                self._bitrates.add(header.bitrate_kbps)
        self._last = last
        self._count += count
        self._samples += samples
        self._bytes += length
        self._in_frame = self._in_frame or count > 0
        return at

    def _hunt(self, at: int, *, at_end: bool) -> int:
        """Return where a row of frames starts (and be in it), or how far it is certain that none does."""
        tag = _tag_bytes(self._buffer, at)
        if tag:
            self._lost_since += tag
            return at + tag
        last = len(self._buffer) - (HEADER_BYTES if at_end else _LOOKAHEAD_BYTES)
        begin = at
        while at <= last:
            match = FRAME_START.search(self._buffer, at, last + 3)
            if match is None:
                at = last + 1
                break
            at = match.start()
            if self._is_row(at, at_end=at_end):
                self._enter(at)
                return at
            at += 1
            self._tries += 1
            if self._tries > _MOST_TRIES:
                self.gave_up = True
                return at
        self._hunted += at - begin
        if self._first is None and self._hunted > _MOST_JUNK_BYTES:
            self.gave_up = True
        return max(at, begin)

    def _is_row(self, at: int, *, at_end: bool) -> bool:
        """Whether frames of one stream follow each other from here on."""
        data, first = self._buffer, frame_header(self._buffer, at)
        if first is None:
            return False
        # What follows a gap needs less proof; a stream of another rate, joined to this one, as much as the first.
        goes_on = self._last is not None and first.stream == self._last.stream
        at += first.length
        for found in range(1, _ROW_AFTER_GAP if goes_on else _ROW):
            if at + HEADER_BYTES > len(data):
                return at_end and (goes_on or found >= _ROW_AT_END)
            header = frame_header(data, at)
            if header is None or header.stream != first.stream:
                return found >= _ROW_AT_END and bytes(data[at : at + 3]) in _TAGS_BEHIND
            at += header.length
        return True

    def _enter(self, at: int) -> None:
        header = frame_header(self._buffer, at)
        if header is None:
            return
        if self._first is None:
            self._first = header
            self._start = self._base + at
            self._head = bytes(self._buffer[at : at + min(VBR_HEADER_BYTES, header.length)])
            self._channels = channels_of(self._buffer, at, header)
        else:
            self._stray += max(0, self._base + at - self._lost_since)
        if self._last is not None and self._last.rate != header.rate:
            self._seconds += self._samples / self._last.rate
            self._samples = 0
        self._last = header
        self._bitrates.add(header.bitrate_kbps)
        self._in_row = True


def _tag_bytes(data: bytearray, at: int) -> int:
    """Return the length of the tag that starts here, 0 where none does."""
    head = bytes(data[at : at + 32])
    return id3_tag_bytes(head[:ID3_HEADER_BYTES]) or ape_tag_bytes(head) or (_ID3V1_BYTES if head[:3] == b"TAG" else 0)
