# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_provider_music.compat import Asset, AssetAlias
from airflow_provider_music.lineage import listener

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


def test_a_name_of_any_script_is_an_asset_that_airflow_takes(music_sandbox, airflow, song, outlet_events):
    result = airflow.run(song(outlets=[SONGS], name="夏の歌, (1) @home=+"))

    ((uri, extra),) = outlet_events[SONGS].added
    assert extra["audio_uri"] == result["audio_uri"]
    assert result["audio_uri"].endswith("/夏の歌,_(1)_@home=+.mp3")
    assert uri.isascii()
    assert uri.endswith("/%E5%A4%8F%E3%81%AE%E6%AD%8C,_(1)_@home=+.mp3")


def test_no_words_of_the_request_are_in_an_event(music_sandbox, airflow, song, outlet_events):
    airflow.run(song(outlets=[SONGS, SONG], prompt="zanzibar", lyrics="[Verse]\nquagmire"))

    reported = json.dumps([outlet_events[SONGS].added, outlet_events[SONG].extra])
    assert "zanzibar" not in reported
    assert "quagmire" not in reported


def test_a_batch_gives_an_alias_one_event_a_song_and_an_asset_the_counts(music_sandbox, airflow, batch, outlet_events):
    result = airflow.run(batch(outlets=[SONGS, SONG]))

    added = outlet_events[SONGS].added
    assert len({uri for uri, _ in added}) == 3
    assert len({extra["fingerprint"] for _, extra in added}) == 3
    assert outlet_events[SONG].extra["manifest_uri"] == result["manifest_uri"]
    assert outlet_events[SONG].extra["delivered"] == 3
    assert outlet_events[SONG].extra["usd_spent"] == result["usage"]["usd_spent"]


def test_a_song_that_is_only_submitted_has_no_file_and_an_asset_s_event_says_so(
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


def test_a_task_without_outlets_reads_nothing():
    class Task:
        outlets = ()

    listener.report_assets(Task, {"outlet_events": {}}, songs=lambda: 1 / 0)


def test_an_event_that_cannot_be_reported_fails_no_paid_song(music_sandbox, airflow, song, outlet_events, caplog):
    outlet_events[SONGS].add = lambda *_, **__: 1 / 0

    assert airflow.run(song(outlets=[SONGS]))["status"] == "completed"
    assert "Lineage is incomplete" in caplog.text


@pytest.fixture
def collected(monkeypatch):
    """A collector that collects, as where a reader is installed."""
    from airflow_provider_music import compat

    made = compat.HookLineageCollector()
    monkeypatch.setattr(compat, "get_hook_lineage_collector", lambda: made, raising=False)
    monkeypatch.setattr(listener, "_has_readers", lambda: True)
    return made


def test_where_nobody_reads_it_airflows_collector_is_not_even_loaded(monkeypatch):
    """It loads every provider's assets: a tenth of a second of CPU for each song."""
    monkeypatch.setattr(listener, "_has_readers", lambda: False)

    assert listener._collector() is None
    listener.report_read(object(), "/ref.mp3")
    listener.report_written(object(), "/song.mp3")


def test_a_plugin_that_reads_hook_lineage_is_found(monkeypatch):
    assert listener._has_readers() is False
    try:
        from airflow.sdk import plugins_manager

        monkeypatch.setattr(plugins_manager, "get_hook_lineage_readers_plugins", lambda: [object])
    except ImportError:
        from airflow import plugins_manager

        monkeypatch.setattr(plugins_manager, "hook_lineage_reader_classes", [object])
    assert listener._has_readers() is True


def test_a_song_is_an_output_once(collected, music_sandbox, airflow, song):
    task = song()
    result = airflow.run(task)
    listener.report_written(task, result["audio_uri"])

    found = listener._uris(listener._collector().collected_assets.outputs)
    assert found == {result["audio_uri"]}
    assert [one.count for one in listener._collector().collected_assets.outputs] == [1]


def test_a_file_that_its_path_reported_is_not_reported_twice(collected):
    listener._collector().add_input_asset(context=object(), uri="file:///ref.mp3")
    listener.report_read(object(), "/ref.mp3")
    assert len(listener._collector().collected_assets.inputs) == 1


def test_a_collector_that_breaks_fails_no_song(monkeypatch, music_sandbox, airflow, song):
    monkeypatch.setattr(listener, "_collector", lambda: 1 / 0)
    assert airflow.run(song())["status"] == "completed"


def test_an_upload_s_file_is_an_input_once(collected, music_sandbox, airflow, tmp_path):
    from airflow_provider_music.operators.music import UploadReferenceOperator
    from airflow_provider_music.sandbox.songs import compose, encode

    file = tmp_path / "reference.wav"
    file.write_bytes(encode(compose("we row", "reference", 11, 32_000), "wav", 32_000, 128_000).data)

    airflow.run(UploadReferenceOperator(task_id="upload", file=str(file)))

    uris = [getattr(one, "asset", None) or one.dataset for one in listener._collector().collected_assets.inputs]
    assert [one.uri for one in uris] == [f"file://{file}"]
