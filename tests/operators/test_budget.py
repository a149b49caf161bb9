# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Shared budgets: what tasks that name one may spend together, whatever becomes of their processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider_music.api.budgets import period_of
from airflow_provider_music.compat import AirflowFailException, TaskDeferred
from airflow_provider_music.cost.ledger import Ledger
from airflow_provider_music.exceptions import (
    BudgetExceededError,
    BudgetSpentError,
    CredentialsError,
    GenerationFailedError,
    InvalidFolderError,
    InvalidRequestError,
    NoCreditsError,
    OutOfCreditsError,
    OutputError,
    StorageNotSharedError,
    UnknownBudgetError,
    UnknownOutcomeError,
)
from airflow_provider_music.generation import reserved_requests, runtime
from airflow_provider_music.generation.audit import AuditOptions, audit
from airflow_provider_music.generation.audit_report import document
from airflow_provider_music.generation.audit_span import Span
from airflow_provider_music.generation.submit import Submission
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.testing import TaskRunner
from tests.crash.dying import Died, Mortality, instrument
from tests.lanes import LANES

PRICE = Decimal("0.195")


@pytest.fixture(autouse=True)
def defined(monkeypatch, tmp_path, music_sandbox):
    """A budget for two queued songs a day, whose ledger is where no song is."""
    music_sandbox.settings(any_reference=True, song_seconds=1)
    monkeypatch.setattr("airflow_provider_music.cost.budget._PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("AIRFLOW__MUSIC__RECORD_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("AIRFLOW__MUSIC__BUDGETS", "marketing = 0.39 USD/day")


@pytest.fixture
def define(monkeypatch):
    return lambda text: monkeypatch.setenv("AIRFLOW__MUSIC__BUDGETS", text)


@pytest.fixture
def song(tmp_path):
    """Makes a task of one song; each output folder is its own."""

    def make(lane="queued", where="songs", budget="marketing", **more):
        folder = str(tmp_path / where)
        fields = {"task_id": "song", "output_dir": folder, "budget": budget, "poll_interval": 0.05, **LANES[lane]}
        return GenerateMusicOperator(**{**fields, **more})

    return make


@pytest.fixture
def batch(tmp_path):
    def make(count=3, **more):
        requests = [{"model": "minimax/music-2.6", "prompt": f"a calm song of the sea, {i}"} for i in range(count)]
        fields = {
            "task_id": "songs",
            "requests": requests,
            "output_dir": str(tmp_path / "batch"),
            "poll_interval": 0.05,
        }
        return GenerateMusicBatchOperator(**{**fields, **more})

    return make


@pytest.fixture
def ledger(tmp_path):
    """The ledger of a budget today."""

    def find(name="marketing", per="day"):
        (folder,) = (tmp_path / "records" / "_budgets").glob(f"{name}~*")
        return Ledger(str(folder / period_of(per, datetime.now(UTC))))

    return find


@pytest.fixture
def at_once(monkeypatch):
    """What others left behind is settled at once, and a request without a row is given up at once."""
    monkeypatch.setattr(reserved_requests, "UNUSED_SECONDS", 0.0)
    monkeypatch.setattr(reserved_requests, "NO_ROW_SECONDS", 0.0)


def run(airflow, task, run_id):
    """Run a task in a run of its own."""
    return type(airflow)(run_id=run_id, skip_waits=False).run(task)


# What is paid from it


@pytest.mark.parametrize("deferrable", [True, False])
def test_tasks_with_other_folders_share_one_budget_and_the_third_is_refused_unsent(
    deferrable, song, music_sandbox, airflow, ledger
):
    for number in range(2):
        result = run(airflow, song(where=f"songs-{number}", deferrable=deferrable), f"run-{number}")
        assert result["status"] == "completed"
    with pytest.raises(BudgetExceededError) as caught:
        run(airflow, song(where="songs-2", deferrable=deferrable), "run-2")
    for said in ("budget marketing", "of 0.39 USD a day", "0.390 USD are spent", "Nothing was sent", "00:00 UTC"):
        assert said in str(caught.value)
    assert isinstance(caught.value, AirflowFailException)
    assert music_sandbox.posts() == 2
    assert ledger().state().usd == 2 * PRICE
    assert ledger().state().promised == {}


def test_the_synchronous_lane_is_refused_before_it_defers_and_pays_from_the_same_budget(
    song, music_sandbox, airflow, define, ledger
):
    define("marketing = 0.265 USD/day")
    run(airflow, song("queued"), "one")
    run(airflow, song("synchronous"), "two")
    with pytest.raises(BudgetExceededError):
        airflow.run(song("synchronous"))
    assert airflow.deferrals == []
    assert music_sandbox.posts() == 2
    assert ledger().state().usd == Decimal("0.265")


def test_without_a_budget_nothing_is_reserved_and_no_price_is_requested(song, music_sandbox, airflow, tmp_path):
    run(airflow, song(budget=None), "one")
    assert music_sandbox.requests("models") == 0
    assert not (tmp_path / "records" / "_budgets").exists()


def test_an_audit_says_which_budget_paid(song, airflow, tmp_path):
    run(airflow, song(), "one")
    run(airflow, song(budget=None), "two")
    now = datetime.now(UTC)
    span = Span(now - timedelta(hours=1), now + timedelta(hours=1))
    report = document(audit(AuditOptions(roots=(str(tmp_path / "songs"),), span=span)))
    assert sorted((line["run_id"], line["budget"]) for line in report["lines"]) == [("one", "marketing"), ("two", None)]


def test_what_a_song_really_cost_is_what_counts(song, music_sandbox, airflow, ledger):
    dear = {"kind": "fixed", "units": [{"name": "generation", "price": 0.39, "per": 1}]}
    music_sandbox.settings(pricing={"minimax/music-2.6": dear})
    run(airflow, song(), "one")
    assert ledger().state().usd == PRICE
    music_sandbox.settings(pricing={})
    assert run(airflow, song(), "two")["status"] == "completed"


def test_where_nobody_says_what_a_song_cost_its_price_counts(song, music_sandbox, airflow, ledger):
    music_sandbox.settings(tell_usage=False)
    music_sandbox.fault("logs:status=500,times=all")
    run(airflow, song(), "one")
    assert ledger().state().usd == PRICE
    assert ledger().state().promised == {}


def test_a_request_that_the_api_refuses_gives_its_amount_back(song, music_sandbox, airflow, ledger):
    music_sandbox.fault("submit:status=400", "submit:status=500")
    for number in range(2):
        with pytest.raises(Exception, match="not billed"):
            run(airflow, song(), f"run-{number}")
    assert ledger().state().usd == 0
    assert music_sandbox.posts() == 2


def test_a_generation_that_ends_in_an_error_gives_its_amount_back(song, music_sandbox, airflow, ledger):
    music_sandbox.fault("submit:error")
    with pytest.raises(GenerationFailedError):
        run(airflow, song(), "one")
    assert ledger().state().usd == 0


def test_a_request_that_is_refused_for_the_rate_holds_one_amount_however_often_it_is_sent(
    song, music_sandbox, airflow, ledger, define, quick_clock
):
    define("marketing = 0.195 USD/day")
    music_sandbox.fault("submit:rate-limit=1,times=4")
    result = run(airflow, song(), "one")
    assert (result["status"], music_sandbox.posts()) == ("completed", 5)
    assert ledger().state().usd == PRICE


def test_a_lost_response_stays_reserved_and_a_retry_that_finds_the_song_pays_once(
    song, music_sandbox, airflow, ledger, quick_clock
):
    music_sandbox.settings(log_lag=1000)
    music_sandbox.fault("submit:cut-after")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song(timeout=5))
    assert ledger().state().usd == PRICE
    assert len(ledger().state().promised) == 1


