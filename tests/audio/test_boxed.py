# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Other formats: named as what they are, and read in little memory however large or nested their headers are.

The files in files/ are a tone of a third of a second and less, made by FFmpeg's encoders.
"""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import pytest

from airflow_provider_music.audio.facts import NotAudioError, OtherAudioError
from airflow_provider_music.audio.probe import probe

FILES = Path(__file__).parent / "files"
MIB = 2**20


@pytest.mark.parametrize(
    ("name", "audio_format", "ms", "rate", "channels"),
    [
        ("adts.aac", "aac", 512, 8000, 1),
        ("aiff.aiff", "aiff", 100, 8000, 1),
        ("flac.flac", "flac", 300, 8000, 1),
        ("ogg-flac.oga", "ogg", 300, 8000, 1),
        ("vorbis.ogg", "ogg", 151, 44100, 2),
        ("opus.opus", "opus", 306, 48000, 1),
        ("m4a.m4a", "m4a", 428, 8000, 1),
        ("fragmented.m4a", "m4a", None, 8000, 1),
        ("adpcm_ms.wav", "wav", 254, 8000, 1),
        ("adpcm_ima.wav", "wav", 255, 8000, 1),
        ("mp3.wav", "wav", 396, 16000, 1),
    ],
)
def test_a_real_file_is_what_ffmpeg_says_it_is(name, audio_format, ms, rate, channels):
    with (FILES / name).open("rb") as file:
        found = probe(file)
    assert (found.format, found.duration_ms) == (audio_format, ms)
    assert (found.sample_rate_hz, found.channels) == (rate, channels)
    assert bool(found.doubts) == (ms is None)


@pytest.mark.parametrize("name", ["flac.flac", "adts.aac"])
def test_a_tag_may_stand_before_any_of_them(name):
    data = (FILES / name).read_bytes()
    tagged = b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + data
    assert probe(io.BytesIO(tagged)).duration_ms == probe(io.BytesIO(data)).duration_ms


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", "Sony Wave64 (W64)"),
        (b"caff\0\1\0\0", "Apple CAF"),
        (b".snd\0\0\0\x18", "Sun AU"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (WMA, ASF)"),
        (b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
        (b"#!AMR\n", "AMR"),
        (b"wvpk", "WavPack"),
        (b"\x56\xe1\x23", "AAC (LOAS)"),
        (b"RIFF\x10\0\0\0AVI LIST", "AVI video"),
        (b"MThd\0\0\0\6", "MIDI, notes without sound"),
    ],
)
def test_what_is_known_by_its_name_alone_is_named(head, name):
    with pytest.raises(OtherAudioError) as caught:
        probe(io.BytesIO(head + bytes(1000)))
    assert str(caught.value) == f"it is {name}"


class Sparse(io.RawIOBase):
    """A large file that is one pattern behind its head."""

    def __init__(self, head, size, fill=b"\0"):
        self.head, self.size, self.fill, self.at = head, size, fill, 0

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self):
        return self.at

    def read(self, size=-1):
        count = max(0, self.size - self.at if size is None or size < 0 else min(size, self.size - self.at))
        data = self.head[self.at : self.at + count]
        rest = count - len(data)
        first = (self.at + len(data)) % len(self.fill)
        data += (self.fill * (rest // len(self.fill) + 2))[first : first + rest]
        self.at += count
        return data


def page(packet):
    return b"OggS\0\0" + bytes(20) + b"\1" + bytes([len(packet)]) + packet


STREAMINFO = (FILES / "flac.flac").read_bytes()[8:42]
NESTED = b"".join(struct.pack(">I4s", 8 * (5000 - depth), b"moov") for depth in range(5000))
FTYP = struct.pack(">I4s8s", 16, b"ftyp", b"M4A \0\0\0\0")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (lambda: Sparse(b"fLaC\0\0\0\x22" + STREAMINFO + b"\6\xff\xff\xff", 192 * MIB), None),
        (lambda: io.BytesIO(FTYP + NESTED), "nested without end"),
        (lambda: Sparse(FTYP + struct.pack(">I4s", 2**31, b"moov"), 2**31, b"\0\0\0\x08free"), "more than 16 MiB"),
        (lambda: Sparse(b"", 64 * MIB, page(b"\x01other")), "more than 16 MiB"),
        (lambda: Sparse(b"FORM\7\0\0\0AIFFCOMM\6\0\0\0", 100 * MIB), "more than 16 MiB"),
        (lambda: Sparse(b"FORM\7\0\0\0AIFF", 100 * MIB, b"\0\0\0\0ABCD"), "more than 16 MiB"),
        (lambda: Sparse(b"ID3\4\0\0\x1f\x7f\x7f\x7f", 80 * MIB), "no sound follows"),
        (lambda: Sparse(b"", 200 * MIB), "not audio"),
        (lambda: Sparse(b"RIFF\xff\xff\xff\xffWAVE", 200 * MIB), "no sound behind it"),
    ],
)
def test_headers_without_end_take_little_memory_and_are_named(file, said):
    opened = file()
    tracemalloc.start()
    try:
        if said is None:
            assert probe(opened).duration_ms == 300
        else:
            with pytest.raises(NotAudioError, match=said):
                probe(opened)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB


def test_an_m4a_that_lacks_what_its_boxes_say_is_cut_short():
    data = (FILES / "m4a.m4a").read_bytes()
    with pytest.raises(NotAudioError):
        probe(io.BytesIO(data[:-100]))


class Broken(io.BytesIO):
    """A file whose store fails at the second read."""

    reads = 0

    def read(self, size=-1):
        self.reads += 1
        if self.reads > 2:
            raise OSError(5, "the store went away")
        return super().read(size)


@pytest.mark.parametrize("name", [path.name for path in FILES.iterdir()])
def test_a_store_that_fails_is_never_taken_for_a_bad_file_alone(name):
    try:
        probe(Broken((FILES / name).read_bytes()))
    except OSError:
        return
    except NotAudioError as exc:
        chain = exc
        while chain is not None and not isinstance(chain, OSError):
            chain = chain.__cause__ or chain.__context__
        assert chain is not None
