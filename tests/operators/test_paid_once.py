# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Lost answers, zombies, broken stores: what the server was asked, counted."""

from __future__ import annotations

import errno
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_music.compat import TaskDeferred
from airflow_provider_music.exceptions import (
    ChangedRequestError,
    CredentialsError,
    GenerationTimeoutError,
    OutputError,
    RecordError,
    ServerFailureError,
    UnknownOutcomeError,
)
from airflow_provider_music.storage.folder import Folder
from tests.lanes import LANES, ROUTES


@pytest.fixture(autouse=True)
def any_reference(music_sandbox):
    music_sandbox.settings(any_reference=True)


def test_a_lost_answer_is_found_though_its_row_comes_long_after_the_song(song, music_sandbox, airflow, quick_clock):
    music_sandbox.settings(delay=0.5, log_lag=0.5, logs_per_minute=100_000)
    music_sandbox.fault("submit:cut-after")

    result = airflow.run(song("queued", timeout=100_000))

    assert result["generation_id"] == music_sandbox.generations()[0]["id"]
    assert result["submissions"] == 1
    assert music_sandbox.posts("submit") == 1


def test_a_log_that_refuses_for_a_while_is_asked_again(song, music_sandbox, airflow, quick_clock):
    music_sandbox.fault("submit:cut-after", "logs:status=500,times=2", "logs:rate-limit=1,times=2", "logs:junk")

    assert airflow.run(song("queued"))["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 502, 503, 504])
@pytest.mark.parametrize("lane", list(LANES))
def test_a_status_that_a_gateway_may_have_sent_is_never_sent_again_in_whatever_shape(
    lane, status, song, music_sandbox, airflow, quick_clock
):
    music_sandbox.fault(f"{ROUTES[lane]}:status={status},times=all")
    for _ in range(2):
        with pytest.raises(UnknownOutcomeError, match=rf"{status}(.|\n)*may have been billed") as caught:
            airflow.run(song(lane))
        assert ("Correct the base URL" in str(caught.value)) is (status < 400)
        airflow.retry()
    assert music_sandbox.posts(ROUTES[lane]) == 1


@pytest.mark.parametrize("envelope", ["problem", "documented"])
@pytest.mark.parametrize("status", [307, 502, 503, 504])
def test_a_song_that_was_made_behind_such_a_status_is_found_and_landed(
    status, envelope, song, music_sandbox, airflow, quick_clock
):
    music_sandbox.settings(envelope=envelope)
    music_sandbox.fault(f"submit:status={status},billed")

    result = airflow.run(song("queued"))

    assert result["generation_id"] == music_sandbox.generations()[0]["id"]
    assert (result["submissions"], music_sandbox.posts("submit")) == (1, 1)


def test_a_500_in_the_apis_envelope_is_not_billed_and_a_retry_pays_for_the_only_song(song, music_sandbox, airflow):
    music_sandbox.fault("submit:status=500")
    with pytest.raises(ServerFailureError, match="not billed"):
        airflow.run(song("queued"))
    airflow.retry()

    assert airflow.run(song("queued"))["submissions"] == 2
    assert [generation["billed"] for generation in music_sandbox.generations()] == [True]


def test_a_status_of_expired_is_no_failure_and_pays_for_no_second_song(song, music_sandbox, airflow):
    music_sandbox.fault("poll:status-word=expired,times=all")
    for _ in range(2):
        with pytest.raises(GenerationTimeoutError, match="keeps running"):
            airflow.run(song("queued", timeout=1))
        airflow.retry()
    music_sandbox.clear_faults()

    assert airflow.run(song("queued"))["submissions"] == 1
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize("lane", list(LANES))
def test_a_row_that_says_failed_is_not_billed_and_a_retry_asks_again(lane, song, music_sandbox, airflow):
    music_sandbox.fault(f"{ROUTES[lane]}:cut-after,failed")
    with pytest.raises(Exception, match="not billed"):
        airflow.run(song(lane))
    airflow.retry()

    result = airflow.run(song(lane))
    assert result["submissions"] == 2
    assert [generation["billed"] for generation in music_sandbox.generations()] == [False, True]


def test_a_zombie_worker_and_its_retry_make_one_post_between_them(song, music_sandbox, airflow):
    music_sandbox.fault("submit:late=1")
    start = threading.Barrier(2)

    def attempt(number):
        fake = type(airflow)(try_number=number)
        start.wait()
        return fake.run(song("queued"))

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(attempt, (1, 2))

    assert one["generation_id"] == other["generation_id"]
    assert one["audio"] == other["audio"]
    assert music_sandbox.posts("submit") == 1


def test_many_attempts_at_once_make_one_post(song, music_sandbox, airflow):
    music_sandbox.settings(delay=0.2)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: type(airflow)(try_number=n).run(song("synchronous")), range(1, 9)))

    assert len({result["audio"]["sha256"] for result in results}) == 1
    assert music_sandbox.posts("generate") == 1