def test_a_clear_after_delivery_is_a_new_take_and_a_new_amount(song, music_sandbox, airflow, ledger):
    airflow.run(song())
    airflow.retry()
    airflow.run(song())
    assert ledger().state().usd == PRICE, "a retry returns the song that is there"
    airflow.clear()
    airflow.run(song())
    airflow.clear()
    with pytest.raises(BudgetExceededError):
        airflow.run(song())
    assert (music_sandbox.posts(), ledger().state().usd) == (2, 2 * PRICE)


def test_a_song_that_is_paid_is_landed_whatever_the_budget_says_by_then(song, music_sandbox, airflow, define):
    task = song()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(airflow.context(task))
    define("marketing = 0 USD/day")
    airflow.retry()
    assert airflow.run(song())["status"] == "completed"
    assert music_sandbox.posts() == 1
    assert deferred.value.trigger.spec["budget"]["name"] == "marketing"


def test_a_new_day_has_a_budget_of_its_own(song, music_sandbox, airflow, define, monkeypatch):
    define("marketing = 0.195 USD/day")
    run(airflow, song(), "one")
    with pytest.raises(BudgetExceededError) as caught:
        run(airflow, song(), "two")
    assert 0 < caught.value.retry_after <= 86400
    whole = runtime.now
    monkeypatch.setattr(runtime, "now", lambda: whole() + 86400)
    assert run(airflow, song(), "three")["status"] == "completed"


