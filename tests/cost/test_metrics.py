# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import collections
import json
import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest

from airflow_provider_music.cost import metrics
from airflow_provider_music.record.take import Take
from airflow_provider_music.sensors.music import MusicGenerationSensor

QUEUED = {"model": "minimax_music-2.6"}


class Sent:
    """Airflow's Stats, as it is called."""

    def __init__(self):
        self.counted = collections.Counter()
        self.timed = []

    def incr(self, name, count=1, *, tags):
        self.counted[name, tags["model"], tags.get("status")] += count

    def timing(self, name, duration, *, tags):
        self.timed.append((name, duration, tags))

    def of(self, name):
        """What one metric counted, by status, or at all."""
        found = {key[2]: count for key, count in self.counted.items() if key[0] == name}
        return found.get(None, 0) if set(found) <= {None} else found


@pytest.fixture
def sent(monkeypatch):
    stats = Sent()
    monkeypatch.setattr(metrics, "_stats", lambda: stats)
    return stats


def test_a_delivered_song_is_counted_once_with_its_cost_and_its_wait(music_sandbox, airflow, song, sent):
    airflow.run(song())
    assert sent.counted == {
        ("music.generations", "minimax_music-2.6", "completed"): 1,
        ("music.submissions", "minimax_music-2.6", None): 1,
        ("music.usd_spent", "minimax_music-2.6", None): 0.195,
    }
    ((name, waited, tags),) = sent.timed
    assert (name, tags) == ("music.wait_seconds", QUEUED)
    assert timedelta() < waited < timedelta(minutes=1)


@pytest.mark.parametrize("deferrable", [True, False])
def test_both_lanes_are_counted_wherever_they_wait(deferrable, airflow, synchronous_song, sent):
    airflow.run(synchronous_song(deferrable=deferrable))
    assert sent.of("music.generations") == {"completed": 1}
    assert sent.of("music.usd_spent") == pytest.approx(0.07)


def test_a_retry_that_delivers_the_same_song_again_is_not_counted(airflow, song, sent):
    airflow.run(song())
    airflow.retry()
    airflow.run(song())
    assert sent.of("music.generations") == {"completed": 1}
    assert sent.of("music.submissions") == 1
    assert len(sent.timed) == 1


def test_a_song_that_a_later_try_lands_is_counted_by_that_try(music_sandbox, airflow, song, sent):
    music_sandbox.fault("download:status=500")
    with pytest.raises(Exception, match="500"):
        airflow.run(song())
    assert not sent.counted
    airflow.retry()
    airflow.run(song())
    assert sent.of("music.generations") == {"completed": 1}
    assert sent.of("music.submissions") == 1


def test_a_failed_song_is_counted_and_so_is_the_one_after_it(music_sandbox, airflow, song, sent):
    music_sandbox.fault("submit:error")
    with pytest.raises(Exception, match="not billed"):
        airflow.run(song())
    assert sent.of("music.generations") == {"failed": 1}
    assert sent.of("music.submissions") == 1
    assert sent.of("music.usd_spent") == 0
    airflow.retry()
    airflow.run(song())
    assert sent.of("music.generations") == {"failed": 1, "completed": 1}
    assert sent.of("music.submissions") == 2


def test_a_request_that_the_api_refused_is_a_failed_one(music_sandbox, airflow, song, sent):
    music_sandbox.fault("submit:status=400")
    with pytest.raises(Exception, match="not billed"):
        airflow.run(song())
    assert sent.of("music.generations") == {"failed": 1}


def test_requests_that_were_never_accepted_are_no_submissions(music_sandbox, airflow, song, sent, quick_clock):
    music_sandbox.fault("submit:rate-limit=1,times=3")
    airflow.run(song())
    assert sent.of("music.submissions") == 1
    assert sent.of("music.generations") == {"completed": 1}


def test_a_lost_answer_is_counted_by_the_try_that_lost_it_only(music_sandbox, airflow, song, sent):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")
    for _ in range(3):
        with pytest.raises(Exception, match="is lost"):
            airflow.run(song(timeout=0.5))
        airflow.retry()
    assert sent.of("music.generations") == {"unknown": 1}
    assert sent.of("music.submissions") == 1


