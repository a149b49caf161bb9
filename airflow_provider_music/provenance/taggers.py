# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes a song's tags with mutagen, by its format. Only ours change; all others stay.

What is read may come from anywhere, and mutagen takes into memory what it finds: it gets no more than headers take.
"""

from __future__ import annotations

import errno
import io
import struct
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_music.audio.boxed import Headers, TooMuchError
from airflow_provider_music.audio.containers import CHUNK_HEADER_BYTES, riff_chunks
from airflow_provider_music.exceptions import NotTaggableError
from airflow_provider_music.provenance.id3 import MAX_TAG_BYTES, id3_of, id3_texts, id3_with
from airflow_provider_music.provenance.sound import has_id3v1, id3_at, wav_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_music.audio.containers import RiffChunk

_MAX_RIFF_BYTES = 2**32 - 1
_MOST_CHUNKS = 1000
#: The namespace of MP4's free-form tags that players show.
_FREE_FORM = "----:com.apple.iTunes:"
#: The name of our comment where the file has one already.
_SECOND_COMMENT = "provenance"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def read_tags(file: IO[bytes], audio_format: str) -> dict[str, str]:
    """Return a file's named texts by their names in lower case.

    :raises NotTaggableError: files of this format, or this file, have none that are read here; says why.
    """
    bounded: Any = _Bounded(file)
    try:
        found = _READERS.get(audio_format, _read_vorbis)(bounded)
    except Exception as exc:
        if bounded.error is not None:
            # The store's, which mutagen takes for a fault of the song.
            raise bounded.error from None
        if isinstance(exc, NotTaggableError):
            raise
        raise NotTaggableError(f"its tags cannot be read: {exc or type(exc).__name__}") from exc
    return {name.lower(): text for name, text in found.items()}


def write_tags(file: IO[bytes], audio_format: str, texts: Mapping[str, str], comment: str) -> None:
    """Put named texts and a comment into a local file; texts of the same names are replaced.

    :param file: open for reading and writing; a copy, since it is half written where this fails.
    :raises NotTaggableError: it cannot be done without a change to what the file holds already; says why.
    :raises OSError: the disk is full.
    """
    try:
        _WRITERS.get(audio_format, _write_vorbis)(file, texts, comment)
    except NotTaggableError:
        raise
    except Exception as exc:
        for cause in _chain(exc):
            if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
                raise cause from None
        raise NotTaggableError(f"its tags cannot be written: {exc or type(exc).__name__}") from exc


class _Bounded(Headers):
    """A file that gives no more than headers take, and remembers what its store raised."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, 0)
        self.seek(0)
        self.error: Exception | None = None

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except TooMuchError:
            raise
        except Exception as exc:
            self.error = exc
            raise


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _read_mp3(file: IO[bytes]) -> dict[str, str]:
    return id3_texts(tag) if (tag := _id3_of_mp3(file)) else {}


def _id3_of_mp3(file: IO[bytes]) -> bytes:
    tag = id3_at(file)
    return _blob(file, tag.start, tag.end) if tag else b""


def _blob(file: IO[bytes], start: int, end: int) -> bytes:
    if end - start > MAX_TAG_BYTES:
        raise NotTaggableError(f"its ID3 tag is longer than {MAX_TAG_BYTES} bytes")
    file.seek(start)
    return file.read(end - start)


def _write_mp3(file: IO[bytes], texts: Mapping[str, str], comment: str) -> None:
    from mutagen.id3 import ID3

    there, load = _id3_of_mp3(file), ID3
    if not there and has_id3v1(file):
        # Players that find an ID3v2 tag read no ID3v1 any more: what that says goes in as well.
        file.seek(0)
        new = id3_of(load(file), texts, comment)  # type: ignore[no-untyped-call]
    else:
        new = id3_with(there, texts, comment)
    _replace(file, 0, len(there), new)


def _replace(file: IO[bytes], at: int, length: int, content: bytes) -> None:
    from mutagen._util import resize_bytes

    resize_bytes(file, length, len(content), at)  # type: ignore[no-untyped-call]
    file.seek(at)
    file.write(content)


def _read_wav(file: IO[bytes]) -> dict[str, str]:
    chunk = _id3_chunk(_chunks(file))
    return id3_texts(_blob(file, chunk.body, chunk.end)) if chunk else {}


def _chunks(file: IO[bytes]) -> list[RiffChunk]:
    size = file.seek(0, io.SEEK_END)
    found = list(riff_chunks(file, size, wav_size(file, size)))
    if not any(chunk.name == b"data" for chunk in found):
        raise NotTaggableError("it has no chunk of samples")
    if len(found) >= _MOST_CHUNKS:
        raise NotTaggableError(f"it has {_MOST_CHUNKS} chunks or more")
    return found


def _id3_chunk(chunks: list[RiffChunk]) -> RiffChunk | None:
    found = [chunk for chunk in chunks if chunk.name.lower() == b"id3 "]
    if len(found) > 1:
        raise NotTaggableError("it has several ID3 chunks")
    return found[0] if found else None