def test_a_task_with_a_retry_policy_leaves_the_wait_for_the_next_period_to_it(song, airflow, define):
    define("marketing = 0 USD/day")
    task = song()
    task.retry_policy = "a policy"
    with pytest.raises(BudgetSpentError) as caught:
        airflow.run(task)
    assert type(caught.value) is BudgetSpentError
    assert 0 < caught.value.retry_after <= 86400


@pytest.mark.parametrize("block", [None, {"kind": "variable"}])
def test_a_price_that_is_not_known_reserves_nothing_and_is_refused_unless_that_is_allowed(
    block, song, music_sandbox, airflow, ledger
):
    music_sandbox.settings(pricing={"minimax/music-2.6": block})
    with pytest.raises(BudgetExceededError, match="is not known"):
        airflow.run(song())
    assert music_sandbox.posts() == 0
    run(airflow, song(on_unknown_price="allow"), "two")
    assert ledger().state().usd == PRICE, "what it cost counts from then on"


# Where it is defined


def test_an_unknown_name_is_refused_before_anything_is_sent_with_the_nearest_one(song, batch, music_sandbox, airflow):
    for task in (song(budget="marketting"), batch(budget="marketting")):
        with pytest.raises(UnknownBudgetError, match=r"'marketting' is defined; did you mean marketing\?"):
            airflow.run(task)
    with pytest.raises(UnknownBudgetError, match="defined are: marketing"):
        airflow.run(song(budget="x"))
    assert music_sandbox.posts() == 0


def test_a_name_from_a_template_is_rendered_and_an_empty_one_refused(song, batch):
    assert "budget" in song().template_fields
    assert "budget" in batch().template_fields
    runner = TaskRunner("run", more_context={"team": "marketing", "nobody": None})
    assert runner.run(song(budget="{{ team }}"))["status"] == "completed"
    runner.clear()
    with pytest.raises(InvalidRequestError, match="budget"):
        runner.run(song(budget="{{ nobody }}"))


def test_a_definition_in_the_connection_goes_before_that_of_the_configuration(song, airflow, monkeypatch):
    given = json.loads(_connection(monkeypatch))
    given["extra"] = {"budgets": {"marketing": {"usd": 0.1, "per": "month"}}}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(given))
    with pytest.raises(BudgetExceededError, match=r"of 0\.1 USD a month"):
        airflow.run(song())


def test_a_connection_whose_budgets_cannot_be_read_is_refused_by_name(song, airflow, monkeypatch):
    given = json.loads(_connection(monkeypatch))
    given["extra"] = {"budgets": "marketing: 10"}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(given))
    with pytest.raises(CredentialsError, match="its extra budgets"):
        airflow.run(song())


def test_a_definition_that_cannot_be_read_is_named_only_where_it_is_needed(song, airflow, define):
    define("marketing = 0.39 USD/day; film = lots")
    assert run(airflow, song(), "one")["status"] == "completed"
    with pytest.raises(UnknownBudgetError, match="film: 'lots'"):
        airflow.run(song(budget="film"))


