# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The audit as a task of a weekly DAG."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_music.compat import AirflowFailException
from airflow_provider_music.exceptions import ApiUnreachableError, InvalidFolderError, UnexplainedBillError
from airflow_provider_music.generation import audit_adopt
from airflow_provider_music.operators.music import AuditMusicOperator


@pytest.fixture
def audit(tmp_path, output_dir):
    def make(**more):
        given = {"output_dir": str(tmp_path / "audits"), "record_dirs": [str(output_dir)], "since": "1h", "until": ""}
        return AuditMusicOperator(task_id="audit", **{**given, **more})

    return make


def path_of(uri):
    return Path(uri.removeprefix("file://"))


def test_it_returns_the_sums_and_writes_the_report(music_sandbox, airflow, song, audit):
    airflow.run(song())
    result = airflow.run(audit())
    assert result["bill"] == {"rows": 1, "usd": "0.195"}
    assert result["unexplained"] == {"rows": 0, "usd": "0.00"}
    report = json.loads(path_of(result["report_uri"]).read_text())
    assert [line["outcome"] for line in report["lines"]] == ["delivered"]
    assert path_of(result["csv_uri"]).read_text(encoding="utf-8-sig").startswith("created,status,outcome")


def test_its_result_stays_under_4_kb_whatever_the_bill(music_sandbox, airflow, song, audit):
    airflow.run(song())
    music_sandbox.fill_log(1000)
    result = airflow.run(audit(on_unexplained="warn"))
    assert result["unexplained"]["rows"] == 1000
    assert len(json.dumps(result)) < 4096


def test_a_cent_that_is_unexplained_fails_it_behind_its_report(
    music_sandbox, airflow, song, audit, output_dir, tmp_path
):
    airflow.run(song())
    shutil.rmtree(output_dir)
    output_dir.mkdir()
    with pytest.raises(UnexplainedBillError, match=r"1 rows of the bill with 0\.195 USD") as caught:
        airflow.run(audit())
    assert isinstance(caught.value, AirflowFailException)
    assert len(list((tmp_path / "audits").iterdir())) == 2
    assert airflow.run(audit(on_unexplained="warn"))["unexplained"]["rows"] == 1


def test_a_bill_that_was_not_read_whole_fails_it_too(music_sandbox, airflow, audit, output_dir):
    output_dir.mkdir()
    with pytest.raises(UnexplainedBillError, match="not read whole"):
        airflow.run(audit(since="100d"))
    assert airflow.run(audit(since="100d", on_unexplained="warn"))["whole"] is False


def test_a_report_is_never_written_over_an_earlier_one(music_sandbox, airflow, audit, output_dir, tmp_path):
    output_dir.mkdir()
    for _ in range(2):
        airflow.run(audit(since="2026-11-20", until="2026-11-27"))
    assert len(list((tmp_path / "audits").iterdir())) == 4


def test_adopt_lands_a_song_and_submits_nothing(music_sandbox, airflow, song, audit, output_dir, monkeypatch):
    music_sandbox.fault("download:status=500,times=99")
    with pytest.raises(ApiUnreachableError):
        airflow.run(song())
    music_sandbox.clear_faults()
    monkeypatch.setattr(audit_adopt, "LEAVE_TO_TASK", timedelta())
    posts = music_sandbox.posts()
    assert airflow.run(audit(adopt=True))["adopted"] == 1
    assert list(output_dir.rglob("song.mp3"))
    assert music_sandbox.posts() == posts


def test_its_end_is_that_of_the_data_interval_where_the_run_has_one(audit, tmp_path):
    import jinja2

    template = jinja2.Environment().from_string(AuditMusicOperator(task_id="a", output_dir="/x").until)
    assert template.render() == ""
    assert template.render(data_interval_end="2026-11-28 00:00:00+00:00") == "2026-11-28 00:00:00+00:00"


def test_one_folder_may_be_given_as_text(music_sandbox, airflow, song, audit, output_dir):
    airflow.run(song())
    assert airflow.run(audit(record_dirs=str(output_dir)))["unexplained"]["rows"] == 0


def test_a_policy_and_a_folder_that_cannot_be_are_refused(music_sandbox, airflow, audit):
    with pytest.raises(ValueError, match="give 'fail' or 'warn'"):
        audit(on_unexplained="ignore")
    with pytest.raises(InvalidFolderError):
        airflow.run(audit(output_dir="audits"))


def test_an_argument_with_a_slip_is_refused_by_name(audit):
    with pytest.raises(TypeError, match="did you mean record_dirs"):
        audit(record_dir="/x")
