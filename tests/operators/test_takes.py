# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Several songs of one request: each paid once, the best delivered, the others kept."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_music.compat import DAG, TaskDeferred, task
from airflow_provider_music.exceptions import (
    ChangedRequestError,
    HopelessBatchError,
    InvalidRequestError,
    OverBudgetError,
    PartialBatchError,
    QualityError,
)
from airflow_provider_music.generation import batch_plan, quality
from airflow_provider_music.generation import takes as module
from airflow_provider_music.generation.result import RESULT_KEYS
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.testing import run_task
from tests.lanes import LANES, ROUTES

#: What the sandbox's songs keep, until a test says how loud each is.
LIMITS = {"min_loudness_lufs": -20, "min_channels": None, "max_silence_ratio": None, "max_longest_silence_s": None}
PRICE = 0.195


@pytest.fixture(autouse=True)
def any_reference(music_sandbox):
    pytest.importorskip("av", reason="the extra quality is not installed")
    music_sandbox.settings(any_reference=True, song_seconds=1)


@pytest.fixture
def takes(song):
    """Makes a task of three songs of one request."""

    def make(lane="queued", **more):
        return song(lane, **{"takes": 3, "quality": "fail", "quality_limits": LIMITS, **more})

    return make


@pytest.fixture
def loudness(monkeypatch):
    """Says how loud the songs are, by their place, or some figures of each: ``loudness(-23, {"channels": 2}, -30)``."""
    said = []
    judged = quality._figures

    def figures(folder, song, take):
        found, is_new = judged(folder, song, take)
        places = [int(part.removeprefix("song-")) for part in folder.url.split("/") if part.startswith("song-")]
        place = places[0] if places else 0
        of_this = said[place] if said else {}
        return {**found, **(of_this if isinstance(of_this, dict) else {"loudness_lufs": of_this})}, is_new

    monkeypatch.setattr(quality, "_figures", figures)
    return lambda *values: said.__setitem__(slice(None), values)


@pytest.fixture
def counted(monkeypatch):
    seen = []
    monkeypatch.setattr(quality.metrics, "_count", lambda name, model, **tags: seen.append((name, *tags.values())))
    return seen


def manifest(result):
    path = Path(result["takes"]["manifest_uri"].removeprefix("file://"))
    return [json.loads(line) for line in path.read_text().splitlines()]


def facts(output_dir, name):
    return sorted(output_dir.rglob(f"{name}.json"))


# The result


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
@pytest.mark.parametrize("lane", list(LANES))
def test_the_best_of_three_is_delivered_in_the_shape_of_one_song(
    lane, deferrable, takes, loudness, music_sandbox, airflow, output_dir
):
    loudness(-23, -14, -30)
    result = airflow.run(takes(lane, deferrable=deferrable))

    assert list(result) == [*RESULT_KEYS, "takes"]
    assert "/song-1/take-1/song." in result["audio_uri"]
    assert result["record_uri"].endswith("/song-1/take-1/completed.json")
    assert result["audio"]["quality"]["loudness_lufs"] == -14
    told = result["takes"]
    assert {name: told[name] for name in ("requested", "completed", "passed", "chosen")} == {
        "requested": 3,
        "completed": 3,
        "passed": 1,
        "chosen": 1,
    }
    assert list(told["others"]) == ["2", "0"] or list(told["others"]) == ["0", "2"]
    assert (music_sandbox.posts(), music_sandbox.posts(ROUTES[lane])) == (3, 3)
    assert len(list(output_dir.rglob("song.mp3"))) == 3
    assert len(airflow.deferrals) == deferrable


def test_usage_and_submissions_are_those_of_all_takes(takes, music_sandbox, airflow):
    result = airflow.run(takes())
    assert result["usage"] == {"credits_used": 3 * 390000, "usd_spent": 3 * PRICE}
    assert result["submissions"] == 3


def test_xcom_says_which_was_chosen_and_where_the_others_are_in_under_a_kilobyte(takes, loudness, airflow):
    loudness(-14, -30, -30)
    result = airflow.run(takes())

    assert len(json.dumps(result["takes"])) < 1000
    lines = manifest(result)
    assert [line["generation_id"] for line in lines[1:]] == [result["takes"]["others"][place] for place in "12"]
    assert [line["chosen"] for line in lines] == [True, False, False]
    assert [line["status"] for line in lines] == ["completed", "rejected", "rejected"]
    assert [bool(line["broken"]) for line in lines] == [False, True, True]
    for line in lines:
        assert Path(line["audio_uri"].removeprefix("file://")).is_file()