@pytest.mark.parametrize("lane", list(LANES))
def test_a_writer_that_outlives_the_deadline_of_another_try_is_waited_for_by_the_next(
    lane, song, music_sandbox, airflow, output_dir
):
    if lane == "queued":
        music_sandbox.fault("submit:late=3")
    music_sandbox.settings(delay=3.0)
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(type(airflow)().run, song(lane, timeout=60))
        while not list(output_dir.rglob("post.json")):
            time.sleep(0.01)
        airflow.retry()
        with pytest.raises(GenerationTimeoutError, match="may still wait for it"):
            airflow.run(song(lane, timeout=0.7))
        assert not writer.done()
        assert not list(output_dir.rglob("unknown.json"))
        first = writer.result()
    airflow.retry()

    assert airflow.run(song(lane))["audio"] == first["audio"]
    assert music_sandbox.posts(ROUTES[lane]) == 1


def test_a_lost_answer_whose_writer_is_gone_is_unknown_at_the_deadline(song, music_sandbox, airflow, output_dir):
    music_sandbox.settings(log_lag=3600)
    music_sandbox.fault("submit:cut-after")
    with pytest.raises(UnknownOutcomeError, match="no row of it before the deadline"):
        airflow.run(song("queued", timeout=1))
    assert list(output_dir.rglob("unknown.json"))
    assert music_sandbox.posts("submit") == 1


def test_another_connection_is_another_account_and_never_re_attaches(song, music_sandbox, airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", music_sandbox.connection_json())
    music_sandbox.settings(delay=30)
    with pytest.raises(TaskDeferred):
        song("queued").execute(airflow.context(song("queued")))
    airflow.retry()
    with pytest.raises(ChangedRequestError, match="connection"):
        airflow.run(song("queued", conn_id="other"))
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize(
    ("more", "told"), [({"conn_type": "aws"}, "its type is 'aws'"), ({"conn_type": None}, "it has no type")]
)
def test_a_connection_of_another_service_sends_nothing_and_leaves_no_record(
    more, told, lane, song, music_sandbox, airflow, monkeypatch, output_dir
):
    connection = {**json.loads(music_sandbox.connection_json()), **more}
    given = {name: value for name, value in connection.items() if value is not None}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(given))
    with pytest.raises(CredentialsError, match=told) as caught:
        airflow.run(song(lane, conn_id="other"))
    assert music_sandbox.key not in str(caught.value)
    assert sum(music_sandbox.state()["requests"].values()) == 0
    assert not list(output_dir.rglob("*.json"))


def test_runs_of_a_backfill_have_a_song_each(song, music_sandbox, airflow):
    for day in range(1, 4):
        airflow.run_id = f"backfill__2026-11-0{day}T00:00:00+00:00"
        assert airflow.run(song("queued"))["submissions"] == 1
    assert music_sandbox.posts("submit") == 3


