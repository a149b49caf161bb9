# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_music.api.endpoints import LogPage, LogRow
from airflow_provider_music.api.usage import Usage
from airflow_provider_music.exceptions import ApiUnreachableError
from airflow_provider_music.generation import usage_log
from airflow_provider_music.generation.usage_log import LoggedRequest, Reach, find_row

SILENT = Usage()
ASKED = datetime.now(UTC)
WANTED = LoggedRequest("request-1", ASKED, "generation-1")


@pytest.fixture(autouse=True)
def no_breaker_is_open(monkeypatch):
    monkeypatch.setattr(usage_log, "_open_until", 0.0)


def row(request=None, generation="other", status="succeeded", usd=0.2, used=400_000, created=None):
    return LogRow(status, request, generation, usd, used, (created or datetime.now(UTC)).isoformat())


class Log:
    """A client whose log has these pages; counts the calls."""

    def __init__(self, *pages, broken=None, slow=0.0, at=None):
        self.pages = pages
        self.at = at
        self.broken = broken
        self.slow = slow
        self.asked = []

    async def call(self, call):
        self.asked.append(dict(call.arguments["params"]))
        await asyncio.sleep(self.slow)
        if self.broken is not None:
            raise self.broken
        at = call.arguments["params"]["offset"] // 100
        return LogPage(tuple(self.pages[at]), at + 1 < len(self.pages), self.at)


def find(log, request=WANTED, **more):
    return asyncio.run(find_row(log, request, **more))


def fill(log, known=SILENT):
    return asyncio.run(usage_log.usage_from_log(log, WANTED, known))


def test_a_row_is_found_by_the_requests_own_id_on_any_page():
    pages = [[row()] * 100, [row(), row("request-1", usd=0.5)], [row("request-1")]]
    assert find(Log(*pages)).usd == 0.5


def test_a_row_is_found_by_its_generation_too():
    assert find(Log([row(generation="generation-1")]))
    assert find(Log([row(generation=None)]), LoggedRequest(None, ASKED)) is None


def test_pages_older_than_the_request_are_not_read():
    old = row(created=ASKED - timedelta(hours=1))
    log = Log([row()], [old], [row("request-1")])
    assert find(log) is None
    assert len(log.asked) == 2


def test_never_more_pages_are_read_than_allowed():
    log = Log(*[[row()]] * 9)
    assert find(log, max_pages=3) is None
    assert [asked["offset"] for asked in log.asked] == [0, 100, 200]


@pytest.mark.parametrize(
    ("age", "period"), [(timedelta(hours=1), "24h"), (timedelta(days=2), "7d"), (timedelta(days=20), "90d")]
)
def test_the_period_reaches_back_to_the_request(age, period):
    log = Log([])
    find(log, LoggedRequest("request-1", ASKED - age))
    assert log.asked[0]["period"] == period