def test_a_ledger_lies_where_its_definition_says(song, airflow, define, tmp_path):
    define(json.dumps({"marketing": {"usd": 1, "per": "day", "dir": str(tmp_path / "money")}}))
    run(airflow, song(), "one")
    assert len(list((tmp_path / "money").rglob("000001.settled.json"))) == 1
    assert not (tmp_path / "records" / "_budgets").exists()


def test_a_ledger_on_one_machine_of_many_is_refused(song, music_sandbox, airflow, monkeypatch, define, bucket):
    define("marketing = 10 USD/day")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    url = f"{bucket.url}/songs"
    with pytest.raises(StorageNotSharedError, match=r"\[music\] record_dir"):
        airflow.run(song(output_dir=url))
    define(json.dumps({"marketing": {"usd": 1, "per": "day", "dir": "money"}}))
    with pytest.raises(InvalidFolderError, match="dir of the budget marketing"):
        airflow.run(song(output_dir=url))
    assert music_sandbox.posts() == 0
    define(json.dumps({"marketing": {"usd": 1, "per": "day", "dir": f"{bucket.url}/money"}}))
    assert airflow.run(song(output_dir=url))["status"] == "completed"


def test_a_ledger_that_cannot_be_read_is_an_error_and_nothing_is_sent(song, music_sandbox, airflow, ledger):
    run(airflow, song(), "one")
    (entry,) = Path(ledger().url.removeprefix("file://")).rglob("000001.json")
    entry.write_text("{")
    with pytest.raises(OutputError, match=r"000001\.json"):
        run(airflow, song(), "two")
    assert music_sandbox.posts() == 1


def test_the_dollars_of_another_api_are_another_budget(song, airflow, tmp_path, monkeypatch):
    run(airflow, song(), "one")
    names = [path.name for path in (tmp_path / "records" / "_budgets").iterdir()]
    assert len(names) == 1
    assert names[0].startswith("marketing~")


def _connection(monkeypatch):
    from airflow_provider_music.compat import BaseHook

    conn = BaseHook.get_connection("music_default")
    host = conn.host if "://" in conn.host else f"{conn.schema or 'http'}://{conn.host}:{conn.port}"
    return json.dumps({"conn_type": "music", "host": host, "password": conn.password})


# Batches


def test_a_batch_that_does_not_fit_is_refused_whole(batch, music_sandbox, airflow, ledger, tmp_path):
    with pytest.raises(BudgetExceededError, match=r"would take up to 0\.585 USD"):
        airflow.run(batch(budget="marketing"))
    assert music_sandbox.posts() == 0
    assert list((tmp_path / "records").rglob("*.json")) == []
    assert airflow.run(batch(2, budget="marketing"))["delivered"] == 2
    assert ledger().state().usd == 2 * PRICE
    assert ledger().state().promised == {}


def test_a_batch_whose_budget_others_take_meanwhile_lands_what_is_paid_and_says_so(
    batch, song, music_sandbox, airflow, ledger, define
):
    define("marketing = 0.585 USD/day")
    task = batch(3, budget="marketing", max_in_flight=1)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(airflow.context(task))
    run(airflow, song(), "another")
    with pytest.raises(BudgetExceededError, match=r"2 completed, 1 not submitted") as caught:
        airflow.resume(task, deferred.value)
    assert music_sandbox.posts() == 3
    assert ledger().state().usd == 3 * PRICE
    assert "Nothing was sent" in str(caught.value)
    define("marketing = 0.78 USD/day")
    airflow.clear()
    assert airflow.run(batch(3, budget="marketing"))["delivered"] == 3
    assert music_sandbox.posts() == 4


def test_a_batch_with_songs_that_are_paid_lands_them_and_then_says_that_it_does_not_fit(
    batch, music_sandbox, airflow, define
):
    define("marketing = 0.585 USD/day")
    music_sandbox.fault("submit:status=400,skip=2")
    with pytest.raises(Exception, match="1 failed"):
        airflow.run(batch(3, budget="marketing", max_in_flight=1))
    define("marketing = 0.39 USD/day")
    airflow.retry()
    with pytest.raises(BudgetExceededError):
        airflow.run(batch(3, budget="marketing"))
    assert music_sandbox.posts() == 3


