# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Format, length and rates of a track, read from its content and never from its name."""

from __future__ import annotations

import io
import struct
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

from airflow_provider_music.audio.containers import ID3_HEADER_BYTES, id3_tag_bytes, riff_chunks

if TYPE_CHECKING:
    from collections.abc import Callable

AudioFormat = Literal["mp3", "wav", "pcm", "flac", "ogg", "m4a"]

#: Fewer bits per second than the lowest MP3 bitrate (8 kbit/s) means that a header promises more
#: sound than the file holds: the file was cut short.
_LOWEST_BITRATE_BPS = 7_500
_SNIFF_BYTES = 64
#: The eleven bits that start an MPEG frame, and the two that say layer III.
_FRAME_MASK, _FRAME_LAYER_III = 0xFFE6, 0xFFE2
#: A WAV writer that cannot go back leaves 0, or about the largest size, where the length of the sound stands.
_WAV_PLACEHOLDER = 0x7FFFF000
#: With such a length a whole song looks like a cut one, but less than this is none.
_LEAST_STREAMED_SECONDS = 0.1
_XING_HAS_FRAMES, _XING_HAS_BYTES = 1, 2
_TEXT_BYTES = frozenset((9, 10, 13, *range(32, 127)))


class NotAudioError(ValueError):
    """The bytes are not audio of a format that this package knows."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What a track is.

    ``duration_ms`` milliseconds, ``sample_rate_hz`` samples a second, ``bitrate_bps`` bits a second
    (the mean where it varies), ``size_bytes`` bytes; a figure that the content does not give is None.
    """

    format: AudioFormat
    duration_ms: int | None
    sample_rate_hz: int | None
    bitrate_bps: int | None
    channels: int | None
    size_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class _Info(NamedTuple):
    """What a WAV file's headers say, under mutagen's names: seconds, bits a second, samples a second."""

    length: float
    bitrate: int
    sample_rate: int
    channels: int


def sniff(head: bytes) -> AudioFormat | None:
    """Tell the format from the first bytes, or None; MP3 without a tag still has to be parsed to be sure."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:3] == b"ID3" or int.from_bytes(head[:2]) & _FRAME_MASK == _FRAME_LAYER_III:
        return "mp3"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[4:8] == b"ftyp":
        return "m4a"
    return None


def probe(file: IO[bytes]) -> AudioFacts:
    """Read a seekable file's facts; reads headers, not the whole file.

    :raises NotAudioError: the content is not WAV, MP3, FLAC, Ogg or MP4 audio, or is cut short.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(_SNIFF_BYTES)
    file.seek(0)
    found = sniff(head)
    if found is None:
        raise NotAudioError(f"not audio: {describe_head(head)}")
    info: Any = _wav_info(file, size) if found == "wav" else _mp3_info(file) if found == "mp3" else _parse(found, file)
    length = float(getattr(info, "length", 0) or 0)
    bitrate = int(getattr(info, "bitrate", 0) or 0)
    if found == "mp3":
        _check_xing(file, info.frame_offset, size)
    if length <= 0:
        raise NotAudioError(f"a {found} header with no sound behind it ({size} bytes)")
    if size * 8 / length < _LOWEST_BITRATE_BPS:
        raise NotAudioError(f"cut short: the {found} header says {length:.1f} s, but there are {size} bytes")
    return AudioFacts(
        format=found,
        duration_ms=round(length * 1000),
        sample_rate_hz=int(getattr(info, "sample_rate", 0) or 0) or None,
        bitrate_bps=bitrate or round(size * 8 / length),
        channels=int(getattr(info, "channels", 0) or 0) or None,
        size_bytes=size,
    )


def raw_pcm_facts(size_bytes: int, sample_rate_hz: int | None, channels: int | None) -> AudioFacts:
    """Facts of headerless 16-bit PCM: only its size is known, the rest is what was requested.

    :param channels: from the API's ``music_channel``; without it the length is not known.
    :raises NotAudioError: an odd number of bytes cannot be 16-bit samples.
    """
    if size_bytes == 0 or size_bytes % 2:
        raise NotAudioError(f"{size_bytes} bytes cannot be 16-bit PCM")
    rate_bps = sample_rate_hz * channels * 16 if sample_rate_hz and channels else None
    return AudioFacts(
        format="pcm",
        duration_ms=round(size_bytes * 8_000 / rate_bps) if rate_bps else None,
        sample_rate_hz=sample_rate_hz,
        bitrate_bps=rate_bps,
        channels=channels,
        size_bytes=size_bytes,
    )


