# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import (
    ChangedRequestError,
    InvalidRequestError,
    OverBudgetError,
    PartialBatchError,
)

QUOTED = "minimax/music-2.6"


def test_a_song_within_its_budget_is_submitted(music_sandbox, airflow, song):
    assert airflow.run(song(max_usd=0.195))["status"] == "completed"
    assert music_sandbox.posts() == 1


def test_without_a_budget_no_price_is_requested(music_sandbox, airflow, song):
    airflow.run(song())
    assert music_sandbox.requests("models") == 0


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_song_over_its_budget_is_refused_with_no_post_and_no_trace(
    deferrable, music_sandbox, airflow, song, output_dir
):
    with pytest.raises(OverBudgetError) as caught:
        airflow.run(song(max_usd=0.19, deferrable=deferrable))
    for said in ("$0.19,", "$0.195", "0.195 USD per generation", "Nothing was sent", "Raise max_usd"):
        assert said in str(caught.value)
    assert music_sandbox.posts() == 0
    assert not output_dir.exists()


def test_the_synchronous_lane_is_held_to_it_before_it_defers(music_sandbox, airflow, synchronous_song):
    with pytest.raises(OverBudgetError):
        airflow.run(synchronous_song(max_usd=0.06))
    assert airflow.deferrals == []
    assert music_sandbox.posts() == 0
    assert airflow.run(synchronous_song(max_usd=0.07))["status"] == "completed"


def test_a_template_gives_text_and_text_that_is_no_amount_is_refused(music_sandbox, airflow, song, batch):
    assert "max_usd" in song().template_fields
    assert "max_usd" in batch().template_fields
    for make in (song, batch):
        with pytest.raises(InvalidRequestError, match="max_usd: 'None'"):
            airflow.run(make(max_usd="None"))
    assert music_sandbox.posts() == 0
    assert airflow.run(song(max_usd="0.2"))["status"] == "completed"


@pytest.mark.parametrize(
    "bad", [{"max_usd": -1}, {"max_usd": True}, {"max_usd": float("nan")}, {"on_unknown_price": "hope"}]
)
def test_a_budget_out_of_range_fails_the_dag_file_at_parse(bad, song, batch):
    for make in (song, batch):
        with pytest.raises(ValueError, match=next(iter(bad))):
            make(**bad)


@pytest.mark.parametrize(
    "fault", ["models:status=500,times=all", "models:cut-before,times=all", "models:junk,times=all"]
)
def test_prices_that_cannot_be_had_are_unknown_prices(fault, music_sandbox, airflow, song, caplog):
    music_sandbox.fault(fault)
    with pytest.raises(OverBudgetError, match="the API does not quote it"):
        airflow.run(song(max_usd=100))
    assert music_sandbox.posts() == 0
    assert airflow.run(song(max_usd=100, on_unknown_price="allow"))["status"] == "completed"
    assert "checked without what is unpriced" in caplog.text
    assert music_sandbox.posts() == 1


def test_a_price_that_comes_at_the_second_attempt_is_enough(music_sandbox, airflow, song):
    music_sandbox.fault("models:status=500")
    assert airflow.run(song(max_usd=0.2))["status"] == "completed"


@pytest.mark.parametrize(
    "block", [None, {"kind": "variable"}, {"kind": "fixed", "units": [{"name": "token", "price": 1, "per": 1000}]}]
)
def test_a_price_that_says_nothing_of_this_song_is_unknown(block, music_sandbox, airflow, song):
    music_sandbox.settings(pricing={QUOTED: block})
    with pytest.raises(OverBudgetError, match=f"the price of {QUOTED}"):
        airflow.run(song(max_usd=100))
    assert music_sandbox.posts() == 0
    assert airflow.run(song(max_usd=100, on_unknown_price="allow"))["status"] == "completed"


def test_a_model_that_the_api_does_not_list_has_an_unknown_price(music_sandbox, airflow, song):
    with pytest.raises(OverBudgetError, match="the price of new/model-9"):
        airflow.run(song(model="new/model-9", max_usd=100))


