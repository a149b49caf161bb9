# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from airflow_provider_music.exceptions import OutputError, RecordError
from airflow_provider_music.record import take as takes
from airflow_provider_music.record.identity import SongIdentity
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import FACTS, State
from airflow_provider_music.storage.folder import Folder


@pytest.fixture
def record(tmp_path):
    return SongRecord(str(tmp_path / "song"))


def test_a_take_is_claimed_once_and_its_claim_never_changed(record):
    assert record.claim(1, model="a")
    assert record.claim(1, model="b") is None
    assert record.read(1)["intent"]["model"] == "a"


def test_a_fact_is_written_once_and_never_changed(record):
    take = record.claim(1)
    first = record.write_first(take, "accepted", generation_id="a")

    assert first.generation_id == "a"
    assert record.write_first(take, "accepted", generation_id="b") is None
    assert record.write(take, "accepted", generation_id="b").generation_id == "a"
    assert record.read(1).facts == first.facts


def test_of_many_that_claim_a_request_one_wins(record):
    with ThreadPoolExecutor(20) as pool:
        won = [take is not None for take in pool.map(lambda k: record.claim(1, who=k), range(20))]

    assert sum(won) == 1
    assert record.read(1)["intent"]["who"] == won.index(True)


def test_facts_are_json_that_a_person_can_read(record, tmp_path):
    record.claim(1, model="music-01", try_number=1)
    body = json.loads((tmp_path / "song/take-1/intent.json").read_text())

    assert {"schema": 1, "fact": "intent", "n": 1, "model": "music-01"}.items() <= body.items()
    assert body["written_at"].endswith("+00:00")


def test_the_newest_take_is_found(record):
    assert record.latest() is None
    takes = [record.claim(n) for n in (1, 2, 3)]
    record.write(takes[1], "failed")

    assert record.latest().n == 3
    assert "failed" not in record.latest()
    assert "failed" in record.read(2)


def test_takes_are_listed_and_not_counted_from_one(record, tmp_path):
    """A lifecycle rule may expire the first of them."""
    for n in range(1, 12):
        record.claim(n)
    (tmp_path / "song/take-1/intent.json").unlink()

    assert record.latest().n == 11


def test_what_lies_beside_the_facts_makes_no_take(record, tmp_path):
    folder = tmp_path / "song/take-1"
    folder.mkdir(parents=True)
    for name in ("post.json", "song.mp3", ".song.part-1", "intent.json.bak"):
        (folder / name).write_text("")

    assert record.latest() is None
    assert record.read(1) is None


STATES = [
    ((), "open"),
    (("changed",), "open"),
    (("accepted",), "accepted"),
    (("unknown",), "unknown"),
    (("unknown", "accepted"), "accepted"),
    (("accepted", "failed"), "failed"),
    (("unknown", "failed"), "failed"),
    (("unknown", "completed"), "completed"),
    (("accepted", "completed"), "completed"),
    (("accepted", "delivered"), "delivered"),
    (("accepted", "completed", "delivered"), "delivered"),
]


@pytest.mark.parametrize(("facts", "state"), STATES)
def test_the_facts_say_where_a_take_stands(record, facts, state):
    take = record.claim(1)
    for fact in facts:
        take = record.write(take, fact)

    assert take.state == record.read(1).state == record.latest().state == state


def test_every_fact_but_sent_changed_and_rejected_decides_a_state_and_every_state_is_decided():
    decided = dict(takes._PRECEDENCE)

    assert set(decided) == set(FACTS) - {"sent", "changed", "rejected"}
    assert set(decided.values()) == set(get_args(State))


def test_a_take_is_read_by_one_listing_and_the_facts_that_are_there(record, monkeypatch):
    record.write(record.claim(1), "accepted", generation_id="x")
    read, listed = [], []
    monkeypatch.setattr(Folder, "read", lambda self, name, call=Folder.read: read.append(name) or call(self, name))
    monkeypatch.setattr(Folder, "names", lambda self, call=Folder.names: listed.append(self) or call(self))
    take = record.latest()

    assert (read, len(listed)) == (["intent.json", "accepted.json"], 1)
    record.write(take, "completed")
    assert record.refresh(take).state == "completed"
    assert read == ["intent.json", "accepted.json", "completed.json"]


def test_a_claim_that_is_withdrawn_leaves_nothing_behind(record):
    record.withdraw(record.claim(1))

    assert record.latest() is None
    assert record.claim(1) is not None


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
    record.claim(1)
    (tmp_path / "song/take-1/intent.json").write_bytes(content)

    for look in (record.latest, lambda: record.read(1)):
        with pytest.raises(RecordError, match=match):
            look()