def test_what_airflow_keeps_while_it_waits_holds_no_words(takes, airflow):
    airflow.run(takes())
    assert "calm song" not in json.dumps([airflow.deferrals, airflow.events])
    assert len(json.dumps([airflow.deferrals, airflow.events])) < 1500


def test_one_take_is_the_path_of_before(song, music_sandbox, airflow, output_dir):
    result = airflow.run(song(takes=1, keep="best"))
    assert list(result) == list(RESULT_KEYS)
    assert not list(output_dir.rglob("song-0"))
    assert music_sandbox.posts() == 1
    assert airflow.deferrals[0][0].endswith("MusicGenerationTrigger")


def test_takes_are_measured_though_quality_is_not_given(song, airflow):
    assert airflow.run(song(takes=2))["audio"]["quality"]["channels"] == 1


# What is best


@pytest.mark.parametrize("policy", ["measure", "warn"])
@pytest.mark.parametrize(
    ("values", "best"),
    [
        ((-30, -23, -14), 2),  # the one that passes
        ((-30, -23, -25), 1),  # the nearest
        ((-14, -15, -10), 0),  # of equals the first
        ((None, -40, None), 1),  # silent is worse than quiet
    ],
)
def test_without_fail_the_best_is_delivered_though_none_may_pass(
    values, best, policy, takes, loudness, music_sandbox, airflow
):
    loudness(*values)
    assert airflow.run(takes(quality=policy))["takes"]["chosen"] == best
    assert music_sandbox.posts() == 3


def test_fewer_broken_limits_are_better_than_smaller_ones(takes, loudness, airflow):
    little = {"loudness_lufs": -20.1, "leading_silence_s": 3.1}
    loudness(little, -28, little)
    result = airflow.run(takes(quality="warn"))
    assert [len(line["broken"]) for line in manifest(result)] == [2, 1, 2]
    assert result["takes"]["chosen"] == 1


# None passes


def test_none_passes_names_the_nearest_and_no_retry_pays_again(
    takes, loudness, music_sandbox, airflow, output_dir, counted
):
    loudness(-30, -23, -28)
    for _ in range(3):
        with pytest.raises(QualityError, match=r"None of 3 songs(.|\n)*nearest is song-1, .*loudness_lufs is -23") as e:
            airflow.run(takes())
        airflow.retry()

    assert "/song-1/take-1/song.mp3" in str(e.value)
    assert music_sandbox.posts() == 3
    assert len(facts(output_dir, "rejected")) == 3
    assert facts(output_dir, "delivered") == []
    assert Counter(counted) == {
        ("music.quality_failed",): 3,
        ("music.submissions",): 3,
        ("music.generations", "rejected"): 3,
    }


@pytest.mark.parametrize(
    "more", [{"quality": "warn"}, {"quality": "none"}, {"quality_limits": {**LIMITS, "min_loudness_lufs": -24}}]
)
def test_a_clear_that_allows_one_delivers_it_and_submits_nothing(more, takes, loudness, music_sandbox, airflow):
    loudness(-30, -23, -28)
    with pytest.raises(QualityError):
        airflow.run(takes())
    airflow.clear()

    assert airflow.run(takes(**more))["takes"]["chosen"] == 1
    assert music_sandbox.posts() == 3


def test_a_clear_as_it_is_submits_all_anew(takes, loudness, music_sandbox, airflow):
    loudness(-30, -23, -28)
    with pytest.raises(QualityError):
        airflow.run(takes())
    airflow.clear()
    loudness(-30, -23, -14)

    result = airflow.run(takes())

    assert "/song-2/take-2/" in result["audio_uri"]
    assert music_sandbox.posts() == 6


def test_what_failed_beside_the_rejected_is_submitted_neither_by_a_retry_nor_by_a_clear_with_wider_limits(
    takes, loudness, music_sandbox, airflow
):
    loudness(-30, -30, -30)
    music_sandbox.fault("submit:error")
    for _ in range(2):
        with pytest.raises(QualityError, match="2 rejected, 1 failed"):
            airflow.run(takes())
        airflow.retry()
    airflow.clear()
    airflow.run(takes(quality="warn"))
    assert music_sandbox.posts() == 3


# Some do not come


