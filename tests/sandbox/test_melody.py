# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.sandbox.melody import compose

WORDS = "In the realm of innovation,\nwhere visions align\n\n##tech shine##"


def test_the_same_words_make_the_same_samples():
    assert compose(WORDS, "seed", 3, 16000) == compose(WORDS, "seed", 3, 16000)


def test_words_that_differ_in_one_letter_make_different_songs():
    songs = {compose("a calm song", f"seed {number}", 2, 16000).tobytes() for number in range(40)}
    assert len(songs) == 40


def test_other_words_or_another_seed_make_another_song():
    song = compose(WORDS, "seed", 3, 16000)
    assert compose("Another song altogether", "seed", 3, 16000) != song
    assert compose(WORDS, "other", 3, 16000) != song


@pytest.mark.parametrize("seconds", [0.01, 1, 2.5, 7])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_length_is_exact_to_a_sample(seconds, rate):
    assert len(compose(WORDS, "seed", seconds, rate)) == round(seconds * rate)


@pytest.mark.parametrize("seed", [str(number) for number in range(12)])
def test_it_is_loud_but_never_clips(seed):
    peak = max(map(abs, compose(WORDS, seed, 6, 16000)))
    assert 8_000 < peak < 32_767


def test_lead_and_backing_can_be_had_alone():
    whole = compose(WORDS, "s", 4, 16000)
    lead = compose(WORDS, "s", 4, 16000, backing=False)
    backing = compose(WORDS, "s", 4, 16000, lead=False)
    assert any(lead)
    assert any(backing)
    assert list(whole) == [a + b for a, b in zip(lead, backing, strict=True)]


@pytest.mark.parametrize("words", ["", "\n\n", "## ##", "\U0001f3b5", "春が来た", "a"])
def test_any_text_makes_a_tune(words):
    assert any(compose(words, "s", 2, 16000, backing=False))
