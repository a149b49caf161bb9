# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""reuse="identical": what was delivered is handed out again, and tasks that make one request at once pay once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_music.compat import DAG, TaskDeferred, task
from airflow_provider_music.cost.ledger import Ledger
from airflow_provider_music.exceptions import (
    GenerationTimeoutError,
    RecordError,
    RequestRejectedError,
    StorageNotSharedError,
    UnknownOutcomeError,
)
from airflow_provider_music.generation import reuse as reusing
from airflow_provider_music.generation import same_request
from airflow_provider_music.generation.audit import AuditOptions, audit
from airflow_provider_music.generation.audit_span import Span
from airflow_provider_music.hooks.clients import settings_of
from airflow_provider_music.lineage.facts import is_input
from airflow_provider_music.lineage.listener import extra_of
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.record.reuse import ReuseChain
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder
from tests.conftest import let_this_thread_execute
from tests.crash.dying import Died, Mortality, instrument
from tests.lanes import LANES, ROUTES

USD = {"queued": 0.195, "synchronous": 0.07}


@pytest.fixture(autouse=True)
def shared(monkeypatch, tmp_path, music_sandbox):
    """All records of all tasks lie elsewhere than what tasks share."""
    music_sandbox.settings(any_reference=True, song_seconds=1)
    monkeypatch.setenv("AIRFLOW__MUSIC__RECORD_DIR", str(tmp_path / "records"))
    monkeypatch.setattr(reusing, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(reusing, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(same_request, "_LOG_SECONDS", 0.1)


@pytest.fixture
def song(tmp_path):
    """Makes a task of one song; each output folder is its own."""

    def make(lane="queued", where="songs", reuse="identical", **more):
        fields = {"task_id": "song", "output_dir": str(tmp_path / where), "reuse": reuse, "timeout": 20, **LANES[lane]}
        return GenerateMusicOperator(**{**fields, **more})

    return make


@pytest.fixture
def at_once(monkeypatch):
    """A task that is gone is taken for gone at once."""
    for name in ("UNUSED_SECONDS", "REFUSED_SECONDS", "COMPLETED_SECONDS", "NO_ROW_SECONDS"):
        monkeypatch.setattr(same_request, name, 0.0)


@pytest.fixture
def chain(tmp_path):
    def find():
        (event,) = (tmp_path / "records" / "_reuse").rglob("000001.json")
        return ReuseChain(str(event.parent))

    return find


def run(airflow, one, run_id, **more):
    return type(airflow)(run_id=run_id, skip_waits=False, **more).run(one)


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("lane", list(LANES))
def test_a_song_that_was_delivered_is_handed_out_again_and_not_paid(
    lane, deferrable, song, music_sandbox, airflow, tmp_path
):
    first = run(airflow, song(lane, where="a", deferrable=deferrable), "one")
    second = run(airflow, song(lane, where="b", deferrable=deferrable), "two")
    assert music_sandbox.posts(ROUTES[lane]) == 1
    assert second["audio_uri"] == first["audio_uri"]
    assert second["audio"] == first["audio"]
    assert (first["submissions"], second["submissions"]) == (1, 0)
    assert first["usage"]["usd_spent"] == USD[lane]
    assert second["usage"] == {"credits_used": 0, "usd_spent": 0.0}
    assert "reused" not in first
    said = second["reused"]
    assert (said["task"], said["generation_id"]) == ("dag / one / song", first["generation_id"])
    assert said["record_uri"] == first["record_uri"].rpartition("/")[0]
    assert datetime.fromisoformat(said["completed_at"])
    assert len(json.dumps(second)) < 4096


def test_a_ready_song_is_handed_out_without_a_trigger(song, airflow):
    run(airflow, song("synchronous"), "one")
    airflow.run(song("synchronous", where="b"))
    assert airflow.deferrals == []


def test_without_reuse_each_task_pays_and_nothing_is_written_for_others(song, music_sandbox, airflow, tmp_path):
    for number in range(2):
        run(airflow, song(reuse=None), f"run-{number}")
    assert music_sandbox.posts() == 2
    assert not (tmp_path / "records").exists()


def test_another_request_another_model_or_another_account_is_not_the_same(song, music_sandbox, airflow, monkeypatch):
    run(airflow, song(), "one")
    run(airflow, song(prompt="a loud song of the sea"), "two")
    run(airflow, song("synchronous"), "three")
    assert music_sandbox.posts() == 3
    given = json.loads(music_sandbox.connection_json())
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps({**given, "password": "another-key"}))
    run(airflow, song(), "four")
    assert music_sandbox.posts() == 4


def test_another_connection_of_the_same_account_is_the_same(song, music_sandbox, airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", music_sandbox.connection_json())
    run(airflow, song(), "one")
    assert run(airflow, song(conn_id="other"), "two")["reused"]["task"] == "dag / one / song"
    assert music_sandbox.posts() == 1


def test_the_key_is_in_no_name_and_no_file(song, airflow, tmp_path):
    run(airflow, song(), "one")
    settings = settings_of("music_default")
    assert len(settings.account) == 12
    assert settings.account != replace(settings, api_key="another").account
    for path in (tmp_path / "records").rglob("*"):
        assert settings.api_key not in str(path)
        assert not path.is_file() or settings.api_key.encode() not in path.read_bytes()


def test_a_song_that_is_older_than_reuse_age_is_paid_again(song, music_sandbox, airflow):
    run(airflow, song(), "one")
    time.sleep(0.3)
    assert "reused" not in run(airflow, song(reuse_age=0.2), "two")
    assert run(airflow, song(reuse_age="PT1H"), "three")["reused"]["task"] == "dag / two / song", "the newest"
    assert music_sandbox.posts() == 2


@pytest.mark.parametrize("harm", ["remove", "change", "cut", "remove all"])
def test_a_file_that_is_gone_or_not_what_was_delivered_is_not_handed_out(harm, song, music_sandbox, airflow, tmp_path):
    uri = run(airflow, song(where="a"), "one")["audio_uri"]
    path = Path(uri.removeprefix("file://"))
    if harm == "remove":
        path.unlink()
    elif harm == "remove all":
        shutil.rmtree(tmp_path / "a")
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] if harm == "cut" else bytes([content[0] ^ 1]) + content[1:])
    again = run(airflow, song(where="b"), "two") if harm != "remove all" else None
    if again is None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(same_request, "NO_ROW_SECONDS", 0.0)
            patch.setattr(same_request, "ACCEPTED_SECONDS", 0.0)
            again = run(airflow, song(where="b"), "two")
        # Its record is gone too, but the API still has the generation.
        assert (again["reused"]["generation_id"], music_sandbox.posts()) == (again["generation_id"], 1)
        return
    assert "reused" not in again
    assert music_sandbox.posts() == 2
    assert run(airflow, song(where="c"), "three")["audio_uri"] == again["audio_uri"]


