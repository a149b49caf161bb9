# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What counts the cost of one song counts what it says, and nothing else."""

from __future__ import annotations

import json
import os
import time

import pytest
from one_song.file_reads import FileReads, is_read
from one_song.half import long_ago
from one_song.import_times import MARK, Imported, by_package, dearest_trees, imported_after_mark
from one_song.s3_reasons import by_reason, reason_of
from one_song.s3_requests import NOTED, Noted, kind_of, name_of


def test_opens_for_reading_are_counted_by_name_below_the_folder_alone(tmp_path):
    songs, other = tmp_path / "songs", tmp_path / "songs-of-others"
    for folder in (songs, other):
        folder.mkdir()
        (folder / "intent.json").write_text("{}")
    with FileReads(songs) as reads:
        (songs / "intent.json").read_bytes()
        os.close(os.open(songs / "intent.json", os.O_RDONLY))
        (other / "intent.json").read_bytes()
    (songs / "intent.json").read_bytes()
    assert reads.opened == {"intent.json": 2}


def test_a_file_that_is_not_there_was_read_too(tmp_path):
    with FileReads(tmp_path) as reads, pytest.raises(FileNotFoundError):
        (tmp_path / "take-1" / "failed.json").read_bytes()
    assert reads.opened == {"take-1/failed.json": 1}


def test_writing_is_no_read(tmp_path):
    with FileReads(tmp_path) as reads:
        (tmp_path / "a").write_text("new")
        with (tmp_path / "a").open("ab"), (tmp_path / "b").open("xb"):
            pass
        os.close(os.open(tmp_path / "c", os.O_CREAT | os.O_RDWR))
    assert not reads.opened


def test_listings_are_counted_apart(tmp_path):
    (tmp_path / "take-1").mkdir()
    with FileReads(tmp_path) as reads:
        os.listdir(tmp_path)  # noqa: PTH208 - one of the calls that are counted
        with os.scandir(tmp_path / "take-1"):
            pass
    assert (reads.opened, reads.listed) == ({}, {".": 1, "take-1": 1})


@pytest.mark.parametrize(
    ("mode", "flags", "read"),
    [
        ("r", os.O_RDONLY, True),
        ("rb", os.O_RDONLY, True),
        ("r+b", os.O_RDWR, True),
        ("wb", os.O_WRONLY, False),
        ("xb", os.O_WRONLY, False),
        (None, os.O_RDONLY | os.O_CLOEXEC, True),
        (None, os.O_RDWR | os.O_CREAT, False),
        (None, os.O_WRONLY, False),
    ],
)
def test_the_mode_or_the_flags_say_what_a_read_is(mode, flags, read):
    assert is_read(mode, flags) is read


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/songs", "LIST"),
        ("GET", "/songs/", "LIST"),
        ("GET", "/songs/dag/intent.json", "GET"),
        ("HEAD", "/songs/dag/intent.json", "HEAD"),
        ("HEAD", "/songs", "HEAD"),
        ("PUT", "/songs/dag/intent.json", "PUT"),
        ("POST", "/songs/", "POST"),
        ("DELETE", "/songs/dag/intent.json", "DELETE"),
    ],
)
def test_a_get_of_a_bucket_is_a_listing(method, path, kind):
    assert kind_of(method, path) == kind


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("/songs/dag/run/take-1/intent.json", "", "take-1/intent.json"),
        ("/songs", "list-type=2&prefix=dag/run/take-1/&delimiter=/", "objects below run/take-1"),
        ("/songs", "uploads&prefix=dag/run/take-1/", "uploads in parts below run/take-1"),
        ("/songs/dag/take-1/song.mp3", "uploads", "take-1/song.mp3 ?uploads"),
        ("/songs", "delete", "delete below ."),
    ],
)
def test_a_request_is_named_by_the_end_of_its_key(path, query, name):
    assert name_of(path, query) == name


def test_requests_are_noted_with_their_status_until_they_are_taken():
    def s3(environ, start_response):
        start_response("404 Not Found", [])
        return [b"no"]

    app = Noted(s3)

    def ask(method, path):
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": ""}
        return b"".join(app(environ, lambda *_: None))

    assert ask("HEAD", "/songs/dag/take-1/intent.json") == b"no"
    noted = json.loads(ask("GET", NOTED))
    assert noted == [{"kind": "HEAD", "name": "take-1/intent.json", "status": 404}]
    assert json.loads(ask("GET", NOTED)) == []


IMPORTTIME = f"""\
import time: self [us] | cumulative | imported package
import time:       900 |        900 | before
{MARK}
import time:      2000 |       2000 |     aiohttp.abc
import time:      1000 |       3500 |   aiohttp
a line of a log
import time:       500 |        500 |   airflow_provider_music.api.client
import time:       250 |       4250 | airflow_provider_music.operators.generate
import time:       125 |        125 | airflow.sdk.definitions.connection
"""


def test_only_what_was_imported_after_the_mark_counts():
    modules = imported_after_mark(IMPORTTIME)
    assert modules[0] == Imported("aiohttp.abc", 2.0, 2.0)
    assert [module.name for module in dearest_trees(modules, 2)] == [
        "airflow_provider_music.operators.generate",
        "aiohttp",
    ]


def test_packages_have_their_modules_own_times_together():
    assert by_package(imported_after_mark(IMPORTTIME)) == [
        ("aiohttp", 3.0, 2),
        ("airflow_provider_music.api", 0.5, 1),
        ("airflow_provider_music.operators", 0.25, 1),
        ("airflow.sdk.definitions", 0.125, 1),
    ]


def test_a_triggers_time_of_making_is_moved_back_and_nothing_else():
    now = time.time()
    moved = long_ago({"asked_at": now, "deadline": now + 60, "conn_id": "c", "seen_at": None})
    assert moved == {"asked_at": now - 3600, "deadline": now + 60, "conn_id": "c", "seen_at": None}


@pytest.mark.parametrize(
    ("part", "kind", "name", "reason"),
    [
        ("first", "LIST", "objects below song/5", "what is known of the song"),
        ("first", "PUT", "take-1/intent.json", "the claim, before the POST; once a process a second one"),
        ("first", "PUT", "5/created-twice-0a1b2c.probe", "?"),
        ("second", "LIST", "objects below 5/take-1", "files that a killed process left"),
        ("second", "LIST", "objects below song/5", "what is known of the song"),
        ("second", "GET", "take-1/.song.part-a0b6-7-8-4fa2", "read back and verified"),
        ("second", "PUT", "take-1/song.mp3", "its final name"),
        ("second", "PUT", "take-1/song.mp3.provenance.json", "the manifest"),
        ("wait", "PUT", "take-1/new.json", "?"),
    ],
)
def test_each_request_to_s3_has_its_reason(part, kind, name, reason):
    assert reason_of(part, kind, name).startswith(reason)


def test_requests_of_one_reason_stand_together():
    requests = [("second", {"kind": kind, "name": "take-1/.song.part-1"}) for kind in ("HEAD", "HEAD", "GET")]
    ((part, _, kinds),) = by_reason(requests)
    assert (part, kinds) == ("second", {"HEAD": 2, "GET": 1})