def test_submitting_again_after_a_lost_answer_is_counted_twice(music_sandbox, airflow, song, sent):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")
    airflow.run(song(on_unknown="resubmit", timeout=1.0))
    assert sent.of("music.generations") == {"unknown": 1, "completed": 1}
    assert sent.of("music.submissions") == 2


def test_what_a_lost_song_was_billed_is_counted(music_sandbox, airflow, synchronous_song, sent):
    music_sandbox.fault("generate:cut-body=0.5")
    with pytest.raises(Exception, match="billed"):
        airflow.run(synchronous_song())
    assert sent.of("music.generations") == {"unknown": 1}
    assert sent.of("music.usd_spent") == pytest.approx(0.07)


def test_a_missed_deadline_is_counted_and_the_song_when_it_comes(music_sandbox, airflow, song, sent):
    music_sandbox.settings(delay=1.0)
    with pytest.raises(Exception, match="not submitted again"):
        airflow.run(song(timeout=0.3))
    assert sent.of("music.generations") == {"timeout": 1}
    assert sent.of("music.submissions") == 0
    airflow.retry()
    airflow.run(song())
    assert sent.of("music.generations") == {"timeout": 1, "completed": 1}
    assert sent.of("music.submissions") == 1


def test_an_accepted_song_is_a_submission_and_its_outcome_is_for_the_one_who_waits(airflow, song, sent):
    airflow.run(song(wait_for_completion=False))
    assert sent.counted == {("music.submissions", "minimax_music-2.6", None): 1}


def test_a_sensor_counts_the_song_that_it_lands_and_not_the_request(airflow, song, sent, output_dir):
    accepted = airflow.run(song(wait_for_completion=False))
    sent.counted.clear()
    for _ in range(2):
        wait = MusicGenerationSensor(
            task_id="wait", generation=accepted, output_dir=str(output_dir), poll_interval=0.05
        )
        assert airflow.run(wait)["status"] == "completed"
        airflow.retry()
    assert sent.counted == {
        ("music.generations", "minimax_music-2.6", "completed"): 1,
        ("music.usd_spent", "minimax_music-2.6", None): 0.195,
    }


def test_a_sensor_finds_in_the_log_what_a_strangers_song_cost(music_sandbox, airflow, song, sent, output_dir):
    number = airflow.run(song(wait_for_completion=False))["generation_id"]
    sent.counted.clear()
    wait = MusicGenerationSensor(task_id="wait", generation=number, output_dir=str(output_dir), poll_interval=0.05)
    assert airflow.run(wait)["usage"] == {"credits_used": 390_000, "usd_spent": 0.195}
    assert music_sandbox.requests("logs") == 1
    assert sent.of("music.usd_spent") == pytest.approx(0.195)


def test_a_song_that_came_finished_is_not_counted_by_a_sensor(airflow, song, sent, output_dir):
    done = airflow.run(song())
    sent.counted.clear()
    airflow.run(MusicGenerationSensor(task_id="wait", generation=done, output_dir=str(output_dir)))
    assert not sent.counted


def test_a_batch_counts_every_song(music_sandbox, airflow, batch, sent):
    music_sandbox.fault("submit:error")
    with pytest.raises(Exception, match="1 failed"):
        airflow.run(batch(3))
    # Nothing is marked delivered before all are there.
    assert sent.of("music.generations") == {"failed": 1}
    airflow.retry()
    airflow.run(batch(3))
    airflow.retry()
    airflow.run(batch(3))
    assert sent.of("music.generations") == {"failed": 1, "completed": 3}
    assert sent.of("music.submissions") == 4
    assert sent.of("music.usd_spent") == pytest.approx(0.585)
    assert len(sent.timed) == 3


