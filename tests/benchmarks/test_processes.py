# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Server and subjects as processes: they run beside each other, and nobody stays behind."""

from __future__ import annotations

import psutil
import pytest
from inprocess.processes import Bench, BrokenSubjectError


@pytest.fixture(scope="module")
def bench():
    with Bench() as running:
        yield running


def test_a_subject_runs_against_the_server(bench):
    found = bench.run(
        "polling.polling",
        contender="bare",
        run="tested",
        url=bench.url,
        count=5,
        interval=0.05,
        song_seconds=0.1,
        folder=str(bench.folder),
        warm=False,
        over=0.05,
    )
    counted = bench.ask("polls?run=tested")
    assert counted["noticed"] == 5
    assert counted["polls"] >= 5
    assert found["cpu"] > 0


def test_a_subject_that_breaks_says_why(bench):
    with pytest.raises(BrokenSubjectError, match="no_such_subject"):
        bench.run("polling.no_such_subject")


def test_subjects_leave_the_proxies_of_the_environment_alone(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    with Bench() as other:
        assert not [name for name in other.env if "proxy" in name.lower()]


def test_the_server_ends_with_the_bench():
    with Bench() as other:
        process = psutil.Process(other._server.pid)
        folder = other.folder
    assert not process.is_running()
    assert not folder.exists()


def test_a_run_measures_the_package_as_it_was_at_the_start(bench):
    package = bench.folder / "package" / "airflow_provider_music"
    assert (package / "triggers" / "music.py").is_file()
    assert list((package / "triggers" / "__pycache__").glob("music.*.pyc"))
    (package / "__init__.py").write_text("raise RuntimeError('this copy is what runs')")
    with pytest.raises(BrokenSubjectError, match="this copy is what runs"):
        bench.run("importing.importing", modules=["airflow_provider_music.operators.music"])
