# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.cost.budget import Budget, cost_of, spent_on
from airflow_provider_music.cost.pricing import Quote, usd_of
from airflow_provider_music.exceptions import InvalidRequestError, OverBudgetError, ServerFailureError
from airflow_provider_music.record.policy import Decision
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import Take

MODEL = "minimax/music-2.6"
QUOTE = Quote(Decimal("0.195"), "0.195 USD per generation")
UNPRICED = Quote(None, "nobody says")


def take(**facts):
    return Take(1, {"intent": {"model": MODEL}, **facts})


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"usd_spent": 0.2, "credits_used": 1}, "0.2"),
        ({"usd_spent": None, "credits_used": 390_000}, "0.195"),
        ({"usd_spent": "0.1"}, "0.1"),
        ({"usd_spent": 0}, "0"),
        ({"usd_spent": None, "credits_used": None}, None),
        ({}, None),
        ({"usd_spent": "much"}, None),
    ],
)
def test_dollars_count_and_credits_where_there_are_none(usage, usd):
    assert usd_of(usage) == (None if usd is None else Decimal(usd))


@pytest.mark.parametrize(
    ("facts", "usd"),
    [
        ({}, "0.195"),
        ({"accepted": {}}, "0.195"),
        ({"accepted": {"usage": {"usd_spent": 0.3}}}, "0.3"),
        ({"completed": {"usage": {"usd_spent": 0.2}}}, "0.2"),
        ({"completed": {"usage": {"usd_spent": None}}, "accepted": {"usage": {"usd_spent": 0.3}}}, "0.3"),
        ({"completed": {"usage": None}, "delivered": {}}, "0.195"),
        ({"failed": {"sent": True}}, "0"),
        ({"failed": {"sent": False}}, "0"),
        ({"accepted": {"usage": {"usd_spent": 0.3}}, "failed": {"sent": True}}, "0"),
        ({"unknown": {"billed": None, "usd_spent": None}}, "0.195"),
        ({"unknown": {"billed": True, "usd_spent": 0.2}}, "0.2"),
        ({"unknown": {"billed": True, "credits_used": 200_000}}, "0.1"),
    ],
)
def test_a_take_counts_by_what_the_api_said_or_by_todays_price(facts, usd):
    assert cost_of(take(**facts), QUOTE, MODEL) == Decimal(usd)


def test_a_take_of_another_model_is_not_priced_by_this_ones():
    assert cost_of(take(), QUOTE, "other") is None
    assert cost_of(take(completed={"usage": {"usd_spent": 1}}), QUOTE, "other") == 1
    assert cost_of(take(failed={}), QUOTE, "other") == 0
    assert cost_of(take(), UNPRICED, MODEL) is None


def record_of(folder, *takes):
    record = SongRecord(str(folder))
    for n, facts in enumerate(takes, 1):
        take = record.claim(n, model=MODEL)
        for fact, values in facts.items():
            take = record.write(take, fact, **values)
    return record


@pytest.mark.parametrize(("limit", "refused"), [("0.1", True), ("1", False)])
def test_the_price_is_that_of_the_model_in_the_body_that_is_sent(tmp_path, limit, refused):
    (song,) = songs_of(tmp_path, ["dear"])
    song.request.model = "cheap"
    decision = SimpleNamespace(step="submit", n=1)
    found = Budget(Decimal(limit)).refusal(PricesByModel(cheap=0.01, dear=0.5), [song], [decision])
    assert (found is not None) is refused
    assert not refused or "1 x dear" in str(found)


def test_all_takes_up_to_the_newest_are_summed(tmp_path):
    known = {"completed": {"usage": {"usd_spent": 0.2}}}
    record = record_of(tmp_path, {"failed": {"sent": False}}, known, {"unknown": {"usd_spent": None}}, known)
    assert spent_on(record, 4, QUOTE, MODEL) == (Decimal("0.595"), [])
    assert spent_on(record, 2, QUOTE, MODEL) == (Decimal("0.2"), [])
    assert spent_on(record, 0, QUOTE, MODEL) == (Decimal(), [])
    total, unpriced = spent_on(record, 9, UNPRICED, MODEL)
    assert total == Decimal("0.4")
    assert unpriced == [f"what take 3 for {MODEL} cost is not known"]


class PricesByModel:
    """A client that knows prices only, and counts how often it is called."""

    def __init__(self, **prices):
        self.prices = prices
        self.calls = 0

    def call(self, call):
        self.calls += 1
        price = self.prices.get(call.arguments["params"]["id"])
        unit = {"name": "generation", "price": price, "per": 1}
        return None if price is None else {"kind": "fixed", "units": [unit]}


def songs_of(tmp_path, models):
    return [
        SimpleNamespace(
            request=SimpleNamespace(model=model, body={"model": model}),
            record=SongRecord(str(tmp_path / str(index))),
        )
        for index, model in enumerate(models)
    ]


