# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs, takes of them, and readers of tags and sound that share no line with the package or mutagen."""

from __future__ import annotations

import hashlib
import io
import struct
import wave
from types import SimpleNamespace

import pytest
from hypothesis import settings

from airflow_provider_music.record.take import Take

# A machine that is busy is not a bug: no example is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ORIGIN = {"dag_id": "cover", "run_id": "scheduled__2026-11-01T00:00:00+00:00", "task_id": "song", "map_index": 3}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_ENCODINGS = {0: ("latin-1", b"\0"), 1: ("utf-16", b"\0\0"), 2: ("utf-16-be", b"\0\0"), 3: ("utf-8", b"\0")}


@pytest.fixture(scope="session")
def songs(mp3, wav):
    return {"mp3": mp3, "wav": wav, "pcm": bytes(range(256)) * 250}


def wav_of(samples, channels=1, rate=16000):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, 2, rate, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


def chunk(name, content, *, length=None, pad=True):
    length = len(content) if length is None else length
    return struct.pack("<4sI", name, length) + content + (b"\0" if pad and len(content) % 2 else b"")


def riff(*chunks, length=None):
    content = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(content) if length is None else length) + content


def take_of(data, audio_format="mp3", *, url="file:///songs/take-1", n=1, **completed):
    """A take as the record keeps it, of a song with these bytes."""
    stamp = {"schema": 1, "n": n, "task": "cover / run / song[3]", "try_number": 1, "max_tries": 2}
    audio = {
        "format": audio_format,
        "size_bytes": len(data),
        "duration_ms": 3000,
        "sample_rate_hz": 16000,
        "bitrate_bps": 32000,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    facts = {
        "intent": {
            **stamp,
            "fact": "intent",
            "written_at": "2026-11-01T00:00:01.500000+00:00",
            "client_request_id": "airflow-music-0a1b-1-0c2d",
            "model": "minimax/music-2.6",
            "lane": "queued",
            "conn_id": "music_default",
            "fingerprint": "f" * 64,
            "audio_format": audio_format,
            "sample_rate_hz": 16000,
        },
        "accepted": {
            **stamp,
            "fact": "accepted",
            "written_at": "2026-11-01T01:00:02.250000+01:00",
            "generation_id": "60ac7c34-3224-4b14-8e7d-0aa0db708325:music",
            "usage": {"credits_used": 390000, "usd_spent": 0.195},
            "trace_id": "t-1",
        },
        "completed": {
            **stamp,
            "fact": "completed",
            "written_at": "2026-11-01T00:01:30+00:00",
            "generation_id": "60ac7c34-3224-4b14-8e7d-0aa0db708325:music",
            "model": "minimax/music-2.6",
            "audio_uri": f"{url}/song.{audio_format}",
            "audio": audio,
            "usage": {"credits_used": 390000, "usd_spent": 0.195},
            "trace_id": "t-1",
            **completed,
        },
    }
    return Take(n, facts)


# Readers


def syncsafe(four):
    assert max(four) < 128
    return four[0] << 21 | four[1] << 14 | four[2] << 7 | four[3]


def id3_frames(blob):
    """Frames of an ID3v2.3 or 2.4 tag by hand: (name, flags, content)."""
    assert blob[:3] == b"ID3"
    assert blob[3] in (3, 4)
    assert blob[5] == 0
    end = 10 + syncsafe(blob[6:10])
    assert end <= len(blob)
    found, at = [], 10
    while at < end and blob[at]:
        name = blob[at : at + 4].decode("ascii")
        size = syncsafe(blob[at + 4 : at + 8]) if blob[3] == 4 else int.from_bytes(blob[at + 4 : at + 8])
        assert at + 10 + size <= end
        found.append((name, int.from_bytes(blob[at + 8 : at + 10]), blob[at + 10 : at + 10 + size]))
        at += 10 + size
    return found


def decoded(content, skip=1):
    """Name and text of a TXXX (or, behind a language, a COMM) frame."""
    encoding, end = _ENCODINGS[content[0]]
    rest, step = content[skip:], len(end)
    at = next(at for at in range(0, len(rest), step) if rest[at : at + step] == end)
    text = rest[at + step :].decode(encoding)
    return rest[:at].decode(encoding), text.removesuffix("\0")


def id3_texts(blob):
    return dict(decoded(content) for name, _, content in id3_frames(blob) if name == "TXXX")


def id3_comments(blob):
    return dict(decoded(content, skip=4) for name, _, content in id3_frames(blob) if name == "COMM")


def riff_chunks(data):
    """Chunks of a WAV file by hand; everything has to fit."""
    assert data[:4] + data[8:12] == b"RIFFWAVE"
    end = 8 + int.from_bytes(data[4:8], "little")
    assert end <= len(data)
    found, at = [], 12
    while at < end:
        name, length = struct.unpack("<4sI", data[at : at + 8])
        assert at + 8 + length <= end
        found.append((name, data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    assert at == end
    return found


def tag_of(data):
    """The ID3 tag of an MP3 or WAV file."""
    return dict(riff_chunks(data))[b"id3 "] if data[:4] == b"RIFF" else data[: 10 + syncsafe(data[6:10])]


def mp3_frames(data):
    """Layer III frames by hand, without what stands before and behind them."""
    at = 10 + syncsafe(data[6:10]) if data[:3] == b"ID3" else 0
    found = []
    while at + 4 <= len(data):
        head = int.from_bytes(data[at : at + 4])
        if head >> 21 != 0x7FF:
            break
        version, layer, kbits, rate, padding = (
            head >> 19 & 3,
            head >> 17 & 3,
            head >> 12 & 15,
            head >> 10 & 3,
            head >> 9 & 1,
        )
        assert layer == 1
        per_frame = 144 if version == 3 else 72
        kbit = _KBITS[3 if version == 3 else 2][kbits]
        length = per_frame * kbit * 1000 // _RATES[version][rate] + padding
        found.append(data[at : at + length])
        at += length
    return found


def mp3_seconds(data):
    frames = mp3_frames(data)
    version, rate = frames[0][1] >> 3 & 3, frames[0][2] >> 2 & 3
    return len(frames) * (1152 if version == 3 else 576) / _RATES[version][rate]


def sound_of(data):
    """What is heard, and for how many seconds: by the standard library for WAV, frame by frame for MP3."""
    if data[:4] == b"RIFF":
        with wave.open(io.BytesIO(data)) as reader:
            return reader.readframes(reader.getnframes()), reader.getnframes() / reader.getframerate()
    return b"".join(mp3_frames(data)), mp3_seconds(data)


@pytest.fixture(scope="session")
def hand():
    """What is made and read by hand."""
    return SimpleNamespace(
        ORIGIN=ORIGIN,
        wav_of=wav_of,
        chunk=chunk,
        riff=riff,
        take_of=take_of,
        id3_frames=id3_frames,
        id3_texts=id3_texts,
        id3_comments=id3_comments,
        riff_chunks=riff_chunks,
        tag_of=tag_of,
        mp3_frames=mp3_frames,
        sound_of=sound_of,
        sha256=lambda data: hashlib.sha256(data).hexdigest(),
    )


@pytest.fixture
def landed(folder, songs):
    """Puts a song in place as the package lands it, and returns its take."""

    def land(audio_format="mp3", data=None, into=folder):
        data = songs[audio_format] if data is None else data
        into.replace(f"song.{audio_format}", data)
        return take_of(data, audio_format, url=into.url)

    return land
