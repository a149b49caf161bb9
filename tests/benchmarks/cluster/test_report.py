# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The table says what was measured, in figures that can be read."""

import pytest

from cluster.report import Line, number, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (None, ""),
        ("all", "all"),
        (0.11812, "0.118"),
        (14.237, "14.2"),
        (3877547.0, "3,877,547"),
        (20, "20"),
        (1387, "1,387"),
    ],
)
def test_figures_have_three_digits(value, text):
    assert number(value) == text


def test_a_line_shows_both_sides_their_ratio_and_the_target():
    head, rule, line = table([Line("songs", "CPU, s", 0.1, 0.4, "<= 0.15", met=True)]).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|") == 8
    assert line == "| songs | CPU, s | 0.100 | 0.400 | 0.250 | <= 0.15 | yes |"


def test_a_missed_target_stands_out_and_words_have_no_ratio():
    (*_, line) = table([Line("songs", "done", "19 of 20", "6 of 6", "all", met=False)]).splitlines()
    assert line == "| songs | done | 19 of 20 | 6 of 6 |  | all | NO |"


def test_a_row_is_named_once():
    *_, first, second, other = table([Line("a", "x", 1), Line("a", "y", 2), Line("b", "x", 3)]).splitlines()
    assert [line.split("|")[1].strip() for line in (first, second, other)] == ["a", "", "b"]
