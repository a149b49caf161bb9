# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest

from airflow_provider_music.generation.poll import Pace, backoff


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
