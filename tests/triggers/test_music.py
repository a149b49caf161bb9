# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import os
import threading
import uuid

import pytest
from asgiref.sync import SyncToAsync

from airflow_provider_music.compat import BaseHook, TaskDeferred
from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.triggers import music as triggers
from airflow_provider_music.triggers.music import MusicGenerationTrigger, hold_back_seconds
from tests.lanes import LANES


@pytest.fixture
def deferred(music_sandbox, airflow, output_dir):
    """The trigger that a music-01 task hands to the triggerer."""
    music_sandbox.settings(any_reference=True)
    task = GenerateMusicOperator(task_id="song", **LANES["synchronous"], output_dir=str(output_dir), timeout=60)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(airflow.context(task))
    trigger = caught.value.trigger
    return lambda: type(trigger)(**trigger.serialize()[1])


async def fire(trigger):
    return [event.payload async for event in trigger.run()]


def test_what_airflow_keeps_makes_the_same_trigger_again(deferred):
    path, kwargs = deferred().serialize()

    assert path == "airflow_provider_music.triggers.music.MusicGenerationTrigger"
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert MusicGenerationTrigger(**kwargs).serialize() == (path, kwargs)


def test_arguments_of_a_newer_order_are_left_out(deferred):
    _, kwargs = deferred().serialize()
    kwargs["spec"]["from_the_future"] = 1

    assert run_sync(fire(MusicGenerationTrigger(**kwargs)))[0]["status"] == "completed"


def test_of_two_copies_at_once_one_sends_and_both_tell_the_same(deferred, music_sandbox):
    music_sandbox.settings(delay=0.5)

    async def both():
        return await asyncio.gather(fire(deferred()), fire(deferred()))

    one, other = run_sync(both())

    assert one == other
    assert one[0]["status"] == "completed"
    assert music_sandbox.posts("generate") == 1


def test_a_cancelled_copy_lets_its_open_post_end_and_the_song_lands(deferred, music_sandbox):
    music_sandbox.settings(delay=1.0)

    async def moved():
        first = asyncio.create_task(fire(deferred()))
        while not music_sandbox.posts("generate"):
            await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await fire(deferred())

    assert run_sync(moved())[0]["status"] == "completed"
    assert music_sandbox.posts("generate") == 1


def test_a_loop_that_ends_with_an_open_post_leaves_word_so_that_nobody_waits(deferred, music_sandbox):
    music_sandbox.settings(delay=2.0)

    async def stopped():
        task = asyncio.create_task(fire(deferred()))
        while not music_sandbox.posts("generate"):
            await asyncio.sleep(0.05)
        task.cancel()

    run_sync(stopped())
    before = clock.now()
    event = run_sync(fire(deferred()))[0]

    assert event["status"] == "unknown"
    assert clock.now() - before < 30
    assert music_sandbox.posts("generate") == 1


def test_a_result_of_the_first_seconds_is_held_back(deferred, monkeypatch, music_sandbox):
    monkeypatch.setattr("airflow_provider_music.triggers.music.HOLD_BACK_SECONDS", 15.0)
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    run_sync(fire(deferred()))

    assert 13 < waited[-1] <= 15, waited


@pytest.mark.parametrize("airflow", [(2, 11, 0), (2, 11, 2), (3, 0, 6), (3, 1, 8), (3, 2, 2), (3, 3, 2), (3, 4, 0)])
def test_every_airflow_that_is_out_has_the_race_with_its_scheduler(airflow):
    assert hold_back_seconds(airflow) == 15.0


def test_an_airflow_whose_scheduler_is_mended_in_every_state_is_not_held_back(monkeypatch):
    monkeypatch.setitem(triggers._RACE_MENDED, "running", (3, 5, 1))
    assert hold_back_seconds((3, 5, 0)) == 15.0
    assert hold_back_seconds((3, 5, 1)) == 0.0


def test_a_connection_that_the_triggerer_does_not_have_is_said_and_nothing_is_sent(
    deferred, monkeypatch, music_sandbox, output_dir
):
    trigger = deferred()
    monkeypatch.delenv("AIRFLOW_CONN_MUSIC_DEFAULT")
    event = run_sync(fire(trigger))[0]

    assert event["status"] == "error"
    assert event["error"] == "CredentialsError"
    assert "triggerer" in event["message"]
    assert music_sandbox.posts() == 0
    assert not list(output_dir.rglob("take-*"))


@pytest.mark.parametrize(("lane", "stores"), [("queued", 0), ("synchronous", 1)])
def test_no_thread_of_this_package_looks_up_the_connection_of_a_store(
    lane, stores, music_sandbox, airflow, bucket, monkeypatch
):
    """In a triggerer of Airflow 3.0 and 3.1 such a look-up ends the process; asgiref's one thread may."""
    music_sandbox.settings(any_reference=True)
    task = GenerateMusicOperator(task_id="song", **LANES[lane], output_dir=bucket.url, timeout=60)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(airflow.context(task))
    _, kwargs = caught.value.trigger.serialize()
    # Airflow keeps a connected store by its connection's id: another id, as in another process.
    fresh = f"aws_{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv(f"AIRFLOW_CONN_{fresh.upper()}", os.environ["AIRFLOW_CONN_MY_AWS"])
    kwargs["spec"]["record_url"] = kwargs["spec"]["record_url"].replace("my_aws@", f"{fresh}@")
    looked_up, look_up = [], BaseHook.get_connection

    def noted(*args):
        looked_up.append((args[-1], threading.current_thread()))
        return look_up(args[-1])

    monkeypatch.setattr(BaseHook, "get_connection", noted)
    event = run_sync(fire(MusicGenerationTrigger(**kwargs)))[0]

    assert event["status"] == {"queued": "ready", "synchronous": "completed"}[lane]
    assert {conn_id for conn_id, _ in looked_up} == {"music_default", *[fresh][:stores]}
    assert {thread for _, thread in looked_up} <= SyncToAsync.single_thread_executor._threads
