# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A batch lands many songs at once: what bounds one response counts for that response alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_api import GENERATION, LANES, HostileApi, wave, whole

from airflow_provider_music.operators.music import GenerateMusicBatchOperator

SONGS = 80
#: More than the head of any response may have.
SONG_BYTES = 400_000
PIECES = 8


@pytest.fixture
def api(monkeypatch):
    with HostileApi(wave(SONG_BYTES / 32_000)) as started:
        monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", started.connection(connect_timeout=5, read_timeout=10))
        yield started


def slowly(response, seconds):
    """A response in pieces, with pauses between them."""
    size = len(response) // PIECES + 1
    for at in range(0, len(response), size):
        yield response[at : at + size]
        yield seconds


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
def test_eighty_slow_songs_of_400_kb_are_landed_at_once_and_no_poll_is_lost(deferrable, api, airflow, output_dir):
    audio = {"url": f"{api.url}/files/song?Signature=hush"}
    found = whole({"id": GENERATION, "status": "completed", "audio_file": audio}, b"Connection: close")
    api.sends("poll", lambda: slowly(found, 0.01))
    api.sends("song", lambda: slowly(whole(api.song, b"Content-Type: audio/wav"), 0.02))
    requests = [{key: value for key, value in LANES["queued"].items() if key != "poll_interval"}] * SONGS
    batch = GenerateMusicBatchOperator(
        task_id="songs",
        requests=requests,
        output_dir=str(output_dir),
        poll_interval=0.02,
        max_in_flight=SONGS,
        deferrable=deferrable,
    )

    result = airflow.run(batch)

    assert result["delivered"] == SONGS
    assert api.posts() == SONGS
    # One poll of the wait and one of the landing; one that was lost would come again.
    assert (api.asked()["poll"], api.asked()["song"]) == (2 * SONGS, SONGS)
    landed = list(Path(output_dir).rglob("song.wav"))
    assert len(landed) == SONGS
    assert all(path.read_bytes() == api.song for path in landed)
    assert not list(Path(output_dir).rglob(".*"))
