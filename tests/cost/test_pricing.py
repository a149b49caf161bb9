# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.request import prepare
from airflow_provider_music.cost.pricing import estimate

SONG = prepare("minimax/music-2.6", {"prompt": "a calm song", "audio_setting": {"format": "mp3", "bitrate": 128000}})
STABLE = prepare("stable-audio", {"prompt": "rain", "seconds_total": 10})
ELEVEN = prepare("elevenlabs/eleven_music", {"prompt": "rain", "music_length_ms": 10_000})


def fixed(*units, **more):
    return {"kind": "fixed", "currency": "USD", "units": list(units), **more}


def unit(price, per=1, name="generation", **more):
    return {"name": name, "price": price, "per": per, **more}


def variants(*each):
    return {"kind": "variants", "dimensions": ["any"], "variants": list(each)}


def usd(pricing, request=SONG):
    return estimate(pricing, request).usd


@pytest.mark.parametrize("name", ["generation", "generations", "request", "song", "Track", "call"])
def test_a_price_per_song_is_the_price(name):
    assert usd(fixed(unit(0.195, name=name))) == Decimal("0.195")


def test_a_price_for_many_units_is_divided():
    assert usd(fixed(unit(195, per=1000))) == Decimal("0.195")


def test_a_price_per_second_is_for_the_length_that_was_requested():
    assert usd(fixed(unit(0.01, name="second")), STABLE) == Decimal("0.1")


def test_without_a_length_the_models_longest_song_counts():
    assert usd(fixed(unit(0.01, name="second")), prepare("stable-audio", {"prompt": "rain"})) == Decimal("0.47")


def test_a_length_that_the_model_may_not_keep_to_is_not_relied_on():
    assert usd(fixed(unit(0.01, name="second")), ELEVEN) == Decimal("3.00")


def test_a_part_of_a_minute_is_a_minute():
    assert usd(fixed(unit(0.3, name="minute")), STABLE) == Decimal("0.3")


def test_a_length_beside_the_catalogue_is_none():
    request = prepare("minimax/music-2.0", {"prompt": "a calm song", "lyrics": "la la la la la"}, {"seconds_total": 1})
    assert usd(fixed(unit(0.01, name="second")), request) == Decimal("2.40")


def test_the_words_that_are_sent_are_counted_and_nothing_else():
    fields = {"lyrics": "x" * 300, "refer_voice": "vocal-1", "audio_setting": {"format": "mp3"}}
    request = prepare("music-01", fields)
    assert usd(fixed(unit(1, per=1000, name="character")), request) == Decimal("0.303")
    assert usd(fixed(unit(1, per="1000 characters", name="")), request) == Decimal("0.303")
    assert usd(fixed({"price": 1, "per": "character"}), request) == 303


def test_all_units_are_added():
    pricing = fixed(unit(0.1), unit(0.01, name="second", measure="output"))
    assert usd(pricing, STABLE) == Decimal("0.2")


def test_a_price_that_is_text_is_read():
    assert usd(fixed(unit("0.195", per="1"))) == Decimal("0.195")


def test_a_free_song_is_free():
    assert usd(fixed(unit(0))) == 0


def test_the_prices_are_named_in_words():
    assert estimate(fixed(unit(0.195)), SONG).why == "0.195 USD per generation"
    pricing = fixed(unit(0.1), unit(2, per=1000, name="second"))
    assert estimate(pricing, STABLE).why == "0.1 USD per generation + 2 USD per 1000 seconds"


@pytest.mark.parametrize(
    ("pricing", "why"),
    [
        (None, "no price"),
        ({}, "cannot be computed ahead"),
        ({"kind": "variable"}, "cannot be computed ahead"),
        ({"kind": ["fixed"]}, "cannot be computed ahead"),
        (fixed(), "no units"),
        ({"kind": "fixed"}, "no units"),
        ({"kind": "fixed", "units": "1"}, "no units"),
        (fixed("1"), "cannot be read"),
        (fixed(unit(0.1), currency="EUR"), "EUR"),
        (fixed(unit(-0.1)), "cannot be read"),
        (fixed(unit(None)), "cannot be read"),
        (fixed(unit("free")), "cannot be read"),
        (fixed(unit(float("nan"))), "cannot be read"),
        (fixed(unit(float("inf"))), "cannot be read"),
        (fixed(unit(price=True)), "cannot be read"),
        (fixed(unit(0.1, per=0)), "cannot be read"),
        (fixed(unit(0.1, per=-1)), "cannot be read"),
        (fixed(unit(0.1, per=None)), "cannot be read"),
        (fixed(unit(0.1, name=None)), "cannot be read"),
        (fixed({"name": "generation", "price": 0.1}), "cannot be read"),
        (fixed(unit(0.1, per=1_000_000, name="token")), "token"),
        (fixed(unit(0.1, name="megapixel")), "megapixel"),
        (fixed(unit(0.1, name="second", measure="input")), "second"),
        (fixed(unit(0.1, name="character", measure="output")), "character"),
        (fixed(unit(0.1), unit(0.1, name="token")), "token"),
        (variants(), "none of its price's variants"),
        ({"kind": "variants"}, "no variants"),
        ({"kind": "variants", "variants": ["x"]}, "none of its price's variants"),
        (variants({"when": {"format": "wav"}, "price": 0.1, "unit": "song", "per": 1}), "none of its price's variants"),
        (variants({"when": {}, "price": 0.1, "unit": "token", "per": 1}), "token"),
    ],
)
def test_what_cannot_be_read_is_an_unknown_price(pricing, why):
    quote = estimate(pricing, SONG)
    assert quote.usd is None
    assert why in quote.why