def test_each_of_several_takes_is_paid_from_the_budget(song, music_sandbox, airflow, ledger, define):
    pytest.importorskip("av")
    with pytest.raises(BudgetExceededError, match=r"would take up to 0\.585 USD"):
        airflow.run(song(takes=3))
    assert music_sandbox.posts() == 0
    assert airflow.run(song(takes=2))["takes"]["completed"] == 2
    assert (music_sandbox.posts(), ledger().state().usd, dict(ledger().state().promised)) == (2, 2 * PRICE, {})
    assert music_sandbox.requests("billing") == 0


def test_the_best_of_the_takes_that_a_budget_still_paid_is_delivered(song, music_sandbox, airflow, ledger, define):
    pytest.importorskip("av")
    task = song(takes=2, where="takes", prompt="a calm song, one of two")
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(airflow.context(task))
    run(airflow, song(where="another"), "another")
    assert airflow.resume(task, deferred.value)["takes"]["completed"] == 1
    assert (music_sandbox.posts(), ledger().state().usd) == (2, 2 * PRICE)


def test_an_account_that_cannot_pay_a_batch_is_found_out_before_the_first_request(batch, music_sandbox, airflow):
    music_sandbox.settings(balance=0.5)
    with pytest.raises(OutOfCreditsError) as caught:
        airflow.run(batch(3))
    for said in ("holds 0.50 USD", "3 songs", "0.585 USD", "Nothing was sent", "check_balance=False"):
        assert said in str(caught.value)
    assert music_sandbox.posts() == 0
    music_sandbox.settings(balance=0.585)
    assert airflow.run(batch(3))["delivered"] == 3


def test_an_account_is_asked_once_a_try_and_not_where_nothing_is_to_be_submitted(batch, music_sandbox, airflow):
    airflow.run(batch(3))
    assert (music_sandbox.requests("billing"), music_sandbox.requests("models")) == (1, 1)
    airflow.retry()
    airflow.run(batch(3))
    assert music_sandbox.requests("billing") == 1


@pytest.mark.parametrize("fault", ["billing:status=500,times=all", "billing:junk,times=all", "models:junk,times=all"])
def test_a_balance_or_a_price_that_nobody_tells_stops_no_batch(fault, batch, music_sandbox, airflow):
    music_sandbox.settings(balance=0.585)
    music_sandbox.fault(fault)
    assert airflow.run(batch(3))["delivered"] == 3


def test_an_account_that_cannot_pay_a_batch_is_left_to_its_retry_policy(batch, music_sandbox, airflow):
    music_sandbox.settings(balance=0.5)
    task = batch(3)
    task.retry_policy = "a policy"
    with pytest.raises(NoCreditsError) as caught:
        airflow.run(task)
    assert type(caught.value) is NoCreditsError
    assert music_sandbox.posts() == 0


def test_a_batch_that_does_not_want_it_submits_as_many_as_the_account_pays_for(batch, music_sandbox, airflow):
    music_sandbox.settings(balance=0.5)
    with pytest.raises(Exception, match="2 completed"):
        airflow.run(batch(3, check_balance=False, max_in_flight=1))
    assert music_sandbox.requests("billing") == 0


# Processes that end


@pytest.fixture
def mortal(monkeypatch):
    """The life that is being lived; the tests replace it."""
    current = [Mortality()]
    instrument(monkeypatch, lambda: current[0])
    return current


def live(fake, task):
    """Run a try, its trigger included, until it ends or its process does."""
    try:
        return task.execute(fake.context(task))
    except TaskDeferred as deferred:
        event = asyncio.run(fake.fire(deferred.trigger))
        return task.execute_complete(fake.context(task), event)


#: Names of points at which something is written or sent.
TOUCHES = r"create|replace|move|http\(POST|http\.body"