def test_a_song_whose_tags_were_written_after_it_was_in_place_is_the_one_that_was_delivered(
    song, music_sandbox, airflow
):
    first = run(airflow, song(provenance="tags"), "one")
    second = run(airflow, song(where="b", provenance="tags"), "two")
    assert second["audio"] == first["audio"]
    assert music_sandbox.posts() == 1


def test_a_song_that_is_handed_out_keeps_its_name_and_gets_no_file_of_another_one(song, airflow, tmp_path):
    pytest.importorskip("av")
    first = run(airflow, song(where="a", name="jingle"), "one")
    second = run(airflow, song(where="b", name="another", quality="measure", keep_request=True), "two")
    assert second["audio_uri"] == first["audio_uri"]
    assert second["audio_uri"].endswith("/jingle.mp3")
    assert second["audio"]["quality"]["channels"] >= 1
    assert not [path.name for path in tmp_path.rglob("*another*")]


def test_a_retry_and_a_clear_of_a_task_that_was_handed_a_song_pay_nothing(song, music_sandbox, airflow):
    first = run(airflow, song(where="a"), "one")
    for number, follow in enumerate([airflow.retry, airflow.clear, airflow.create_again, airflow.clear]):
        assert airflow.run(song(where="b"))["audio_uri"] == first["audio_uri"], number
        follow()
    assert music_sandbox.posts() == 1


