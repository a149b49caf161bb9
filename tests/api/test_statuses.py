# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.api.statuses import audio_url_of, meaning

URL = "https://cdn.example/song.mp3?Signature=x"


@pytest.mark.parametrize(
    "word", ["completed", "Complete", "succeeded", "SUCCESS", "done", "ready", "finished", " generated "]
)
def test_words_of_a_song_that_is_there(word):
    assert meaning(word) == "done"


@pytest.mark.parametrize(
    "word",
    [
        *("error", "failed", "failure", "canceled", "cancelled", "rejected", "aborted", "moderated"),
        *("timeout", "timed_out", "Timed out", "TIMED-OUT"),
        *("nsfw", "flagged", "content-filtered", "censored", "denied", "declined", "content_policy_violation"),
    ],
)
def test_words_of_a_generation_that_ended_without_a_song(word):
    assert meaning(word) == "failed"


@pytest.mark.parametrize("word", ["queued", "generating", "waiting", "in_progress", "In Progress", "processing"])
def test_words_of_a_generation_under_way(word):
    assert meaning(word) == "under way"


@pytest.mark.parametrize("word", ["expired", "Expired", "***", "anything new", "7", "not_ready", "undone", "archived"])
def test_any_other_word_is_unknown_and_ends_nothing(word):
    assert meaning(word) == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        {"audio_file": {"url": URL}},
        {"audio_file": URL},
        {"audio_file": f" {URL}\n"},
        {"audio_file": [{"url": URL}]},
        {"audio_file": [URL]},
        {"audio_file": [None, {}, {"url": URL}, {"url": "https://b"}]},
        {"audio_file": {"audio_url": URL}},
        {"audio_file": {"url": {"url": URL}}},
        {"audio_file": None, "audio_url": URL},
        {"audio_files": [{"url": URL}]},
        {"audio": {"url": URL}},
    ],
)
def test_the_songs_url_is_found_as_text_in_a_list_and_in_an_object(body):
    assert audio_url_of(body) == URL


@pytest.mark.parametrize("value", [None, "", "fffb9064", [], {}, {"url": 5}, 7, True, [[[[[[URL]]]]]], {"id": URL}])
def test_what_is_no_url_is_none(value):
    assert audio_url_of({"audio_file": value}) is None
