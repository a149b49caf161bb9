# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a statsd server hears from a real Airflow whose tasks make songs, and what a budget does there."""

import shutil
import socket
import threading
from pathlib import Path
from typing import Self

import pytest
from harness.standalone import Standalone

pytestmark = pytest.mark.cluster

_DAG = Path(__file__).parent / "dags" / "one_song.py"


class Statsd:
    """A statsd server on this machine that keeps the lines about music."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    @property
    def env(self) -> dict[str, str]:
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                line = self._socket.recv(65_536).decode()
            except TimeoutError:
                continue
            if ".music." in line:
                self.lines.append(line)


def test_statsd_hears_of_each_song_once_and_a_budget_ends_a_task_without_a_post(tmp_path, sandbox):
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(_DAG, dags)
    with Statsd() as statsd:
        env = {
            "AIRFLOW_CONN_MUSIC_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__MUSIC__OUTPUT_DIR": str(tmp_path / "songs"),
            **statsd.env,
        }
        before = sandbox.state()["posts"].get("submit", 0)
        sandbox.settings(delay=2)
        try:
            with Standalone(tmp_path / "airflow", dags, env) as airflow:
                run = airflow.run("one_song")
                assert run.until_end() == "failed"
                states = {
                    task.task_id: (task.state, task.try_number) for task in airflow.api.tasks(run.dag_id, run.run_id)
                }
                said = airflow.task_log(run, "too_dear")
        finally:
            sandbox.settings(delay=8)
    # Its retries stay unused: another try would come to the same sum.
    assert states == {"song": ("success", 1), "too_dear": ("failed", 1)}
    assert "OverBudgetError" in said
    assert "max_usd is $0.049" in said
    assert sandbox.state()["posts"]["submit"] == before + 1
    timed = [line for line in statsd.lines if line.endswith("|ms")]
    assert sorted(set(statsd.lines) - set(timed)) == [
        "airflow.music.generations,model=stable-audio,status=completed:1|c",
        "airflow.music.submissions,model=stable-audio:1|c",
        "airflow.music.usd_spent,model=stable-audio:0.05|c",
    ]
    assert len(statsd.lines) == 4
    name, _, value = timed[0].removesuffix("|ms").partition(":")
    assert name == "airflow.music.wait_seconds,model=stable-audio"
    assert float(value) >= 2000
