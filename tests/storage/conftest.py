# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import wave

import pytest
from hypothesis import settings

from airflow_provider_music.sandbox.songs import SongSpec, make
from airflow_provider_music.storage.folder import Folder

# A machine that is busy is not a bug: no example is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "songs" / "take-1"))


@pytest.fixture
def left(tmp_path):
    """Names of all files below the output folder."""
    return lambda: sorted(path.name for path in (tmp_path / "songs").rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def mp3():
    return make(SongSpec(text="la la", seed="", seconds=3, rate=16000, bitrate=32000, format="mp3")).data


@pytest.fixture(scope="session")
def wav():
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16000, 0, "NONE", ""))
        writer.writeframes(bytes(range(256)) * 250)
    return file.getvalue()