def _write_wav(file: IO[bytes], texts: Mapping[str, str], comment: str) -> None:
    """Put an ID3 chunk in, and our comment into a LIST/INFO where there is one: some players read no ID3 beside it."""
    chunks = _chunks(file)
    chunk = _id3_chunk(chunks)
    # Latin letters alone: INFO says nothing of its encoding.
    info = comment.encode("ascii", "replace") + b"\0"
    if file.seek(0, io.SEEK_END) + MAX_TAG_BYTES > _MAX_RIFF_BYTES:
        raise NotTaggableError("with tags it could be longer than a WAV file can be (4 GiB)")
    _complete_sizes(file, chunks)
    found = next((each for each in _riff(file).root.subchunks() if (each.id, _name(each)) == ("LIST", "INFO")), None)
    has_comment = found is not None and "ICMT" in found
    if found is not None and not has_comment:
        found.insert_chunk("ICMT", info)
        chunk = _id3_chunk(_chunks(file))
    new = id3_with(_blob(file, chunk.body, chunk.end) if chunk else b"", texts, comment, has_comment=has_comment)
    riff = _riff(file)
    name = next((name for name in ("id3", "ID3") if name in riff), None)
    place = riff[name] if name else riff.insert_chunk("id3")
    place.resize(len(new))
    place.write(new)


def _riff(file: IO[bytes]) -> Any:
    from mutagen._riff import RiffFile

    riff: Any = RiffFile
    return riff(file)


def _name(chunk: Any) -> str | None:
    return getattr(chunk, "name", None)


def _complete_sizes(file: IO[bytes], chunks: list[RiffChunk]) -> None:
    """Write the lengths that a writer left out which could not go back, so that what follows is put behind them."""
    size = file.seek(0, io.SEEK_END)
    end = max(wav_size(file, size), chunks[-1].next)
    for chunk in chunks:
        if chunk.open_ended:
            file.seek(chunk.start + 4)
            file.write(struct.pack("<I", chunk.end - chunk.body))
    if end == size and end % 2:
        file.seek(0, io.SEEK_END)
        file.write(b"\0")
        end += 1
    file.seek(4)
    file.write(struct.pack("<I", end - CHUNK_HEADER_BYTES))


def _vorbis_of(file: IO[bytes]) -> Any:
    """Open a file whose tags are Vorbis comments."""
    from mutagen.flac import FLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggvorbis import OggVorbis

    file.seek(0)
    head = file.read(64)
    kinds: tuple[tuple[bytes, Any], ...] = (
        (b"fLaC", FLAC),
        (b"ID3", FLAC),
        (b"OpusHead", OggOpus),
        (b"\x01vorbis", OggVorbis),
    )
    kind = next((kind for mark, kind in kinds if head.startswith(mark) or mark in head[28:]), None)
    if kind is None:
        raise NotTaggableError("it is no FLAC, Ogg Vorbis or Ogg Opus file")
    file.seek(0)
    return kind(file)


def _read_vorbis(file: IO[bytes]) -> dict[str, str]:
    tags = _vorbis_of(file).tags
    return {name: "\0".join(texts) for name, texts in tags.as_dict().items()} if tags is not None else {}


def _write_vorbis(file: IO[bytes], texts: Mapping[str, str], comment: str) -> None:
    bounded: Any = _Bounded(file)
    _vorbis_of(bounded)
    song = _vorbis_of(file)
    if song.tags is None:
        song.add_tags()
    # FFmpeg shows a description as the comment.
    has_comment = "comment" in song.tags or "description" in song.tags
    for name, text in {**texts, _SECOND_COMMENT if has_comment else "comment": comment}.items():
        song.tags[name] = [text]
    file.seek(0)
    song.save(file, padding=lambda _: 0)


def _m4a_of(file: Any) -> Any:
    from mutagen.mp4 import MP4

    kind: Any = MP4
    file.seek(0)
    return kind(file)


def _read_m4a(file: IO[bytes]) -> dict[str, str]:
    tags = _m4a_of(file).tags or {}
    found = {name[len(_FREE_FORM) :]: values for name, values in tags.items() if name.startswith(_FREE_FORM)}
    return {name: b"\0".join(values).decode("utf-8", "replace") for name, values in found.items()}


def _write_m4a(file: IO[bytes], texts: Mapping[str, str], comment: str) -> None:
    _m4a_of(_Bounded(file))
    song = _m4a_of(file)
    if song.tags is None:
        song.add_tags()
    texts = dict(texts)
    if "\xa9cmt" in song.tags:
        texts[_SECOND_COMMENT] = comment
    else:
        song.tags["\xa9cmt"] = [comment]
    for name, text in texts.items():
        song.tags[_FREE_FORM + name] = [text.encode()]
    file.seek(0)
    song.save(file, padding=lambda _: 0)


_READERS = {"mp3": _read_mp3, "wav": _read_wav, "m4a": _read_m4a}
_WRITERS = {"mp3": _write_mp3, "wav": _write_wav, "m4a": _write_m4a}
