# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Format, length and rates of a track, read from its content and never from its name."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from airflow_provider_music.audio.boxed import boxed_facts
from airflow_provider_music.audio.containers import APE_HEADER_BYTES, ape_tag_bytes, id3_tag_bytes
from airflow_provider_music.audio.counter import FrameCounter
from airflow_provider_music.audio.facts import NotAudioError, OtherAudioError
from airflow_provider_music.audio.formats import SNIFF_BYTES, describe_head, name_of_other, sniff
from airflow_provider_music.audio.mpeg import mpeg_facts
from airflow_provider_music.audio.riff import wav_facts

if TYPE_CHECKING:
    from airflow_provider_music.audio.counter import Frames
    from airflow_provider_music.audio.facts import AudioFacts

_READ_BYTES = 2**18
#: Programs stack tags, but not without end.
_MOST_TAGS = 16
#: Of a file that starts like nothing known, its frames have to be most: other containers hold some, too.
_LEAST_SHARE = 0.5


def probe(file: IO[bytes], *, counter: FrameCounter | None = None, may_be_edited: bool = False) -> AudioFacts:
    """Read a seekable file's facts. MP3 and AAC are read whole, in pieces, to count frames; of others the headers are.

    :param counter: what counted the frames while the bytes went past; then nothing is read twice.
    :param may_be_edited: a person may have cut the file and left its header as it was.
    :raises NotAudioError: the content is no audio that is known here, or is cut short.
    """
    size = file.seek(0, io.SEEK_END)
    start = _skip_tags(file, size)
    file.seek(start)
    head = file.read(SNIFF_BYTES)
    found = sniff(head)
    if found == "wav":
        return wav_facts(file, size, start)
    if found is not None and found != "mp3":
        return boxed_facts(found, file, size, start)
    other = name_of_other(head)
    if other is not None:
        raise OtherAudioError(f"it is {other}")
    frames = (counter if counter is not None and counter.size == size else _count(file)).result()
    if frames is None or (found is None and not start and _share(frames, size) < _LEAST_SHARE):
        starts_like_one = found is not None or start > 0
        raise NotAudioError(
            "it starts like mp3, but no sound follows" if starts_like_one else f"not audio: {describe_head(head)}"
        )
    facts = mpeg_facts(frames, size, may_be_edited=may_be_edited)
    doubts = list(facts.doubts)
    if frames.start != start:
        doubts.append(f"{frames.start - start} bytes before its first frame are of none")
    if _share(frames, size) < _LEAST_SHARE:
        doubts.append(f"its frames are {frames.sound_bytes} bytes of {size}")
    return replace(facts, doubts=tuple(doubts))


def _skip_tags(file: IO[bytes], size: int) -> int:
    """Return where the tags at the start end: ID3 and APE, several of each."""
    start = 0
    for _ in range(_MOST_TAGS):
        file.seek(start)
        head = file.read(APE_HEADER_BYTES)
        length = id3_tag_bytes(head) or ape_tag_bytes(head)
        if not length:
            break
        start += length
    if start > size:
        raise NotAudioError(f"cut short: its tag says {start} bytes, but the file has {size}")
    return start


def _count(file: IO[bytes]) -> FrameCounter:
    counter = FrameCounter()
    file.seek(0)
    while not counter.gave_up and (data := file.read(_READ_BYTES)):
        counter.update(data)
    return counter


def _share(frames: Frames, size: int) -> float:
    return frames.sound_bytes / max(1, size - frames.start)