def test_a_clear_of_the_task_that_paid_hands_out_its_own_song_and_without_reuse_makes_a_new_take(
    song, music_sandbox, airflow
):
    first = airflow.run(song())
    airflow.clear()
    again = airflow.run(song())
    assert (again["audio_uri"], again["usage"]["usd_spent"]) == (first["audio_uri"], 0.0)
    assert music_sandbox.posts() == 1
    airflow.clear()
    assert airflow.run(song(reuse=None))["audio_uri"] != first["audio_uri"]
    assert music_sandbox.posts() == 2


# At once


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("deferrable", [True, False])
def test_tasks_that_make_one_request_at_once_pay_once(lane, deferrable, song, music_sandbox, airflow):
    music_sandbox.settings(delay=0.5)

    def one(number):
        let_this_thread_execute()
        return run(airflow, song(lane, where=f"songs-{number}", deferrable=deferrable), f"run-{number}")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(8)))
    assert music_sandbox.posts(ROUTES[lane]) == 1
    assert len({result["audio_uri"] for result in results}) == 1
    assert len({result["audio"]["sha256"] for result in results}) == 1
    assert sorted("reused" in result for result in results) == [False] + [True] * 7
    assert sum(result["usage"]["usd_spent"] for result in results) == USD[lane]


def test_a_worker_leaves_the_wait_for_another_task_to_the_triggerer(song, music_sandbox, airflow):
    payer, waiter = song(where="a"), song(where="b")
    with pytest.raises(TaskDeferred) as paying:
        payer.execute(type(airflow)(run_id="one").context(payer))
    began = time.monotonic()
    with pytest.raises(TaskDeferred) as waiting:
        waiter.execute(airflow.context(waiter))
    assert time.monotonic() - began < 5
    assert music_sandbox.posts() == 1
    runner = type(airflow)(run_id="one", skip_waits=False)
    first = runner.resume(payer, paying.value)
    assert airflow.resume(waiter, waiting.value)["audio_uri"] == first["audio_uri"]
    assert music_sandbox.posts() == 1


def test_a_waiter_at_its_deadline_names_whom_it_waits_for_and_sends_nothing(song, music_sandbox, airflow):
    payer = song(where="a")
    with pytest.raises(TaskDeferred):
        payer.execute(type(airflow)(run_id="one").context(payer))
    with pytest.raises(GenerationTimeoutError, match=r"dag / one / song(.|\n)*Nothing was sent by this task"):
        airflow.run(song(where="b", timeout=0.5))
    assert music_sandbox.posts() == 1


def test_a_request_that_failed_is_made_by_the_next_task(song, music_sandbox, airflow):
    music_sandbox.fault("submit:status=400")
    with pytest.raises(RequestRejectedError):
        run(airflow, song(where="a"), "one")
    assert run(airflow, song(where="b"), "two")["submissions"] == 1
    retried = run(airflow, song(where="a"), "one", try_number=2)
    assert retried["reused"]["task"] == "dag / two / song"
    assert music_sandbox.posts() == 2


def test_a_generation_that_failed_is_made_by_the_next_task(song, music_sandbox, airflow):
    music_sandbox.fault("submit:error")
    with pytest.raises(Exception, match="not billed"):
        run(airflow, song(where="a"), "one")
    assert "reused" not in run(airflow, song(where="b"), "two")
    assert len([one for one in music_sandbox.generations() if one["billed"]]) == 1