def test_a_take_that_failed_is_not_billed_and_the_best_of_the_others_is_delivered(
    takes, loudness, music_sandbox, airflow, caplog
):
    loudness(-14, -14, -14)
    music_sandbox.fault("submit:error")
    result = airflow.run(takes())

    assert (result["takes"]["requested"], result["takes"]["completed"]) == (3, 2)
    assert result["usage"]["usd_spent"] == 2 * PRICE
    assert "failed: Take 1 failed and is not billed" in caplog.text
    assert music_sandbox.posts() == 3


def test_a_retry_after_the_delivery_returns_the_same_song_and_submits_nothing_for_what_failed(
    takes, loudness, music_sandbox, airflow
):
    loudness(-30, -14, -14)
    music_sandbox.fault("submit:error")
    first = airflow.run(takes())
    airflow.retry()
    again = airflow.run(takes(quality_limits={"min_channels": None}))

    assert (again["audio_uri"], again["takes"]["chosen"]) == (first["audio_uri"], first["takes"]["chosen"])
    assert music_sandbox.posts() == 3


def test_none_came_fails_and_a_retry_submits_all_that_failed(takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    music_sandbox.fault("submit:error,times=3")
    with pytest.raises(PartialBatchError, match=r"Of 3 songs: 3 failed(.|\n)*song-0 failed"):
        airflow.run(takes())
    airflow.retry()
    assert airflow.run(takes())["submissions"] == 6
    assert music_sandbox.posts() == 6


def test_requests_that_are_refused_end_the_task(takes, music_sandbox, airflow):
    music_sandbox.fault("submit:status=400,times=3")
    with pytest.raises(HopelessBatchError, match="3 failed"):
        airflow.run(takes())


def test_a_lost_response_is_named_and_the_best_of_the_others_is_delivered(
    takes, loudness, music_sandbox, airflow, caplog, quick_clock, output_dir
):
    loudness(-14, -14, -14)
    music_sandbox.fault("generate:cut-after")
    result = airflow.run(takes("synchronous"))

    assert result["takes"]["completed"] == 2
    assert "unknown: The answer to take 1 of music-01 is lost" in caplog.text
    assert len(facts(output_dir, "unknown")) == 1
    airflow.retry()
    airflow.run(takes("synchronous"))
    assert music_sandbox.posts() == 3


def test_a_lost_response_that_the_usage_log_has_is_found_as_its_own_song(
    takes, loudness, music_sandbox, airflow, quick_clock, output_dir
):
    loudness(-14, -14, -14)
    music_sandbox.fault("submit:cut-after,times=2")
    result = airflow.run(takes())

    assert result["takes"]["completed"] == 3
    ids = [line["generation_id"] for line in manifest(result)]
    assert sorted(ids) == sorted(one["id"] for one in music_sandbox.generations())
    assert music_sandbox.posts() == 3


def test_resubmit_submits_the_lost_one_once_more_in_the_same_try(takes, loudness, music_sandbox, airflow, quick_clock):
    loudness(-14, -14, -14)
    music_sandbox.fault("generate:cut-after")
    result = airflow.run(takes("synchronous", on_unknown="resubmit"))

    assert (result["takes"]["completed"], result["submissions"]) == (3, 4)
    assert music_sandbox.posts() == 4
    airflow.retry()
    airflow.run(takes("synchronous", on_unknown="resubmit"))
    assert music_sandbox.posts() == 4


def test_all_lost_is_told_and_no_retry_submits(takes, music_sandbox, airflow, quick_clock):
    music_sandbox.fault("generate:cut-after,times=3")
    for _ in range(2):
        with pytest.raises(HopelessBatchError, match="3 unknown"):
            airflow.run(takes("synchronous"))
        airflow.retry()
    assert music_sandbox.posts() == 3


def test_a_429_in_the_middle_is_submitted_again_by_the_wait(takes, loudness, music_sandbox, airflow, quick_clock):
    loudness(-14, -14, -14)
    music_sandbox.fault("submit:rate-limit=1,skip=1,times=2")
    assert airflow.run(takes())["takes"]["completed"] == 3
    assert len(music_sandbox.generations()) == 3
    assert music_sandbox.posts() == 5


def test_a_take_that_was_not_accepted_before_the_deadline_is_no_submission(
    takes, loudness, music_sandbox, airflow, quick_clock
):
    loudness(-14, -14, -14)
    music_sandbox.fault("submit:rate-limit=1,skip=2,times=all")
    result = airflow.run(takes(timeout=60))
    assert (result["takes"]["completed"], result["submissions"]) == (2, 2)
    assert len(music_sandbox.generations()) == 2


def test_an_account_that_is_empty_after_two_delivers_the_best_of_two(takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    music_sandbox.settings(balance=2.1 * PRICE)
    result = airflow.run(takes())
    assert result["takes"]["completed"] == 2
    assert len(music_sandbox.generations()) == 2


# Tries


def test_a_deadline_gives_no_paid_take_up_and_a_retry_resumes_all(takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    music_sandbox.settings(delay=5.0)
    with pytest.raises(PartialBatchError, match="3 pending"):
        airflow.run(takes(timeout=0.5))
    music_sandbox.settings(delay=0.0)
    airflow.retry()
    assert airflow.run(takes())["submissions"] == 3
    assert music_sandbox.posts() == 3


def test_two_under_way_and_a_worker_that_dies_cost_one_more_post(takes, loudness, music_sandbox, airflow, monkeypatch):
    loudness(-14, -14, -14)
    music_sandbox.settings(delay=0.3)
    run_generation = batch_plan.run_generation

    async def dies(spec, **more):
        if "/song-2" in spec.record_url:
            raise KeyboardInterrupt
        return await run_generation(spec, **more)

    with monkeypatch.context() as context:
        context.setattr(batch_plan, "run_generation", dies)
        with pytest.raises(KeyboardInterrupt):
            airflow.run(takes(deferrable=False))
    assert music_sandbox.posts() <= 2
    airflow.retry()

    result = airflow.run(takes(deferrable=False))

    assert result["takes"]["completed"] == 3
    assert music_sandbox.posts() == 3


@pytest.fixture
def third_breaks(monkeypatch):
    """Within it, the wait for the third song breaks before its request."""
    run_generation = batch_plan.run_generation

    async def breaks(spec, **more):
        if "/song-2" in spec.record_url:
            raise RuntimeError("no thread")
        return await run_generation(spec, **more)

    @contextlib.contextmanager
    def broken():
        with monkeypatch.context() as context:
            context.setattr(batch_plan, "run_generation", breaks)
            yield

    return broken


def test_what_was_never_submitted_is_by_the_retry_though_the_others_were_rejected(
    takes, loudness, music_sandbox, airflow, third_breaks
):
    loudness(-30, -30, -14)
    with third_breaks(), pytest.raises(PartialBatchError, match=r"1 not submitted, 2 rejected"):
        airflow.run(takes())
    assert music_sandbox.posts() == 2
    airflow.retry()

    assert airflow.run(takes())["takes"]["chosen"] == 2
    assert music_sandbox.posts() == 3


def test_what_was_never_submitted_and_is_over_the_budget_now_is_given_up(
    takes, loudness, music_sandbox, airflow, third_breaks
):
    loudness(-30, -14, -14)
    with third_breaks(), pytest.raises(PartialBatchError, match="1 not submitted"):
        airflow.run(takes(max_usd=3 * PRICE))
    airflow.retry()
    for _ in range(2):
        result = airflow.run(takes(max_usd=2.9 * PRICE))
        assert (result["takes"]["completed"], result["takes"]["chosen"], result["submissions"]) == (2, 1, 2)
        airflow.retry()
    assert music_sandbox.posts() == 2


def test_a_zombie_worker_and_its_retry_make_three_posts_between_them(takes, loudness, music_sandbox, airflow):
    loudness(-30, -14, -14)
    music_sandbox.fault("submit:late=1,times=3")
    start = threading.Barrier(2)

    def attempt(number):
        fake = type(airflow)(try_number=number)
        start.wait()
        return fake.run(takes())

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(attempt, (1, 2))

    assert one["audio_uri"] == other["audio_uri"]
    assert one["takes"]["others"] == other["takes"]["others"]
    assert music_sandbox.posts() == 3


def test_a_take_that_cannot_be_fetched_is_paid_so_nothing_is_delivered_before_the_retry_that_fetches_it(
    takes, loudness, music_sandbox, airflow
):
    loudness(-14, -14, -14)
    music_sandbox.fault("download:status=500")
    with pytest.raises(PartialBatchError, match="1 pending"):
        airflow.run(takes())
    airflow.retry()
    assert airflow.run(takes())["takes"]["completed"] == 3
    assert music_sandbox.posts() == 3


def test_a_process_that_ends_while_it_marks_them_keeps_to_its_choice(
    takes, loudness, music_sandbox, airflow, monkeypatch, output_dir
):
    loudness(-30, -23, -14)
    mark, marked = module.mark_delivered, []

    def dies(*arguments, **more):
        if marked:
            raise KeyboardInterrupt
        marked.append(mark(*arguments, **more))

    with monkeypatch.context() as context:
        context.setattr(module, "mark_delivered", dies)
        with pytest.raises(KeyboardInterrupt):
            airflow.run(takes())
    airflow.retry()
    loudness(-14, -14, -30)

    assert airflow.run(takes(quality="warn"))["takes"]["chosen"] == 2
    assert [json.loads(fact.read_text())["chosen"] for fact in facts(output_dir, "delivered")] == [False, False, True]
    assert music_sandbox.posts() == 3


def test_a_clear_after_delivery_makes_new_takes_of_all_and_keeps_the_former(
    takes, loudness, music_sandbox, airflow, output_dir
):
    loudness(-14, -30, -14)
    airflow.run(takes())
    airflow.clear()
    loudness(-30, -14, -14)
    result = airflow.run(takes())

    assert "/song-1/take-2/" in result["audio_uri"]
    assert result["submissions"] == 3
    assert len(list(output_dir.rglob("song.mp3"))) == 6
    assert music_sandbox.posts() == 6


def test_a_clear_after_a_failure_resumes(takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(PartialBatchError):
        airflow.run(takes())
    music_sandbox.clear_faults()
    airflow.clear()
    assert airflow.run(takes())["submissions"] == 3
    assert music_sandbox.posts() == 3


def test_a_run_that_was_created_again_makes_takes_of_its_own(takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    airflow.run(takes())
    airflow.create_again()
    airflow.run(takes())
    assert music_sandbox.posts() == 6


def test_a_second_copy_of_the_try_returns_the_same_song(takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    first = airflow.run(takes())
    airflow.retry()
    airflow.retry()
    assert airflow.run(takes())["audio_uri"] == first["audio_uri"]
    assert music_sandbox.posts() == 3


# takes, edited


@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, 3), (3, 1), (1, 3)])
def test_takes_edited_while_songs_are_open_is_refused_by_name_and_a_clear_goes_on_with_it(
    before, after, takes, loudness, music_sandbox, airflow
):
    loudness(-14, -14, -14)
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(Exception, match=r"pending|fetched|downloaded|500"):
        airflow.run(takes(takes=before))
    music_sandbox.clear_faults()
    airflow.retry()
    for _ in range(2):
        with pytest.raises(ChangedRequestError, match=f"takes was {before} and is {after} now"):
            airflow.run(takes(takes=after))
        airflow.retry()
    assert music_sandbox.posts() == before

    airflow.clear()
    assert airflow.run(takes(takes=after))["status"] == "completed"
    assert music_sandbox.posts() == {(3, 2): 3, (2, 3): 3, (3, 1): 4, (1, 3): 4}[before, after]


@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, 3), (3, 1), (1, 3)])
def test_takes_restored_resumes_the_former_songs(before, after, takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(Exception, match=r"pending|fetched|downloaded|500"):
        airflow.run(takes(takes=before))
    music_sandbox.clear_faults()
    airflow.retry()
    with pytest.raises(ChangedRequestError):
        airflow.run(takes(takes=after))
    airflow.clear()
    assert airflow.run(takes(takes=before))["submissions"] == before
    assert music_sandbox.posts() == before


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (3, 2)])
def test_takes_edited_after_the_delivery_makes_new_ones_after_a_clear(
    before, after, takes, loudness, music_sandbox, airflow
):
    loudness(-14, -14, -14)
    airflow.run(takes(takes=before))
    airflow.clear()
    airflow.run(takes(takes=after))
    assert music_sandbox.posts() == before + after


