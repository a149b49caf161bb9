# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_music.cli import doctor
from airflow_provider_music.storage.folder import Folder

CHECKS = ["versions", "connection", "key and balance", "store", "exclusive create", "shared", "triggerer"]


@pytest.fixture
def triggerer(monkeypatch):
    """Say which triggerer Airflow's database knows."""

    def say(*, alive=True, there=True):
        job = SimpleNamespace(latest_heartbeat=datetime(2026, 11, 1, tzinfo=UTC), hostname="h", is_alive=lambda: alive)
        monkeypatch.setattr(doctor, "_newest_job", lambda: job if there else None)

    say()
    return say


def verdicts(done):
    return {each["check"]: each["verdict"] for each in done.json["checks"]}


def detail(done, check):
    return next(each["detail"] for each in done.json["checks"] if each["check"] == check)


def test_a_working_set_up_is_ok_line_by_line(music_sandbox, command, triggerer, tmp_path):
    done = command("doctor")
    assert done.code == 0
    assert [line.split("  ")[0] for line in done.lines[1:]] == CHECKS
    assert "balance 100.00 USD" in done.out
    assert music_sandbox.posts() == 0
    assert list((tmp_path / "songs").iterdir()) == []


def test_as_json_it_says_the_same(music_sandbox, command, triggerer):
    done = command("doctor", "--output", "json")
    assert verdicts(done) == dict.fromkeys(CHECKS, "ok")
    assert done.json["ok"]


def test_without_a_connection_it_says_how_to_make_one(no_connection, command, triggerer):
    done = command("doctor", "-o", "json")
    assert done.code == 1
    assert (verdicts(done)["connection"], verdicts(done)["key and balance"]) == ("FAIL", "not checked")
    assert "AIRFLOW_CONN_MUSIC_DEFAULT" in detail(done, "connection")
    assert verdicts(done)["store"] == "ok"


@pytest.mark.parametrize(("fault", "words"), [("status=401", "refused the key"), ("cut-before", "no answer")])
def test_a_key_that_does_not_work_fails(fault, words, music_sandbox, command, triggerer):
    music_sandbox.fault(f"billing:{fault},times=all")
    done = command("doctor", "-o", "json")
    assert done.code == 1
    assert words in detail(done, "key and balance")


@pytest.mark.parametrize(("balance", "verdict", "code"), [(0, "FAIL", 1), (0.2, "warning", 0)])
def test_an_account_that_is_empty_fails_and_a_low_one_is_a_warning(
    balance, verdict, code, music_sandbox, command, triggerer
):
    music_sandbox.settings(balance=0)
    command("doctor")
    music_sandbox.settings(balance=balance)
    done = command("doctor", "-o", "json")
    assert (done.code, verdicts(done)["key and balance"]) == (code, verdict)


@pytest.mark.parametrize("folder", ["songs", "s3://", "nosuchstore://bucket/songs", "/dev/null/songs"])
def test_a_folder_that_cannot_be_used_fails(folder, music_sandbox, command, triggerer):
    done = command("doctor", "-o", "json", "--output-dir", folder)
    assert done.code == 1
    assert list(verdicts(done)) == CHECKS
    assert verdicts(done)["store"] == "FAIL"


def test_a_store_that_creates_one_file_twice_fails(music_sandbox, command, triggerer, monkeypatch):
    monkeypatch.setattr(Folder, "create_once", lambda *_: True)
    done = command("doctor", "-o", "json")
    assert (done.code, verdicts(done)["exclusive create"]) == (1, "FAIL")


def test_a_disk_of_this_machine_fails_where_workers_are_others(music_sandbox, command, triggerer, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    done = command("doctor", "-o", "json")
    assert (done.code, verdicts(done)["shared"]) == (1, "FAIL")
    monkeypatch.setenv("AIRFLOW__MUSIC__SHARED_DISK", "True")
    assert verdicts(command("doctor", "-o", "json"))["shared"] == "ok"


def test_a_triggerer_that_is_gone_or_never_was_fails(music_sandbox, command, triggerer):
    triggerer(alive=False)
    done = command("doctor", "-o", "json")
    assert (done.code, verdicts(done)["triggerer"]) == (1, "FAIL")
    triggerer(there=False)
    done = command("doctor", "-o", "json")
    assert "airflow triggerer" in detail(done, "triggerer")


def test_without_a_database_the_triggerer_is_not_checked_and_it_says_why(music_sandbox, command, monkeypatch):
    def away():
        raise OSError("cannot connect as airflow:hunter2@db")

    monkeypatch.setattr(doctor, "_newest_job", away)
    done = command("doctor", "-o", "json")
    assert (done.code, verdicts(done)["triggerer"]) == (0, "not checked")
    assert "database cannot be read from here" in detail(done, "triggerer")
    assert "hunter2" not in done.out


def test_a_bucket_is_proven_too(music_sandbox, command, triggerer, bucket):
    done = command("doctor", "-o", "json", "--output-dir", bucket.url)
    assert verdicts(done) == dict.fromkeys(CHECKS, "ok")
    assert bucket.names() == set()
