# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a killed process left goes; what somebody still writes, and everything else, stays."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.storage import cleanup
from airflow_provider_music.storage.audio_writer import AudioWriter, RequestedAudio
from airflow_provider_music.storage.cleanup import is_part, part_name, remove_abandoned, writer_is_gone
from airflow_provider_music.storage.folder import Folder

FREE = RequestedAudio()
LONG_AGO = time.time() - 2 * cleanup._UNTOUCHED_SECONDS


@pytest.fixture
def another_process(monkeypatch):
    """Make this a later process: those that wrote before are gone."""
    return lambda: monkeypatch.setattr(cleanup, "process_started", lambda pid: "7")


@pytest.fixture
def another_machine(monkeypatch):
    return lambda: monkeypatch.setattr(cleanup, "machine_id", lambda: "0123abcd")


def path_of(folder, name):
    return Path(folder.key(name))


def in_a_child(work):
    """Do it in a process of its own, which is killed at the end of it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def begin(folder, data):
    landing = AudioWriter(folder, FREE, max_bytes=2**30)
    landing.write(data)
    landing._file.flush()
    return landing


def test_what_a_landing_left_that_was_killed_goes_with_the_next_one(folder, wav, left):
    in_a_child(lambda: begin(folder, wav[:1000]))
    assert [is_part(name) for name in left()] == [True]
    remove_abandoned(folder)
    assert left() == []


def test_what_a_fact_left_whose_writer_was_killed_goes_too(folder, left, mocker):
    def killed():
        mocker.patch("os.link", side_effect=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        folder.create("accepted.json", b"{}")

    in_a_child(killed)
    (name,) = left()
    assert name.startswith(".accepted.json.part-")
    assert remove_abandoned(folder) == [name]
    assert left() == []


def test_a_live_landing_of_this_or_another_process_is_not_touched(folder, wav, left):
    mine = begin(folder, wav)
    ready, go_on = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        theirs = begin(folder, wav)
        os.write(ready[1], b"1")
        os.read(go_on[0], 1)
        theirs.finish()
        os._exit(0)
    os.read(ready[0], 1)
    assert len(left()) == 2
    assert remove_abandoned(folder) == []
    assert len(left()) == 2
    os.write(go_on[1], b"1")
    assert os.waitpid(child, 0)[1] == 0
    mine.finish()
    assert left() == ["song.wav"]


def test_a_live_writer_is_not_touched_however_old_its_file_is(folder, wav, left):
    landing = begin(folder, wav)
    os.utime(folder.key(landing._part), (LONG_AGO, LONG_AGO))
    assert remove_abandoned(folder) == []
    landing.finish()
    assert left() == ["song.wav"]


def test_a_file_of_another_machine_is_not_touched_until_it_is_long_untouched(folder, wav, left, another_machine):
    landing = begin(folder, wav)
    another_machine()
    assert remove_abandoned(folder) == []
    assert len(left()) == 1
    os.utime(folder.key(landing._part), (LONG_AGO, LONG_AGO))
    assert remove_abandoned(folder) == [landing._part]
    assert left() == []


@pytest.mark.parametrize("name", [".song.part-" + "0" * 32, ".song.part-"])
def test_a_file_that_does_not_say_who_writes_it_goes_by_its_age(folder, left, name):
    folder.replace(name, b"x")
    assert remove_abandoned(folder) == []
    os.utime(folder.key(name), (LONG_AGO, LONG_AGO))
    assert remove_abandoned(folder) == [name]
    assert left() == []


def test_only_parts_of_this_folder_go(folder, left, another_process):
    parts = [part_name("song"), part_name("intent.json")]
    others = ["song.mp3", "intent.json", "a.part-1", "song.part-0-0-0", ".hidden", ".part"]
    for name in [*parts, *others]:
        path_of(folder, name).parent.mkdir(parents=True, exist_ok=True)
        path_of(folder, name).write_bytes(b"x")
        os.utime(folder.key(name), (LONG_AGO, LONG_AGO))
    elsewhere = [folder / "song-1", Folder(folder.url.rpartition("/")[0] + "/take-2"), Folder(folder.url + "0")]
    for other in elsewhere:
        other.make()
        path_of(other, parts[0]).write_bytes(b"x")
        os.utime(other.key(parts[0]), (LONG_AGO, LONG_AGO))
    another_process()
    assert sorted(remove_abandoned(folder)) == sorted(parts)
    assert left() == sorted([*others, *[parts[0]] * 3])
    assert all(other.read(parts[0]) == b"x" for other in elsewhere)


def test_two_cleanups_at_once_and_a_file_that_goes_meanwhile_are_no_error(folder, left, another_process, mocker):
    names = [part_name("song") for _ in range(3)]
    for name in names:
        folder.make()
        path_of(folder, name).write_bytes(b"x")
    another_process()
    remove = Folder.remove

    def raced(self, name):
        for each in names:
            remove(self, each)
        remove(self, name)

    mocker.patch.object(Folder, "remove", raced)
    remove_abandoned(folder)
    assert left() == []


@pytest.mark.parametrize("exc", [PermissionError("read-only"), OSError("away"), RuntimeError("odd"), OutputError("no")])
def test_a_store_that_does_not_let_it_is_no_error(folder, left, another_process, mocker, exc):
    name = part_name("song")
    folder.make()
    path_of(folder, name).write_bytes(b"x")
    another_process()
    mocker.patch.object(Folder, "remove", side_effect=exc)
    assert remove_abandoned(folder) == []
    mocker.patch("os.scandir", side_effect=exc)
    assert remove_abandoned(folder) == []
    mocker.stopall()
    assert left() == [name]


def test_a_folder_that_is_not_there_is_no_error_and_is_not_made(tmp_path):
    assert remove_abandoned(Folder(str(tmp_path / "nothing"))) == []
    assert list(tmp_path.iterdir()) == []


# Names


def test_no_two_names_are_the_same_and_each_is_of_a_live_writer():
    names = [part_name("song") for _ in range(1000)]
    assert len(set(names)) == 1000
    assert all(is_part(name) and writer_is_gone(name) is False for name in names)
    assert all(len(name) < 100 and name.startswith(".song.part-") for name in names)


def test_a_forked_child_has_names_of_its_own(folder):
    folder.make()
    in_a_child(lambda: path_of(folder, "name").write_text(part_name("song")))
    assert writer_is_gone(folder.read("name").decode()) is True


def test_a_later_process_of_the_same_number_is_not_the_writer(another_process):
    name = part_name("song")
    another_process()
    assert writer_is_gone(name) is True
    assert writer_is_gone(part_name("song")) is False


def test_of_another_machine_boot_or_container_nothing_is_known(another_machine):
    name = part_name("song")
    another_machine()
    assert writer_is_gone(name) is None


@pytest.mark.parametrize("name", ["", "song.mp3", ".song.part-", ".song.part-zz", ".song.part-" + "0" * 32])
def test_of_another_name_nothing_is_known(name):
    assert writer_is_gone(name) is None


def test_where_the_kernel_says_nothing_nothing_is_known(monkeypatch):
    monkeypatch.setattr(cleanup, "machine_id", lambda: None)
    assert writer_is_gone(part_name("song")) is None
    monkeypatch.undo()
    monkeypatch.setattr(cleanup, "process_started", lambda pid: None)
    assert writer_is_gone(part_name("song")) is None


def test_a_machine_without_proc_has_no_name(monkeypatch):
    def missing(self, *_):
        raise FileNotFoundError(self)

    cleanup.machine_id.cache_clear()
    monkeypatch.setattr(Path, "read_text", missing)
    try:
        assert cleanup.machine_id() is None
        assert f".part-{cleanup._NO_MACHINE}-" in part_name("song")
        assert writer_is_gone(part_name("song")) is None
        assert cleanup.process_started(os.getpid()) is None
    finally:
        cleanup.machine_id.cache_clear()


def test_a_machine_is_the_same_whatever_its_host_is_called(monkeypatch):
    mine = cleanup.machine_id()
    monkeypatch.setattr("socket.gethostname", lambda: "another-name")
    cleanup.machine_id.cache_clear()
    try:
        assert cleanup.machine_id() == mine
    finally:
        cleanup.machine_id.cache_clear()


# Buckets: what a library that is not S3's offers; S3 itself is in tests/hostile/test_s3_stores.py


class Store:
    """A bucket's file system without uploads in parts."""

    def __init__(self, touched):
        self.files = dict(touched)
        self.removed = []

    def invalidate_cache(self):
        pass

    def ls(self, key, *, detail):
        assert not detail
        return [f"{key}/{name}" for name in self.files]

    def modified(self, key):
        return SimpleNamespace(timestamp=lambda: self.files[key.rpartition("/")[2]])

    def rm_file(self, key):
        self.removed.append(key.rpartition("/")[2])


def test_in_any_bucket_old_parts_go_and_new_ones_stay(mocker, another_machine):
    names = [part_name("song"), part_name("song"), "song.mp3"]
    store = Store(dict(zip(names, [LONG_AGO, time.time(), LONG_AGO], strict=True)))
    another_machine()
    mocker.patch.object(Folder, "fs", store)
    mocker.patch.object(Folder, "__init__", lambda self, url: vars(self).update(is_local=False, url=url, _root="b/s"))
    assert remove_abandoned(Folder("any://b/s")) == [names[0]]
    assert store.removed == [names[0]]
