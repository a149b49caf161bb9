# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_provider_music.exceptions import StorageNotSharedError
from airflow_provider_music.record.carried import CarriedRecord, carried
from airflow_provider_music.record.store import SongRecord


@pytest.fixture
def take(tmp_path):
    record = SongRecord(str(tmp_path / "worker"))
    claimed = record.claim(1, model="m", says_when_sent=True)
    return record.write(record.write(claimed, "sent", abandoned=False), "accepted", generation_id="an-id")


@pytest.fixture
def record(take, tmp_path):
    return CarriedRecord(str(tmp_path / "elsewhere"), take)


def test_it_holds_one_take_and_no_other(record, take):
    assert record.latest() == record.read(1) == record.refresh(take) == take
    assert record.read(2) is None


def test_nothing_can_be_claimed_in_it(record):
    with pytest.raises(StorageNotSharedError, match=r"take 2 of .*elsewhere.*(.|\n)*Nothing was sent"):
        record.claim(2, model="m")


def test_a_fact_is_kept_in_memory_once_and_touches_no_disk(record, take, tmp_path):
    first = record.write_first(take, "failed", reason="x")

    assert (first.state, first["failed"]["reason"]) == ("failed", "x")
    assert record.write_first(take, "failed", reason="y") is None
    assert record.write(take, "failed", reason="y")["failed"]["reason"] == "x"
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_carried_is_plain_json_and_can_be_adopted_elsewhere(record, take, tmp_path):
    known = json.loads(json.dumps(carried(record.write(take, "failed", reason="x").facts)))

    adopted = SongRecord(str(tmp_path / "third")).adopt(1, known)

    assert (adopted.state, adopted.generation_id) == ("failed", "an-id")
    assert adopted["accepted"] == take["accepted"]
    assert SongRecord(str(tmp_path / "third")).read(1).facts == adopted.facts


def test_what_is_carried_never_lets_a_request_be_taken_for_unsent(take):
    """sent.json stays on the worker's disk, so that it is missing elsewhere says nothing."""
    told = carried(take.facts)

    assert set(told) == {"intent", "accepted"}
    assert "says_when_sent" not in told["intent"]
    assert take["intent"]["says_when_sent"], "what the worker has is not touched"
    assert carried({}) == {}


def test_what_is_carried_is_small(take):
    assert len(json.dumps(carried(take.facts))) < 1000
