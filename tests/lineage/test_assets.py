# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_music.lineage import assets

SONGS, SONG = AssetAlias("songs"), Asset("x-music://song")
KEYS = {
    *("audio_uri", "sha256", "model", "duration_ms", "usd_spent", "credits_used"),
    *("generation_id", "record_uri", "fingerprint"),
}


def test_an_alias_gets_the_song_s_file_and_an_asset_the_event(music_sandbox, airflow, song, outlet_events):
    result = airflow.run(song(outlets=[SONGS, SONG]))

    ((uri, extra),) = outlet_events[SONGS].added
    assert uri == result["audio_uri"]
    assert set(extra) == KEYS
    assert extra == outlet_events[SONG].extra
    assert extra["sha256"] == result["audio"]["sha256"]
    assert extra["usd_spent"] == result["usage"]["usd_spent"]
    assert len(extra["fingerprint"]) == 64


def test_no_words_of_the_request_are_in_an_event(music_sandbox, airflow, song, outlet_events):
    airflow.run(song(outlets=[SONGS, SONG], prompt="zanzibar", lyrics="[Verse]\nquagmire"))

    told = json.dumps([outlet_events[SONGS].added, outlet_events[SONG].extra])
    assert "zanzibar" not in told
    assert "quagmire" not in told


def test_a_batch_gives_an_alias_one_event_a_song_and_an_asset_the_counts(music_sandbox, airflow, batch, outlet_events):
    result = airflow.run(batch(outlets=[SONGS, SONG]))

    added = outlet_events[SONGS].added
    assert len({uri for uri, _ in added}) == 3
    assert len({extra["fingerprint"] for _, extra in added}) == 3
    assert outlet_events[SONG].extra["manifest_uri"] == result["manifest_uri"]
    assert outlet_events[SONG].extra["delivered"] == 3
    assert outlet_events[SONG].extra["usd_spent"] == result["usage"]["usd_spent"]


def test_a_song_that_is_only_asked_for_has_no_file_and_an_asset_s_event_says_so(
    music_sandbox, airflow, song, outlet_events
):
    result = airflow.run(song(outlets=[SONGS, SONG], wait_for_completion=False))

    assert outlet_events[SONGS].added == []
    extra = outlet_events[SONG].extra
    assert set(extra) == KEYS
    assert (extra["audio_uri"], extra["sha256"], extra["duration_ms"]) == (None, None, None)
    assert extra["generation_id"] == result["generation_id"]
    assert extra["record_uri"] == result["record_uri"]
    assert len(extra["fingerprint"]) == 64


def test_a_task_without_outlets_looks_nothing_up():
    class Task:
        outlets = ()

    assets.tell(Task, {"outlet_events": {}}, songs=lambda: 1 / 0)


def test_an_event_that_cannot_be_told_does_not_fail_a_paid_song(music_sandbox, airflow, song, outlet_events, caplog):
    outlet_events[SONGS].add = lambda *_, **__: 1 / 0

    assert airflow.run(song(outlets=[SONGS]))["status"] == "completed"
    assert "Lineage is incomplete" in caplog.text