def budget(usd, on_unknown_price="refuse"):
    return Budget(Decimal(str(usd)), on_unknown_price)


ASK = Decision("submit", 1, "")


def test_each_models_price_is_requested_once(tmp_path):
    client = PricesByModel(a=0.1, b=0.2)
    songs = songs_of(tmp_path, "aabab" * 20)
    assert budget(14).refusal(client, songs, [ASK] * 100) is None
    assert client.calls == 2
    refusal = budget(13.99).refusal(client, songs, [ASK] * 100)
    assert isinstance(refusal, OverBudgetError)
    for said in (
        "$13.99",
        "$14.00",
        "60 x a, 0.1 USD per generation",
        "40 x b",
        "$0.00 that is spent",
        "Raise max_usd",
    ):
        assert said in str(refusal)


class NoPrices:
    """A client that fails each call, and counts them."""

    def __init__(self, error):
        self.error = error
        self.calls = 0

    def call(self, call):
        self.calls += 1
        raise self.error


def test_a_price_that_cannot_be_had_is_requested_twice_and_then_unknown(tmp_path, caplog):
    client = NoPrices(ServerFailureError("the API is down"))
    refusal = budget(100).refusal(client, songs_of(tmp_path, "aa"), [ASK] * 2)
    assert "the price of a: the API does not quote it (the API is down)" in str(refusal)
    assert client.calls == 2
    warnings = [message for message in caplog.messages if "the price of a" in message]
    assert warnings == [f"Attempt {n} to read the price of a failed: the API is down" for n in (1, 2)]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_what_is_no_error_of_the_api_is_raised_at_once(tmp_path, error):
    client = NoPrices(error)
    with pytest.raises(type(error)) as caught:
        budget(100).refusal(client, songs_of(tmp_path, "a"), [ASK])
    assert caught.value is error
    assert client.calls == 1


def test_where_nothing_is_to_be_submitted_no_price_is_requested(tmp_path):
    client = PricesByModel()
    decisions = [Decision(step, 1, "") for step in ("attach", "find", "deliver", "refuse_unknown")]
    assert budget(0).refusal(client, songs_of(tmp_path, "aaaa"), decisions) is None
    assert client.calls == 0


def test_an_unknown_price_is_refused_or_allowed_by_name(tmp_path, caplog):
    client, songs = PricesByModel(a=0.1), songs_of(tmp_path, "ab")
    refusal = budget(100).refusal(client, songs, [ASK] * 2)
    assert "the price of b: the API quotes no price" in str(refusal)
    assert "on_unknown_price='allow'" in str(refusal)
    assert budget(100, "allow").refusal(client, songs, [ASK] * 2) is None
    assert "the price of b" in caplog.text
    assert "$0.10" in str(budget(0.05, "allow").refusal(client, songs, [ASK] * 2))


def test_the_limit_itself_may_be_spent(tmp_path):
    songs = songs_of(tmp_path, "aaa")
    assert budget(0.3).refusal(PricesByModel(a=0.1), songs, [ASK] * 3) is None
    assert budget(0).refusal(PricesByModel(a=0), songs, [ASK] * 3) is None


cents = st.integers(0, 500)


@given(st.lists(cents, min_size=1, max_size=6), cents)
def test_what_is_submitted_is_within_the_limit_exactly_where_the_sum_is(tmp_path_factory, prices, limit):
    models = {f"m{index}": price / 100 for index, price in enumerate(prices)}
    songs = songs_of(tmp_path_factory.getbasetemp(), models)
    refusal = budget(Decimal(limit) / 100).refusal(PricesByModel(**models), songs, [ASK] * len(songs))
    assert (refusal is not None) == (sum(prices) > limit)


@pytest.mark.parametrize(
    ("given_usd", "read"), [("0.5", "0.5"), (" 2 ", "2.0"), (3, "3.0"), (0, "0.0"), ("1e-3", "0.001")]
)
def test_an_amount_is_read_from_text_too(given_usd, read):
    assert Budget.of(SimpleNamespace(max_usd=given_usd, on_unknown_price="allow")) == budget(read, "allow")


def test_without_an_amount_there_is_no_budget():
    assert Budget.of(SimpleNamespace(max_usd=None, on_unknown_price="refuse")) is None


@pytest.mark.parametrize("bad", ["None", "", "much", "-1", "nan", "inf", True, [1], -0.5])
def test_what_is_no_amount_is_named_and_never_no_limit(bad):
    with pytest.raises(InvalidRequestError, match="max_usd") as caught:
        Budget.of(SimpleNamespace(max_usd=bad, on_unknown_price="refuse"))
    assert repr(bad) in str(caught.value)
