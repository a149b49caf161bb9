# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.parsing import (
    describe_error,
    id_or_none,
    number_or_none,
    one_line,
    text_or_none,
    usable_id,
)


@pytest.mark.parametrize("value", [None, True, "x", "", [], {}, "nan", "inf", 10**400, "1" * 5000, b"1"])
def test_what_is_no_finite_number_is_none(value):
    assert number_or_none(value) is None


@pytest.mark.parametrize(("value", "number"), [(1, 1.0), ("1", 1.0), (" 1.5 ", 1.5), (-2.5, -2.5), ("1e3", 1000.0)])
def test_a_number_may_come_as_text(value, number):
    assert number_or_none(value) == number


def test_texts_are_short_and_printable_and_ids_are_never_cut():
    assert text_or_none("a" * 300) == "a" * 200
    assert [text_or_none(value) for value in ("", "a\nb", 5, None)] == [None] * 4
    assert id_or_none("a" * 300) == "a" * 300
    assert id_or_none("a" * 600) is None


def test_an_error_that_says_nothing_is_told_by_its_name_alone():
    assert describe_error(TimeoutError()) == "TimeoutError"
    assert describe_error(TimeoutError("after 5 s")) == "TimeoutError: after 5 s"


@given(st.text())
def test_one_line_is_one_printable_line(text):
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 301


@given(st.text())
def test_a_usable_id_can_be_kept_in_one_line(text):
    if usable_id(text):
        assert text.isprintable()
        assert text.isascii()
        assert text.strip()
