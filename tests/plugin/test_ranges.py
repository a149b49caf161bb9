# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.plugin.ranges import UnsatisfiableRangeError, requested_bytes


def part(value, size=1000, **more):
    found = requested_bytes({"range": value, **more}, size, '"a"')
    return (found.start, found.length, found.is_part)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", (0, 1, True)),
        ("bytes=0-", (0, 1000, True)),
        ("bytes=200-299", (200, 100, True)),
        ("bytes=900-5000", (900, 100, True)),
        ("bytes=-100", (900, 100, True)),
        ("bytes=-5000", (0, 1000, True)),
        ("bytes=999-", (999, 1, True)),
    ],
)
def test_one_range_gives_its_bytes(value, expected):
    assert part(value) == expected


@pytest.mark.parametrize(
    "value", ["", "bytes=-", "bytes=5-2", "bytes=0-1,5-9", "lines=0-5", "bytes=a-b", "bytes=1--2", "bytes=" + "9" * 40]
)
def test_what_is_no_single_range_gives_the_whole(value):
    assert part(value) == (0, 1000, False)


@pytest.mark.parametrize(("value", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=0-", 0)])
def test_a_range_behind_the_end_is_refused(value, size):
    with pytest.raises(UnsatisfiableRangeError):
        part(value, size)


def test_a_range_of_another_version_of_the_file_gives_the_whole():
    assert part("bytes=10-19", **{"if-range": '"a"'}) == (10, 10, True)
    assert part("bytes=10-19", **{"if-range": '"b"'}) == (0, 1000, False)


def test_the_header_says_which_bytes_these_are():
    assert requested_bytes({"range": "bytes=-10"}, 1000, None).content_range == "bytes 990-999/1000"
