# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_provider_music.api.models import CATALOGUE


def test_every_model_has_its_line_and_its_price(music_sandbox, command):
    done = command("models")
    assert done.code == 0
    assert len(done.lines) == len(CATALOGUE) + 1
    (line,) = (line for line in done.lines if line.startswith("minimax/music-2.6 "))
    assert "$0.195" in line
    assert music_sandbox.posts() == 0


def test_a_withdrawn_model_names_what_replaces_it(music_sandbox, command):
    music_sandbox.withdraw("stable-audio", "minimax/music-2.6")
    assert "withdrawn, use minimax/music-2.6" in command("models").out
    (model,) = (each for each in command("models", "-o", "json").json["models"] if each["id"] == "stable-audio")
    assert (model["status"], model["replaced_by"]) == ("withdrawn", "minimax/music-2.6")


def test_without_a_connection_the_catalogue_is_shown_and_a_line_says_what_is_missing(no_connection, command):
    done = command("models")
    assert done.code == 0
    assert len(done.lines) == len(CATALOGUE) + 1
    assert "Prices and withdrawals are not known" in done.err


def test_an_api_that_does_not_answer_ends_with_1(music_sandbox, command):
    music_sandbox.fault("deprecations:status=503,gateway,times=all")
    done = command("models", "-o", "json")
    assert done.code == 1
    assert not done.json["live"]


def test_a_price_that_is_hidden_is_not_known(music_sandbox, command):
    music_sandbox.settings(pricing={"stable-audio": None})
    (line,) = (line for line in command("models").lines if line.startswith("stable-audio"))
    assert "not known" in line
