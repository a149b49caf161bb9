# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
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