def test_a_song_that_was_rejected_for_its_quality_is_not_handed_out(song, music_sandbox, airflow, tmp_path):
    pytest.importorskip("av")
    limits = {"min_loudness_lufs": 0}
    with pytest.raises(Exception, match="breaks"):
        run(airflow, song(where="a", quality="fail", quality_limits=limits), "one")
    assert "reused" not in run(airflow, song(where="b"), "two")
    assert music_sandbox.posts() == 2


# A payer whose outcome nobody knows


def test_where_the_payers_response_is_lost_on_unknown_decides(song, music_sandbox, airflow, quick_clock):
    music_sandbox.settings(log_lag=100_000)
    music_sandbox.fault("submit:cut-after")
    with pytest.raises(UnknownOutcomeError):
        run(airflow, song(where="a", timeout=5), "one")
    for deferrable in (True, False):
        with pytest.raises(UnknownOutcomeError, match=r"dag / one / song(.|\n)*may have been billed"):
            airflow.run(song(where="b", deferrable=deferrable))
        airflow.retry()
    assert music_sandbox.posts() == 1
    assert run(airflow, song(where="c", on_unknown="resubmit"), "three")["submissions"] == 1
    assert music_sandbox.posts() == 2
    assert run(airflow, song(where="d"), "four")["reused"]["task"] == "dag / three / song"


@pytest.fixture
def mortal(monkeypatch):
    """The life that is being lived; the tests replace it."""
    current = [Mortality()]
    instrument(monkeypatch, lambda: current[0])
    return current


def live(fake, one):
    """Run a try, its trigger included, until it ends or its process does."""
    try:
        return one.execute(fake.context(one))
    except TaskDeferred as deferred:
        event = asyncio.run(fake.fire(deferred.trigger))
        return one.execute_complete(fake.context(one), event)


def dies(mortal, airflow, one, **how):
    mortal[0] = Mortality(**how)
    with pytest.raises(Died):
        live(type(airflow)(run_id="dead"), one)
    mortal[0] = Mortality()


def wait_for_rows(sandbox):
    for _ in range(500):
        if all(one["status"] in ("completed", "error", "failed") for one in sandbox.generations()):
            return
        time.sleep(0.02)


#: Names of points at which something is written or sent.
TOUCHES = r"create|replace|move|http\(POST|http\.body"
UNSENT = [f"after folder.create({name}.json)" for name in ("000001", "intent", "000002")]


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("on", UNSENT)
def test_another_task_takes_over_at_once_where_the_payer_ended_before_it_sent(
    on, lane, mortal, song, music_sandbox, airflow, at_once
):
    dies(mortal, airflow, song(lane, where="a"), on=on)
    second = live(type(airflow)(run_id="next"), song(lane, where="b"))
    assert "reused" not in second
    retried = live(type(airflow)(run_id="dead", try_number=2), song(lane, where="a"))
    assert retried["reused"]["task"] == "dag / next / song"
    assert music_sandbox.posts() == 1


def test_a_payer_whose_claim_is_a_moment_old_is_waited_for(mortal, song, music_sandbox, airflow):
    dies(mortal, airflow, song(where="a"), on=UNSENT[0])
    with pytest.raises(GenerationTimeoutError, match="claimed, and not sent yet"):
        live(type(airflow)(run_id="next"), song(where="b", timeout=0.5))
    assert "reused" not in live(type(airflow)(run_id="dead", try_number=2), song(where="a"))
    assert music_sandbox.posts() == 1


def test_a_queued_song_whose_payer_is_gone_is_landed_by_the_waiter_and_paid_once(
    mortal, song, music_sandbox, airflow, at_once, monkeypatch
):
    dies(mortal, airflow, song(where="a"), on="after http(POST /v2/generate/audio)")
    wait_for_rows(music_sandbox)
    second = live(type(airflow)(run_id="next"), song(where="b"))
    assert second["generation_id"] == music_sandbox.generations()[0]["id"]
    assert second["reused"]["task"] == "dag / dead / song"
    assert "/b/" in second["audio_uri"]
    assert Path(second["audio_uri"].removeprefix("file://")).stat().st_size == second["audio"]["size_bytes"]
    assert second["usage"]["usd_spent"] == 0
    retried = live(type(airflow)(run_id="dead", try_number=2), song(where="a"))
    assert retried["generation_id"] == second["generation_id"]
    assert music_sandbox.posts() == 1


