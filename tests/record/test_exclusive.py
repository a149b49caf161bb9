# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.exceptions import RecordError, UnsafeStoreError
from airflow_provider_music.record import exclusive
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder


@pytest.fixture
def remote(bucket, monkeypatch):
    """A folder of a store that this process has not proven yet, and the names that are created in it."""
    monkeypatch.setattr(exclusive, "_proven", set())
    created, create = [], Folder.create_once

    def noted(folder, name, content):
        created.append(name)
        return create(folder, name, content)

    monkeypatch.setattr(Folder, "create_once", noted)
    return bucket, created


def drop_conditions(folder, monkeypatch):
    """As s3fs before 2024.12: it drops the condition of a write without a word."""
    write = folder.fs.pipe_file
    monkeypatch.setattr(folder.fs, "pipe_file", lambda path, value, **_: write(path, value))


def act_once_between(monkeypatch, act):
    """Have another process act right after the first creation of this one."""
    create, acted = Folder.create_once, []

    def slow(where, name, content):
        made = create(where, name, content)
        if not acted:
            acted.append(None)
            act()
        return made

    monkeypatch.setattr(Folder, "create_once", slow)


@pytest.mark.parametrize(
    "prove", [exclusive.prove_exclusive_once, lambda folder: SongRecord(folder).claim(1, model="a")]
)
def test_a_store_whose_second_creation_wins_is_refused_and_no_claim_stays(remote, monkeypatch, prove):
    folder, _ = remote
    drop_conditions(folder, monkeypatch)
    for _ in range(2):
        with pytest.raises(UnsafeStoreError, match=r"let the same object be created twice(.|\n)*nothing was sent"):
            prove(folder)
    assert folder.names() == set()


def test_two_processes_that_claim_the_same_in_a_store_that_drops_conditions_are_both_refused(remote, monkeypatch):
    folder, _ = remote
    drop_conditions(folder, monkeypatch)

    def other():
        with pytest.raises(UnsafeStoreError):
            SongRecord(folder).claim(1, model="b")

    act_once_between(monkeypatch, other)

    with pytest.raises(UnsafeStoreError):
        SongRecord(folder).claim(1, model="a")
    assert folder.names() == set()


def test_a_claim_is_the_proof_once_per_process(remote):
    folder, created = remote
    for n in (1, 2):
        assert SongRecord(folder).claim(n, model="a")
    assert SongRecord(folder / "other").claim(1, model="a")

    assert created == ["intent.json"] * 4
    assert folder.names() == {"take-1/intent.json", "take-2/intent.json", "other/take-1/intent.json"}


def test_where_no_claim_is_at_hand_a_probe_is_the_proof_once_per_process(remote):
    folder, created = remote
    for where in (folder, folder / "other"):
        exclusive.prove_exclusive_once(where)
    assert SongRecord(folder).claim(1, model="a")

    assert [name.rpartition(".")[2] for name in created] == ["probe", "probe", "json"]
    assert folder.names() == {"take-1/intent.json"}


def test_a_store_that_breaks_between_claim_and_proof_keeps_no_claim(remote, monkeypatch):
    folder, created = remote
    create = Folder.create_once

    def breaks(where, name, content):
        if created:
            raise OSError("the store is away")
        return create(where, name, content)

    monkeypatch.setattr(Folder, "create_once", breaks)

    with pytest.raises(RecordError, match="the store is away"):
        SongRecord(folder).claim(1, model="a")
    assert folder.names() == set()


def test_whoever_comes_between_a_claim_and_its_proof_claims_nothing(remote, monkeypatch):
    folder, _ = remote
    other = []
    act_once_between(monkeypatch, lambda: other.append(SongRecord(folder).claim(1, model="b")))

    assert SongRecord(folder).claim(1, model="a")["intent"]["model"] == "a"
    assert other == [None]


def test_two_processes_that_prove_the_same_store_by_probes_at_once_do_not_refuse_it(remote, monkeypatch):
    """One removes its probe while the other is between its two creations."""
    folder, created = remote

    def other():
        exclusive.prove_exclusive_once(folder)
        monkeypatch.setattr(exclusive, "_proven", set())

    act_once_between(monkeypatch, other)
    exclusive.prove_exclusive_once(folder)

    assert len(created) == 4
    assert folder.names() == set()


def test_a_disk_needs_no_proof(tmp_path, monkeypatch):
    monkeypatch.setattr(Folder, "create_once", lambda *_: pytest.fail("a probe was created"))
    exclusive.prove_exclusive_once(Folder(str(tmp_path)))
    exclusive.prove_exclusive_by(Folder(str(tmp_path)), "intent.json", b"")


class Store:
    """A folder of some object store that refuses second creations."""

    is_local = False

    def __init__(self, url, breaks_at=None):
        self.url = url
        self.created, self.removed = [], []
        self._breaks_at = breaks_at

    def url_of(self, name):
        return f"{self.url}/{name}"

    def create_once(self, name, _content):
        if len(self.created) == self._breaks_at:
            raise OSError("the store is away")
        self.created.append(name)
        return self.created.count(name) == 1

    def remove(self, name):
        self.removed.append(name)


@pytest.fixture
def nothing_proven(monkeypatch):
    monkeypatch.setattr(exclusive, "_proven", set())


@pytest.mark.parametrize("breaks_at", [0, 1])
def test_a_store_that_does_not_answer_is_neither_proven_nor_refused(breaks_at, nothing_proven):
    folder = Store("s3://conn@songs/a", breaks_at)
    with pytest.raises(RecordError, match=r"s3://conn@songs/a/created-twice-.*the store is away"):
        exclusive.prove_exclusive_once(folder)

    whole = Store("s3://conn@songs/a")
    exclusive.prove_exclusive_once(whole)
    assert len(whole.created) == 2


def test_a_claim_on_a_store_that_does_not_answer_proves_nothing(nothing_proven):
    with pytest.raises(RecordError, match=r"s3://conn@songs/a/intent\.json .*the store is away"):
        exclusive.prove_exclusive_by(Store("s3://conn@songs/a", breaks_at=0), "intent.json", b"")
    assert exclusive._proven == set()


def test_each_bucket_is_proven_by_itself_and_of_each_all_folders_at_once(nothing_proven):
    folders = [Store(url) for url in ("s3://conn@songs/a", "s3://conn@songs/b", "s3://conn@others/a", "gs://songs/a")]
    for folder in folders:
        exclusive.prove_exclusive_once(folder)

    assert [len(folder.created) for folder in folders] == [2, 0, 2, 2]
    assert all(folder.removed == folder.created[:1] for folder in folders)


def test_what_refuses_a_second_creation_by_a_claim_needs_no_probe_later(nothing_proven):
    folder = Store("s3://conn@songs/a")
    assert folder.create_once("intent.json", b"")
    exclusive.prove_exclusive_by(folder, "intent.json", b"")
    exclusive.prove_exclusive_by(folder, "intent.json", b"")
    exclusive.prove_exclusive_once(folder)
    assert folder.created == ["intent.json"] * 2
