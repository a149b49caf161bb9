# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task's log says while it waits."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_music.api.responses import Generation
from airflow_provider_music.generation.poll import _Age, _Progress


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "airflow_provider_music.generation.poll")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def polled(monkeypatch):
    """Say how a generation stood so many seconds after it was submitted."""
    at = [0.0]
    monkeypatch.setattr(_Age, "seconds", lambda _: at[0])
    progress = _Progress("gen-1", _Age(0.0))

    def say(seconds, status):
        at[0] = seconds
        progress.polled(Generation("gen-1", status) if status else None)

    return say


def test_a_change_of_status_is_logged_at_once_and_otherwise_a_line_every_30_seconds(polled, lines):
    polled(4, "queued")
    for seconds in (8, 20, 37):
        polled(seconds, "generating")
    assert lines() == ["generation gen-1: generating, 8 s, 2 polls"]

    polled(38, "generating")
    polled(60, "generating")
    assert lines()[1:] == ["generation gen-1: generating, 38 s, 5 polls"]


def test_a_poll_that_failed_counts_and_keeps_the_status(polled, lines):
    polled(8, "generating")
    polled(40, None)

    assert lines()[-1] == "generation gen-1: generating, 40 s, 2 polls"


@pytest.mark.parametrize("status", ["completed", "error"])
def test_the_end_is_left_to_the_task_that_resumes(polled, lines, status):
    polled(60, status)

    assert lines() == []
