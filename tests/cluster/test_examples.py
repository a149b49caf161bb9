# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Every example DAG on a real Airflow, with the sandbox as the API."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen
import pytest
from harness.watch import Watch

pytestmark = pytest.mark.cluster

_SONG_KEYS = {
    "generation_id",
    "model",
    "status",
    "audio_uri",
    "audio",
    "usage",
    "submissions",
    "trace_id",
    "record_uri",
}
_ENOUGH_HEX = 48  # bytes of audio that would be no coincidence in a log


@dataclass
class Ended:
    """A run that succeeded, and what the API was asked meanwhile."""

    run: Watch
    posts: dict[str, int]
    made: list[dict[str, Any]]


def _finish(cluster, sandbox, begin) -> Ended:
    """Start a run, wait for its success, and count what it asked of the API."""
    before = sandbox.state()
    run = cluster.finish(begin())
    after = sandbox.state()
    posts = {route: count - before["posts"].get(route, 0) for route, count in after["posts"].items()}
    made = after["generations"][len(before["generations"]) :]
    return Ended(run, {route: count for route, count in posts.items() if count}, made)


@pytest.fixture(scope="module")
def cover(cluster, sandbox) -> Ended:
    return _finish(cluster, sandbox, lambda: cluster.run("cover_from_reference"))


@pytest.fixture(scope="module")
def daily(cluster, sandbox) -> Ended:
    return _finish(cluster, sandbox, lambda: cluster.scheduled_run("daily_song"))


@pytest.fixture(scope="module")
def mapped(cluster, sandbox) -> Ended:
    cluster.api.create_pool("music", 4)
    return _finish(cluster, sandbox, lambda: cluster.run("songs_from_prompts", pool="music"))


@pytest.fixture(scope="module")
def until_good(cluster, sandbox) -> Ended:
    return _finish(cluster, sandbox, lambda: cluster.run("generate_until_good"))


def _song(cluster, ended, task_id, map_index=-1, more=frozenset()) -> dict[str, Any]:
    song = cluster.api.xcom(ended.run.dag_id, ended.run.run_id, task_id, map_index=map_index)
    assert set(song) == _SONG_KEYS | more
    assert song["status"] == "completed"
    return song


def _file(song) -> Path:
    return Path(song["audio_uri"].removeprefix("file://"))


def _assert_landed_as_sent(song, made) -> None:
    """Check that the file is, to the byte, a song that the API sent, and what its facts say it is."""
    data = _file(song).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    assert sha256 in [each["sha256"] for each in made]
    assert song["audio"]["sha256"] == sha256
    assert song["audio"]["size_bytes"] == len(data)
    assert abs(mutagen.File(_file(song)).info.length - song["audio"]["duration_ms"] / 1000) < 0.1


def test_a_cover_is_uploaded_and_asked_for_once(cover):
    assert cover.posts == {"upload": 1, "generate": 1}


def test_the_ids_of_the_upload_are_handed_on(cluster, cover):
    upload = cluster.api.xcom(cover.run.dag_id, cover.run.run_id, "upload")
    assert upload["voice_id"].startswith("vocal-")
    assert upload["instrumental_id"].startswith("instrumental-")
    keys = cluster.api.xcom_keys(cover.run.dag_id, cover.run.run_id, "upload")
    assert keys >= {"return_value", "voice_id", "instrumental_id", "purpose", "file", "sha256", "trace_id"}


def test_a_cover_is_waited_for_without_a_worker(cover):
    assert "deferred" in cover.run.states("song")
    assert cover.run.slots_held_while_waiting == 0


def test_the_cover_lies_in_storage_as_the_api_sent_it(cluster, cover):
    song = _song(cluster, cover, "song")
    _assert_landed_as_sent(song, cover.made)
    assert song["submissions"] == 1
    assert song["audio"]["format"] == "mp3"
    assert song["audio"]["sample_rate_hz"] == 44100
    assert cluster.api.xcom_keys(cover.run.dag_id, cover.run.run_id, "song") >= _SONG_KEYS | {"return_value"}


def test_a_daily_song_is_asked_for_by_one_task_and_waited_for_by_another(cluster, daily):
    assert daily.posts == {"submit": 1}
    assert "deferred" not in daily.run.states("submit")
    assert "deferred" in daily.run.states("wait")
    assert daily.run.slots_held_while_waiting == 0
    asked = cluster.api.xcom(daily.run.dag_id, daily.run.run_id, "submit")
    song = _song(cluster, daily, "wait")
    assert asked["generation_id"] == song["generation_id"] == daily.made[0]["id"]
    _assert_landed_as_sent(song, daily.made)


def test_a_daily_song_updates_its_asset(cluster, daily):
    assert daily.run.states("wait")[-1] == "success"
    (event,) = cluster.api.asset_events("daily_song", daily.run.run_id)
    assert event["uri"] == "x-music://songs/daily"
    assert event["extra"]["audio_uri"] == _song(cluster, daily, "wait")["audio_uri"]


def test_mapped_songs_are_asked_for_once_each_and_wait_in_their_pool(cluster, mapped):
    assert mapped.posts == {"submit": 3}
    songs = [_song(cluster, mapped, "song", index) for index in range(3)]
    for index, song in enumerate(songs):
        assert "deferred" in mapped.run.states(f"song[{index}]")
        _assert_landed_as_sent(song, mapped.made)
    assert len({song["audio_uri"] for song in songs}) == 3
    assert max(change.slots["deferred_slots"] for change in mapped.run.changes) > 1


def test_three_takes_of_a_song_are_submitted_once_each_and_one_is_delivered(cluster, until_good):
    assert until_good.posts == {"submit": 3}
    assert "deferred" in until_good.run.states("song")
    assert until_good.run.slots_held_while_waiting == 0
    song = _song(cluster, until_good, "song", more={"takes"})
    _assert_landed_as_sent(song, until_good.made)
    takes = song["takes"]
    assert (takes["requested"], takes["completed"], takes["passed"]) == (3, 3, 3)
    assert {song["generation_id"], *takes["others"].values()} == {made["id"] for made in until_good.made}
    assert song["usage"]["usd_spent"] == pytest.approx(3 * 0.195)


def test_neither_key_nor_audio_nor_signed_url_is_in_a_log_or_the_database(cluster, sandbox, cover, daily, mapped):
    audio = [
        _file(_song(cluster, cover, "song")).read_bytes(),
        _file(_song(cluster, daily, "wait")).read_bytes(),
        _file(_song(cluster, mapped, "song", 0)).read_bytes(),
    ]
    middles = [data[len(data) // 2 :][:_ENOUGH_HEX].hex().encode() for data in audio]
    secrets = [sandbox.key.encode(), b"signature=", *middles]
    songs = cluster.home / "songs"
    written = cluster.written()
    places = {path: data for path, data in written.items() if not path.is_relative_to(songs) or path.suffix == ".json"}
    assert any(path.name == "airflow.db" for path in places)
    assert any(path.match("attempt=*.log*") and b"upload" in data for path, data in places.items())
    found = [(path, secret) for path, data in places.items() for secret in secrets if secret in data.lower()]
    assert found == []