@pytest.mark.parametrize("damage", [b"", b'{"schema": 1, "fa', b'{"schema": 99, "fact": "intent"}'])
@pytest.mark.parametrize("lane", list(LANES))
def test_a_damaged_record_is_told_and_nothing_is_sent(lane, damage, song, music_sandbox, airflow, output_dir):
    airflow.run(song(lane))
    (intent,) = output_dir.rglob("intent.json")
    intent.write_bytes(damage)
    airflow.retry()
    with pytest.raises(RecordError, match="Nothing is sent"):
        airflow.run(song(lane))
    assert music_sandbox.posts() == 1


def test_a_store_that_is_down_is_told_and_nothing_is_sent(song, music_sandbox, airflow, monkeypatch):
    def down(*_):
        raise OSError(errno.EIO, "the store is away")

    monkeypatch.setattr(Folder, "names", down)
    with pytest.raises(RecordError, match="the store is away"):
        airflow.run(song("queued"))
    assert music_sandbox.posts() == 0


def test_a_full_disk_fails_the_landing_and_a_retry_lands_the_same_song(song, music_sandbox, airflow, monkeypatch):
    full = [True]
    open_new = Folder.open_new

    def opened(folder, name, **kwargs):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return open_new(folder, name, **kwargs)

    monkeypatch.setattr(Folder, "open_new", opened)
    with pytest.raises(OutputError, match="without paying again"):
        airflow.run(song("queued"))
    full[0] = False
    airflow.retry()

    assert airflow.run(song("queued"))["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


def test_a_full_disk_under_a_synchronous_song_names_the_loss(song, music_sandbox, airflow, monkeypatch, output_dir):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Folder, "open_new", full)
    with pytest.raises(UnknownOutcomeError, match="No space left on device"):
        airflow.run(song("synchronous"))
    airflow.retry()
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song("synchronous"))
    assert music_sandbox.posts("generate") == 1
    assert json.loads(next(output_dir.rglob("unknown.json")).read_text())["billed"] is True


def test_a_store_that_fails_for_a_moment_does_not_lose_an_id_that_was_paid_for(
    song, music_sandbox, airflow, monkeypatch, quick_clock
):
    failures = [3]
    create = Folder.create

    def created(folder, name, content):
        if name == "accepted.json" and failures[0]:
            failures[0] -= 1
            raise OSError(errno.EIO, "the store is away")
        return create(folder, name, content)

    monkeypatch.setattr(Folder, "create", created)

    assert airflow.run(song("queued"))["status"] == "completed"
    assert failures == [0]
    assert music_sandbox.posts("submit") == 1
    assert music_sandbox.requests("logs") == 0


def test_a_connection_that_the_triggerer_lost_is_told_with_the_song_that_is_under_way(
    song, music_sandbox, airflow, monkeypatch
):
    music_sandbox.settings(delay=0.3)
    task = song("queued")
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(airflow.context(task))
    connection = music_sandbox.connection_json()
    monkeypatch.delenv("AIRFLOW_CONN_MUSIC_DEFAULT")
    with pytest.raises(CredentialsError, match=r"no connection(.|\n)*accepted and billed all the same"):
        airflow.resume(task, deferred.value)
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", connection)
    airflow.clear()

    assert airflow.run(song("queued"))["submissions"] == 1
    assert music_sandbox.posts("submit") == 1


def test_a_wait_for_a_lost_answer_keeps_its_deadline_after_an_edit_was_refused_and_taken_back(
    song, music_sandbox, airflow, monkeypatch
):
    """The refusal leaves the fact "changed", which says nothing of the answer: the wait once spun on it for ever."""
    music_sandbox.fault("submit:cut-before,times=all", "logs:status=500,times=all")
    task = song("queued")
    with pytest.raises(TaskDeferred):
        task.execute(airflow.context(task))
    airflow.clear()
    with pytest.raises(ChangedRequestError, match="Restore the former request"):
        airflow.run(song("queued", prompt="a calm song of the hills"))
    airflow.clear()
    listings, names = [], Folder.names
    monkeypatch.setattr(Folder, "names", lambda self: listings.append(self) or names(self))

    with pytest.raises(UnknownOutcomeError):
        airflow.run(song("queued", timeout=0.5))

    assert len(listings) < 40
    assert music_sandbox.posts("submit") == 1