def describe_head(head: bytes) -> str:
    """Say in a few words what the first bytes look like, without quoting them."""
    if not head:
        return "the file is empty"
    start = head.lstrip()[:1]
    if start in (b"{", b"["):
        return "it looks like JSON"
    if start == b"<":
        return "it looks like HTML or XML"
    if is_text(head):
        return "it looks like text"
    return "its first bytes are of no audio format"


def is_text(head: bytes) -> bool:
    """Whether the first bytes are plain text, as of an error page: audio has others among them."""
    return bool(head) and _TEXT_BYTES.issuperset(head)


def _wav_info(file: IO[bytes], size: int) -> _Info:
    """Read a RIFF file's format and how much sound there is; its header may promise more than came.

    Not mutagen's reader: that takes a placeholder for the length, and refuses one in the outermost chunk.
    """
    form = b""
    for chunk in riff_chunks(file, size):
        if chunk.name == b"fmt ":
            form = file.read(min(chunk.length, 16))
        if chunk.name == b"data":
            return _wav_sound(form, chunk.length, size - chunk.body)
    raise NotAudioError(f"a wav header with no sound behind it ({size} bytes)")


def _wav_sound(form: bytes, promised: int, there: int) -> _Info:
    if len(form) < 16:  # noqa: PLR2004 - the shortest format chunk
        raise NotAudioError("it starts like wav, but does not say its format")
    _, channels, rate, byte_rate, _, bits = struct.unpack("<HHIIHH", form)
    bitrate = channels * bits * rate or byte_rate * 8
    if not bitrate:
        raise NotAudioError("it starts like wav, but its format has no bit rate")
    if promised == 0 or promised >= _WAV_PLACEHOLDER:
        promised = there if there * 8 >= bitrate * _LEAST_STREAMED_SECONDS else 0
    if promised > there:
        raise NotAudioError(f"cut short: the wav header says {promised} bytes of sound, but there are {there}")
    return _Info(promised * 8 / bitrate, bitrate, rate, channels)


def _check_xing(file: IO[bytes], frame_at: int, size: int) -> None:
    """Compare an MP3 with the size that its encoder wrote into the first frame, where it did."""
    file.seek(frame_at)
    frame = file.read(_SNIFF_BYTES)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0:
        return
    flags = int.from_bytes(frame[at + 4 : at + 8])
    if not flags & _XING_HAS_BYTES:
        return
    figure = at + 8 + (4 if flags & _XING_HAS_FRAMES else 0)
    promised, there = int.from_bytes(frame[figure : figure + 4]), size - frame_at
    # Encoders differ in whether they count this frame; a song that is cut lacks far more.
    if there < promised * 0.99:
        raise NotAudioError(f"cut short: the mp3 header says {promised} bytes of sound, but there are {there}")


def _mp3_info(file: IO[bytes]) -> Any:
    """Read an MP3's first frames. Its ID3 tag is stepped over: a picture in it may be larger than the song."""
    # Imported here: mutagen is needed where a track is read, not where a DAG is parsed.
    from mutagen.mp3 import MPEGInfo

    read: Any = MPEGInfo
    start = id3_tag_bytes(file.read(ID3_HEADER_BYTES))
    return _read("mp3", lambda: read(file, start))


def _parse(found: AudioFormat, file: IO[bytes]) -> Any:
    from mutagen.flac import FLAC
    from mutagen.mp4 import MP4
    from mutagen.oggvorbis import OggVorbis

    reader: Any = {"flac": FLAC, "ogg": OggVorbis, "m4a": MP4}[found]
    return _read(found, lambda: reader(file).info)


def _read(found: AudioFormat, read: Callable[[], Any]) -> Any:
    import mutagen

    try:
        info = read()
    except (mutagen.MutagenError, ValueError, ZeroDivisionError, IndexError, EOFError, OverflowError) as exc:
        raise NotAudioError(f"it starts like {found}, but cannot be read as {found}: {exc}") from exc
    if info is None or getattr(info, "sketchy", False):
        raise NotAudioError(f"it starts like {found}, but no sound follows")
    return info