def test_a_length_that_nobody_limits_is_an_unknown_price():
    assert usd(fixed(unit(0.01, name="second")), SONG) is None
    assert usd(fixed(unit(0.01, name="second")), prepare("new/model", {"prompt": "x", "duration": 3})) is None


def variant(price, **when):
    return {"when": when, "price": price, "unit": "song", "per": 1}


def test_the_dearest_variant_that_the_request_may_be_counts():
    pricing = variants(variant(9, format="wav"), variant(0.1, format="mp3"), variant(0.2, format="MP3"))
    assert usd(pricing) == Decimal("0.2")


def test_what_the_request_leaves_open_may_be_anything():
    pricing = variants(
        variant(0.1, quality="low"), variant(0.4, quality="high"), variant(9, quality="high", format="wav")
    )
    assert usd(pricing) == Decimal("0.4")


def test_numbers_and_flags_of_variants_are_compared_however_they_are_spelled():
    assert usd(variants(variant(0.1, bitrate="128000"), variant(9, bitrate=256000))) == Decimal("0.1")
    request = prepare("minimax/music-2.6", {"prompt": "rain", "is_instrumental": True})
    assert usd(variants(variant(0.1, is_instrumental="true"), variant(9, is_instrumental=False)), request) == Decimal(
        "0.1"
    )


def test_a_condition_that_cannot_be_read_excludes_nothing():
    pricing = variants(
        variant(0.1), variant(0.3, format={"in": ["wav"]}), {"when": 5, "price": 0.2, "unit": "song", "per": 1}
    )
    assert usd(pricing) == Decimal("0.3")


def test_one_unknown_among_the_variants_that_fit_makes_the_price_unknown():
    token = {"when": {}, "price": 0.1, "unit": "token", "per": 1}
    assert usd(variants(variant(0.1), token)) is None
    assert usd(variants(variant(0.1), {**token, "when": {"format": "wav"}})) == Decimal("0.1")


def test_a_variant_may_have_units_of_its_own():
    pricing = variants({"when": {}, "units": [unit(0.1), unit(0.2)]})
    assert usd(pricing) == Decimal("0.3")


prices = st.floats(0, 1000, allow_nan=False).map(lambda x: round(x, 6))
pers = st.sampled_from([1, 10, 1000, 1_000_000])
names = st.sampled_from(["generation", "second", "minute", "character"])
units = st.builds(unit, prices, pers, names)


@given(st.lists(units, min_size=1, max_size=5), st.lists(units, min_size=1, max_size=5))
def test_units_add_up_exactly(some, others):
    both = usd(fixed(*some, *others), STABLE)
    assert both is not None
    assert both >= 0
    assert abs(both - (usd(fixed(*some), STABLE) + usd(fixed(*others), STABLE))) < Decimal("1e-18")


@given(st.lists(units, min_size=1, max_size=6))
def test_the_worst_variant_is_never_below_any_that_fits(several):
    each = [{"when": {"open": i}, **one, "unit": one["name"]} for i, one in enumerate(several)]
    assert usd(variants(*each), STABLE) == max(usd(fixed(one), STABLE) for one in several)


@given(prices, pers, st.integers(1, 47))
def test_a_longer_song_is_never_cheaper(price, per, seconds):
    shorter = prepare("stable-audio", {"prompt": "rain", "seconds_total": seconds})
    longest = prepare("stable-audio", {"prompt": "rain"})
    pricing = fixed(unit(price, per, "second"))
    assert usd(pricing, shorter) <= usd(pricing, longest)
    assert usd(pricing, shorter) == Decimal(repr(float(price))) * seconds / per


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
odd_units = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("name", "unit", "price", "per", "measure", "when", "units"), json_values)
)


@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["fixed", "variants", "variable"]) | json_values},
        optional={
            "currency": st.just("USD") | json_values,
            "units": st.lists(odd_units, max_size=3) | json_values,
            "variants": st.lists(odd_units, max_size=3) | json_values,
        },
    )
)
def test_nothing_that_a_server_quotes_breaks_the_reader(pricing):
    quote = estimate(pricing, SONG)
    assert quote.usd is None or quote.usd >= 0
    assert quote.why
