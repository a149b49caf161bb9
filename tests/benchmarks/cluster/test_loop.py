# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the triggerer's watchdog says is read as it stands, and told apart from a busy machine."""

import os
import time
from pathlib import Path

import pytest

from cluster.loop import Block, LoopThread, interpolated, read_blocks

_LINES = """\
2026-11-23T18:28:36.481963Z [info     ] 1 triggers currently running   [airflow.jobs.triggerer_job_runner]
2026-11-23T18:29:18.500000Z [info     ] Triggerer's async thread was blocked for 12.82 seconds, exceeding the \
configured warning threshold of 0.20 seconds. This is likely caused by a badly-written trigger.
2026-11-23T18:30:00.000000Z [info     ] Triggerer's async thread was blocked for 0.21 seconds, exceeding the \
configured warning threshold of 0.20 seconds.
"""


def test_complaints_are_read_with_their_time():
    assert read_blocks(_LINES.splitlines()) == [(1795458558.5, 12.82), (1795458600.0, 0.21)]


@pytest.mark.parametrize(
    ("seconds", "starved", "own"), [(0.21, 0.0, True), (0.21, 0.05, False), (12.8, 0.3, True), (0.8, 0.7, False)]
)
def test_a_thread_that_had_no_core_was_not_blocked_by_itself(seconds, starved, own):
    assert Block(0.0, seconds, starved).own is own


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux's own")
def test_only_complaints_of_the_time_asked_for_count(tmp_path):
    log = tmp_path / "triggerer.log"
    log.write_text(_LINES)
    thread = LoopThread(os.getpid(), log)
    try:
        now = time.time()
        assert [block.seconds for block in thread.blocks(1795458550, 1795458590)] == [12.82]
        assert thread.blocks(now, now + 1) == []
        assert thread.starved(now - 1, now) >= 0.0
    finally:
        thread.stop()


@pytest.mark.parametrize(("moment", "value"), [(9.0, 1.0), (10.0, 1.0), (10.5, 1.5), (12.0, 3.0), (20.0, 4.0)])
def test_time_without_a_core_grows_evenly_between_two_samples(moment, value):
    assert interpolated([10.0, 11.0, 13.0], [1.0, 2.0, 4.0], moment) == value


def test_without_a_sample_nothing_is_said():
    assert interpolated([], [], 5.0) == 0.0
