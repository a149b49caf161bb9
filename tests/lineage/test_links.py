# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.lineage import links


class Store:
    def __init__(self, **fs):
        self.fs = type("Fs", (), fs)()


@pytest.fixture
def pushed(airflow, song):
    left = {}
    context = airflow.context(song())
    context["ti"].xcom_push = lambda key, value: left.update({key: value})
    return context, left


def test_a_store_with_pages_gets_a_link(pushed):
    context, left = pushed
    links._push(context, links.SongLink().xcom_key, Store(endpoint_url=None, client_kwargs={}), "s3://b/song.mp3")
    assert left == {"_link_SongLink": "https://s3.console.aws.amazon.com/s3/object/b?prefix=song.mp3"}


@pytest.mark.parametrize("fs", [{"endpoint_url": "http://minio"}, {"client_kwargs": {"endpoint_url": "http://minio"}}])
def test_a_store_that_only_speaks_s3_gets_none(pushed, fs):
    context, left = pushed
    links._push(context, links.SongLink().xcom_key, Store(**fs), "s3://b/song.mp3")
    assert left == {}


def test_files_on_disk_have_no_page(pushed, output_dir):
    context, left = pushed
    links.push_record_link(context, str(output_dir))
    links.push_song_link(context, {"audio_uri": f"file://{output_dir}/song.mp3"})
    assert left == {}


def test_the_record_has_its_link_before_the_task_waits(monkeypatch, pushed, song):
    from airflow_provider_music.compat import TaskDeferred

    context, left = pushed
    monkeypatch.setattr(links, "page_of", lambda url: f"https://pages/{url}")
    monkeypatch.setattr(links, "_has_endpoint_of_its_own", lambda folder: False)
    task = song()

    def work():
        task.lineage_record_url = "s3://b/songs/dag/scheduled__2026-11-01T00_00_00_00_00~d3fa2278ec06/song"
        task.defer(trigger=None, method_name="execute_complete")

    with pytest.raises(TaskDeferred):
        task._run_with_lineage(context, work)
    assert list(left) == ["_link_RecordLink"]
    assert left["_link_RecordLink"].endswith("/dag/scheduled__2026-11-01T00_00_00_00_00~d3fa2278ec06/song/")


def test_a_link_that_nobody_pushed_is_empty(monkeypatch, song):
    monkeypatch.setattr("airflow_provider_music.compat.XCom.get_value", lambda **_: None)
    assert links.RecordLink().get_link(song(), ti_key=None) == ""


def test_links_are_on_every_task_that_makes_a_song(song, batch):
    assert [link.name for link in song().operator_extra_links] == ["Song", "Record"]
    assert [link.name for link in batch().operator_extra_links] == ["Record"]