@pytest.mark.parametrize("lane", list(LANES))
def test_a_process_that_ends_anywhere_leaves_its_song_a_budget_and_pays_once(
    lane, mortal, music_sandbox, airflow, song, define, tmp_path, at_once
):
    """The budget is for this one song: what a dead try reserved must not keep the next one from it."""
    usd = {"queued": PRICE, "synchronous": Decimal("0.07")}[lane]
    life = mortal[0]

    def task(where):
        money = {"usd": float(usd), "per": "day", "dir": str(tmp_path / f"money-{where}")}
        define(json.dumps({"marketing": money}))
        return song(lane, where=f"songs-{where}", timeout=2.5)

    live(type(airflow)(run_id="whole"), task("whole"))
    ended = {}
    for at, where in enumerate(life.points):
        if not re.search(TOUCHES, where):
            # Nothing has changed since the point before.
            continue
        fake, before = type(airflow)(run_id=f"run-{at}"), music_sandbox.posts()
        mortal[0] = Mortality(at=at)
        with contextlib.suppress(Died):
            # A life may have fewer polls than the one before.
            live(fake, task(at))
        outcome = None
        for _ in range(3):
            mortal[0] = Mortality()
            fake.retry()
            try:
                outcome = live(fake, task(at))["status"]
                break
            except UnknownOutcomeError:
                outcome = "unknown"
                break
        posts = music_sandbox.posts() - before
        assert posts <= 1, where
        assert outcome == "completed" or not (posts and lane == "queued"), where
        (folder,) = (tmp_path / f"money-{at}").glob("_budgets/*/*")
        state = Ledger(str(folder)).state()
        assert state.usd <= usd, where
        assert outcome != "completed" or (state.usd, dict(state.promised)) == (usd, {}), where
        ended.setdefault((outcome, posts), []).append(at)
    assert ("completed", 1) in ended


#: Where a first task's process ends, what the second task may spend, and what it finds.
UNSENT = [
    "after folder.create(000001.json)",
    "after folder.create(intent.json)",
    "after folder.create(000001.used.json)",
]


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("on", UNSENT)
def test_what_a_process_reserved_that_ended_before_it_sent_is_given_back(
    on, lane, mortal, music_sandbox, airflow, song, define, ledger, at_once
):
    usd = {"queued": "0.195", "synchronous": "0.07"}[lane]
    define(f"marketing = {usd} USD/day")
    mortal[0] = Mortality(on=on)
    with pytest.raises(Died):
        live(type(airflow)(run_id="dead"), song(lane, where="dead"))
    mortal[0] = Mortality()
    assert live(type(airflow)(run_id="next"), song(lane, where="next"))["status"] == "completed"
    assert (music_sandbox.posts(), ledger().state().usd) == (1, Decimal(usd))

    # The first one's retry neither sends what it had no right to any more, nor more than the budget has.
    fake = type(airflow)(run_id="dead", try_number=2)
    with pytest.raises(BudgetExceededError):
        live(fake, song(lane, where="dead"))
    assert music_sandbox.posts() == 1


def test_what_was_reserved_a_moment_ago_is_left_to_its_process(mortal, music_sandbox, airflow, song, define, ledger):
    define("marketing = 0.195 USD/day")
    mortal[0] = Mortality(on=UNSENT[0])
    with pytest.raises(Died):
        live(type(airflow)(run_id="dead"), song(where="dead"))
    mortal[0] = Mortality()
    with pytest.raises(BudgetExceededError, match=r"0\.195 USD are spent or reserved"):
        live(type(airflow)(run_id="next"), song(where="next"))
    assert music_sandbox.posts() == 0
    # Its own retry has it.
    assert live(type(airflow)(run_id="dead", try_number=2), song(where="dead"))["status"] == "completed"
    assert ledger().state().usd == PRICE


def sent_and_gone(mortal, airflow, song, lane="queued"):
    """A task whose process ends right behind its POST, and which nobody retries."""
    path = {"queued": "/v2/generate/audio", "synchronous": "/v2/generate/audio/minimax/generate"}[lane]
    mortal[0] = Mortality(on=f"after http(POST {path})")
    with pytest.raises(Died):
        live(type(airflow)(run_id="dead"), song(lane, where="dead"))
    mortal[0] = Mortality()