def test_of_a_price_in_variants_the_dearest_that_fits_counts(music_sandbox, airflow, song):
    each = [("mp3", 0.1), ("mp3", 0.3), ("wav", 9)]
    variants = [{"when": {"format": name}, "price": price, "unit": "song", "per": 1} for name, price in each]
    music_sandbox.settings(pricing={QUOTED: {"kind": "variants", "dimensions": ["format"], "variants": variants}})
    mp3 = {"audio_setting": {"sample_rate": 44100, "bitrate": 128000, "format": "mp3"}}
    with pytest.raises(OverBudgetError, match=r"\$0\.30"):
        airflow.run(song(max_usd=0.29, **mp3))
    assert airflow.run(song(max_usd=0.3, **mp3))["status"] == "completed"


def test_a_failed_request_costs_nothing_so_a_retry_has_the_whole_budget(music_sandbox, airflow, song):
    music_sandbox.fault("submit:error")
    with pytest.raises(Exception, match="not billed"):
        airflow.run(song(max_usd=0.2))
    airflow.retry()
    assert airflow.run(song(max_usd=0.2))["status"] == "completed"
    assert music_sandbox.posts() == 2


def test_a_song_that_was_submitted_is_paid_and_never_refused(music_sandbox, airflow, song):
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(Exception, match="500"):
        airflow.run(song())
    music_sandbox.clear_faults()
    airflow.retry()
    assert airflow.run(song(max_usd=0))["status"] == "completed"
    airflow.retry()
    assert airflow.run(song(max_usd=0))["status"] == "completed"
    assert music_sandbox.posts() == 1
    assert music_sandbox.requests("models") == 0


def test_a_lost_answer_counts_when_a_retry_would_submit_again(music_sandbox, airflow, song):
    music_sandbox.fault("submit:cut-before,times=all", "logs:status=500,times=all")
    terms = {"on_unknown": "resubmit", "timeout": 0.5}
    with pytest.raises(Exception, match="next try submits once more"):
        airflow.run(song(max_usd=0.5, **terms))
    assert music_sandbox.posts() == 2
    airflow.retry()
    with pytest.raises(OverBudgetError, match=r"\$0\.585.*\$0\.39 that is spent already or may be billed"):
        airflow.run(song(max_usd=0.5, **terms))
    assert music_sandbox.posts() == 2


def test_submitting_again_within_a_try_is_held_to_the_budget_too(music_sandbox, airflow, song):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")
    with pytest.raises(OverBudgetError, match=r"\$0\.195 that is spent already or may be billed"):
        airflow.run(song(max_usd=0.3, on_unknown="resubmit", timeout=0.5))
    assert music_sandbox.posts() == 1


def test_a_new_take_counts_with_the_former_ones(music_sandbox, airflow, song):
    airflow.run(song(max_usd=0.3))
    airflow.clear()
    with pytest.raises(OverBudgetError, match="a new take counts with the former ones"):
        airflow.run(song(max_usd=0.3))
    assert music_sandbox.posts() == 1
    airflow.clear()
    assert airflow.run(song(max_usd=0.39))["status"] == "completed"


def test_what_a_take_of_another_model_cost_is_in_its_record_or_not_known(music_sandbox, airflow, song):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")
    with pytest.raises(Exception, match="lost"):
        airflow.run(song(timeout=0.5))
    music_sandbox.clear_faults()
    airflow.clear()
    with pytest.raises(OverBudgetError, match=r"what take 1 for minimax/music-2\.6 cost is not known"):
        airflow.run(song(model="google/lyria2", max_usd=100))
    assert music_sandbox.posts() == 1


def test_the_triggerer_submits_to_a_busy_api_again_and_requests_no_price_anew(
    music_sandbox, airflow, song, quick_clock
):
    music_sandbox.fault("submit:rate-limit=1,times=3")
    assert airflow.run(song(max_usd=0.2))["status"] == "completed"
    assert music_sandbox.requests("models") == 1


