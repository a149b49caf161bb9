# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Scenarios that leave the triggerers alive, so that all run at once: workers die, the API is away, a person acts.

Where a worker is killed is chosen by what the sandbox does at that moment, so that it does not depend on luck:

- after the claim: the sandbox's port is taken by a socket that answers nothing. The claim is in the record, the
  request is on its way, and the API never sees it.
- after the POST: `submit:late`. The order is taken and billed, and its answer is still to come.
- while landing: `download:slow`. A part file is there, and most of the song is not.
"""

import contextlib
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from harness.songs import Outcome, Song, Stage

from airflow_provider_music.sandbox.server import Sandbox


@contextlib.contextmanager
def mute(sandbox: Sandbox) -> Iterator[None]:
    """Have nobody answer at the sandbox's address: connections open, requests go in, and never arrive."""
    sandbox.stop()
    with socket.create_server(("127.0.0.1", urlsplit(sandbox.url).port or 0)):
        yield
    sandbox.start()


def killed_after_claim(stage: Stage) -> list[Outcome]:
    song = stage.prepared("queued_impatient", "killed-after-claim")
    with mute(song.sandbox):
        song.start()
        song.until(lambda: song.fact(1, "intent") and song.fact(1, "post"), "claimed")
        died = stage.cluster.kill_worker(song.task_instance_id)
    seconds = song.going_on(died)
    lost = song.end("kill -9 of the worker after the claim, queued", seconds)
    song.clear()
    return [lost, song.end("... and cleared")]


def killed_after_post(stage: Stage) -> list[Outcome]:
    song = stage.song("queued", "killed-after-post", "submit:late=600")
    song.until_asked()
    died = stage.cluster.kill_worker(song.task_instance_id)
    seconds = song.going_on(died)
    return [song.end("kill -9 of the worker after the POST, queued", seconds)]


def killed_while_landing(stage: Stage) -> list[Outcome]:
    song = stage.song("queued", "killed-while-landing", "download:slow=200000", song_bytes=2_000_000)
    song.until(song.parts, "landing")
    died = stage.cluster.kill_worker(song.task_instance_id)
    seconds = song.going_on(died)
    return [song.end("kill -9 of the worker while landing, queued", seconds)]


def killed_while_landing_in_s3(stage: Stage) -> list[Outcome]:
    song = stage.song("queued", "killed-while-landing-s3", "download:slow=200000", song_bytes=2_000_000, s3=True)
    song.until(lambda: song.sandbox.requests("download"), "landing")
    died = stage.cluster.kill_worker(song.task_instance_id, task_only=True)
    seconds = song.going_on(died)
    return [song.end("kill -9 of the task while landing in S3, queued", seconds)]


def killed_on_worker(stage: Stage) -> list[Outcome]:
    song = stage.song("synchronous_on_worker", "killed-on-worker", "generate:late=600")
    song.until_asked()
    died = stage.cluster.kill_worker(song.task_instance_id, task_only=True)
    seconds = song.going_on(died)
    lost = song.end("kill -9 of the task in mid-POST, synchronous with deferrable=False", seconds)
    song.clear()
    return [lost, song.end("... and cleared")]


def in_s3(stage: Stage, lane: str) -> list[Outcome]:
    return [stage.song(lane, f"in-s3-{lane}", s3=True).end(f"S3 as the store, {lane}")]


def row_moved(stage: Stage) -> list[Outcome]:
    song = stage.song("synchronous", "row-moved", delay=12.0)
    song.until_open()
    (other,) = (each.job_id for each in stage.cluster.triggerers.values() if each.job_id != song.holder)
    song.move_to(other)
    return [song.end("row moved between two live triggerers in mid-POST, synchronous")]


def marked_failed(stage: Stage, lane: str) -> list[Outcome]:
    """A person gives up; the song is made all the same, and a clear delivers it."""
    if lane == "queued":
        song = stage.song(lane, f"marked-failed-{lane}", "poll:status-word=generating,times=all")
        song.until_polled()
    else:
        song = stage.song(lane, f"marked-failed-{lane}", delay=10.0)
        song.until_open()
    stage.cluster.api.mark_failed(song.dag_id, song.run_id, "song")
    if lane == "synchronous":
        song.until(lambda: song.fact(1, "completed"), "landed in the background")
    given_up = song.end(f"marked failed while it is made, {lane}")
    song.sandbox.clear_faults()
    song.clear()
    return [given_up, song.end("... and cleared")]


def cleared_after_success(stage: Stage, lane: str) -> list[Outcome]:
    song = stage.song(lane, f"cleared-{lane}")
    first = song.end(f"delivered, {lane}")
    song.clear()
    song.until(lambda: song.row()[0] == "success" and song.fact(2, "delivered"), "take 2")
    return [first, song.end("... and cleared: take 2, take 1 stays")]


def api_away_in_mid_wait(stage: Stage, seconds: float) -> list[Outcome]:
    song = stage.song("queued", "api-away-mid-wait", delay=20.0)
    song.until_polled()
    song.sandbox.stop()
    time.sleep(seconds)
    song.sandbox.start()
    back = time.monotonic()
    return [song.end(f"API down for {seconds:.0f} s in mid-wait, queued", song.going_on(back))]


def api_away_at_first(stage: Stage, lane: str, seconds: float) -> list[Outcome]:
    song = stage.prepared(lane, f"api-away-{lane}")
    song.sandbox.stop()
    song.start()
    song.until(lambda: song.fact(1, "failed"), "refused")
    time.sleep(seconds)
    song.sandbox.start()
    return [song.end(f"API down for {seconds:.0f} s before the POST, {lane}")]


def without_connection_in_triggerer(stage: Stage, lane: str, sandbox: Sandbox, conn_id: str) -> list[Outcome]:
    """The workers have the connection in their environment, the triggerers do not; then somebody adds it for all."""
    song = Song(stage, sandbox, f"money_{lane}", f"no-connection-{lane}", conn_id)
    song.start()
    missing = song.end(f"no connection in the triggerer, {lane}")
    stage.connect(conn_id, sandbox)
    song.clear()
    return [missing, song.end("... and it is added, and cleared")]
