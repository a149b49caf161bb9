# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.api import schema
from airflow_provider_music.api.models import CATALOGUE, find
from airflow_provider_music.api.static_checks import (
    _WITH_SETTING,
    AUDIO_SETTING,
    LONGEST,
    static_batch_problems,
    static_problems,
)
from airflow_provider_music.audio import reference
from airflow_provider_music.operators import upload


def test_the_table_says_what_the_catalogue_says():
    expected = {}
    for known in CATALOGUE:
        limits = {
            name: marker.max_length
            for name, field in known.model_fields.items()
            for marker in field.metadata
            if getattr(marker, "max_length", None) is not None
        }
        if known.prompt_is_lyrics:
            limits["lyrics"] = limits["prompt"]
        expected |= {name: limits for name in (known.id, *known.aliases) if limits}
    assert expected == {model: dict(limits) for model, limits in LONGEST.items()}
    assert set(_WITH_SETTING) == {known.id for known in CATALOGUE if "audio_setting" in known.fields()}
    assert AUDIO_SETTING["format"] == schema.FORMATS
    assert AUDIO_SETTING["bitrate"] == schema.BITRATES_BPS
    assert AUDIO_SETTING["sample_rate"] == AUDIO_SETTING["audio_sample_rate"] == schema.SAMPLE_RATES_HZ
    assert upload.PURPOSES == reference.PURPOSES


@pytest.mark.parametrize("model", LONGEST)
def test_a_text_that_is_too_long_is_named_and_the_longest_is_not(model):
    for name, longest in LONGEST[model].items():
        assert list(static_problems(model, {name: "x" * longest})) == []
        told = f"{name}: {longest + 5} characters, but {model} takes at most {longest}; shorten by 5."
        assert list(static_problems(model, {name: "x" * (longest + 5)})) == [told]
    assert find(model)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"format": "flac"}, "audio_setting.format: 'flac', but one of mp3, wav, pcm is taken; choose one of them."),
        (
            {"bitrate": 1},
            "audio_setting.bitrate: 1, but one of 32000, 64000, 128000, 256000 is taken; choose one of them.",
        ),
        ('{"format": "flac"}', "audio_setting.format: 'flac', but one of mp3, wav, pcm is taken; choose one of them."),
        ({"format": "{{ params.format }}"}, None),
        ("{{ params.setting }}", None),
        ({"format": "mp3", "bitrate": "64000", "sample_rate": 44100}, None),
        ({"format": None, "bitrate": 1.5}, None),
        (None, None),
        (7, None),
    ],
)
def test_an_audio_setting_that_is_written_plainly_is_checked(setting, told):
    assert list(static_problems("minimax/music-2.6", {"audio_setting": setting})) == ([told] if told else [])


@pytest.mark.parametrize("model", ["minimax/music-9", "{{ params.model }}", None, 5])
def test_of_a_model_that_is_not_known_nothing_is_said(model):
    assert list(static_problems(model, {"lyrics": "x" * 10_000, "audio_setting": {"format": "flac"}})) == []


def test_a_batch_is_checked_request_by_request_where_it_is_a_list():
    assert list(static_batch_problems([])) == ["requests: the list is empty; give one dict a song."]
    long = {"model": "music-01", "lyrics": "x" * 700}
    assert [one[:12] for one in static_batch_problems([{"model": "music-01"}, long, 5])] == ["requests[1] "]
    assert list(static_batch_problems("{{ x }}")) == []
