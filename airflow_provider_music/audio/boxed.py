# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Facts of FLAC, Ogg, MP4 and AIFF: mutagen reads their headers, and is given no more than headers take.

Tags are left out: a picture in them may be larger than the song.
"""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from airflow_provider_music.audio.facts import AudioFacts, NotAudioError
from airflow_provider_music.audio.formats import label

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_music.audio.facts import AudioFormat

#: Headers of real files take a few kilobytes in a few hundred reads.
_MOST_BYTES = 16 * 2**20
_MOST_READS = 50_000
_FLAC_STREAMINFO_AT, _FLAC_STREAMINFO_BYTES = 8, 34
#: The shortest frame there is: header, one constant sample and checksum.
_FLAC_LEAST_FRAME_BYTES = 9
_OPUS_RATE = 48_000


class _Info(NamedTuple):
    """What a header says: seconds (None where it does not), samples a second, channels, and what is odd."""

    format: AudioFormat
    seconds: float | None
    rate: int
    channels: int
    doubts: tuple[str, ...] = ()


class TooMuchError(ValueError):
    """More headers than any real file has."""


class Headers(io.RawIOBase):
    """The file behind a tag, as if it started there; it ends the reading of headers that do not end."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        super().__init__()
        self._file, self._start = file, start
        self._bytes = self._reads = 0

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes; refuses more than headers take."""
        size = -1 if size is None else size
        self._reads += 1
        if self._reads > _MOST_READS or size > _MOST_BYTES - self._bytes:
            raise TooMuchError(f"its headers take more than {_MOST_BYTES >> 20} MiB or {_MOST_READS} reads")
        data = self._file.read(min(size, _MOST_BYTES) if size >= 0 else _MOST_BYTES - self._bytes)
        self._bytes += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the part behind the tag."""
        return self._file.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        """Return the place in the part behind the tag."""
        return self._file.tell() - self._start

    def seekable(self) -> bool:
        """Say that it can go back."""
        return True

    def readable(self) -> bool:
        """Say that it can be read."""
        return True


def boxed_facts(found: AudioFormat, file: IO[bytes], size: int, start: int) -> AudioFacts:
    """Read what the headers of a file say.

    :param found: flac, ogg, m4a or aiff.
    :param size: of the file.
    :param start: where its first header is.
    :raises NotAudioError: it cannot be read, has no sound, or less than it says.
    """
    headers = Headers(file, start)
    headers.seek(0)
    info = _read(found, lambda: _READERS[found](headers, size - start))
    if info.seconds is not None and info.seconds <= 0:
        raise NotAudioError(f"a {info.format} header with no sound behind it ({size} bytes)")
    return AudioFacts(
        format=info.format,
        duration_ms=round(info.seconds * 1000) if info.seconds is not None else None,
        sample_rate_hz=info.rate or None,
        bitrate_bps=round(size * 8 / info.seconds) if info.seconds else None,
        channels=info.channels or None,
        size_bytes=size,
        doubts=info.doubts if info.seconds is not None else (*info.doubts, "its headers do not say its length"),
    )


def _read(found: AudioFormat, read: Callable[[], _Info]) -> _Info:
    try:
        return read()
    except (NotAudioError, OSError):
        raise
    except RecursionError as exc:
        raise NotAudioError(f"it starts like {found}, but its headers are nested without end") from exc
    except Exception as exc:
        # mutagen raises errors of its own and, at bytes that it did not expect, any other.
        raise NotAudioError(f"it starts like {found}, but cannot be read as {label(found)}: {exc}") from exc


# mutagen is imported where a track is read, not where a DAG is parsed.
def _flac(file: Any, size: int) -> _Info:
    from mutagen.flac import StreamInfo

    file.seek(_FLAC_STREAMINFO_AT)
    data = file.read(_FLAC_STREAMINFO_BYTES)
    if len(data) < _FLAC_STREAMINFO_BYTES:
        raise NotAudioError("it starts like flac, but no sound follows")
    info: Any = StreamInfo(data)  # type: ignore[no-untyped-call]
    frames = info.total_samples // max(info.max_blocksize, 1)
    if size < frames * max(info.min_framesize, _FLAC_LEAST_FRAME_BYTES):
        raise NotAudioError(f"cut short: the flac header says {info.length:.1f} s, but there are {size} bytes")
    if size <= _FLAC_STREAMINFO_AT + _FLAC_STREAMINFO_BYTES:
        raise NotAudioError("it starts like flac, but no sound follows")
    return _Info("flac", info.length or None, info.sample_rate, info.channels)


def _ogg(file: Any, size: int) -> _Info:  # noqa: ARG001 - as the other readers
    from mutagen.ogg import OggPage
    from mutagen.oggflac import OggFLACStreamInfo
    from mutagen.oggopus import OggOpusInfo
    from mutagen.oggspeex import OggSpeexInfo
    from mutagen.oggvorbis import OggVorbisInfo

    page: Any = OggPage
    first: bytes = page(file).packets[0]
    file.seek(0)
    is_opus = first.startswith(b"OpusHead")
    kinds: dict[bytes, Any] = {b"Opus": OggOpusInfo, b"Spee": OggSpeexInfo, b"\x7fFLA": OggFLACStreamInfo}
    info: Any = kinds.get(first[:4], OggVorbisInfo)(file)
    rate = _OPUS_RATE if is_opus else info.sample_rate
    try:
        last = page.find_last(file, info.serial, finishing=True)
        position = last.position if last is not None else 0
    except TooMuchError:
        position = 0
    return _Info("opus" if is_opus else "ogg", position / rate if position > 0 and rate else None, rate, info.channels)


def _m4a(file: Any, size: int) -> _Info:
    from mutagen.mp4 import MP4Info
    from mutagen.mp4._atom import Atoms

    atoms = Atoms(file)
    end = max((atom.offset + atom.length for atom in atoms.atoms), default=0)
    names = {atom.name for atom in atoms.atoms}
    last = atoms.atoms[-1] if atoms.atoms else None
    if end > size and last is not None and last.name in (b"mdat", b"moov", b"moof"):
        raise NotAudioError(f"cut short: the m4a header says {end} bytes, but there are {size}")
    info: Any = MP4Info(atoms, file)  # type: ignore[no-untyped-call]
    if info.length <= 0 and b"moof" in names:
        return _Info("m4a", None, info.sample_rate, info.channels)
    if end == size and not names & {b"mdat", b"moof"}:
        raise NotAudioError("it starts like m4a, but no sound follows")
    return _Info("m4a", info.length, info.sample_rate, info.channels)


def _aiff(file: Any, size: int) -> _Info:  # noqa: ARG001 - as the other readers
    from mutagen.aiff import AIFFInfo

    info = AIFFInfo(file)
    return _Info("aiff", info.length, info.sample_rate, info.channels)


_READERS: dict[AudioFormat, Callable[[Any, int], _Info]] = {"flac": _flac, "ogg": _ogg, "m4a": _m4a, "aiff": _aiff}
