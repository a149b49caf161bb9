# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json

import pytest

GOOD = [
    {"model": "minimax/music-2.6", "prompt": "calm piano"},
    {"model": "stable-audio", "prompt": "rain", "seconds_total": 20},
]
BAD = [
    {"model": "minimax/musik-2.6", "prompt": "calm piano"},
    {"modle": "stable-audio", "prompt": "rain"},
    {"model": "stable-audio", "prompt": "rain", "seconds_total": 200},
]


@pytest.fixture
def requests(tmp_path):
    def write(document):
        path = tmp_path / "requests.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def test_good_requests_come_with_their_sum_and_nothing_is_sent(music_sandbox, command, requests):
    done = command("estimate", requests(GOOD))
    assert done.code == 0
    assert done.lines[-1] == "2 requests: at most $0.245."
    assert music_sandbox.posts() == 0


def test_every_problem_of_every_request_is_named(music_sandbox, command, requests):
    done = command("estimate", requests(BAD), "-o", "json")
    assert done.code == 1
    problems = [request["problems"] for request in done.json["requests"]]
    assert "did you mean minimax/music-2.6" in problems[0][0]
    assert "did you mean model" in problems[1][0]
    assert "lower it to at most 47" in problems[2][0]


@pytest.mark.parametrize(("limit", "code"), [("0.25", 0), ("0.245", 0), ("0.2", 1), ("0", 1)])
def test_a_limit_that_is_not_kept_ends_with_1(limit, code, music_sandbox, command, requests):
    assert command("estimate", requests(GOOD), "--max-usd", limit).code == code


def test_a_price_that_is_not_known_keeps_no_limit_unless_that_is_allowed(music_sandbox, command, requests):
    music_sandbox.settings(pricing={"stable-audio": None})
    done = command("estimate", requests(GOOD), "--max-usd", "5")
    assert done.code == 1
    assert "is not known" in done.out
    assert command("estimate", requests(GOOD), "--max-usd", "5", "--allow-unknown-price").code == 0
    assert command("estimate", requests(GOOD)).code == 0


def test_without_a_connection_the_problems_are_found_all_the_same(no_connection, command, requests):
    assert command("estimate", requests(GOOD)).code == 0
    assert command("estimate", requests(BAD)).code == 1
    assert command("estimate", requests(GOOD), "--max-usd", "100").code == 1


def test_one_request_and_the_standard_input_are_taken(music_sandbox, command, requests, monkeypatch):
    assert command("estimate", requests(GOOD[0])).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(GOOD)))
    assert command("estimate", "-").code == 0


@pytest.mark.parametrize("text", ["", "no json", "[]", "3", '"text"'])
def test_what_holds_no_requests_ends_with_2(text, command, requests):
    done = command("estimate", requests(text))
    assert done.code == 2
    assert done.out == ""
    assert done.err


def test_words_of_a_request_are_not_in_the_output(music_sandbox, command, requests):
    done = command("estimate", requests([{**GOOD[0], "lyrics": "[Verse]\nquagmire"}]), "-o", "json")
    assert "quagmire" not in done.out


def test_a_right_that_the_configuration_asks_for_is_named_when_it_is_missing(
    music_sandbox, command, requests, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__MUSIC__REQUIRE_RIGHTS", "True")
    done = command("estimate", requests([GOOD[0], {**GOOD[1], "rights": "own"}]), "-o", "json")
    first, second = done.json["requests"]
    assert first["problems"][0].startswith("rights: not given, and require_rights asks for them")
    assert second["problems"] == []
    assert done.code == 1