def test_an_accepted_song_that_its_payer_does_not_land_is_landed_by_the_waiter(
    song, music_sandbox, airflow, monkeypatch
):
    payer = song(where="a")
    with pytest.raises(TaskDeferred):
        payer.execute(type(airflow)(run_id="one").context(payer))
    monkeypatch.setattr(same_request, "_age", lambda _: 10_000.0)
    for lane_wait in (True, False):
        result = run(airflow, song(where=f"b-{lane_wait}", deferrable=lane_wait), f"two-{lane_wait}")
        assert (result["reused"]["task"], result["submissions"]) == ("dag / one / song", 0)
    assert music_sandbox.posts() == 1


def test_a_synchronous_song_that_is_paid_and_lost_is_on_unknown(mortal, song, music_sandbox, airflow, at_once):
    lane = "synchronous"
    dies(mortal, airflow, song(lane, where="a"), on="after http(POST /v2/generate/audio/minimax/generate)")
    wait_for_rows(music_sandbox)
    with pytest.raises(UnknownOutcomeError, match="is billed, and its song is lost"):
        live(type(airflow)(run_id="next"), song(lane, where="b"))
    assert music_sandbox.posts() == 1


def test_a_log_that_does_not_answer_lets_nobody_take_over(mortal, song, music_sandbox, airflow, at_once):
    dies(mortal, airflow, song(where="a"), on="after http(POST /v2/generate/audio)")
    music_sandbox.fault("logs:status=500,times=all")
    with pytest.raises(GenerationTimeoutError, match="nobody knows yet"):
        live(type(airflow)(run_id="next"), song(where="b", timeout=1))
    assert music_sandbox.posts() == 1


def test_what_has_no_row_is_waited_for_until_no_response_can_come(
    mortal, song, music_sandbox, airflow, at_once, monkeypatch
):
    monkeypatch.setattr(same_request, "NO_ROW_SECONDS", 3600.0)
    dies(mortal, airflow, song(where="a"), on="before http(POST /v2/generate/audio)")
    with pytest.raises(GenerationTimeoutError):
        live(type(airflow)(run_id="next"), song(where="b", timeout=1))
    monkeypatch.setattr(same_request, "NO_ROW_SECONDS", 0.0)
    assert "reused" not in live(type(airflow)(run_id="third"), song(where="c"))
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize("lane", list(LANES))
def test_a_payer_that_lives_after_another_took_over_sends_nothing_and_is_handed_its_song(
    lane, song, music_sandbox, airflow, monkeypatch, at_once
):
    """It is paused between its claim and its request for so long that it is taken for gone."""
    whole = SongRecord.claim
    other = []

    def paused(self, n, **values):
        made = whole(self, n, **values)
        if values["task"] == "dag / one / song" and not other:
            other.append(None)
            monkeypatch.setattr("airflow_provider_music.record.lease.LeaseWatch.writer_lives", lambda _: False)

            def take_over():
                let_this_thread_execute()
                return run(airflow, song(lane, where="b"), "two")

            with ThreadPoolExecutor(1) as pool:
                other[0] = pool.submit(take_over).result()
        return made

    monkeypatch.setattr(SongRecord, "claim", paused)
    first = run(airflow, song(lane, where="a"), "one")
    assert first["audio_uri"] == other[0]["audio_uri"]
    assert first["reused"]["task"] == "dag / two / song"
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize("lane", list(LANES))
def test_a_payer_that_ends_anywhere_costs_one_post_at_most_and_both_tasks_end(
    lane, mortal, song, music_sandbox, airflow, at_once, monkeypatch
):
    monkeypatch.setattr(same_request, "_age", lambda _: 10_000.0)
    life = mortal[0]
    live(type(airflow)(run_id="whole"), song(lane, where="whole"))
    ended = set()
    for at, where in enumerate(life.points):
        if not re.search(TOUCHES, where):
            # Nothing has changed since the point before.
            continue
        words = {"prompt": f"a calm song, {at}"} if lane == "queued" else {"lyrics": f"##we row {at} until the end##"}
        before = music_sandbox.posts()
        mortal[0] = Mortality(at=at)
        with contextlib.suppress(Died):
            live(type(airflow)(run_id=f"dead-{at}"), song(lane, where=f"a-{at}", **words))
        mortal[0] = Mortality()
        wait_for_rows(music_sandbox)
        outcomes = []
        for run_id, number, folder in ((f"next-{at}", 1, "b"), (f"dead-{at}", 2, "a")):
            try:
                fake = type(airflow)(run_id=run_id, try_number=number)
                result = live(fake, song(lane, where=f"{folder}-{at}", timeout=4, **words))
                assert Path(result["audio_uri"].removeprefix("file://")).is_file(), where
                outcomes.append("completed")
            except UnknownOutcomeError:
                outcomes.append("unknown")
        posts = music_sandbox.posts() - before
        assert posts <= 1, where
        assert outcomes[0] == "completed" or lane == "synchronous", where
        ended.add((posts, *outcomes))
    assert (1, "completed", "completed") in ended