def test_a_batch_over_its_budget_makes_no_post_at_all(music_sandbox, airflow, batch, output_dir):
    with pytest.raises(OverBudgetError, match=r"3 x minimax/music-2\.6"):
        airflow.run(batch(3, max_usd=0.58))
    assert music_sandbox.posts() == 0
    assert music_sandbox.requests("models") == 1
    assert not output_dir.exists()
    assert airflow.run(batch(3, max_usd=0.585))["delivered"] == 3
    assert music_sandbox.posts() == 3


def test_a_batch_of_several_models_is_priced_model_by_model(music_sandbox, airflow, batch):
    requests = [{"model": QUOTED, "prompt": "a calm song"}, {"model": "google/lyria2", "prompt": "rain"}] * 2
    with pytest.raises(OverBudgetError, match=r"\$0\.51"):
        airflow.run(batch(requests=requests, max_usd=0.5))
    assert music_sandbox.posts() == 0
    assert music_sandbox.requests("models") == 2


def test_a_batch_of_unknown_price_is_refused_or_allowed_by_name(music_sandbox, airflow, batch):
    music_sandbox.settings(pricing={QUOTED: None})
    with pytest.raises(OverBudgetError, match="the price of"):
        airflow.run(batch(2, max_usd=100))
    assert music_sandbox.posts() == 0
    assert airflow.run(batch(2, max_usd=100, on_unknown_price="allow"))["delivered"] == 2


def test_a_batchs_retry_counts_what_is_in_storage(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:error")
    with pytest.raises(PartialBatchError, match="1 failed"):
        airflow.run(batch(3, max_usd=0.585))
    airflow.retry()
    with pytest.raises(OverBudgetError, match=r"\$0\.195 for 1 x .*\$0\.39 that is spent") as caught:
        airflow.run(batch(3, max_usd=0.5))
    assert "Manifest: " in str(caught.value)
    assert music_sandbox.posts() == 3
    airflow.retry()
    assert airflow.run(batch(3, max_usd=0.585))["delivered"] == 3
    assert music_sandbox.posts() == 4


def test_songs_that_are_under_way_are_landed_before_a_batch_says_that_it_is_over_budget(
    music_sandbox, airflow, batch, output_dir
):
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(PartialBatchError):
        airflow.run(batch(2))
    music_sandbox.clear_faults()
    airflow.retry()
    longer = batch(3, max_usd=0.5, on_partial="keep")
    with pytest.raises(ChangedRequestError):
        airflow.run(longer)
    airflow.clear()
    with pytest.raises(OverBudgetError, match=r"\$0\.39 that is spent") as caught:
        airflow.run(longer)
    uri = str(caught.value).split("Manifest: ")[1].split()[0].removeprefix("file://")
    lines = [json.loads(line) for line in Path(uri).read_text().splitlines()]
    assert [line["status"] for line in lines] == ["completed", "completed", "not_submitted"]
    assert music_sandbox.posts() == 2
    assert len(list(output_dir.rglob("song.mp3"))) == 2


def test_a_batch_submits_lost_songs_again_within_its_budget_only(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:cut-before,times=2", "logs:status=500,times=all")
    with pytest.raises(OverBudgetError, match=r"\$0\.39 for 2 x .*\$0\.585 that is spent already or may be billed"):
        airflow.run(batch(3, max_usd=0.6, on_unknown="resubmit", timeout=1.0))
    assert music_sandbox.posts() == 3
    airflow.retry()
    result = airflow.run(batch(3, max_usd=0.975, on_unknown="resubmit", timeout=5.0))
    assert result["delivered"] == 3
    assert music_sandbox.posts() == 5


def test_fail_fast_is_no_question_of_money(music_sandbox, airflow, batch):
    music_sandbox.fault("submit:error")
    with pytest.raises(PartialBatchError, match="not submitted"):
        airflow.run(batch(3, max_usd=0.585, fail_fast=True, max_in_flight=1))
