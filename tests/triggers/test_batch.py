# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest

from airflow_provider_music.compat import TaskDeferred
from airflow_provider_music.generation import batch_plan
from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.operators.music import GenerateMusicBatchOperator
from airflow_provider_music.triggers.music import MusicBatchTrigger


@pytest.fixture
def deferred(music_sandbox, airflow, output_dir):
    """The trigger that a batch hands to the triggerer, as often as it is made."""
    task = GenerateMusicBatchOperator(
        task_id="songs",
        requests=[{"model": "minimax/music-2.6", "prompt": f"a calm song of the sea {n}"} for n in range(4)],
        output_dir=str(output_dir),
        poll_interval=0.05,
    )
    with pytest.raises(TaskDeferred) as caught:
        task.execute(airflow.context(task))
    kwargs = caught.value.trigger.serialize()[1]
    return lambda **more: MusicBatchTrigger(**{**kwargs, **more})


async def fire(trigger):
    return [event.payload async for event in trigger.run()]


def test_what_airflow_keeps_makes_the_same_trigger_again(deferred):
    path, kwargs = deferred().serialize()

    assert path == "airflow_provider_music.triggers.music.MusicBatchTrigger"
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert MusicBatchTrigger(**kwargs).serialize() == (path, kwargs)
    assert "calm song" not in json.dumps(kwargs)


def test_the_event_tells_counts_only(deferred):
    event = run_sync(fire(deferred()))[0]

    assert event["status"] == "done"
    assert event["counts"] == {"ready": 4}
    assert len(json.dumps(event)) < 500


def test_a_restarted_triggerer_goes_on_without_asking_again(deferred, music_sandbox):
    music_sandbox.settings(delay=1.0)

    async def moved():
        first = asyncio.create_task(fire(deferred()))
        while music_sandbox.posts("submit") < 4:
            await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.wait([first])
        return await fire(deferred())

    assert run_sync(moved())[0]["counts"] == {"ready": 4}
    assert music_sandbox.posts("submit") == 4


def test_two_triggerers_at_once_ask_for_each_song_once(deferred, music_sandbox):
    async def both():
        return await asyncio.gather(fire(deferred()), fire(deferred()))

    one, other = run_sync(both())
    assert one[0]["counts"] == other[0]["counts"] == {"ready": 4}
    assert music_sandbox.posts("submit") == 4


def test_a_plan_that_is_gone_is_said_and_nothing_is_sent(deferred, music_sandbox):
    trigger = deferred()
    Path(trigger.plan_url.removeprefix("file://")).unlink()
    event = run_sync(fire(trigger))[0]

    assert event["status"] == "error"
    assert event["error"] == "StorageNotSharedError"
    assert "clear the task" in event["message"]
    assert music_sandbox.posts("submit") == 0


def test_one_songs_surprise_does_not_end_the_others(deferred, monkeypatch):
    run_generation, seen = batch_plan.run_generation, []

    async def broken_once(spec, **more):
        seen.append(spec)
        if len(seen) == 1:
            raise ZeroDivisionError("surprise")
        return await run_generation(spec, **more)

    monkeypatch.setattr(batch_plan, "run_generation", broken_once)
    event = run_sync(fire(deferred()))[0]

    assert event["counts"] == {"error": 1, "ready": 3}
    assert "surprise" in event["message"]


def test_the_log_says_how_far_it_is(deferred, caplog, monkeypatch):
    monkeypatch.setattr(batch_plan, "_PROGRESS_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, logger="airflow_provider_music.generation.batch_plan"):
        run_sync(fire(deferred()))

    lines = [record.getMessage() for record in caplog.records if "of 4 songs have ended" in record.getMessage()]
    assert lines[-1] == "4 of 4 songs have ended: 4 ready"
    assert len(lines) == 4


def test_a_result_of_the_first_seconds_is_held_back(deferred, monkeypatch):
    monkeypatch.setattr("airflow_provider_music.triggers.music.HOLD_BACK_SECONDS", 15.0)
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    run_sync(fire(deferred(deferred_at=clock.now())))

    assert 13 < waited[-1] <= 15