def test_a_batch_counts_lost_answers_once_each(music_sandbox, airflow, batch, sent):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")
    airflow.run(batch(2, on_unknown="resubmit", timeout=1.5))
    assert sent.of("music.generations") == {"unknown": 1, "completed": 2}
    assert sent.of("music.submissions") == 3


@pytest.mark.parametrize("fault", [None, "submit:error", "submit:cut-before"])
def test_metrics_that_break_fail_no_task(fault, music_sandbox, airflow, song, monkeypatch, caplog):
    def broken():
        raise OSError("the metrics are away")

    monkeypatch.setattr(metrics, "_stats", broken)
    if fault is None:
        assert airflow.run(song())["status"] == "completed"
    else:
        music_sandbox.fault(fault, "logs:status=500,times=all")
        with pytest.raises(Exception, match=r"not billed|is lost"):
            airflow.run(song(timeout=0.5))
    assert "metrics were not sent" in caplog.text


def test_a_record_that_lacks_what_is_counted_fails_no_task(sent):
    metrics.delivered(Take(1, {"intent": {}, "completed": {"usage": 5}}))
    metrics.without_song(Take(1, {"failed": {}}), "failed", {})
    metrics.without_song(None, "failed", {})
    assert not sent.timed


@pytest.mark.parametrize(
    ("model", "tag"),
    [
        ("minimax/music-2.6", "minimax_music-2.6"),
        ("a b,c=d|e:f#g@h\n", "a_b_c_d_e_f_g_h_"),
        ("x" * 500, "x" * 80),
        (None, "None"),
        ("ü", "_"),
    ],
)
def test_a_models_name_is_made_fit_for_a_metric(model, tag, sent):
    metrics.timed_out(model)
    assert list(sent.counted) == [("music.generations", tag, "timeout")]


PROGRAM = """
import json, sys
try:
    from airflow.sdk._shared.observability.metrics import stats
    from airflow.sdk.observability.metrics import stats_utils
    # As Airflow 3's task runner does before a task.
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
except ImportError:
    pass
from airflow_provider_music.cost import metrics
from airflow_provider_music.record.take import Take
intent = {"model": "minimax/music-2.6", "written_at": "2026-11-01T00:00:00+00:00"}
done = {"usage": {"usd_spent": 0.195}, "written_at": "2026-11-01T00:01:30+00:00"}
metrics.delivered(Take(1, {"intent": intent, "completed": done}))
metrics.without_song(Take(2, {"intent": intent, "failed": {"sent": True}}), "failed", {})
metrics.timed_out("music-01")
"""


def lines_of(program, tmp_path, **env):
    """What a program sends to a statsd server on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        settings = {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(server.getsockname()[1]),
            **env,
        }
        command = [sys.executable, "-W", "ignore", "-c", program]
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        server.settimeout(5)
        found = []
        while True:
            try:
                found.append(server.recv(4096).decode())
            except TimeoutError:
                return [line for line in found if "music." in line]
            server.settimeout(0.2)


def test_statsd_gets_them_as_airflow_is_configured(tmp_path):
    assert lines_of(PROGRAM, tmp_path) == [
        "airflow.music.submissions:1|c",
        "airflow.music.generations:1|c",
        "airflow.music.usd_spent:0.195|c",
        "airflow.music.wait_seconds:90000.000000|ms",
        "airflow.music.submissions:1|c",
        "airflow.music.generations:1|c",
        "airflow.music.generations:1|c",
    ]


def test_statsd_with_tags_gets_model_and_status(tmp_path):
    lines = json.dumps(lines_of(PROGRAM, tmp_path, AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED="True"))
    for line in (
        "airflow.music.generations,model=minimax_music-2.6,status=completed:1|c",
        "airflow.music.generations,model=minimax_music-2.6,status=failed:1|c",
        "airflow.music.generations,model=music-01,status=timeout:1|c",
        "airflow.music.submissions,model=minimax_music-2.6:1|c",
        "airflow.music.usd_spent,model=minimax_music-2.6:0.195|c",
        "airflow.music.wait_seconds,model=minimax_music-2.6:90000.000000|ms",
    ):
        assert line in lines
