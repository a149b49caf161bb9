# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from airflow.configuration import get_airflow_home
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.storage.folder import Folder, default_output_dir, safe_name

IDS = st.text(min_size=0, max_size=300) | st.text("aA._-~/\\ :+\u00e4", max_size=130)


@given(IDS, IDS)
def test_two_ids_never_meet(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(IDS)
def test_any_id_is_one_short_segment_that_leads_nowhere_else(raw):
    name = safe_name(raw)
    assert Path("/songs", name).parent == Path("/songs")
    assert os.path.normpath(f"/songs/{name}") == f"/songs/{name}"
    assert 0 < len(name) <= 100
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>|%# \0')
    assert not name.startswith(".")


@pytest.mark.parametrize("plain", ["dag", "dag_1", "my-dag.v2", "0", "A" * 100])
def test_a_plain_id_stands_as_it_is(plain):
    assert safe_name(plain) == plain


@pytest.mark.parametrize(
    "raw", [".", "..", "", "../../etc", "scheduled__2026-11-01T00:00:00+00:00", "A" * 101, "a~b", "-a", "_a", "a\n"]
)
def test_any_other_id_is_hashed(raw):
    assert safe_name(raw)[-13] == "~"


def test_what_was_hashed_is_no_id_that_stands_as_it_is():
    assert safe_name(safe_name("a b")) != safe_name("a b")


def test_without_a_setting_songs_go_below_airflows_home(monkeypatch):
    monkeypatch.delenv("AIRFLOW__MUSIC__OUTPUT_DIR", raising=False)
    assert default_output_dir() == str(Path(get_airflow_home()) / "music")
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", "s3://bucket/songs")
    assert default_output_dir() == "s3://bucket/songs"


@pytest.mark.parametrize("spelt", ["{}", "{}/", "file://{}", "file://{}/"])
def test_a_local_folder_has_one_url_however_it_is_spelt(spelt, tmp_path):
    folder = Folder(spelt.format(tmp_path))
    assert folder.url == f"file://{tmp_path}"
    assert folder.is_local
    assert (folder / "a" / "b").url_of("c") == f"file://{tmp_path}/a/b/c"
    assert repr(folder) == f"Folder('file://{tmp_path}')"


def test_a_relative_folder_and_a_tilde_are_made_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Folder("songs").url == f"file://{tmp_path}/songs"
    assert Folder("~/songs").url == f"file://{tmp_path}/songs"


@pytest.mark.parametrize("name", ["with space", "a#b", "a?b=c", "a%20b", "\u00e4", "a:b", "a+b", "[x]*"])
def test_a_folder_may_have_any_name(name, tmp_path):
    folder = Folder(str(tmp_path / name))
    assert folder.create("fact.json", b"1")
    folder.replace("other", b"2")
    assert (folder.read("fact.json"), folder.read("other"), folder.size("other")) == (b"1", b"2", 1)
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["fact.json", "other"]


def test_what_is_not_there_is_none(folder):
    assert folder.read("fact.json") is None
    assert folder.size("fact.json") is None
    folder.remove("fact.json")


def test_a_file_is_created_once(folder, left):
    assert folder.create("fact.json", b"first")
    assert not folder.create("fact.json", b"second")
    assert folder.read("fact.json") == b"first"
    assert folder.size("fact.json") == 5
    assert left() == ["fact.json"]


def test_a_file_is_replaced_moved_and_removed(folder, left):
    folder.replace("a", b"1")
    folder.replace("a", b"22")
    folder.move("a", "b")
    assert (folder.read("a"), folder.read("b"), folder.size("b")) == (None, b"22", 2)
    folder.remove("b")
    assert left() == []


CONTENTS = [f"{number:04d}".encode() * 50_000 for number in range(20)]


def race(folder):
    start = threading.Barrier(len(CONTENTS) + 4)
    over = threading.Event()
    seen = set()

    def write(content):
        start.wait()
        return folder.create("fact.json", content)

    def read():
        start.wait()
        while not over.is_set():
            seen.add(folder.read("fact.json"))

    with ThreadPoolExecutor(len(CONTENTS) + 4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        won = [writer.result() for writer in [pool.submit(write, content) for content in CONTENTS]]
        over.set()
        for reader in readers:
            reader.result()
    return won, seen


def test_of_many_that_create_a_file_one_wins_and_nobody_reads_a_part_of_it(folder, left):
    won, seen = race(folder)
    assert sum(won) == 1
    assert seen <= {None, CONTENTS[won.index(True)]}
    assert folder.read("fact.json") == CONTENTS[won.index(True)]
    assert left() == ["fact.json"]


def test_one_wins_also_where_the_mount_knows_no_hard_links(folder, left, monkeypatch):
    def no_links(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    won, _ = race(folder)
    assert sum(won) == 1
    assert folder.read("fact.json") == CONTENTS[won.index(True)]
    assert left() == ["fact.json"]


class FullDisk:
    """A file on a disk that is full."""

    def __init__(self, file, *, lasts=0):
        self.file = file
        self.lasts = lasts

    def write(self, data):
        if len(data) > self.lasts:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lasts -= len(data)
        return self.file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.fixture
def full_disk(monkeypatch):
    """Every file that is opened for writing has no room."""
    opened = Path.open

    def open_full(self, mode="r", *args, **kwargs):
        file = opened(self, mode, *args, **kwargs)
        return file if mode in ("r", "rb") else FullDisk(file)

    monkeypatch.setattr(Path, "open", open_full)


@pytest.mark.parametrize("links", [True, False])
def test_a_full_disk_is_an_error_and_leaves_nothing(links, folder, left, full_disk, monkeypatch):
    if not links:
        monkeypatch.setattr(
            Folder, "_create_local", lambda self, name, content: (self.make(), self._create_exclusive(name, content))[1]
        )
    with pytest.raises(OSError, match="No space left"):
        folder.create("fact.json", b"{}")
    with pytest.raises(OSError, match="No space left"):
        folder.replace("fact.json", b"{}")
    assert left() == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    folder = Folder(str(tmp_path / "file" / "songs"))
    with pytest.raises(OSError, match="file"):
        folder.create("fact.json", b"{}")


class Raising:
    """A store whose library raises what it likes."""

    def __init__(self, exc):
        self.exc = exc

    def invalidate_cache(self):
        pass

    def __getattr__(self, name):
        def fail(*_, **__):
            raise self.exc

        return fail


@pytest.mark.parametrize(
    "exc", [OSError("down"), PermissionError("no"), TimeoutError("late"), ValueError("odd"), RuntimeError("x")]
)
@pytest.mark.parametrize(
    "call",
    [
        lambda folder: folder.read("a"),
        lambda folder: folder.size("a"),
        lambda folder: folder.create("a", b""),
        lambda folder: folder.replace("a", b""),
        lambda folder: folder.remove("a"),
        lambda folder: folder.move("a", "b"),
        lambda folder: folder.open_new("a", block_size=1),
    ],
)
def test_a_store_that_raises_is_an_os_error_and_never_nothing_there(call, exc, mocker):
    folder = Folder("memory://songs")
    mocker.patch.object(Folder, "fs", Raising(exc))
    with pytest.raises(OSError, match=str(exc)):
        call(folder)


def test_a_storage_that_nobody_installed_is_said():
    with pytest.raises(OutputError, match="Install the provider of its scheme"):
        Folder("nosuchstore://bucket/songs").read("a")


# S3, on moto's server


def test_in_a_bucket_a_file_is_created_once_replaced_moved_and_removed(bucket):
    assert not bucket.is_local
    bucket.make()
    assert bucket.read("fact.json") is None
    assert bucket.size("fact.json") is None
    assert bucket.create("fact.json", b"first")
    assert not bucket.create("fact.json", b"second")
    assert (bucket.read("fact.json"), bucket.size("fact.json")) == (b"first", 5)
    bucket.replace("fact.json", b"third one")
    assert (bucket.read("fact.json"), bucket.size("fact.json")) == (b"third one", 9)
    bucket.move("fact.json", "other.json")
    assert (bucket.read("fact.json"), bucket.read("other.json")) == (None, b"third one")
    bucket.remove("other.json")
    bucket.remove("other.json")
    assert bucket.read("other.json") is None


def test_in_a_bucket_one_of_many_wins(bucket):
    won, seen = race(bucket)
    assert sum(won) == 1
    assert seen <= {None, CONTENTS[won.index(True)]}
    assert bucket.read("fact.json") == CONTENTS[won.index(True)]


def test_a_bucket_takes_a_file_in_blocks(bucket):
    with bucket.open_new("song.mp3", block_size=5 * 2**20) as file:
        for _ in range(6):
            file.write(bytes(2**20))
    assert bucket.size("song.mp3") == 6 * 2**20


def test_a_bucket_that_is_not_there_is_an_error_and_no_empty_record(s3, bucket):
    missing = Folder("s3://my_aws@no-such-bucket/songs")
    with pytest.raises(OSError, match="bucket"):
        missing.create("fact.json", b"{}")


def test_a_bucket_whose_server_is_away_is_an_error(bucket, monkeypatch):
    extra = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"total_max_attempts": 1}}}
    given = {"conn_type": "aws", "login": "test", "password": "test", "extra": {"region_name": "us-east-1", **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(given))
    with pytest.raises(OSError, match="127"):
        Folder("s3://away@songs/take-1").read("fact.json")


@pytest.mark.parametrize("name", ["songs [2026]", "songs*", "songs?", "songs#", "a?b=c", "[!x]{y,z}", "**"])
def test_in_a_bucket_a_folder_of_any_name_holds_its_own_files_and_no_others(bucket, name):
    beside = bucket / "songs 2"
    beside.create("fact.json", b"theirs")
    folder = bucket / name
    assert folder.is_empty()
    assert folder.names() == set()
    assert folder.create("fact.json", b"mine")
    assert not folder.create("fact.json", b"another's")
    assert not folder.is_empty()
    with folder.open_new(".song.part-1", block_size=5 * 2**20) as file:
        file.write(b"song")
    folder.move(".song.part-1", "song.mp3")
    assert folder.names() == {"fact.json", "song.mp3"}
    assert folder.size("song.mp3") == 4
    with folder.open("song.mp3") as file:
        assert file.read() == b"song"
    assert {f"{name}/{each}" for each in folder.names()} <= bucket.names()
    folder.remove("song.mp3")
    folder.remove("fact.json")
    assert folder.is_empty()
    assert beside.read("fact.json") == b"theirs"


def test_the_top_of_a_bucket_is_a_folder_too(bucket):
    top = Folder(bucket.url.removesuffix("/songs/take-1"))
    bucket.create("fact.json", b"mine")
    assert top.create("manifest.json", b"{}")
    assert top.names() == {"manifest.json", "songs/take-1/fact.json"}
