# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.templated import parse_templated

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_a_template_renders_is_read_back_from_json_and_from_pythons_notation(value):
    assert parse_templated(json.dumps(value)) == value
    if not isinstance(value, str):
        assert parse_templated(str(value)) == value


@pytest.mark.parametrize("value", [None, 3, True, {"a": "1"}, ["1"], b"[1]", object()])
def test_what_is_no_text_is_left_as_it_is(value):
    assert parse_templated(value) is value
    assert parse_templated(value, dict) is value


@pytest.mark.parametrize("text", ["5", "[1]", "null", "None", "true", '"a"', "{1, 2}", "a song", "", " "])
def test_a_text_that_holds_another_kind_stays_text(text):
    assert parse_templated(text, dict) == text


@pytest.mark.parametrize(
    "text",
    ["{", "{not a dict", "{[]: 1}", "{{}: 1}", "[" * 100_000, '{"a":' * 100_000, "(" * 5000, "\0", "\ud800", "1 +"],
)
def test_a_text_that_nobody_can_read_stays_text(text):
    assert parse_templated(text) == text


@given(st.text())
def test_no_text_is_an_error(text):
    parse_templated(text)
