# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import itertools
import json

import httpx
import pytest

from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.generation.poll import Pace, _Age, backoff, poll_until_done
from airflow_provider_music.hooks.clients import close_clients


def times(pace, until):
    elapsed, found = 0.0, []
    while elapsed < until:
        elapsed += pace.plain(elapsed)
        found.append(elapsed)
    return found


@pytest.mark.parametrize("usual", [25, 55, 90, 240])
def test_few_polls_and_a_song_done_at_its_usual_time_is_noticed_within_a_tenth_of_it(usual):
    polls = [at for at in times(Pace(usual), usual * 1.5) if at <= usual]
    noticed = next(at for at in times(Pace(usual), usual * 1.5) if at >= usual)

    assert len(polls) <= 11
    assert noticed - usual <= max(0.1 * usual, 2)


@pytest.mark.parametrize("done", [1, 3, 10, 20, 30])
def test_a_quick_song_is_noticed_before_it_has_waited_as_long_as_it_took(done):
    noticed = next(at for at in times(Pace(90), 90) if at >= done)
    assert noticed - done <= max(done, 4)


def test_a_refusal_in_the_first_seconds_shows_soon():
    assert times(Pace(90), 90)[:3] == [4, 8, 16]


@pytest.mark.parametrize("usual", [1, 5, 20, 55, 90, 600])
def test_no_two_polls_of_a_song_come_closer_than_two_seconds(usual):
    found = [0.0, *times(Pace(usual), usual * 3)]
    assert min(later - earlier for earlier, later in itertools.pairwise(found)) >= 2


def test_a_late_song_is_asked_for_ever_more_rarely_but_once_a_minute():
    pace = Pace(60)
    delays = [pace.plain(elapsed) for elapsed in range(80, 2000, 20)]

    assert delays == sorted(delays)
    assert delays[-1] == 60


def test_an_interval_that_the_author_set_replaces_the_pace():
    assert {Pace(90, 7.0).plain(elapsed) for elapsed in (0, 50, 500)} == {7.0}


def test_jitter_spreads_songs_that_were_asked_for_together():
    delays = {Pace(90, 10.0).delay(0) for _ in range(50)}

    assert len(delays) > 40
    assert all(9 <= delay <= 11 for delay in delays)


def test_backoff_doubles_up_to_its_longest():
    assert 0.75 <= backoff(1) <= 1.25
    assert 3 <= backoff(3) <= 5
    assert 45 <= backoff(50) <= 75


@pytest.mark.parametrize("minutes", [-15, 15])
def test_a_wall_clock_that_is_set_during_a_wait_changes_no_pace(clocks, monkeypatch, minutes):
    connection = {"conn_type": "music", "host": "http://127.0.0.1:1", "password": "k"}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(connection))
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)
    begun, polls = clocks.elapsed, []

    def answer(request):
        polls.append(clocks.elapsed - begun)
        if len(polls) == 3:
            clocks.wall += 60 * minutes
        status = "completed" if polls[-1] >= 90 else "generating"
        return httpx.Response(200, json={"id": "g", "status": status, "audio_file": {"url": "http://127.0.0.1/a.mp3"}})

    async def wait():
        times = {"deadline": clocks.wall + 3600, "submitted_at": clocks.wall}
        try:
            return await poll_until_done("music_default", "g", Pace(90), **times)
        finally:
            await close_clients()

    with use_transport(httpx.MockTransport(answer)):
        assert asyncio.run(wait()).done
    assert polls == pytest.approx(times(Pace(90), 90))


def test_a_song_that_another_machine_submitted_in_the_future_is_polled_as_a_new_one(clocks):
    age = _Age(clocks.wall + 900)
    assert age.seconds() == 0
    clocks.elapsed += 7
    assert age.seconds() == 7