def test_takes_edited_to_more_after_a_success_that_airflow_lost_pays_nothing(takes, music_sandbox, airflow, song):
    airflow.run(song())
    airflow.retry()
    with pytest.raises(ChangedRequestError, match="takes was 1 and is 3 now"):
        airflow.run(takes())
    assert music_sandbox.posts() == 1


def test_takes_edited_between_the_halves_of_a_try_are_those_of_the_first(takes, loudness, song, music_sandbox, airflow):
    loudness(-14, -14, -14)
    first = takes()
    with pytest.raises(TaskDeferred) as deferred:
        first.execute(airflow.context(first))
    result = airflow.resume(takes(takes=1), deferred.value)
    assert result["takes"]["requested"] == 3
    assert music_sandbox.posts() == 3


def test_another_prompt_while_songs_are_open_is_refused(takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(PartialBatchError):
        airflow.run(takes())
    music_sandbox.clear_faults()
    airflow.retry()
    with pytest.raises(ChangedRequestError, match="The request differs"):
        airflow.run(takes(prompt="a loud song of the sea"))
    assert music_sandbox.posts() == 3
    airflow.clear()
    airflow.run(takes(prompt="a loud song of the sea"))
    assert music_sandbox.posts() == 6


# Budget


@pytest.mark.parametrize("deferrable", [True, False])
def test_three_prices_over_max_usd_are_refused_before_the_first_post(
    deferrable, takes, music_sandbox, airflow, output_dir
):
    with pytest.raises(OverBudgetError, match=r"\$0\.585 for 3 x minimax"):
        airflow.run(takes(max_usd=2.9 * PRICE, deferrable=deferrable))
    assert music_sandbox.posts() == 0
    assert not output_dir.exists()


def test_three_prices_within_max_usd_are_submitted_and_a_clear_counts_the_former(
    takes, loudness, music_sandbox, airflow
):
    loudness(-14, -14, -14)
    airflow.run(takes(max_usd=3 * PRICE))
    airflow.clear()
    with pytest.raises(OverBudgetError, match="spent already"):
        airflow.run(takes(max_usd=5.9 * PRICE))
    assert music_sandbox.posts() == 3
    airflow.clear()
    airflow.run(takes(max_usd=6 * PRICE))
    assert music_sandbox.posts() == 6


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (3, 2)])
def test_max_usd_counts_the_songs_of_another_number_of_takes(before, after, takes, loudness, music_sandbox, airflow):
    loudness(-14, -14, -14)
    airflow.run(takes(takes=before))
    airflow.clear()
    with pytest.raises(OverBudgetError, match=rf"\${before * PRICE:.3f} that is spent already"):
        airflow.run(takes(takes=after, max_usd=(before + after - 0.1) * PRICE))
    assert music_sandbox.posts() == before
    airflow.clear()
    airflow.run(takes(takes=after, max_usd=(before + after) * PRICE))
    assert music_sandbox.posts() == before + after


