# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import struct
import wave

import pytest
from hypothesis import settings

# A machine that is busy is not a bug: no example is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def make_wav(seconds=1.0, rate=16000, channels=1, width=2):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(round(seconds * rate) * channels * width))
    return file.getvalue()


def make_mp3(seconds=1.0, rate=44100, bitrate=128, channels=1, *, quality=7):
    lameenc = pytest.importorskip("lameenc")
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(bitrate)
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(channels)
    encoder.set_quality(quality)
    encoder.silence()
    samples = bytes(round(seconds * rate) * channels * 2)
    return bytes(encoder.encode(samples) + encoder.flush())


@pytest.fixture
def wav():
    return make_wav


@pytest.fixture
def mp3():
    return make_mp3


#: Kilobits a second of MPEG-1 Layer III by the four bits of a header.
KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)


def make_frame(kbits=128, *, head=b"", rate=44100):
    """One frame of MPEG-1, its sound zeros but for ``head``."""
    third = KBITS.index(kbits) << 4 | (44100, 48000, 32000).index(rate) << 2
    length = 144 * kbits * 1000 // rate
    return (bytes((0xFF, 0xFB, third, 0xC0)) + head).ljust(length, b"\0")


def make_vbr(seconds, *, loud=1.0, kbits=64, declared=None):
    """An MP3 of many bitrates, as ``lame -V2 - -`` writes it: no frame says how many there are.

    :param loud: its first seconds are of 320 kbit/s.
    :param declared: frames, bytes, delay and padding of a Xing header, which makes a frame of its own.
    """
    count, first = round(seconds * 44100 / 1152), round(loud * 44100 / 1152)
    frames = [make_frame(320)] * min(first, count) + [make_frame(kbits), make_frame(kbits + 16)] * count
    return (make_xing(*declared) if declared else b"") + b"".join(frames[:count])


def make_xing(frames, size, skipped=(0, 0)):
    figures = struct.pack(">III", 3, frames, size)
    lame = b"LAME3.100" + bytes(12) + (skipped[0] << 12 | skipped[1]).to_bytes(3)
    return make_frame(head=bytes(32) + b"Xing" + figures + lame)


def make_adts(length, *, rate=4, channels=2):
    """One AAC frame of so many bytes."""
    size = (channels & 3) << 30 | length << 13 | 0x1FFC
    return (bytes((0xFF, 0xF1, 0x40 | rate << 2 | channels >> 2)) + size.to_bytes(4)).ljust(length, b"\0")


def make_riff(form, data, *, declared=None, magic=b"RIFF", before=b"", after=b""):
    """A WAV of any format chunk; ``declared`` is the length that its header says."""
    order = ">" if magic == b"RIFX" else "<"
    length = len(data) if declared is None else declared
    chunks = struct.pack(f"{order}4sI", b"fmt ", len(form)) + form + before
    chunks += struct.pack(f"{order}4sI", b"data", length) + data + after
    return magic + struct.pack(f"{order}I", min(len(chunks) + 4, 0xFFFFFFFF)) + b"WAVE" + chunks


def make_form(tag, channels, rate, byte_rate, block, bits, more=b"", order="<"):
    return struct.pack(f"{order}HHIIHH", tag, channels, rate, byte_rate, block, bits) + more
