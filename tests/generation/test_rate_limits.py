# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.connection import MusicSettings
from airflow_provider_music.compat import TaskDeferred
from airflow_provider_music.generation import rate_limits
from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.operators.music import GenerateMusicOperator


def settings(**more):
    return MusicSettings(**{"conn_id": "music", "base_url": "https://api.example.org", "api_key": "k", **more})


@given(rate=st.floats(0.5, 500), count=st.integers(1, 300))
def test_so_many_turns_take_as_long_as_the_rate_says_but_for_one_burst(rate, count):
    with pytest.MonkeyPatch.context() as patch:
        waits = []
        patch.setattr(clock, "monotonic", lambda: 1000.0)

        async def sleep(seconds):
            waits.append(seconds)

        patch.setattr(clock, "sleep", sleep)

        async def all_at_once():
            bucket = rate_limits.TokenBucket(rate)
            await asyncio.gather(*(bucket.turn() for _ in range(count)))

        asyncio.run(all_at_once())
    waits = [wait for wait in waits if wait > 1e-9]
    burst = rate_limits._BURST + 1
    assert len(waits) == max(0, count - burst)
    assert waits == sorted(waits)
    if waits:
        assert waits[-1] == pytest.approx((count - burst) / rate)


def test_ten_thousand_waits_on_one_key_are_no_burst(monkeypatch):
    at = []
    monkeypatch.setattr(clock, "monotonic", lambda: 1000.0)

    async def sleep(seconds):
        at.append(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)

    async def start():
        bucket = rate_limits.polls(settings())
        await asyncio.gather(*(bucket.turn() for _ in range(10_000)))

    asyncio.run(start())
    most = max(sum(second <= wait < second + 1 for wait in at) for second in range(51))
    assert most <= 201
    assert max(at) > 49


def test_a_pause_holds_all_turns_back(clocks):
    async def paused():
        bucket = rate_limits.TokenBucket(100)
        bucket.pause(30)
        await bucket.turn()

    asyncio.run(paused())
    assert clocks.elapsed == 1030


@pytest.mark.parametrize("minutes", [-15, 15])
def test_a_wall_clock_that_is_set_neither_stops_polls_nor_lets_a_burst_through(clocks, minutes):
    async def turns():
        bucket = rate_limits.TokenBucket(1)
        for _ in range(30):
            await bucket.turn()
        clocks.wall += 60 * minutes
        begun = clocks.elapsed
        for _ in range(5):
            await bucket.turn()
        return clocks.elapsed - begun

    assert asyncio.run(turns()) == 5


@pytest.mark.parametrize("minutes", [-15, 15])
def test_a_pause_is_as_long_as_was_said_though_the_wall_clock_is_set(clocks, minutes):
    async def paused():
        bucket = rate_limits.TokenBucket(100)
        bucket.pause(30)
        clocks.wall += 60 * minutes
        await bucket.turn()

    asyncio.run(paused())
    assert clocks.elapsed == 1030


def test_a_turn_that_comes_after_the_deadline_is_not_taken_and_waited_for_until_then(clocks):
    async def turns():
        bucket = rate_limits.TokenBucket(100)
        bucket.pause(30)
        late = await bucket.turn(clocks.wall + 20)
        return late, clocks.elapsed, await bucket.turn(clocks.wall + 20)

    assert asyncio.run(turns()) == (False, 1020, True)
    assert clocks.elapsed == 1030


def test_connections_have_buckets_and_places_of_their_own():
    async def look():
        assert rate_limits.polls(settings()) is rate_limits.polls(settings())
        assert rate_limits.polls(settings()) is not rate_limits.polls(settings(conn_id="other"))
        assert rate_limits.polls(settings()) is not rate_limits.polls(settings(max_polls_per_second=1.0))
        assert rate_limits.open_generations(settings()) is rate_limits.open_generations(settings())
        assert rate_limits.open_generations(settings()) is not rate_limits.open_generations(settings(conn_id="other"))

    asyncio.run(look())


def test_loops_share_nothing():
    async def look():
        return rate_limits.polls(settings())

    assert asyncio.run(look()) is not asyncio.run(look())


@pytest.fixture
def deferred(music_sandbox, airflow, output_dir):
    """Triggers of music-01 tasks."""
    music_sandbox.settings(any_reference=True, delay=0.5)

    def make(number, **more):
        task = GenerateMusicOperator(
            task_id=f"song-{number}",
            model="music-01",
            lyrics="##we row##",
            refer_voice="vocal-2025082518145625-6XW9wCOF",
            output_dir=str(output_dir),
            **more,
        )
        with pytest.raises(TaskDeferred) as caught:
            task.execute(airflow.context(task))
        return caught.value.trigger

    return make


@pytest.fixture
def two_at_once(music_sandbox, monkeypatch):
    given = {"conn_type": "music", "host": music_sandbox.url, "password": "k", "extra": {"max_open_generations": 2}}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(given))


def test_no_more_generations_are_open_than_the_connection_allows(two_at_once, deferred, music_sandbox):
    triggers = [deferred(number) for number in range(5)]

    async def all_of_them():
        return await asyncio.gather(*(trigger.outcome() for trigger in triggers))

    events = run_sync(all_of_them())
    assert {event["status"] for event in events} == {"completed"}
    assert music_sandbox.posts("generate") == 5
    begun = sorted(song["created"] for song in music_sandbox.state()["generations"])
    assert max(sum(start <= at < start + 0.5 for start in begun) for at in begun) <= 2


def test_a_song_that_gets_no_place_before_its_deadline_is_not_asked_for(
    two_at_once, deferred, music_sandbox, output_dir
):
    music_sandbox.settings(delay=2.0)
    first = [deferred(number, timeout=60) for number in range(2)]

    async def all_of_them():
        under_way = [asyncio.create_task(trigger.outcome()) for trigger in first]
        while await asyncio.to_thread(music_sandbox.posts, "generate") < 2:
            await asyncio.sleep(0.02)
        late = deferred(2, timeout=0.7)  # in this thread: Airflow 2 marks a task in the thread it runs in
        return await asyncio.gather(*under_way, late.outcome())

    events = run_sync(all_of_them())
    assert [event["status"] for event in events] == ["completed", "completed", "timeout"]
    assert music_sandbox.posts("generate") == 2
    assert not list(output_dir.rglob("song-2/take-*/intent.json"))


def test_a_wait_that_begins_after_its_deadline_sends_nothing(deferred, music_sandbox, monkeypatch):
    trigger = deferred(0, timeout=5)
    later = clock.now() + 6
    monkeypatch.setattr(clock, "now", lambda: later)

    assert run_sync(trigger.outcome())["status"] == "timeout"
    assert music_sandbox.posts("generate") == 0


def test_a_cancelled_wait_for_a_place_leaves_no_place_behind(two_at_once, deferred, music_sandbox, output_dir):
    triggers = [deferred(number) for number in range(4)]

    async def cancel_one_that_waits():
        tasks = [asyncio.create_task(trigger.outcome()) for trigger in triggers]
        while music_sandbox.posts("generate") < 2:
            await asyncio.sleep(0.02)
        waiting = [n for n in range(4) if not list(output_dir.rglob(f"song-{n}/take-1/intent.json"))]
        tasks[waiting[0]].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    events = run_sync(cancel_one_that_waits())
    assert sum(isinstance(event, asyncio.CancelledError) for event in events) == 1
    assert [event["status"] for event in events if isinstance(event, dict)] == ["completed"] * 3
    assert music_sandbox.posts("generate") == 3
