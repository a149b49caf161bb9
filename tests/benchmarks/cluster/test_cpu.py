# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""No CPU time gets lost on its way from ended processes to the figure."""

import subprocess
import sys
import time

import psutil
import pytest

from cluster.cpu import Cpu, seconds_of

_BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
_PARENT = f"""
import subprocess, sys, time
burn = {_BURN!r}
subprocess.run([sys.executable, "-c", burn])          # ended, and waited for
subprocess.Popen([sys.executable, "-c", burn])        # ended, and nobody has looked
alive = subprocess.Popen([sys.executable, "-c", burn + "\\ntime.sleep(60)"])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def parent():
    process = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, start_new_session=True)
    yield psutil.Process(process.pid)
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        each.kill()
    process.wait()
    process.stdout.close()


def test_processes_that_ended_count_as_those_that_live(parent):
    deadline = time.monotonic() + 30
    while (seconds := seconds_of(parent)) < 0.9 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seconds >= 0.9


def test_idle_cost_is_taken_off_but_never_more_than_there_was():
    used = Cpu(scheduler=3.0, triggerer=0.1).over_idle({"scheduler": 0.1, "triggerer": 0.1}, 10)
    assert used == {"scheduler": 2.0, "triggerer": 0.0}
    assert used.each(4)["scheduler"] == 0.5


def test_a_reading_is_taken_since_another():
    assert Cpu(scheduler=3.0).since({"scheduler": 1.0}) == {"scheduler": 2.0}