def test_max_usd_that_is_reached_after_two_delivers_the_best_of_two(takes, loudness, music_sandbox, airflow, caplog):
    loudness(-30, -14, -14)
    music_sandbox.fault("submit:error,skip=2", "download:status=500,times=all")
    with pytest.raises(PartialBatchError):
        airflow.run(takes(max_usd=3 * PRICE))
    music_sandbox.clear_faults()
    airflow.retry()

    result = airflow.run(takes(max_usd=2.9 * PRICE))

    assert result["takes"]["completed"] == 2
    assert "max_usd is $0.5655, and this would come to $0.585" in caplog.text
    assert music_sandbox.posts() == 3
    airflow.retry()
    airflow.run(takes(max_usd=2.9 * PRICE))
    assert music_sandbox.posts() == 3


# What is refused


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"takes": 0}, "takes: 0"),
        ({"takes": 11}, "takes: 11; give a whole number from 1 to 10"),
        ({"takes": "3"}, "takes: '3'"),
        ({"takes": True}, "takes: True"),
        ({"takes": 3.0}, "takes: 3.0"),
        ({"keep": "all"}, "keep: 'all'; give 'best'"),
        ({"wait_for_completion": False}, "wait_for_completion=False: the songs are compared"),
        ({"reuse": "identical"}, "reuse: of equal requests reuse makes one song"),
    ],
)
def test_what_cannot_be_is_refused_when_the_dag_file_is_parsed(more, named, takes):
    with pytest.raises(ValueError, match=named):
        takes(**more)


