# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Every song is paid once: on a real Airflow whose workers and triggerers are killed. POSTs as the sandbox counts them.

Scenarios that do not disturb each other run at the same time; each test waits for its own. The table of all is
printed at the end.
"""

import contextlib
import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.settings import IS_3

from airflow_provider_music.sandbox.server import Sandbox

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.money,
    pytest.mark.skipif(not IS_3, reason="the processes are those of Airflow 3"),
]
if IS_3:
    import money_calm
    import money_deaths
    import money_many
    import money_shared
    from harness.cluster import Cluster
    from harness.processes import leave_nothing_behind
    from harness.s3 import S3Server
    from harness.songs import SONGS, Stage, Together

_HEAD = "| scenario | POSTs | songs | task state | tries | s from the death to the song going on |"
_LANES = ("queued", "synchronous")
_SONGS = {"queued": 40, "synchronous": 20}


@pytest.fixture(scope="module")
def workers_only() -> Iterator[dict[str, Sandbox]]:
    """A sandbox per lane whose connection only the workers have."""
    with contextlib.ExitStack() as stack:
        options = {"any_reference": True, "song_seconds": 1.0, "delay": 0.5}
        yield {lane: stack.enter_context(Sandbox(**options)) for lane in _LANES}


@pytest.fixture(scope="module")
def stage(tmp_path_factory, request, workers_only) -> Iterator["Stage"]:
    """One cluster for all; the table is printed at its end."""
    leave_nothing_behind()
    home = tmp_path_factory.mktemp("cluster")
    dags = tmp_path_factory.mktemp("money-dags")
    shutil.copy(Path(__file__).parent / "dags" / "money.py", dags)
    s3 = S3Server(home / "cluster")
    only = {f"AIRFLOW_CONN_WORKERS_ONLY_{lane.upper()}": workers_only[lane].connection_json() for lane in _LANES}
    common = {
        "AIRFLOW_CONN_AWS_MUSIC": s3.connection_json(),
        "MONEY_OUTPUT_DIR": str(home / SONGS),
        "MONEY_S3_DIR": f"s3://aws_music@{s3.bucket}/{SONGS}",
        "AIRFLOW__MUSIC__BUDGETS": json.dumps({"marketing": {"usd": 1, "per": "month"}}),
    }
    cluster = Cluster(home, dags, common, worker_env=only)
    stage = Stage(cluster, s3)
    try:
        cluster.start()
        cluster.wait_for_dag("money_many_synchronous")
        yield stage
    finally:
        cluster.stop()
        stage.stop()
        s3.stop()
        say = request.config.pluginmanager.getplugin("terminalreporter").write_line
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            for line in ("", "", _HEAD, "|---|---|---|---|---|---|", *map(str, stage.outcomes)):
                say(line)
    assert cluster.processes.members() == []


@pytest.fixture(scope="module")
def calm(stage, workers_only):
    acts = {
        "killed after claim": money_calm.killed_after_claim,
        "killed after POST": money_calm.killed_after_post,
        "killed while landing": money_calm.killed_while_landing,
        "killed while landing in S3": money_calm.killed_while_landing_in_s3,
        "killed on worker": money_calm.killed_on_worker,
        "row moved": money_calm.row_moved,
    }
    for lane in _LANES:
        acts |= {
            f"S3 {lane}": functools.partial(money_calm.in_s3, lane=lane),
            f"marked failed {lane}": functools.partial(money_calm.marked_failed, lane=lane),
            f"cleared {lane}": functools.partial(money_calm.cleared_after_success, lane=lane),
            f"away at first {lane}": functools.partial(money_calm.api_away_at_first, lane=lane, seconds=20.0),
            f"no connection {lane}": functools.partial(
                money_calm.without_connection_in_triggerer,
                lane=lane,
                sandbox=workers_only[lane],
                conn_id=f"workers_only_{lane}",
            ),
        }
    return stage.play({name: functools.partial(act, stage) for name, act in acts.items()})


def _deaths(stage, death, acts, **options):
    """Begin scenarios that meet at one death of triggerers."""
    together = Together(len(acts), death, **options)

    def play(act):
        try:
            return act(stage, together)
        except BaseException:
            together.give_up()
            raise

    return stage.play({name: functools.partial(play, act) for name, act in acts.items()})


@pytest.fixture(scope="module")
def both_killed(stage):
    def kill(_):
        died = stage.cluster.kill_triggerers()
        stage.cluster.start_triggerers_soon("triggerer-3", "triggerer-4")
        return died

    how = "kill -9 of both triggerers"
    acts = {
        "wait": functools.partial(money_deaths.in_mid_wait, how=how),
        "wait, S3": functools.partial(money_deaths.in_mid_wait, how=how, s3=True),
        "POST": functools.partial(money_deaths.in_mid_post, how=how),
        "landing": functools.partial(money_deaths.in_mid_post, how=how, landing=True),
    }
    return _deaths(stage, kill, acts)


@pytest.fixture(scope="module")
def one_killed(stage):
    def kill(holders):
        died = stage.cluster.kill_triggerers(*stage.cluster.names_of(holders))
        stage.cluster.start_triggerers_soon("triggerer-5")
        return died

    act = functools.partial(money_deaths.in_mid_wait, how="kill -9 of one of two triggerers")
    return _deaths(stage, kill, {"wait": act})


@pytest.fixture(scope="module")
def stopped(stage):
    def stop(holders):
        died = stage.cluster.stop_triggerers(*stage.cluster.names_of(holders))
        stage.cluster.start_triggerers_soon("triggerer-6")
        return died

    how = "SIGTERM to the triggerer"
    acts = {
        "wait": functools.partial(money_deaths.in_mid_wait, how=how),
        "POST": functools.partial(money_deaths.in_mid_post, how=how),
    }
    return _deaths(stage, stop, acts, of_one=True)


@pytest.fixture(scope="module")
def away(stage):
    """A minute is long, so this goes alongside others."""
    act = functools.partial(money_calm.api_away_in_mid_wait, stage, seconds=60.0)
    return stage.play({"wait": act}, alongside=True)


@pytest.fixture(scope="module")
def many(stage, away):
    acts = {
        lane: functools.partial(money_many.many_at_once, stage, lane=lane, songs=songs, delay=6.0)
        for lane, songs in _SONGS.items()
    }
    return {lane: stage.play({lane: act})[lane] for lane, act in acts.items()}


@pytest.fixture(scope="module")
def shared(stage, many):
    acts = {
        "budget": functools.partial(money_shared.of_one_budget, stage, songs=20),
        "request": functools.partial(money_shared.of_one_request, stage, songs=12),
    }
    return {name: stage.play({name: act})[name] for name, act in acts.items()}


def _assert_paid_once(outcome, tries=None):
    assert (outcome.posts, outcome.songs, outcome.state) == (1, 1, "success"), outcome.log
    assert outcome.result["submissions"] == 1
    assert tries is None or outcome.tries == tries


def _assert_said_aloud(outcome, posts=1):
    """The answer is lost: the task fails in its first try, without its retries, and says what may be billed."""
    assert (outcome.posts, outcome.songs, outcome.state) == (posts, 0, "failed"), outcome.log
    assert "UnknownOutcomeError" in outcome.log
    assert "X-Client-Request-Id airflow-music-" in outcome.log
    assert "clear this task" in outcome.log


def test_a_queued_song_outlives_both_triggerers(both_killed):
    (end,) = both_killed["wait"].result()
    _assert_paid_once(end, tries=1)


def test_a_song_in_mid_post_is_lost_with_both_triggerers_and_the_task_says_so_at_once(both_killed):
    for where in ("POST", "landing"):
        lost, cleared = both_killed[where].result()
        _assert_said_aloud(lost)
        assert lost.tries == 1
        assert (cleared.posts, cleared.songs, cleared.state) == (2, 1, "success")


def test_a_song_in_s3_outlives_both_triggerers(both_killed):
    (end,) = both_killed["wait, S3"].result()
    _assert_paid_once(end, tries=1)


def test_another_triggerer_takes_over(one_killed):
    (end,) = one_killed["wait"].result()
    _assert_paid_once(end, tries=1)


@pytest.mark.parametrize("lane", _LANES)
def test_many_songs_that_end_at_once_are_paid_once_each(many, lane):
    (end,) = many[lane].result()
    assert (end.posts, end.songs, end.state) == (_SONGS[lane], _SONGS[lane], "success")


def test_songs_that_share_a_budget_never_overspend_it_though_a_worker_is_killed(shared):
    (outcome,) = shared["budget"].result()
    assert outcome.posts == outcome.songs == outcome.result["succeeded"] == 5
    assert outcome.result["refused"] == 15


def test_tasks_that_make_one_request_at_once_pay_once_though_the_one_that_pays_is_killed(shared):
    (outcome,) = shared["request"].result()
    assert (outcome.posts, outcome.songs, outcome.result["succeeded"]) == (1, 12, 12)


@pytest.mark.parametrize("where", ["killed after POST", "killed while landing", "killed while landing in S3"])
def test_a_queued_song_outlives_its_worker(calm, where):
    (end,) = calm[where].result()
    _assert_paid_once(end, tries=2)


def test_a_claim_whose_request_never_arrived_is_told_as_unknown_and_a_clear_asks_anew(calm):
    lost, cleared = calm["killed after claim"].result()
    _assert_said_aloud(lost, posts=0)
    assert (cleared.posts, cleared.songs, cleared.state) == (1, 1, "success")


def test_a_song_in_mid_post_is_lost_with_its_worker_and_the_task_says_so(calm):
    lost, cleared = calm["killed on worker"].result()
    _assert_said_aloud(lost)
    assert lost.tries == 2
    assert (cleared.posts, cleared.songs, cleared.state) == (2, 1, "success")


def test_a_moved_trigger_does_not_post_again(calm):
    (end,) = calm["row moved"].result()
    _assert_paid_once(end, tries=1)


@pytest.mark.parametrize("lane", _LANES)
def test_a_song_that_was_marked_failed_is_delivered_by_a_clear_without_a_second_post(calm, lane):
    given_up, cleared = calm[f"marked failed {lane}"].result()
    assert (given_up.posts, given_up.songs, given_up.state) == (1, 0, "failed")
    _assert_paid_once(cleared)


@pytest.mark.parametrize("lane", _LANES)
def test_a_clear_after_success_makes_a_second_take_and_keeps_the_first(calm, lane):
    first, second = calm[f"cleared {lane}"].result()
    _assert_paid_once(first)
    assert (second.posts, second.songs, second.state) == (2, 2, "success")
    assert second.result["submissions"] == 1


def test_a_song_outlives_a_minute_without_the_api(away):
    (end,) = away["wait"].result()
    _assert_paid_once(end, tries=1)


@pytest.mark.parametrize("lane", _LANES)
def test_requests_that_never_left_are_not_counted(calm, lane):
    (end,) = calm[f"away at first {lane}"].result()
    _assert_paid_once(end, tries=1)


@pytest.mark.parametrize("lane", _LANES)
def test_songs_are_delivered_to_s3(calm, lane):
    (end,) = calm[f"S3 {lane}"].result()
    _assert_paid_once(end)
    assert end.result["audio_uri"].startswith("s3://aws_music@music/songs/")


@pytest.mark.parametrize("lane", _LANES)
def test_a_connection_that_the_triggerer_lacks_is_named_and_nothing_is_lost(calm, lane):
    missing, added = calm[f"no connection {lane}"].result()
    assert (missing.posts, missing.state) == (1 if lane == "queued" else 0, "failed")
    assert f"There is no connection 'workers_only_{lane}'" in missing.log
    _assert_paid_once(added)


def test_a_triggerer_that_is_stopped_politely_leaves_word_at_once(stopped):
    (waited,) = stopped["wait"].result()
    _assert_paid_once(waited, tries=1)
    lost, cleared = stopped["POST"].result()
    _assert_said_aloud(lost)
    assert (cleared.posts, cleared.songs, cleared.state) == (2, 1, "success")
