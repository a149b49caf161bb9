# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_music import compat, exceptions
from airflow_provider_music.compat import AIRFLOW, AirflowFailException, AirflowOptionalProviderFeatureException
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    BudgetExceededError,
    BudgetSpentError,
    GenerationTimeoutError,
    HopelessBatchError,
    NoCreditsError,
    OutOfCreditsError,
    PartialBatchError,
    RateLimitedError,
    ServerFailureError,
)
from airflow_provider_music.policies import retry
from airflow_provider_music.policies.retry import MusicRetryPolicy

HAS_RESCHEDULE = AIRFLOW >= (3, 4, 0)


@dataclass
class Decision:
    """Airflow 3.4's RetryDecision, on an older one."""

    action: str = "default"
    retry_delay: timedelta | None = None
    max_reschedules: int | None = None
    reschedule_timeout: timedelta | None = None
    reason: str | None = None

    @classmethod
    def default(cls):
        return cls()

    @classmethod
    def reschedule(cls, delay, **more: Any):
        if more["max_reschedules"] is None and more["reschedule_timeout"] is None:
            raise ValueError("RESCHEDULE needs max_reschedules, reschedule_timeout, or both.")
        return cls("reschedule", delay, **more)


@pytest.fixture(autouse=True)
def newest(monkeypatch):
    """The tests of the package run on final versions; tests/cluster/test_matrix.py has the real one."""
    if not HAS_RESCHEDULE:
        monkeypatch.setattr(retry, "AIRFLOW", (3, 4, 0))
        monkeypatch.setattr(compat, "RetryDecision", Decision, raising=False)


def decided(error, **more):
    decision = MusicRetryPolicy(**more).evaluate(error, try_number=1, max_tries=2)
    action = getattr(decision.action, "value", decision.action)
    return action, decision.retry_delay, decision.max_reschedules, decision.reschedule_timeout


@pytest.mark.parametrize(
    "error",
    [
        NoCreditsError("the account is empty"),
        RateLimitedError("slow down", status=429),
        PartialBatchError("two songs are missing", only_waits=True),
        BudgetSpentError("the budget is spent"),
    ],
)
def test_what_a_top_up_or_time_mends_is_put_off_within_a_day(error):
    assert decided(error) == ("reschedule", timedelta(minutes=15), None, timedelta(days=1))


@pytest.mark.parametrize(
    "error",
    [
        ServerFailureError("broken"),
        ApiUnreachableError("away"),
        GenerationTimeoutError("late"),
        PartialBatchError("one song is under way"),
        ValueError("somebody else's"),
        KeyboardInterrupt(),
    ],
)
def test_every_other_error_is_left_to_airflow(error):
    assert decided(error) == ("default", None, None, None)


def test_its_times_and_bounds_are_the_dag_authors():
    chosen = {"delay": timedelta(hours=1), "reschedule_timeout": None, "max_reschedules": 5}
    assert decided(NoCreditsError("empty"), **chosen) == ("reschedule", timedelta(hours=1), 5, None)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (None, timedelta(minutes=15)),
        (3.0, timedelta(minutes=15)),
        (7200.0, timedelta(hours=2)),
        (1e12, timedelta(days=1)),
        (-5.0, timedelta(minutes=15)),
    ],
)
def test_it_waits_as_long_as_the_api_asks_but_no_longer_than_a_day(asked, waits):
    assert decided(RateLimitedError("slow down", retry_after=asked))[1] == waits


def test_a_shared_budget_is_waited_for_until_its_period_ends():
    assert decided(BudgetSpentError("no room", retry_after=36_000.0))[1] == timedelta(hours=10)


@pytest.mark.parametrize("delay", [timedelta(), timedelta(seconds=14.9), timedelta(seconds=-1), 900])
def test_a_delay_that_cannot_be_is_refused_when_the_dag_is_parsed(delay):
    with pytest.raises(ValueError, match=r"^delay: .*give a timedelta of 15 s or more"):
        MusicRetryPolicy(delay=delay)


def test_a_policy_without_a_bound_is_refused_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="max_reschedules"):
        MusicRetryPolicy(reschedule_timeout=None)


def test_its_settings_are_json_and_back():
    policy = MusicRetryPolicy(delay=timedelta(minutes=2), max_reschedules=4)
    data = json.loads(json.dumps(policy.serialize()))
    assert vars(MusicRetryPolicy.deserialize(data)) == vars(policy)


@pytest.mark.parametrize("airflow", [(2, 11, 2), (3, 2, 2), (3, 3, 2)])
def test_an_airflow_that_cannot_put_a_task_off_is_refused_by_name(monkeypatch, airflow):
    monkeypatch.setattr(retry, "AIRFLOW", airflow)
    version = ".".join(map(str, airflow))
    with pytest.raises(AirflowOptionalProviderFeatureException, match=f"needs Airflow 3.4; this is Airflow {version}"):
        MusicRetryPolicy()


def test_only_what_is_not_billed_has_a_form_that_a_policy_is_asked_about():
    found = {name: each for name, each in vars(exceptions).items() if hasattr(each, "for_policy")}
    assert set(found) == {"OutOfCreditsError", "BudgetExceededError", "HopelessBatchError"}

    error = OutOfCreditsError("empty", status=403, code=1008, request_id="r", retry_after=4.0).for_policy()
    assert type(error) is NoCreditsError
    assert vars(error) == {"status": 403, "code": 1008, "request_id": "r", "retry_after": 4.0}
    assert str(error) == "empty"
    assert not isinstance(error, AirflowFailException)

    spent = BudgetExceededError("no room", retry_after=7200.0).for_policy()
    assert (type(spent), spent.retry_after, str(spent)) == (BudgetSpentError, 7200.0, "no room")
    assert not isinstance(spent, AirflowFailException)

    waits = HopelessBatchError("none came", only_waits=True).for_policy()
    assert (type(waits), waits.only_waits, str(waits)) == (PartialBatchError, True, "none came")
    hopeless = HopelessBatchError("none came")
    assert hopeless.for_policy() is hopeless