# What is said of it


def test_the_manifest_and_the_event_say_that_it_was_reused_and_from_where(song, airflow, tmp_path):
    first = run(airflow, song(where="a"), "one")
    second = run(airflow, song(where="b"), "two")
    (path,) = (tmp_path / "b").rglob("*.provenance.json")
    manifest = json.loads(path.read_text())
    assert manifest["reused_from"] == second["reused"]
    assert manifest["airflow"]["run_id"] == "two"
    assert manifest["file"]["sha256"] == first["audio"]["sha256"]
    (original,) = (tmp_path / "a").rglob("*.provenance.json")
    assert "reused_from" not in json.loads(original.read_text())
    assert extra_of(second, None)["reused"] == second["reused"]
    assert "reused" not in extra_of(first, None)
    assert is_input(song(), second)
    assert not is_input(song(), first)


def test_what_was_handed_out_is_on_no_bill(song, music_sandbox, airflow, tmp_path):
    run(airflow, song(where="a"), "one")
    second = run(airflow, song(where="b"), "two")
    take = SongRecord(second["record_uri"].rpartition("/take-")[0]).latest()
    assert (take.is_reused, take.billing) == (True, "not_billed")
    now = datetime.now(UTC)
    span = Span(now - timedelta(hours=1), now + timedelta(hours=1))
    report = audit(AuditOptions(roots=(str(tmp_path / "a"), str(tmp_path / "b")), span=span))
    (line,) = report.lines
    assert (line.outcome, line.take["intent"]["task"]) == ("delivered", "dag / one / song")


