# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs into a folder that fills up, turns read-only, goes away or is slow: in place or named, and paid once.

Root may write everywhere, so a read-only folder is a disk that says so at each write.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hostile_api import LANES, MIB, HostileApi, wave, whole

from airflow_provider_music.exceptions import MusicError, OutputError, RecordError, UnknownOutcomeError
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.storage.cleanup import part_name
from airflow_provider_music.storage.folder import Folder

LANE_NAMES = list(LANES)
DEFERRABLE = [True, False]


@pytest.fixture(scope="module")
def long_song():
    return wave(seconds=20)


@pytest.fixture
def api(long_song, monkeypatch):
    with HostileApi(long_song) as started:
        monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", started.connection(connect_timeout=5, read_timeout=10))
        yield started


@pytest.fixture
def song(output_dir):
    def make(lane, task_id="song", **more):
        return GenerateMusicOperator(task_id=task_id, **{"output_dir": str(output_dir), **LANES[lane], **more})

    return make


@dataclass
class Disk:
    """A disk of which every write is counted, and which fails from one of them on.

    :param at: the number of the first write that fails; None never fails.
    :param code: what it says.
    :param times: so many writes fail, and then it works again.
    """

    at: int | None = None
    code: int = errno.ENOSPC
    times: float = float("inf")
    only: str = ""
    writes: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, what, path):
        with self.lock:
            name = Path(path).name
            if self.only not in name:
                return
            self.writes.append(f"{what} {name.partition('.part-')[0].lstrip('.')}")
            number = len(self.writes) - 1
        if self.at is not None and self.at <= number < self.at + self.times:
            raise OSError(self.code, os.strerror(self.code))