def of_a_busy_account(ahead, newer=100):
    """A log whose clock is right, where the clock here is ahead: newer rows, the request's own, and older ones."""
    now = datetime.now(UTC) - ahead
    wanted = row("request-1", usd=0.5, created=now - timedelta(seconds=2))
    pages = [[row(created=now - timedelta(seconds=1))] * 100] * (newer // 100)
    return Log(
        *pages, [wanted, row(created=now - timedelta(minutes=1))], [row(created=now - timedelta(hours=2))], at=now
    )


@pytest.mark.parametrize("minutes", [-600, -60, -11, 0, 5, 10, 11, 60, 600])
def test_a_row_is_found_whatever_the_clock_here_says_behind_100_newer_rows(minutes):
    log = of_a_busy_account(timedelta(minutes=minutes))
    assert find(log, LoggedRequest("request-1", datetime.now(UTC) - timedelta(seconds=2))).usd == 0.5
    assert len(log.asked) == 2


def test_a_request_of_another_machine_whose_clock_is_ahead_is_found_at_every_search():
    request = LoggedRequest("request-1", datetime.now(UTC) + timedelta(minutes=30))
    reach = Reach(request.submitted_at)
    first = of_a_busy_account(timedelta())
    assert find(first, request, reach=reach).usd == 0.5
    # Half an hour later, by the API's clock.
    later = of_a_busy_account(timedelta())
    later.at += timedelta(minutes=30)
    assert find(later, request, reach=reach).usd == 0.5


def test_by_the_apis_clock_a_longer_period_may_be_needed():
    log = Log([row()], at=datetime.now(UTC) + timedelta(hours=30))
    find(log)
    assert [asked["period"] for asked in log.asked] == ["24h", "7d"]


def test_an_earlier_request_is_found_too_where_the_clock_here_is_ahead():
    ahead = timedelta(minutes=30)
    now = datetime.now(UTC) - ahead
    request_id = usage_log.new_request_id("0123abcd", 1, "f" * 64)
    log = Log([row(request_id, created=now - timedelta(seconds=2))], at=now)
    found = asyncio.run(usage_log.find_earlier(log, ["0123abcd"], datetime.now(UTC) - timedelta(minutes=1)))
    assert found["0123abcd"].n == 1


def test_a_former_runs_request_is_not_taken_where_the_clock_is_right():
    now = datetime.now(UTC)
    request_id = usage_log.new_request_id("0123abcd", 1, "f" * 64)
    log = Log([row(request_id, created=now - timedelta(minutes=30))], at=now - timedelta(seconds=30))
    assert asyncio.run(usage_log.find_earlier(log, ["0123abcd"], now - timedelta(minutes=5))) == {}


def test_a_log_without_a_date_is_read_as_far_as_the_clock_here_says():
    log = of_a_busy_account(timedelta(minutes=11))
    log.at = None
    assert find(log, LoggedRequest("request-1", datetime.now(UTC))) is None
    assert len(log.asked) == 1


def test_an_intent_without_an_id_of_its_own_is_no_error():
    intent = {"written_at": ASKED.isoformat()}
    assert LoggedRequest.of(intent, "generation-1") == LoggedRequest(None, ASKED, "generation-1")


def test_what_was_not_said_is_filled_and_what_was_said_stays():
    log = Log([row("request-1")])
    assert fill(log) == Usage(400_000, 0.2)
    assert fill(log, Usage(None, 0.1)) == Usage(400_000, 0.1)
    log.asked.clear()
    assert fill(log, Usage(1, 0.1)) == Usage(1, 0.1)
    assert log.asked == []


@pytest.mark.parametrize("rows", [[], [row("request-2")], [row("request-1", status="failed", usd=0, used=0)]])
def test_where_nobody_says_none_stays_none(rows):
    assert fill(Log(rows)) == SILENT


@pytest.mark.parametrize("error", [ApiUnreachableError("away"), ValueError("a bug")])
def test_a_log_that_breaks_is_no_error_and_opens_the_circuit_breaker_for_a_while(error, monkeypatch):
    log = Log(broken=error)
    assert fill(log) == SILENT
    assert fill(log) == SILENT
    assert len(log.asked) == 1
    monkeypatch.setattr(usage_log, "_open_until", 0.0)
    assert fill(log) == SILENT
    assert len(log.asked) == 2


def test_a_log_that_is_slow_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(usage_log, "_USAGE_SECONDS", 0.05)
    assert fill(Log([row("request-1")], slow=30)) == SILENT


@pytest.fixture(params=["queued", "synchronous"])
def silent_task(request, music_sandbox, output_dir):
    """A task of either lane whose answers say nothing about the cost."""
    from airflow_provider_music.operators.music import GenerateMusicOperator

    music_sandbox.settings(tell_usage=False, any_reference=True)
    fields = {
        "queued": {"model": "minimax/music-2.6", "prompt": "a calm song", "poll_interval": 0.05},
        "synchronous": {"model": "music-01", "lyrics": "##la##", "refer_voice": "vocal-2025082518145625-6XW9wCOF"},
    }[request.param]
    return lambda: GenerateMusicOperator(task_id="song", output_dir=str(output_dir), **fields)


COSTS = {
    "minimax/music-2.6": {"credits_used": 390_000, "usd_spent": 0.195},
    "music-01": {"credits_used": 140_000, "usd_spent": 0.07},
}


def test_a_song_whose_answers_are_silent_has_its_cost_from_the_log(music_sandbox, airflow, silent_task):
    music_sandbox.fill_log(120)
    result = airflow.run(silent_task())
    assert result["usage"] == COSTS[result["model"]]
    fact = json.loads(Path(result["record_uri"].removeprefix("file://")).read_text())
    assert fact["usage"] == COSTS[result["model"]]
    looks = music_sandbox.requests("logs")
    assert 1 <= looks <= 3
    airflow.retry()
    assert airflow.run(silent_task()) == result
    assert music_sandbox.requests("logs") == looks


@pytest.mark.parametrize("fault", ["logs:status=500,times=all", "logs:junk,times=all", "logs:hang=20,times=all"])
def test_a_log_that_does_not_say_leaves_none_and_fails_no_song(fault, music_sandbox, airflow, silent_task, monkeypatch):
    monkeypatch.setattr(usage_log, "_USAGE_SECONDS", 0.3)
    music_sandbox.fault(fault)
    result = airflow.run(silent_task())
    assert result["status"] == "completed"
    assert result["usage"] == {"credits_used": None, "usd_spent": None}


def test_a_row_that_comes_late_leaves_none(music_sandbox, airflow, silent_task):
    music_sandbox.settings(log_lag=60)
    assert airflow.run(silent_task())["usage"] == {"credits_used": None, "usd_spent": None}
    assert music_sandbox.requests("logs") == 1


def test_where_the_answers_say_it_the_log_is_not_asked(music_sandbox, airflow, silent_task):
    music_sandbox.settings(tell_usage=True)
    assert airflow.run(silent_task())["usage"]["usd_spent"] > 0
    assert music_sandbox.requests("logs") == 0
