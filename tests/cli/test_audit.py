# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""audit: the bill, explained, for people, scripts and finance; and what its exit code says."""

from __future__ import annotations

import csv
import io
import shutil
from datetime import timedelta

import pytest

from airflow_provider_music.exceptions import ApiUnreachableError
from airflow_provider_music.generation import audit_adopt


def audited(command, *arguments):
    return command("audit", "--since", "1h", *arguments)


def test_every_row_is_explained_and_delivered_songs_need_no_line(music_sandbox, airflow, song, command):
    airflow.run(song())
    done = audited(command)
    assert done.code == 0
    assert "1 row, $0.195." in done.lines[0]
    assert done.lines[1:] == ["  delivered: 1, $0.195", "Unexplained: 0 rows, $0.00."]


def test_a_row_that_no_record_knows_is_shown_and_ends_with_1(music_sandbox, airflow, song, command, output_dir):
    airflow.run(song())
    shutil.rmtree(output_dir)
    output_dir.mkdir()
    done = audited(command)
    assert done.code == 1
    assert "no_record: UNEXPLAINED" in done.out
    assert done.lines[-1] == "Unexplained: 1 row, $0.195."


def test_the_json_has_every_line_and_amounts_as_text(music_sandbox, airflow, song, command):
    airflow.run(song())
    found = audited(command, "-o", "json").json
    assert found["bill"] == {"rows": 1, "usd": "0.195"}
    assert found["unexplained"] == {"rows": 0, "usd": "0.00"}
    (line,) = found["lines"]
    assert (line["usd"], line["outcome"], line["explained"]) == ("0.195", "delivered", True)


def test_the_csv_is_rows_and_nothing_else(music_sandbox, airflow, song, command):
    airflow.run(song())
    done = audited(command, "--output", "csv")
    header, line = csv.reader(io.StringIO(done.out))
    assert dict(zip(header, line, strict=True))["explained"] == "yes"


def test_a_bill_that_was_not_read_whole_ends_with_2(music_sandbox, airflow, song, command):
    airflow.run(song())
    music_sandbox.fill_log(150)
    done = audited(command, "--max-rows", "100")
    assert done.code == 1, "unexplained rows come before what was not read"
    music_sandbox.reset()
    done = command("audit", "--since", "100d")
    assert done.code == 2
    assert "reaches back 90 days" in done.err
    assert "not read whole" in done.lines[-1]


def test_a_bill_without_rows_is_no_error(music_sandbox, command, output_dir):
    output_dir.mkdir()
    assert audited(command).code == 0


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--until", "never")])
def test_what_is_no_span_ends_with_2(arguments, music_sandbox, command):
    done = command("audit", *arguments)
    assert done.code == 2
    assert "The audit has 1 problem" in done.err


def test_no_connection_ends_with_2(no_connection, command):
    assert audited(command).code == 2


@pytest.mark.usefixtures("quick_clock")
def test_a_log_that_does_not_answer_ends_with_2(music_sandbox, command):
    music_sandbox.fault("logs:status=500,times=99")
    assert audited(command).code == 2


def test_adopt_lands_what_is_paid_and_sends_no_request_for_a_song(
    music_sandbox, airflow, song, command, output_dir, monkeypatch
):
    music_sandbox.fault("download:status=500,times=99")
    with pytest.raises(ApiUnreachableError):
        airflow.run(song())
    music_sandbox.clear_faults()
    posts = music_sandbox.posts()
    young = audited(command, "--adopt")
    assert (young.code, "left to its task" in young.err) == (1, True)
    monkeypatch.setattr(audit_adopt, "LEAVE_TO_TASK", timedelta())
    done = audited(command, "--adopt")
    assert done.code == 0
    assert "Landed: 1 song." in done.out
    assert "in_storage" in done.out
    assert list(output_dir.rglob("song.mp3"))
    assert music_sandbox.posts() == posts
