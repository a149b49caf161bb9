# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.record.generation_ref import facts_of_generation, read_fact, read_generation

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


@pytest.mark.parametrize("nothing", [None, True, -7, 7.5, [], ["an-id"], b"an-id"])
def test_what_is_neither_text_nor_dict_names_nothing(nothing):
    assert read_generation(nothing) == {}


def test_a_none_that_a_template_rendered_names_nothing():
    assert read_generation("None") == {"generation_id": None}


@given(st.text())
def test_no_text_is_an_error(text):
    assert isinstance(read_generation(text), dict)


INTENT, ACCEPTED = {"n": 2, "fingerprint": "f"}, {"generation_id": "an-id"}


@pytest.fixture
def take(tmp_path):
    """The folder of a take that another task submitted."""
    (tmp_path / "intent.json").write_text(json.dumps(INTENT))
    (tmp_path / "accepted.json").write_text(json.dumps(ACCEPTED))
    return tmp_path


def test_the_facts_of_the_task_that_submitted_are_found_through_its_result(take):
    facts = facts_of_generation({**FACTS, "record_uri": f"file://{take}/accepted.json"})
    assert facts == {"intent": INTENT, "accepted": ACCEPTED}


def test_an_intent_that_is_gone_leaves_no_facts(take):
    (take / "intent.json").unlink()
    assert facts_of_generation({"record_uri": f"file://{take}/accepted.json"}) == {}


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_a_fact_that_is_no_json_object_is_none(take, content):
    (take / "accepted.json").write_text(content)
    assert facts_of_generation({"record_uri": f"file://{take}/accepted.json"}) == {"intent": INTENT}


@pytest.mark.parametrize("generation", [{}, {"record_uri": None}, {"record_uri": "accepted.json"}])
def test_a_generation_without_a_record_has_no_facts(generation):
    assert facts_of_generation(generation) == {}


def test_a_fact_that_is_nested_without_end_is_no_fact(tmp_path):
    (tmp_path / "intent.json").write_bytes(b"[" * 200_000)
    assert read_fact(str(tmp_path), "intent.json") == {}
