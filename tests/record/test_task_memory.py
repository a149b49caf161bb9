# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.task_memory import TaskMemory


class Store:
    """Airflow's task state store, as a task has it in its context."""

    def __init__(self, *, broken=False):
        self.kept, self.broken = {}, broken

    def get(self, key):
        if self.broken:
            raise RuntimeError("the API server is away")
        return json.loads(self.kept.get(key, "null"))

    def set(self, key, value):
        if self.broken:
            raise RuntimeError("the API server is away")
        self.kept[key] = json.dumps(value)


@pytest.fixture
def take(tmp_path):
    record = SongRecord(str(tmp_path))
    return record.write(record.claim(2, says_when_sent=True), "accepted", generation_id="an-id")


def test_a_later_try_recalls_where_the_record_lies_and_what_is_known(take):
    context = {"task_state_store": Store()}
    TaskMemory.of(context).note("file:///songs", take)

    found = TaskMemory.of(context).recall()

    assert (found["record_url"], found["n"]) == ("file:///songs", 2)
    assert found["facts"]["accepted"]["generation_id"] == "an-id"
    assert "says_when_sent" not in found["facts"]["intent"]


def test_a_note_before_the_request_forgets_the_take_before_it(take):
    memory = TaskMemory(Store())
    memory.note("file:///songs", take)
    memory.note("file:///songs")

    assert memory.recall() == {"record_url": "file:///songs"}


def test_it_never_remembers_that_a_song_is_in_place(take):
    """On a disk where it is not, that would be a success without a song."""
    memory = TaskMemory(Store())
    memory.note("file:///songs", take.with_fact("completed", {}).with_fact("delivered", {}))

    assert set(memory.recall()["facts"]) == {"intent", "accepted"}


def test_it_keeps_that_a_song_failed(take):
    memory = TaskMemory(Store())
    memory.note("file:///songs", take.with_fact("failed", {"sent": True}))

    assert memory.recall()["facts"]["failed"] == {"sent": True}


class Refusing(dict):
    """A context whose names raise, as those of another Airflow may."""

    def get(self, key, default=None):
        raise KeyError(key)


@pytest.mark.parametrize("context", [{}, {"task_state_store": None}, Refusing()])
def test_without_a_store_nothing_is_kept_and_nothing_is_known(context, take):
    memory = TaskMemory.of(context)
    memory.note("file:///songs", take)

    assert memory.recall() == {}


def test_a_store_that_is_away_fails_nothing_and_is_said(take, caplog):
    memory = TaskMemory(Store(broken=True))
    memory.note("file:///songs", take)

    assert memory.recall() == {}
    assert caplog.text.count("the API server is away") == 2


@pytest.mark.parametrize("kept", ["null", '"text"', "[]", "3"])
def test_what_somebody_else_kept_under_its_key_is_no_memory(kept):
    store = Store()
    store.kept["airflow_provider_music"] = kept

    assert TaskMemory(store).recall() == {}