class File:
    """An open file on that disk. A write that fails has written the half of it, as a full disk does."""

    def __init__(self, file, disk, path):
        self._file, self._disk, self._path = file, disk, path

    def write(self, data):
        try:
            self._disk.write("write", self._path)
        except OSError:
            self._file.write(bytes(data[: len(data) // 2]))
            raise
        return self._file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.fixture
def disk(monkeypatch, output_dir):
    """All writes below the output folder go through it."""
    disks = [Disk()]
    opened, linked, replaced, synced = Path.open, os.link, Path.replace, os.fsync

    def touch(what, path):
        ours = str(path).startswith(str(output_dir))
        if ours:
            disks[0].write(what, path)
        return ours

    def open_(self, mode="r", *args, **kwargs):
        if mode in ("r", "rb") or not touch("open", self):
            return opened(self, mode, *args, **kwargs)
        return File(opened(self, mode, *args, **kwargs), disks[0], self)

    def link(source, target, **more):
        touch("link", target)
        return linked(source, target, **more)

    def replace(self, target):
        touch("replace", target)
        return replaced(self, target)

    def fsync(number):
        touch("fsync", os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115 - no file has to be behind it
        return synced(number)

    monkeypatch.setattr(Path, "open", open_)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(os, "fsync", fsync)

    def put(**more):
        disks[0] = Disk(**more)
        return disks[0]

    return put


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def nothing_left(folder, said=""):
    """No part or temporary file, and nothing under a final name that is not whole.

    :param said: errors that name what is kept of songs that cannot be fetched again.
    """
    names = [path.name for path in files(folder)]
    assert not [name for name in names if name.startswith(".") and not (name.startswith(".song.") and name in said)]
    for path in files(folder):
        if path.suffix == ".json":
            json.loads(path.read_text())
    return True


def in_place(api, result, posts=1):
    assert Path(result["audio_uri"].removeprefix("file://")).read_bytes() == api.song
    assert api.posts() == posts
    return True


def no_song(folder):
    return not [path for path in files(folder) if path.name.startswith("song.")]


def until_there_is_a_part(folder):
    for _ in range(3000):
        if list(folder.rglob(".song.part-*")):
            return
        time.sleep(0.02)
    raise AssertionError("no song began to land")


# A full disk


@pytest.mark.parametrize("deferrable", DEFERRABLE)
@pytest.mark.parametrize("what", ["open", "write", "fsync", "replace"])
def test_a_queued_song_that_meets_a_full_disk_is_named_and_a_retry_lands_it(
    what, deferrable, api, song, airflow, output_dir, disk
):
    numbers = {"open": 0, "write": 2, "fsync": -2, "replace": -1}
    whole_life = disk(only="song.")
    in_place(api, airflow.run(song("queued", task_id="measure", provenance="none", deferrable=deferrable)))
    at = numbers[what] % len(whole_life.writes)
    assert whole_life.writes[at].startswith(what)

    disk(only="song.", at=at)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        airflow.run(song("queued", deferrable=deferrable))
    assert "without paying again" in str(caught.value)
    assert str(output_dir) in str(caught.value)
    assert no_song(output_dir / "dag" / next((output_dir / "dag").iterdir()).name / "song")
    assert nothing_left(output_dir)

    disk()
    airflow.retry()
    assert in_place(api, airflow.run(song("queued", deferrable=deferrable)), posts=2)
    assert nothing_left(output_dir)


@pytest.mark.parametrize("deferrable", DEFERRABLE)
def test_a_synchronous_song_that_meets_a_full_disk_is_named_with_its_bill(
    deferrable, api, song, airflow, output_dir, disk
):
    disk(only="song", at=3)
    with pytest.raises(UnknownOutcomeError, match="No space left on device") as caught:
        airflow.run(song("synchronous", deferrable=deferrable))
    assert "It is billed" in str(caught.value)
    assert "clear this task" in str(caught.value)
    assert no_song(output_dir)
    assert nothing_left(output_dir, str(caught.value))
    # Not even a rename works.
    (kept,) = [path for path in files(output_dir) if path.name.startswith(".song.")]
    assert len(api.song) > kept.stat().st_size > 0
    assert api.song.startswith(kept.read_bytes())

    disk()
    airflow.retry()
    with pytest.raises(UnknownOutcomeError, match="No space left on device") as again:
        airflow.run(song("synchronous", deferrable=deferrable))
    assert str(kept) in str(again.value)
    assert api.posts() == 1

    airflow.clear()
    assert in_place(api, airflow.run(song("synchronous", deferrable=deferrable)), posts=2)
    assert kept.exists()


@pytest.mark.parametrize("deferrable", DEFERRABLE)
def test_what_fits_of_a_synchronous_song_is_kept_under_a_name_that_the_error_says(
    deferrable, api, song, airflow, output_dir, disk
):
    disk(only=".song.", at=2)
    with pytest.raises(UnknownOutcomeError, match="No space left on device") as caught:
        airflow.run(song("synchronous", deferrable=deferrable))
    (kept,) = [path for path in files(output_dir) if path.name.startswith("song.")]
    assert kept.name == "song.rejected.wav"
    assert f"is kept as file://{kept}" in str(caught.value)
    assert len(api.song) > kept.stat().st_size > 0
    assert api.song.startswith(kept.read_bytes())
    assert nothing_left(output_dir)
    assert api.posts() == 1


def test_songs_of_a_batch_that_meet_a_full_disk_are_landed_by_a_retry(api, airflow, output_dir, disk):
    def batch():
        requests = [{key: value for key, value in LANES["queued"].items() if key != "poll_interval"}] * 3
        return GenerateMusicBatchOperator(
            task_id="songs", requests=requests, output_dir=str(output_dir), poll_interval=0.02
        )

    disk(only="song.", at=4)
    with pytest.raises(MusicError, match="No space left on device"):
        airflow.run(batch())
    assert api.posts() == 3
    assert nothing_left(output_dir)
    disk()
    airflow.retry()
    result = airflow.run(batch())
    assert result["delivered"] == 3
    assert api.posts() == 3
    assert nothing_left(output_dir)


# A disk that fails at any of its writes: full, read-only, or a mount that went away


def life(api, song, airflow, lane, code, disk, at, times=float("inf")):
    """One try on a disk that fails from one write on, and one on a good disk; what holds wherever it failed."""
    before = api.posts()
    bad = disk(at=at, code=code, times=times)
    error = result = None
    try:
        result = airflow.run(song(lane))
    except MusicError as exc:
        error = exc
    where = bad.writes[at] if at < len(bad.writes) else None
    first = api.posts() - before
    assert first <= 1, where
    if error is not None:
        assert os.strerror(code) in str(error), where
        disk()
        airflow.retry()
        try:
            result = airflow.run(song(lane))
        except UnknownOutcomeError:
            # Its song went with the answer.
            assert lane == "synchronous", where
    assert api.posts() - before == 1, where
    return where, error, result


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.ESTALE])
@pytest.mark.parametrize("lane", LANE_NAMES)
def test_wherever_a_disk_begins_to_fail_the_song_is_paid_once_and_delivered_or_named(
    lane, code, api, song, airflow, output_dir, disk, quick_clock, caplog
):
    # Facts, lease, part: each write of a whole life, one life each.
    for number in range(200):
        fake = type(airflow)(run_id=f"run-{number}")
        where, error, result = life(api, song, fake, lane, code, disk, number)
        # Where no fact can be written any more, the log alone can say what is kept.
        assert nothing_left(output_dir, caplog.text if lane == "synchronous" else ""), where
        if result is not None:
            assert Path(result["audio_uri"].removeprefix("file://")).read_bytes() == api.song, where
        if where is None:
            break
    assert error is None
    assert number > 15


@pytest.mark.parametrize("lane", LANE_NAMES)
def test_a_disk_that_fails_once_anywhere_costs_at_most_a_retry(lane, api, song, airflow, output_dir, disk, quick_clock):
    for number in range(200):
        fake = type(airflow)(run_id=f"run-{number}")
        where, _, result = life(api, song, fake, lane, errno.EIO, disk, number, times=1)
        assert nothing_left(output_dir), where
        if where is None:
            break
        if result is None:
            assert where.partition(" ")[2] in ("song", "song.wav"), where
    assert number > 15


@pytest.mark.parametrize("lane", LANE_NAMES)
def test_a_read_only_folder_is_said_before_anything_is_paid(lane, api, song, airflow, output_dir, disk):
    disk(at=0, code=errno.EROFS)
    with pytest.raises(OutputError, match="nothing was sent") as caught:
        airflow.run(song(lane))
    assert "Read-only file system" in str(caught.value)
    assert "Give an output_dir" in str(caught.value)
    assert api.posts() == 0
    assert files(output_dir) == []

    disk()
    airflow.retry()
    assert in_place(api, airflow.run(song(lane)))


@pytest.mark.parametrize("lane", LANE_NAMES)
def test_a_disk_that_fills_up_between_claim_and_lease_costs_nothing(lane, api, song, airflow, output_dir, disk):
    disk(only="post.json", at=0)
    with pytest.raises(OutputError, match="nothing was sent"):
        airflow.run(song(lane))
    assert api.posts() == 0

    disk()
    airflow.retry()
    assert in_place(api, airflow.run(song(lane)))
    assert api.asked()["logs"] <= 1


# A folder that goes away


def test_a_folder_that_goes_away_in_mid_download_is_named_and_the_song_lands_when_it_is_back(
    api, song, airflow, output_dir, long_song
):
    away = output_dir.with_name("away")

    def going():
        yield whole(long_song)[: len(long_song) // 2]
        until_there_is_a_part(output_dir)
        output_dir.rename(away)
        yield whole(long_song)[len(long_song) // 2 :]

    api.sends("song", going, whole(long_song))
    with pytest.raises(OutputError, match="without paying again"):
        airflow.run(song("queued"))
    assert api.posts() == 1

    away.rename(output_dir)
    airflow.retry()
    assert in_place(api, airflow.run(song("queued")))


def test_a_folder_that_becomes_a_file_is_named_and_nothing_is_sent(api, song, airflow, output_dir):
    output_dir.write_text("in the way")
    with pytest.raises(OutputError, match="nothing was sent"):
        airflow.run(song("queued"))
    assert api.posts() == 0


@pytest.mark.parametrize("call", ["read", "size"])
def test_a_store_that_cannot_be_read_is_never_taken_for_an_empty_one(call, api, song, airflow, monkeypatch):
    """A synchronous song whose owner is gone is looked for in storage; a store that is away says nothing about it."""
    api.sends("generate", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
    real = getattr(Folder, call)
    away = [True]

    def broken(self, name):
        if away[0] and name.startswith("song."):
            raise OSError(errno.EIO, "the store is away")
        return real(self, name)

    monkeypatch.setattr(Folder, call, broken)
    if call == "read":
        monkeypatch.setattr(Folder, "open", broken)
        monkeypatch.setattr(Folder, "size", lambda self, name: 7)
    with pytest.raises(OutputError, match="the store is away"):
        airflow.run(song("synchronous"))
    monkeypatch.undo()
    assert api.posts() == 1


# A slow store


@pytest.fixture
def slow(monkeypatch):
    opened = Folder.open_new
    busy = []

    class Slow:
        def __init__(self, file):
            self._file = file

        def write(self, data):
            busy.append(threading.current_thread().name)
            time.sleep(0.05)
            return self._file.write(data)

        def __getattr__(self, name):
            return getattr(self._file, name)

    monkeypatch.setattr(Folder, "open_new", lambda *args, **more: Slow(opened(*args, **more)))
    return busy


@pytest.mark.parametrize("lane", LANE_NAMES)
def test_a_slow_store_takes_the_song_all_the_same(lane, api, song, airflow, output_dir, slow):
    assert in_place(api, airflow.run(song(lane)))
    assert nothing_left(output_dir)
    assert len(slow) >= 2


def test_a_slow_store_is_waited_for_in_threads_and_never_in_the_loop(api, song, airflow, slow):
    airflow.run(song("synchronous"))
    assert all(name.startswith("airflow-music") for name in slow)


def test_many_songs_into_a_slow_store_all_land(api, song, airflow, output_dir, slow):
    fakes = [type(airflow)(run_id=f"run-{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        lanes = LANE_NAMES * 3
        results = list(pool.map(lambda pair: pair[0].run(song(pair[1])), zip(fakes, lanes, strict=True)))
    assert all(in_place(api, result, posts=6) for result in results)
    assert nothing_left(output_dir)


# Others in the same folder


@pytest.mark.parametrize("lane", LANE_NAMES)
def test_tasks_with_one_output_folder_do_not_touch_each_others_files(lane, api, song, airflow, output_dir, disk):
    good = airflow.run(song(lane, task_id="song-1"))
    kept = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files(output_dir)}

    disk(only="song.", at=1)
    said = ""
    for task_id in ("song", "song.1", "song-1.take-1"):
        with pytest.raises(MusicError) as caught:
            type(airflow)().run(song(lane, task_id=task_id))
        said += str(caught.value) if lane == "synchronous" else ""
    disk()
    with ThreadPoolExecutor(4) as pool:
        fakes = [type(airflow)(run_id=f"run-{number}") for number in range(4)]
        results = list(pool.map(lambda fake: fake.run(song(lane, task_id="song-1")), fakes))

    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in kept} == kept
    assert len({result["audio_uri"] for result in [good, *results]}) == 5
    assert all(in_place(api, result, posts=8) for result in results)
    assert nothing_left(output_dir, said)


def test_what_a_try_left_that_was_killed_in_mid_landing_goes_with_the_next_one(
    api, song, airflow, output_dir, long_song
):
    def stuck():
        yield whole(long_song)[: len(long_song) // 2]
        while True:
            yield 0.05

    api.sends("song", stuck, whole(long_song))
    child = os.fork()
    if child == 0:
        try:
            airflow.run(song("queued", deferrable=False))
        finally:
            os._exit(1)
    until_there_is_a_part(output_dir)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (left,) = output_dir.rglob(".song.part-*")
    other = output_dir / "dag" / left.parents[2].name / "other" / "take-1" / left.name
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another song's")
    living = left.with_name(part_name("song"))
    living.write_bytes(b"somebody writes this one")

    airflow.retry()
    assert in_place(api, airflow.run(song("queued")))
    assert not left.exists()
    assert living.exists()
    assert other.exists()


def test_a_song_that_does_not_fit_beside_what_was_left_fits_without_it(api, song, airflow, output_dir, disk):
    """The room that a killed try took is given back before the next one writes."""
    disk(only="song.", at=1)
    with pytest.raises(OutputError):
        airflow.run(song("queued"))
    disk()
    (folder,) = {path.parent for path in files(output_dir)}
    gone = folder / part_name("song").replace(f"-{os.getpid()}-", "-4194305-")
    gone.write_bytes(bytes(MIB))
    seen = []
    opened = Folder.open_new
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            Folder, "open_new", lambda *args, **more: (seen.append(gone.exists()), opened(*args, **more))[1]
        )
        airflow.retry()
        assert in_place(api, airflow.run(song("queued")))
    assert seen == [False]


@pytest.mark.parametrize("call", ["names", "read"])
def test_a_record_that_cannot_be_read_sends_nothing(call, api, song, airflow, monkeypatch):
    airflow.run(song("queued"))
    airflow.clear()

    def away(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Folder, call, away)
    with pytest.raises(RecordError, match="Nothing is sent"):
        airflow.run(song("queued"))
    assert api.posts() == 1


def test_a_folder_that_cannot_be_listed_before_the_first_request_sends_nothing(api, song, airflow, monkeypatch):
    def away(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Folder, "names", away)
    monkeypatch.setattr(Folder, "read", away)
    with pytest.raises(RecordError, match="Nothing is sent"):
        airflow.run(song("queued"))
    assert api.posts() == 0