@pytest.mark.parametrize("lane", list(LANES))
def test_what_a_process_sent_and_did_not_settle_is_settled_by_the_usage_log(
    lane, mortal, music_sandbox, airflow, song, define, ledger, at_once
):
    define("marketing = 0.2 USD/day")
    sent_and_gone(mortal, airflow, song, lane)
    _wait_for_rows(music_sandbox)
    with pytest.raises(BudgetExceededError):
        live(type(airflow)(run_id="next"), song(where="next"))
    assert ledger().state().promised == {}, "settled, and not only reserved"
    assert ledger().state().usd == {"queued": PRICE, "synchronous": Decimal("0.07")}[lane]
    assert music_sandbox.posts() == 1


def test_what_failed_by_the_usage_log_is_given_back(mortal, music_sandbox, airflow, song, define, ledger, at_once):
    define("marketing = 0.195 USD/day")
    music_sandbox.fault("submit:error")
    sent_and_gone(mortal, airflow, song)
    _wait_for_rows(music_sandbox)
    assert live(type(airflow)(run_id="next"), song(where="next"))["status"] == "completed"
    assert ledger().state().usd == PRICE


def test_what_has_no_row_long_after_it_was_sent_is_given_back(
    mortal, music_sandbox, airflow, song, define, ledger, at_once
):
    define("marketing = 0.195 USD/day")
    mortal[0] = Mortality(on="before http(POST /v2/generate/audio)")
    with pytest.raises(Died):
        live(type(airflow)(run_id="dead"), song(where="dead"))
    mortal[0] = Mortality()
    assert live(type(airflow)(run_id="next"), song(where="next"))["status"] == "completed"
    assert music_sandbox.posts() == 1


def test_what_has_no_row_yet_stays_reserved(mortal, music_sandbox, airflow, song, define, ledger, monkeypatch):
    monkeypatch.setattr(reserved_requests, "UNUSED_SECONDS", 0.0)
    define("marketing = 0.195 USD/day")
    music_sandbox.settings(log_lag=1000)
    sent_and_gone(mortal, airflow, song)
    with pytest.raises(BudgetExceededError):
        live(type(airflow)(run_id="next"), song(where="next"))
    assert len(ledger().state().promised) == 1


def test_a_log_that_does_not_answer_gives_nothing_back(mortal, music_sandbox, airflow, song, define, ledger, at_once):
    define("marketing = 0.195 USD/day")
    sent_and_gone(mortal, airflow, song)
    music_sandbox.fault("logs:status=500,times=all")
    with pytest.raises(BudgetExceededError):
        live(type(airflow)(run_id="next"), song(where="next"))
    assert len(ledger().state().promised) == 1


def test_another_accounts_log_says_nothing_of_a_reservation(
    mortal, music_sandbox, airflow, song, define, ledger, at_once, monkeypatch
):
    define("marketing = 0.195 USD/day")
    music_sandbox.settings(log_lag=1000)
    sent_and_gone(mortal, airflow, song)
    given = json.loads(_connection(monkeypatch)) | {"password": "another-key"}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(given))
    with pytest.raises(BudgetExceededError):
        live(type(airflow)(run_id="next"), song(where="next"))
    assert len(ledger().state().promised) == 1


def test_a_process_that_lives_after_its_reservation_was_taken_back_sends_nothing_with_it(
    music_sandbox, airflow, song, define, ledger, monkeypatch
):
    """It is paused between reservation and POST for so long that others take it for gone."""
    define("marketing = 0.195 USD/day")
    whole = Submission._claim

    async def paused(self):
        taken = Ledger(self._spec.budget["ledger"])
        if self._spec.n == 1:
            assert taken.use(1, abandoned=True)
            assert taken.settle(1, Decimal(0), "taken for gone")
            assert taken.reserve("another-1", PRICE, PRICE) == 2
        return await whole(self)

    monkeypatch.setattr(Submission, "_claim", paused)
    with pytest.raises(BudgetExceededError):
        run(airflow, song(), "one")
    assert music_sandbox.posts() == 0
    assert ledger().state().usd == PRICE


def _wait_for_rows(sandbox):
    for _ in range(500):
        if all(one["status"] in ("completed", "error", "failed") for one in sandbox.generations()):
            return
        time.sleep(0.02)