def test_a_seed_would_make_the_same_song_three_times(music_sandbox, airflow, output_dir):
    fields = {"task_id": "song", "output_dir": str(output_dir), "takes": 3}
    lyria = {"model": "google/lyria2", "prompt": "slow ambient pads over soft rain", "seed": 7}
    with pytest.raises(InvalidRequestError, match="the same song"):
        GenerateMusicOperator(**fields, **lyria)
    with pytest.raises(InvalidRequestError, match="the same song"):
        GenerateMusicOperator(**fields, request=lyria)
    with pytest.raises(InvalidRequestError, match="the same song"):
        airflow.run(GenerateMusicOperator(**fields, request=json.dumps(lyria)))
    assert music_sandbox.posts() == 0


def test_a_request_that_is_wrong_is_told_once(takes, airflow, music_sandbox):
    with pytest.raises(InvalidRequestError) as caught:
        airflow.run(takes(prompt="{{ x }}" + "x" * 3000))
    assert str(caught.value).count("prompt") == 1
    assert "requests[" not in str(caught.value)
    assert music_sandbox.posts() == 0


def test_without_the_extra_nothing_is_sent(takes, music_sandbox, airflow, monkeypatch):
    monkeypatch.setattr(quality, "is_installed", lambda: False)
    with pytest.raises(InvalidRequestError, match="takes above 1 needs PyAV"):
        airflow.run(takes(quality="none"))
    assert music_sandbox.posts() == 0


