# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.lineage import collector


@pytest.fixture
def collected(monkeypatch):
    """A collector that collects, as where a reader is installed."""
    from airflow.providers.common.compat import sdk
    from airflow.providers.common.compat.sdk import HookLineageCollector

    made = HookLineageCollector()
    monkeypatch.setattr(sdk, "get_hook_lineage_collector", lambda: made, raising=False)
    return made


def test_a_song_is_an_output_once(collected, music_sandbox, airflow, song):
    task = song()
    result = airflow.run(task)
    collector.tell_written(task, result["audio_uri"])

    found = collector._uris(collector._collector().collected_assets.outputs)
    assert found == {result["audio_uri"]}
    assert [one.count for one in collector._collector().collected_assets.outputs] == [1]


def test_a_file_that_was_told_of_by_its_path_is_not_told_twice(collected):
    collector._collector().add_input_asset(context=object(), uri="file:///ref.mp3")
    collector.tell_read(object(), "/ref.mp3")
    assert len(collector._collector().collected_assets.inputs) == 1


def test_a_collector_that_breaks_fails_no_song(monkeypatch, music_sandbox, airflow, song):
    monkeypatch.setattr(collector, "_collector", lambda: 1 / 0)
    assert airflow.run(song())["status"] == "completed"


def test_an_upload_s_file_is_an_input_once(collected, music_sandbox, airflow, tmp_path):
    from airflow_provider_music.operators.music import UploadReferenceOperator
    from airflow_provider_music.sandbox.songs import compose, encode

    file = tmp_path / "reference.wav"
    file.write_bytes(encode(compose("we row", "reference", 11, 32_000), "wav", 32_000, 128_000).data)

    airflow.run(UploadReferenceOperator(task_id="upload", file=str(file)))

    uris = [getattr(one, "asset", None) or one.dataset for one in collector._collector().collected_assets.inputs]
    assert [one.uri for one in uris] == [f"file://{file}"]
