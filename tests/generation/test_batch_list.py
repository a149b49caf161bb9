# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_music.exceptions import ChangedRequestError, RecordError
from airflow_provider_music.generation.batch_list import BatchList
from airflow_provider_music.record.identity import SongIdentity, TaskAttempt
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder

FIRST = TaskAttempt(SongIdentity("dag", "run", "songs"), try_number=1, max_tries=2)
RETRY = dataclasses.replace(FIRST, try_number=2)
CLEARED = dataclasses.replace(FIRST, try_number=3, max_tries=4)


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "songs"))


def prints(words):
    """Fingerprints as long as real ones."""
    return [word * 64 for word in words]


def listed(folder, words, attempt=RETRY):
    return BatchList(folder, prints(words), attempt)


def song(folder, index, *facts):
    record = SongRecord(folder.url_of(f"song-{index}"))
    take = record.claim(1, fingerprint="x", max_tries=2)
    for fact in facts:
        take = record.write(take, fact)
    return record


def started(folder, *, states=("accepted", "accepted", "accepted")):
    listed(folder, "abc", FIRST).write()
    return [song(folder, index, *([state] if state else [])) for index, state in enumerate(states)]


def test_a_list_is_written_once_however_many_tries_there_are(folder):
    for attempt in (FIRST, RETRY, CLEARED):
        listed(folder, "abc", attempt).write()

    assert folder.names() == {"list-1.json"}
    assert b"aaaaaaaaaaaaaaaa" in folder.read("list-1.json")
    assert b"a" * 17 not in folder.read("list-1.json")


def test_whether_a_list_was_written_is_told_by_the_folders_names():
    assert BatchList.was_written({"list-1.json", "song-0"})
    assert not BatchList.was_written({"song-0", "plan-1.json", "list-1-changed.json"})


@pytest.mark.parametrize("words", ["abc", "xyz", "cba"], ids=["same", "all others", "reordered"])
def test_a_list_that_leaves_every_song_its_place_is_a_matter_of_the_songs(words, folder):
    started(folder)
    listed(folder, words).check()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("ab", r"it had 3, now it has 2; requests\[2\] is gone"),
        ("bc", r"it had 3, now it has 2; requests\[0\] is the first that differs"),
        ("xabc", r"it had 3, now it has 4; requests\[0\] is the first that differs"),
        ("abxc", r"it had 3, now it has 4; requests\[2\] is the first that differs"),
        ("abcd", r"it had 3, now it has 4; requests\[3\] is new"),
    ],
)
def test_another_length_while_songs_are_open_is_refused_with_the_place_where_it_differs(words, match, folder):
    started(folder)
    for attempt in (RETRY, dataclasses.replace(RETRY, try_number=3)):
        with pytest.raises(ChangedRequestError, match=match) as caught:
            listed(folder, words, attempt).check()
        assert "Nothing was sent" in str(caught.value)
        assert "3 of its songs are paid or may be and not delivered yet, the first is requests[0]" in str(caught.value)
    listed(folder, words, CLEARED).check()


def test_of_several_takes_of_one_request_the_numbers_are_named(folder):
    started(folder)
    with pytest.raises(ChangedRequestError, match=r"takes was 3 and is 2 now, while 3 of the former songs are paid"):
        BatchList(folder, prints("aa"), RETRY, "takes").check()
    BatchList(folder, prints("aa"), CLEARED, "takes").check()


def test_one_take_leaves_all_former_songs_behind(folder, caplog):
    started(folder)
    with pytest.raises(ChangedRequestError, match=r"takes was 3 and is 1 now"):
        BatchList(folder, prints("a"), RETRY, "takes").check()
    BatchList(folder, prints("a"), CLEARED, "takes").check()
    assert "Songs [0, 1, 2] of the former list stay behind, paid" in caplog.text


def test_the_refusal_is_written_beside_the_songs_that_differ_so_that_one_clear_is_enough(folder):
    records = started(folder)
    with pytest.raises(ChangedRequestError):
        listed(folder, "axbc").check()

    assert ["changed" in record.latest() for record in records] == [False, True, True]
    assert records[1].latest()["changed"]["try_number"] == 2


def test_songs_that_a_cleared_list_leaves_behind_are_named_in_the_log(folder, caplog):
    started(folder)
    with pytest.raises(ChangedRequestError):
        listed(folder, "a").check()
    listed(folder, "a", CLEARED).check()

    assert "Songs [1, 2] of the former list stay behind, paid" in caplog.text


@pytest.mark.parametrize("states", [("delivered",) * 3, ("failed",) * 3, ("unknown", "failed", "delivered")])
def test_another_length_is_no_matter_once_no_song_is_open(states, folder):
    started(folder, states=states)
    listed(folder, "ab").check()


@pytest.mark.parametrize("state", [None, "accepted", "completed"])
def test_one_open_song_is_enough(state, folder):
    started(folder, states=("failed", "delivered", state))
    with pytest.raises(ChangedRequestError, match=r"1 of its songs .* the first is requests\[2\]"):
        listed(folder, "ab").check()


def test_the_newest_list_is_the_one_that_counts(folder):
    started(folder)
    listed(folder, "abcd").write()
    song(folder, 3, "accepted")

    with pytest.raises(ChangedRequestError, match="it had 4, now it has 3"):
        listed(folder, "abc").check()
    assert folder.read("list-2-changed.json") is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"fingerprints": 3}', b'"text"', b"\xff"])
def test_a_list_that_cannot_be_understood_is_an_error_and_never_nothing(content, folder):
    folder.create("list-1.json", content)
    with pytest.raises(RecordError, match="Nothing is sent"):
        listed(folder, "abc")


def test_a_store_that_does_not_answer_is_an_error_and_never_nothing(folder, monkeypatch):
    def down(*_):
        raise OSError("the store is away")

    new = listed(folder, "abc")
    monkeypatch.setattr(Folder, "create", down)
    with pytest.raises(RecordError, match=r"list-1.json cannot be written: the store is away"):
        new.write()
    monkeypatch.setattr(Folder, "read", down)
    with pytest.raises(RecordError, match=r"the store is away. Nothing is sent"):
        listed(folder, "abc")