def test_a_worker_without_the_extra_lands_them_and_a_retry_compares(
    takes, loudness, music_sandbox, airflow, monkeypatch
):
    loudness(-30, -14, -14)
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "av", None)
        context.setattr(quality, "is_installed", lambda: True)
        with pytest.raises(PartialBatchError, match="PyAV is missing"):
            airflow.run(takes(quality="measure"))
    airflow.retry()
    assert airflow.run(takes(quality="measure"))["takes"]["chosen"] == 1
    assert music_sandbox.posts() == 3


# What counts


def test_each_take_is_counted_once_and_the_others_by_a_status_of_their_own(
    takes, loudness, music_sandbox, airflow, counted
):
    loudness(-14, -30, -14)
    airflow.run(takes())
    airflow.retry()
    airflow.run(takes())
    assert Counter(counted) == {
        ("music.quality_failed",): 1,
        ("music.submissions",): 3,
        ("music.generations", "completed"): 1,
        ("music.generations", "not_chosen"): 1,
        ("music.generations", "rejected"): 1,
    }


# Where the request comes from


def test_a_function_returns_the_request_once_and_is_not_called_by_the_second_half(music_sandbox, output_dir):
    called = []
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

        @task.music(output_dir=str(output_dir), takes=3, quality_limits=LIMITS)
        def song():
            called.append(1)
            return {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}

        made = song()
    assert run_task(made)["takes"]["requested"] == 3
    assert (len(called), music_sandbox.posts()) == (1, 3)


def test_each_mapped_task_makes_takes_of_its_own_words(music_sandbox, output_dir):
    words = ["a calm song of the sea", "a loud song of the hills"]
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        mapped = GenerateMusicOperator.partial(
            task_id="song", output_dir=str(output_dir), takes=2, model="minimax/music-2.6", keep_request=True
        ).expand(prompt=words)
    for index in range(2):
        assert run_task(mapped, map_index=index)["takes"]["requested"] == 2
    kept = [json.loads(path.read_text())["prompt"] for path in sorted(output_dir.rglob("song.request.json"))]
    assert Counter(kept) == dict.fromkeys(words, 2)
    assert music_sandbox.posts() == 4


def test_a_templated_request_is_rendered_before_it_is_multiplied(music_sandbox, output_dir):
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        made = GenerateMusicOperator(
            task_id="song",
            output_dir=str(output_dir),
            request="{{ {'model': 'minimax/music-2.6', 'prompt': 'a calm song for ' ~ ds} }}",
            takes=2,
            keep_request=True,
        )
    run_task(made)
    kept = [json.loads(path.read_text()) for path in sorted(output_dir.rglob("song.request.json"))]
    assert [one["prompt"] for one in kept] == ["a calm song for 2026-11-01"] * 2
    assert music_sandbox.posts() == 2


def test_each_take_has_the_name_that_the_task_gives_its_files(takes, music_sandbox, airflow, output_dir):
    result = airflow.run(takes(name="jingle"))
    assert result["audio_uri"].endswith("/take-1/jingle.mp3")
    assert len(list(output_dir.rglob("jingle.mp3"))) == 3


def test_the_outlets_and_the_song_s_link_are_those_of_the_chosen_one(takes, loudness, music_sandbox, airflow):
    loudness(-30, -14, -30)
    made = takes()
    result = airflow.run(made)
    assert [take.folder.url for take in made.lineage_takes] == [result["record_uri"].rpartition("/")[0]]
    assert "/song-1/take-1/" in result["record_uri"]
