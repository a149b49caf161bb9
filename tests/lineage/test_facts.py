# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The facts of a task's takes, in its memory or in storage."""

from __future__ import annotations

import json

import pytest

from airflow_provider_music.lineage.facts import SongFacts, facts_of, songs_of_batch
from airflow_provider_music.record.generation_ref import split_record_uri
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import Take
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.storage.folder import Folder


def take_of(result):
    """The take that a result came from, as who delivers it has it in memory."""
    folder, _ = split_record_uri(result["record_uri"])
    root, _, name = folder.rpartition("/")
    return SongRecord(root).read(int(name.removeprefix("take-")))


@pytest.fixture
def no_reads(monkeypatch):
    """Call it, and no file is read from then on."""

    def read(self, name):
        raise AssertionError(f"{self.url_of(name)} was read")

    return lambda: monkeypatch.setattr(Folder, "read", read)


@pytest.mark.parametrize("wait", [True, False])
def test_the_takes_of_a_song_say_what_storage_says_and_nothing_is_read(music_sandbox, airflow, song, wait, no_reads):
    task = song(wait_for_completion=wait)
    result = airflow.run(task)
    take, fresh = take_of(result), song()
    in_storage = facts_of(fresh, result)
    assert (in_storage.take, len(in_storage.fingerprint)) == (1, 64)
    assert in_storage.wait_seconds > 0

    no_reads()
    task.lineage_takes = [take]
    assert facts_of(task, result) == in_storage


def test_a_song_that_was_submitted_and_is_complete_by_now_waited_until_it_was_accepted(music_sandbox, song):
    times = {"intent": "00:00", "accepted": "00:01", "completed": "01:00"}
    facts = {fact: {"written_at": f"2026-11-01T00:{time}+00:00"} for fact, time in times.items()}
    task = song()
    task.lineage_takes = [Take(1, facts)]
    assert facts_of(task, {"status": "accepted"}).wait_seconds == 1
    assert facts_of(task, {"status": "completed"}).wait_seconds == 60


def test_the_take_of_a_sensor_says_what_storage_says(music_sandbox, airflow, song, output_dir, no_reads):
    submitted = airflow.run(song(wait_for_completion=False))
    wait = MusicGenerationSensor(task_id="wait", generation=submitted, output_dir=str(output_dir), poll_interval=0.05)
    result = airflow.run(wait)
    folder, name = split_record_uri(result["record_uri"])
    wait.lineage_takes = ()
    in_storage = facts_of(wait, result)
    assert in_storage.take == 1

    landed = json.loads(Folder(folder).read(name))
    wait.lineage_takes = [Take(1, {**take_of(submitted).facts, "completed": landed})]
    no_reads()
    assert facts_of(wait, result) == in_storage


def test_the_take_of_a_bare_id_has_no_facts():
    wait = MusicGenerationSensor(task_id="wait", generation="an-id")
    wait.lineage_takes = [Take(1, {"completed": {"written_at": "2026-11-01T00:00:00+00:00"}})]
    assert facts_of(wait, {"status": "completed"}) == SongFacts()


def test_the_takes_of_a_batch_take_the_place_of_its_fingerprints(batch):
    task = batch()
    task.lineage_songs = [({"audio_uri": "a"}, None), ({"audio_uri": "b"}, None)]
    task.lineage_takes = [Take(1, {"intent": {"fingerprint": name}, "completed": {}}) for name in ("one", "two")]
    assert songs_of_batch(task) == [({"audio_uri": "a"}, "one"), ({"audio_uri": "b"}, "two")]


@pytest.mark.parametrize("takes", [(), [Take(1, {"intent": {"fingerprint": "two"}})]])
def test_a_batch_without_a_take_for_each_song_has_its_fingerprints(batch, takes):
    task = batch()
    task.lineage_songs = [({"audio_uri": "a"}, "one"), ({"audio_uri": "b"}, None)]
    task.lineage_takes = takes
    assert songs_of_batch(task) == task.lineage_songs


def test_the_takes_of_a_former_run_are_not_reported_again(airflow, batch):
    task = batch()
    task.lineage_takes = [Take(1)]
    assert task._run_with_lineage(airflow.context(task), lambda: task.lineage_takes) == ()
