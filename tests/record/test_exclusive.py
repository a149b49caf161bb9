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
    create, refused = Folder.create_once, []

    def slow(where, name, content):
        made = create(where, name, content)
        if not refused:
            refused.append(None)
            with pytest.raises(UnsafeStoreError):
                SongRecord(folder).claim(1, model="b")
        return made

    monkeypatch.setattr(Folder, "create_once", slow)

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
    create, other = Folder.create_once, []

    def slow(where, name, content):
        made = create(where, name, content)
        if not other:
            other.append(None)
            other[0] = SongRecord(folder).claim(1, model="b")
        return made

    monkeypatch.setattr(Folder, "create_once", slow)

    assert SongRecord(folder).claim(1, model="a")["intent"]["model"] == "a"
    assert other == [None]


def test_two_processes_that_prove_the_same_store_by_probes_at_once_do_not_refuse_it(remote, monkeypatch):
    """One removes its probe while the other is between its two creations."""
    folder, created = remote
    create, others = Folder.create_once, []

    def slow(where, name, content):
        made = create(where, name, content)
        if not others:
            others.append(None)
            exclusive.prove_exclusive_once(folder)
            monkeypatch.setattr(exclusive, "_proven", set())
        return made

    monkeypatch.setattr(Folder, "create_once", slow)
    exclusive.prove_exclusive_once(folder)

    assert len(created) == 4
    assert folder.names() == set()


def test_a_disk_needs_no_proof(tmp_path, monkeypatch):
    monkeypatch.setattr(Folder, "create_once", lambda *_: pytest.fail("a probe was created"))
    exclusive.prove_exclusive_once(Folder(str(tmp_path)))
    exclusive.prove_exclusive_by(Folder(str(tmp_path)), "intent.json", b"")
