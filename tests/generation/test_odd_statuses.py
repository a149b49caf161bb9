# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Statuses that no document names: known synonyms end the wait, other words are named."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.generation import errors
from airflow_provider_music.generation.poll import Pace, poll_until_done
from airflow_provider_music.generation.state_machine import watch_generation
from airflow_provider_music.hooks.clients import close_clients


@pytest.fixture
def poll(clocks, monkeypatch):
    """Wait for a generation that the API says this of, for ten minutes."""
    connection = {"conn_type": "music", "host": "http://127.0.0.1:1", "password": "k"}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(connection))

    def run(wait, *bodies):
        said = list(bodies)

        def answer(request):
            return httpx.Response(200, json={"id": "g", **(said.pop(0) if len(said) > 1 else said[0])})

        async def waited():
            try:
                return await wait({"deadline": clocks.wall + 600, "submitted_at": clocks.wall})
            finally:
                await close_clients()

        with use_transport(httpx.MockTransport(answer)):
            return asyncio.run(waited())

    return run


def generation(times):
    return poll_until_done("music_default", "g", Pace(60), **times)


def event(times):
    return watch_generation("music_default", "g", usual_seconds=60, poll_interval=None, **times)


@pytest.mark.parametrize("word", ["done", "ready", "finished", "success"])
def test_a_synonym_of_completed_ends_the_wait_with_the_song(poll, clocks, word):
    begun = clocks.wall
    found = poll(generation, {"status": word, "audio_file": ["https://cdn.example/a.mp3"]})
    assert found.done
    assert found.audio_url == "https://cdn.example/a.mp3"
    assert clocks.wall - begun < 60


@pytest.mark.parametrize("word", ["timeout", "timed_out", "failure", "moderated", "aborted"])
def test_a_synonym_of_failed_ends_the_wait_and_is_named(poll, clocks, word):
    begun = clocks.wall
    found = poll(event, {"status": word, "message": "bad words"})
    assert (found["status"], found["message"]) == ("failed", f"the API says {word}: bad words")
    assert clocks.wall - begun < 60


def test_an_unknown_word_is_waited_on_and_named_in_the_log_and_in_the_event(poll, clocks, caplog):
    begun = clocks.wall
    found = poll(event, {"status": "queued"}, {"status": "Hibernating"})
    assert (found["status"], found["unknown_status"]) == ("timeout", "hibernating")
    assert clocks.wall - begun > 500
    warned = [record.getMessage() for record in caplog.records if "not known" in record.getMessage()]
    assert warned == [
        "generation g: the API says 'hibernating', a status that is not known here; waiting on, as for one under way"
    ]


def test_expired_is_no_failure(poll):
    found = poll(event, {"status": "expired"})
    assert (found["status"], found["unknown_status"]) == ("timeout", "expired")


def test_a_known_word_at_the_deadline_is_not_named(poll):
    assert poll(event, {"status": "generating"})["unknown_status"] is None
    assert poll(generation, {"status": "odd"}, {"status": "generating"}) is None


def test_the_timeout_names_the_unknown_status():
    assert errors.said_last("hibernating") == ("; the API last said 'hibernating', a status that is not known here")
    assert errors.said_last(None) == ""


@pytest.mark.parametrize(
    ("polls", "known"),
    [
        (None, "is not known"),
        ({"made": 0}, "how it stands is not known"),
        ({"made": 9, "failures": 9, "last_error": "HTTP 503"}, "Of 9 polls none had a usable response (the last: "),
        (
            {"made": 9, "failures": 2, "last_status": "queued", "last_error": "HTTP 503", "silent_seconds": 70},
            "The API last said 'queued'; since then 2 polls over 70 s had no usable response (the last: HTTP 503). How",
        ),
        ({"made": 9, "failures": 0, "last_status": "completed"}, "names no audio file yet"),
        ({"made": 9, "failures": 0, "last_status": "queued"}, "last said 'queued': the generation keeps running."),
    ],
)
def test_a_timeout_says_what_the_polls_brought_and_no_more(polls, known):
    said = errors.known_at_deadline(polls)
    assert known in said
    assert ("keeps running" in said) == known.endswith("keeps running.")


def test_of_an_unknown_status_it_is_said_that_it_is_only_taken_for_under_way():
    polls = {"made": 9, "failures": 0, "last_status": "hibernating"}
    assert errors.known_at_deadline(polls, "hibernating") == "It is taken for one that keeps running."