@pytest.mark.parametrize("call", ["read", "names"])
def test_a_store_that_is_down_is_an_error_and_never_nothing(record, monkeypatch, call):
    def down(*_):
        raise OSError("no route to store")

    record.claim(1)
    monkeypatch.setattr(Folder, call, down)
    with pytest.raises(RecordError, match="no route to store"):
        record.latest()


def test_a_take_whose_intent_was_deleted_is_an_error(record, tmp_path):
    record.write(record.claim(1), "accepted", generation_id="x")
    (tmp_path / "song/take-1/intent.json").unlink()

    with pytest.raises(RecordError, match="no intent"):
        record.latest()


def test_an_output_folder_that_is_a_file_is_said_as_such(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="nothing was sent"):
        SongRecord(str(tmp_path / "file")).latest()


def test_submissions_count_what_may_have_left_since_the_last_delivery(record):
    takes = {n: record.claim(n) for n in range(1, 6)}
    record.write(takes[1], "delivered")
    record.write(takes[2], "failed", sent=False)
    record.write(takes[3], "failed", sent=True)
    record.write(takes[4], "unknown")

    assert record.read(5).submissions == record.latest().submissions == 3
    assert record.read(1).submissions == 1
    assert record.claim(6).submissions == 4


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


# Takes that came from elsewhere, markers, and stores whose claims do not hold


def test_a_take_is_adopted_with_what_is_known_of_it_and_what_is_there_stays(record):
    first = record.adopt(3, {"intent": {"model": "a", "audio_url": "file:///audio/take-3"}, "accepted": {"x": 1}})
    again = record.adopt(3, {"intent": {"model": "b"}, "failed": {"sent": True}})

    assert (first.n, first.state, first["intent"]["model"]) == (3, "accepted", "a")
    assert (again.state, again["intent"]["model"]) == ("failed", "a")
    assert first.audio_folder.url == "file:///audio/take-3"
    assert record.latest().facts == again.facts


def test_a_marker_is_seen_where_the_folder_is_and_nowhere_else(record, tmp_path):
    marker, other = record.leave_marker(), record.leave_marker()

    assert marker != other
    assert record.sees(marker)
    assert not SongRecord(str(tmp_path / "other")).sees(marker)
    record.remove_marker(marker)
    record.remove_marker(marker)
    assert (record.sees(marker), record.sees(other)) == (False, True)
    assert record.latest() is None


def test_a_marker_that_cannot_be_left_or_read_is_named(record, monkeypatch):
    def down(*_):
        raise OSError(errno.EIO, "the store is away")

    marker = record.leave_marker()
    monkeypatch.setattr(Folder, "read", down)
    with pytest.raises(RecordError, match=rf"{marker} cannot be read.*Nothing was sent"):
        record.sees(marker)
    monkeypatch.setattr(Folder, "create", down)
    with pytest.raises(OutputError, match="nothing was sent"):
        record.leave_marker()


def test_tries_that_sent_nothing_are_known_only_if_all_are(record):
    record.withdraw(record.claim(1, try_number=2))
    assert record.sent_nothing_before(1)
    assert not record.sent_nothing_before(2)
    assert not record.sent_nothing_before(3), "try 1 may have paid, elsewhere"
    record.withdraw(record.claim(1, try_number=1))
    assert record.sent_nothing_before(3)
    assert not record.sent_nothing_before(4)


def test_a_store_that_does_not_answer_knows_of_no_try_that_sent_nothing(record, monkeypatch):
    record.withdraw(record.claim(1, try_number=1))

    def down(*_):
        raise OSError(errno.EIO, "the store is away")

    monkeypatch.setattr(Folder, "read", down)
    assert not record.sent_nothing_before(2)


def test_a_claim_that_is_withdrawn_takes_along_what_the_store_wrote_though_it_said_no(record):
    take = record.claim(1, try_number=1)
    record.write_first(take, "sent", abandoned=False)
    record.withdraw(take)

    assert record.latest() is None


def test_whether_a_request_left_is_read_only_while_that_is_a_question(record):
    take = record.write(record.claim(1), "sent", abandoned=True)
    assert (record.read(1).never_sent, record.read(1).state) == (True, "open")
    record.write(take, "failed")
    assert "sent" not in record.read(1)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"schema": 1, "fact": "intent", "n": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"schema": 1, "fact": "intent", "n": 1, "x": "' + b"a" * 2**20 + b'"}',
    ],
    ids=["lists", "objects", "closed", "large"],
)
@pytest.mark.parametrize("fact", ["intent", "completed"])
def test_a_fact_that_no_version_wrote_is_refused_by_name(record, tmp_path, fact, content):
    take = record.claim(1)
    record.write(take, "completed", audio_uri="file:///a.mp3")
    (tmp_path / f"song/take-1/{fact}.json").write_bytes(content)
    with pytest.raises(RecordError, match=rf"take-1/{fact}\.json (is no JSON of a fact|has \d+ bytes)"):
        record.latest()
