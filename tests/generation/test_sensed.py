# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.models import find
from airflow_provider_music.generation.sensed import USUAL_SECONDS, read_generation, usual_seconds

FACTS = {"generation_id": "an-id", "status": "accepted", "usage": {"usd_spent": None}, "audio": {"format": "mp3"}}


@pytest.mark.parametrize("shape", [dict, json.dumps, str, repr, lambda facts: f"\n  {facts} "])
def test_what_an_operator_returned_is_read_in_every_shape_that_airflow_gives_it(shape):
    assert read_generation(shape(FACTS)) == FACTS


def test_what_is_read_is_a_copy():
    facts = dict(FACTS)
    read_generation(facts).clear()

    assert facts == FACTS


@pytest.mark.parametrize("text", ["an-id", " an-id\n", "\tan-id"])
def test_any_other_text_is_the_id_itself(text):
    assert read_generation(text) == {"generation_id": "an-id"}


@pytest.mark.parametrize("text", ["{not a dict", "{1, 2}"])
def test_a_brace_alone_makes_no_dict(text):
    found = read_generation(text)

    assert found in ({"generation_id": text}, {})


@pytest.mark.parametrize("nothing", [None, 7, [], ["an-id"], b"an-id"])
def test_what_is_neither_text_nor_dict_names_nothing(nothing):
    assert read_generation(nothing) == {}


def test_a_none_that_a_template_rendered_names_nothing():
    assert read_generation("None") == {"generation_id": None}


@given(st.text())
def test_no_text_is_an_error(text):
    assert isinstance(read_generation(text), dict)


@pytest.mark.parametrize("unknown", [None, "", "a-model-of-tomorrow", 7])
def test_a_model_that_nobody_knows_takes_as_long_as_most(unknown):
    assert usual_seconds(unknown) == USUAL_SECONDS


def test_a_known_model_takes_its_own_time():
    assert usual_seconds("minimax/music-2.6") == find("minimax/music-2.6").usual_seconds
