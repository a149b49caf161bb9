# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_music.exceptions import OutputError, RecordError
from airflow_provider_music.record.store import SongIdentity, SongRecord


@pytest.fixture
def record(tmp_path):
    return SongRecord(str(tmp_path / "song"))


def test_a_fact_is_written_once_and_never_changed(record):
    assert record.write(1, "intent", model="a")
    assert not record.write(1, "intent", model="b")
    assert record.read(1)["intent"]["model"] == "a"


def test_of_many_that_claim_a_request_one_wins(record):
    with ThreadPoolExecutor(20) as pool:
        won = list(pool.map(lambda k: record.write(1, "intent", who=k), range(20)))

    assert sum(won) == 1
    assert record.read(1)["intent"]["who"] == won.index(True)


def test_facts_are_json_that_a_person_can_read(record, tmp_path):
    record.write(1, "intent", model="music-01", try_number=1)
    body = json.loads((tmp_path / "song/take-1/intent.json").read_text())

    assert {"schema": 1, "fact": "intent", "n": 1, "model": "music-01"}.items() <= body.items()
    assert body["written_at"].endswith("+00:00")


def test_the_newest_take_is_found(record):
    assert record.latest() is None
    for n in (1, 2, 3):
        record.write(n, "intent")
    record.write(2, "failed")

    assert record.latest().n == 3
    assert "failed" not in record.latest()
    assert "failed" in record.read(2)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no JSON"),
        (b'{"schema": 1, "fact": "int', "no JSON"),
        (b"[]", "not written by this version"),
        (b'{"schema": 2, "fact": "intent"}', "schema 2"),
        (b'{"schema": 1, "fact": "accepted"}', "not written by this version"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_a_record_that_cannot_be_understood_is_an_error_and_never_nothing(record, tmp_path, content, match):
    record.write(1, "intent")
    (tmp_path / "song/take-1/intent.json").write_bytes(content)

    for look in (record.latest, lambda: record.read(1)):
        with pytest.raises(RecordError, match=match):
            look()


def test_a_store_that_is_down_is_an_error_and_never_nothing(record, monkeypatch):
    def down(*_):
        raise OSError("no route to store")

    monkeypatch.setattr("airflow_provider_music.storage.folder.Folder.read", down)
    with pytest.raises(RecordError, match="no route to store"):
        record.latest()


def test_a_take_whose_intent_was_deleted_is_an_error(record, tmp_path):
    record.write(1, "intent")
    record.write(1, "accepted", generation_id="x")
    (tmp_path / "song/take-1/intent.json").unlink()

    with pytest.raises(RecordError, match="no intent"):
        record.latest()


def test_an_output_folder_that_is_a_file_is_said_as_such(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="nothing was sent"):
        SongRecord(str(tmp_path / "file")).latest()


def test_submissions_count_what_may_have_left_since_the_last_delivery(record):
    for n in range(1, 6):
        record.write(n, "intent")
    record.write(1, "delivered")
    record.write(2, "failed", sent=False)
    record.write(3, "failed", sent=True)
    record.write(4, "unknown")

    assert record.submissions(5) == 3
    assert record.submissions(1) == 1


def test_task_instances_never_share_a_folder(tmp_path):
    identities = [
        SongIdentity("dag", "run", "task"),
        SongIdentity("dag", "run", "task", 0),
        SongIdentity("dag", "run", "task", 1),
        SongIdentity("dag", "run:1", "task"),
        SongIdentity("dag", "run+1", "task"),
        SongIdentity("dag", "../run", "task"),
        SongIdentity("dag", "r" * 300, "task"),
        SongIdentity("dag", "r" * 301, "task"),
    ]
    urls = [identity.folder(str(tmp_path)).url for identity in identities]

    assert len(set(urls)) == len(urls)
    assert all(url.startswith(f"file://{tmp_path}/dag/") and ".." not in url for url in urls)
