# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The table and the sums behind it."""

from __future__ import annotations

import pytest
from inprocess.measures.plan import median, paired
from inprocess.report import Row, at_most, cpu_model, head, table


def test_a_row_says_whether_its_target_is_met():
    lines = table(
        [
            Row("speed", "2 MB/s", "bare 4 MB/s", "0.50", "≥ 0.7", met=False),
            Row("memory", "1 KB", target="≤ 2 KB", met=True),
            Row("polls", "4"),
        ]
    ).splitlines()
    assert lines[0] == "| measure | ours | beside it | ratio | target | met |"
    assert lines[2] == "| speed | 2 MB/s | bare 4 MB/s | 0.50 | ≥ 0.7 | **no** |"
    assert lines[3] == "| memory | 1 KB |  |  | ≤ 2 KB | yes |"
    assert lines[4] == "| polls | 4 |  |  |  |  |"


@pytest.mark.parametrize(("value", "met"), [(1.29, True), (1.3, True), (1.304, True), (1.31, False)])
def test_a_figure_is_judged_as_it_is_printed(value, met):
    assert at_most(value, 1.3) is met


def test_ratios_are_taken_turn_by_turn():
    # The second turn ran on a machine that was three times as slow, for both.
    assert paired([1.0, 3.0, 1.2], [2.0, 6.0, 2.0]) == 0.5
    assert median([3.0, 1.0, 2.0]) == 2.0


def test_turns_without_a_partner_are_an_error():
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 2.0], [1.0])


def test_the_head_names_machine_and_versions():
    text = head()
    assert cpu_model() in text
    assert "apache-airflow " in text
    assert "httpx " in text