def test_only_what_is_paid_is_taken_from_a_shared_budget(song, airflow, monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW__MUSIC__BUDGETS", "marketing = 0.2 USD/day")
    for number in range(3):
        run(airflow, song(where=f"songs-{number}", budget="marketing"), f"run-{number}")
    (url,) = (tmp_path / "records" / "_budgets").glob("*/*")
    assert (float(Ledger(str(url)).state().usd), dict(Ledger(str(url)).state().promised)) == (0.195, {})


def test_max_usd_is_no_matter_for_what_costs_nothing(song, airflow):
    run(airflow, song(where="a"), "one")
    assert run(airflow, song(where="b", max_usd=0), "two")["usage"]["usd_spent"] == 0


# Batches and decorators


def test_requests_of_a_batch_that_are_the_same_are_paid_once_and_so_are_those_of_the_next(
    music_sandbox, airflow, tmp_path
):
    def batch(where):
        words = ["one", "two", "one", "one"]
        requests = [{"model": "minimax/music-2.6", "prompt": f"a calm song, {word}"} for word in words]
        folder = str(tmp_path / where)
        fields = {"task_id": "songs", "requests": requests, "output_dir": folder, "poll_interval": 0.05, "timeout": 20}
        return GenerateMusicBatchOperator(**fields, reuse="identical")

    first = run(airflow, batch("a"), "one")
    assert (first["delivered"], music_sandbox.posts()) == (4, 2)
    assert first["usage"]["usd_spent"] == 0.39
    second = run(airflow, batch("b"), "two")
    assert (second["delivered"], music_sandbox.posts()) == (4, 2)
    assert second["usage"]["usd_spent"] == 0
    lines = Path(second["manifest_uri"].removeprefix("file://")).read_text().splitlines()
    assert all("reused" in json.loads(line) for line in lines)


def test_a_decorated_task_whose_function_is_not_called_again_is_handed_the_song(song, music_sandbox, airflow, tmp_path):
    payer = song(where="a")
    with pytest.raises(TaskDeferred) as paying:
        payer.execute(type(airflow)(run_id="one").context(payer))
    with DAG("decorated", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

        @task.music(
            model="minimax/music-2.6", output_dir=str(tmp_path / "b"), reuse="identical", poll_interval=0.05, timeout=20
        )
        def words():
            return LANES["queued"]["prompt"]

        waiter = words().operator
    runner = type(airflow)(run_id="two", skip_waits=False)
    with ThreadPoolExecutor(1) as pool:

        def pay():
            let_this_thread_execute()
            return type(airflow)(run_id="one", skip_waits=False).resume(payer, paying.value)

        first = pool.submit(pay)
        assert runner.run(waiter)["audio_uri"] == first.result()["audio_uri"]
    assert music_sandbox.posts() == 1


# What cannot be


def test_an_argument_that_cannot_be_fails_the_dag_file_at_parse(song):
    for bad in ({"reuse": "similar"}, {"reuse_age": 0}, {"reuse_age": "soon"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            song(**bad)
    with pytest.raises(ValueError, match="wait_for_completion"):
        song(wait_for_completion=False)
    with pytest.raises(ValueError, match="takes=2"):
        song(takes=2, quality="measure")


def test_a_chain_that_cannot_be_read_or_written_is_an_error_and_nothing_is_sent(
    song, music_sandbox, airflow, chain, monkeypatch
):
    run(airflow, song(where="a"), "one")
    event = Path(chain().url.removeprefix("file://")) / "000001.json"
    event.write_text("{")
    os.utime(event)
    with pytest.raises(RecordError, match=r"000001\.json"):
        run(airflow, song(where="b"), "two")
    shutil.rmtree(event.parent)
    whole = Folder.create

    def full(self, name, content):
        if "_reuse" in self.url:
            raise OSError(28, "No space left on device")
        return whole(self, name, content)

    monkeypatch.setattr(Folder, "create", full)
    with pytest.raises(RecordError, match="No space left"):
        run(airflow, song(where="c"), "three")
    assert music_sandbox.posts() == 1


def test_what_tasks_share_cannot_lie_on_one_machine_of_many(song, music_sandbox, airflow, monkeypatch, bucket):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with pytest.raises(StorageNotSharedError, match=r"\[music\] record_dir"):
        airflow.run(song(output_dir=f"{bucket.url}/songs"))
    monkeypatch.setenv("AIRFLOW__MUSIC__RECORD_DIR", f"{bucket.url}/records")
    first = run(airflow, song(output_dir=f"{bucket.url}/a"), "one")
    assert run(airflow, song(output_dir=f"{bucket.url}/b"), "two")["audio_uri"] == first["audio_uri"]
    assert music_sandbox.posts() == 1
