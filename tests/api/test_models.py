# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydantic import ValidationError

from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.models import CATALOGUE, USUAL_SECONDS, find, known_names, nearest_model, usual_seconds
from airflow_provider_music.api.schema import FORMATS, MAX_INLINE_BYTES

URL = "https://example.org/track.mp3"
# The least that each model takes.
LEAST = {
    "music-01": {"lyrics": "la", "refer_voice": "vocal-1"},
    "minimax-music": {"prompt": "la", "reference_audio_url": URL},
    "minimax/music-1.5": {"prompt": "p" * 10, "lyrics": "l" * 10},
    "minimax/music-2.0": {"prompt": "p" * 10, "lyrics": "l" * 10},
    "minimax/music-2.6": {},
    "minimax/music-cover": {"prompt": "p" * 10, "reference_audio_url": URL},
    "google/lyria2": {"prompt": "p"},
    "stable-audio": {"prompt": "p"},
    "elevenlabs/eleven_music": {"prompt": "p"},
    "test/dummy-audio": {"prompt": "p"},
}
WITH_SETTING = (
    "music-01",
    "minimax/music-1.5",
    "minimax/music-2.0",
    "minimax/music-2.6",
    "minimax/music-cover",
)


def body_of(model, **fields):
    return {"model": model, **LEAST[model], **fields}


def wire(body):
    return find(body["model"]).model_validate(body).wire()


def errors(body):
    with pytest.raises(ValidationError) as caught:
        wire(body)
    return {(".".join(map(str, error["loc"])), error["type"]) for error in caught.value.errors()}


def test_the_table_of_this_file_names_every_model():
    assert set(LEAST) == {known.id for known in CATALOGUE}, "LEAST: give each model the least body that it takes"


@pytest.mark.parametrize("model", LEAST)
def test_a_model_takes_the_least_body_and_sends_it_unchanged(model):
    assert wire(body_of(model)) == body_of(model)


@pytest.mark.parametrize("model", LEAST)
def test_a_model_misses_what_is_left_out(model):
    for name in LEAST[model]:
        body = {key: value for key, value in body_of(model).items() if key != name}
        assert {kind for _, kind in errors(body)} <= {"required", "none_of"}


@pytest.mark.parametrize("known", CATALOGUE, ids=lambda known: known.id)
def test_a_model_says_what_it_is(known):
    assert known.lane == ("synchronous" if known.id == "music-01" else "queued")
    assert known.default_format == ("wav" if known.id in {"google/lyria2", "stable-audio"} else "mp3")
    assert known.default_format in FORMATS
    assert 0 < known.usual_seconds < 600
    assert known.source.startswith(("aimlapi/api-docs ", "live OpenAPI"))
    assert known.__doc__


def test_find_knows_ids_and_aliases_and_nothing_else():
    for known in CATALOGUE:
        assert all(find(name) is known for name in (known.id, *known.aliases))
    assert find("lyria2") is find("google/lyria2")
    assert find("minimax/music-3.0") is None
    assert all(find(junk) is None for junk in ("", None, [], {}, 3))
    assert set(known_names()) == set(LEAST) | {"lyria2"}


def test_the_alias_is_a_model_name_on_the_wire_and_another_model_is_not():
    assert wire({"model": "lyria2", "prompt": "p"})["model"] == "lyria2"
    with pytest.raises(ValidationError):
        find("lyria2").model_validate({"model": "stable-audio", "prompt": "p"})
    with pytest.raises(ValidationError):
        find("lyria2").model_validate({"prompt": "p"})


@pytest.mark.parametrize("unknown", [None, "", "a-model-of-tomorrow", 7])
def test_a_model_that_nobody_knows_takes_as_long_as_most(unknown):
    assert usual_seconds(unknown) == USUAL_SECONDS


def test_a_known_model_takes_its_own_time():
    assert usual_seconds("lyria2") == find("google/lyria2").usual_seconds


TEXT_LIMITS = [
    ("music-01", "lyrics", 1, 600),
    ("minimax-music", "prompt", 1, 600),
    ("minimax/music-1.5", "prompt", 10, 300),
    ("minimax/music-1.5", "lyrics", 10, 3000),
    ("minimax/music-2.0", "prompt", 10, 2000),
    ("minimax/music-2.0", "lyrics", 10, 3000),
    ("minimax/music-2.6", "prompt", 0, 2000),
    ("minimax/music-2.6", "lyrics", 0, 3000),
    ("minimax/music-cover", "prompt", 10, 2000),
    ("minimax/music-cover", "lyrics", 10, 3000),
    ("google/lyria2", "prompt", 1, 600),
    ("stable-audio", "prompt", 1, None),
    ("elevenlabs/eleven_music", "prompt", 1, 2000),
    ("test/dummy-audio", "prompt", 1, None),
]


@pytest.mark.parametrize(("model", "name", "shortest", "longest"), TEXT_LIMITS)
def test_a_text_is_taken_up_to_its_limits_and_not_beyond(model, name, shortest, longest):
    most = longest or 100_000
    # A character is a character, however many bytes it has.
    for length in {shortest, most}:
        assert wire(body_of(model, **{name: "曲" * length}))[name] == "曲" * length
    if longest:
        assert errors(body_of(model, **{name: "x" * (longest + 1)})) == {(name, "string_too_long")}
    if shortest:
        assert errors(body_of(model, **{name: "x" * (shortest - 1)})) == {(name, "string_too_short")}


@pytest.mark.parametrize(
    ("model", "name", "least", "most"),
    [
        ("google/lyria2", "seed", 0, None),
        ("stable-audio", "seconds_start", 1, 47),
        ("stable-audio", "seconds_total", 1, 47),
        ("stable-audio", "steps", 1, 1000),
        ("elevenlabs/eleven_music", "music_length_ms", 10_000, 300_000),
        ("test/dummy-audio", "duration", 1, 10),
    ],
)
def test_a_number_is_taken_up_to_its_limits_and_not_beyond(model, name, least, most):
    for value in (least, most or 2**40):
        assert wire(body_of(model, **{name: value}))[name] == value
        assert wire(body_of(model, **{name: str(value)}))[name] == value
    assert errors(body_of(model, **{name: least - 1})) == {(name, "greater_than_equal")}
    if most:
        assert errors(body_of(model, **{name: most + 1})) == {(name, "less_than_equal")}
    for junk in ("ten", "", 1.5, True, [1]):
        ((where, _),) = errors(body_of(model, **{name: junk}))
        assert where == name


@pytest.mark.parametrize("name", ["lyrics_optimizer", "is_instrumental"])
def test_a_switch_is_taken_as_boolean_and_as_text(name):
    for value, sent in [(True, True), ("true", True), ("False", False), (False, False)]:
        assert wire(body_of("minimax/music-2.6", **{name: value}))[name] is sent
    assert errors(body_of("minimax/music-2.6", **{name: "maybe"})) == {(name, "bool_parsing")}


@pytest.mark.parametrize("model", LEAST)
def test_null_means_not_given(model):
    nulls = dict.fromkeys((*REQUEST_FIELDS, "made_up"))
    assert wire({**nulls, **body_of(model)}) == body_of(model)


@pytest.mark.parametrize("model", LEAST)
def test_a_field_of_another_model_is_not_taken(model):
    for name in {*REQUEST_FIELDS, "made_up"} - set(find(model).fields()):
        assert (name, "extra_forbidden") in errors(body_of(model, **{name: "x"}))


@pytest.mark.parametrize("model", WITH_SETTING)
def test_an_audio_setting_takes_its_values_as_numbers_and_as_text(model):
    for rate in (16000, 24000, 32000, 44100):
        for bitrate in (32000, 64000, 128000, 256000):
            for kind in ("mp3", "wav", "pcm"):
                setting = {"sample_rate": rate, "bitrate": bitrate, "format": kind}
                assert wire(body_of(model, audio_setting=setting))["audio_setting"] == setting
    text = {"sample_rate": "44100", "bitrate": "256000", "format": "mp3"}
    sent = wire(body_of(model, audio_setting=text))["audio_setting"]
    assert sent == {"sample_rate": 44100, "bitrate": 256000, "format": "mp3"}


@pytest.mark.parametrize("model", WITH_SETTING)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_rate", 48000),
        ("sample_rate", 44099),
        ("bitrate", 96000),
        ("bitrate", "0"),
        ("format", "flac"),
    ],
)
def test_an_audio_setting_takes_no_other_values(model, name, value):
    setting = {"format": "mp3", name: value}
    assert errors(body_of(model, audio_setting=setting)) == {(f"audio_setting.{name}", "not_one_of")}


@pytest.mark.parametrize("model", WITH_SETTING)
def test_the_older_name_of_the_rate_is_taken_and_the_newer_is_sent(model):
    for setting in (
        {"audio_sample_rate": "44100", "format": "wav"},
        {"audio_sample_rate": 44100, "sample_rate": "44100", "format": "wav"},
        {"audio_sample_rate": 44100, "sample_rate": None, "format": "wav"},
    ):
        sent = wire(body_of(model, audio_setting=setting))["audio_setting"]
        assert sent == {"sample_rate": 44100, "format": "wav"}
    both = {"audio_sample_rate": 44100, "sample_rate": 32000, "format": "wav"}
    assert errors(body_of(model, audio_setting=both)) == {("audio_setting.sample_rate", "two_rates")}


def test_music_01_wants_the_format_in_an_audio_setting_and_the_others_do_not():
    assert errors(body_of("music-01", audio_setting={})) == {("audio_setting.format", "required")}
    for model in WITH_SETTING[1:]:
        assert wire(body_of(model, audio_setting={}))["audio_setting"] == {}


@pytest.mark.parametrize("given", [["refer_voice"], ["refer_instrumental"], ["refer_voice", "refer_instrumental"]])
def test_music_01_takes_either_reference_or_both(given):
    body = {"model": "music-01", "lyrics": "la", **dict.fromkeys(given, "id-1")}
    assert wire(body) == body


def test_music_01_needs_a_reference():
    assert errors({"model": "music-01", "lyrics": "la"}) == {("refer_voice or refer_instrumental", "none_of")}
    assert errors({"model": "music-01", "lyrics": "la", "refer_voice": ""}) == {("refer_voice", "string_too_short")}


def test_music_cover_takes_a_track_or_its_features_with_lyrics():
    features = {
        "model": "minimax/music-cover",
        "prompt": "p" * 10,
        "cover_feature_id": "f",
        "lyrics": "l" * 10,
    }
    assert wire(features) == features
    assert errors({**features, "lyrics": None}) == {("lyrics", "none_of")}
    both = "reference_audio_url and cover_feature_id"
    assert errors({**features, "reference_audio_url": URL}) == {(both, "too_many_of")}
    neither = "reference_audio_url or cover_feature_id"
    assert errors({**features, "cover_feature_id": None}) == {(neither, "none_of")}


@pytest.mark.parametrize("model", ["minimax-music", "minimax/music-cover"])
def test_a_reference_is_a_web_url(model):
    for url in ("http://h/x", "https://h:8080/x%2Fy?Signature=a%3D", "HTTPS://h/x"):
        assert wire(body_of(model, reference_audio_url=url))["reference_audio_url"] == url
    for url in (
        "",
        "s3://bucket/x",
        "/tmp/x.mp3",
        "https://",
        "https:///x",
        "http://[",
        "http://h:99999/",
        "http://h/a b",
    ):
        assert errors(body_of(model, reference_audio_url=url)) == {("reference_audio_url", "web_url")}


def test_only_music_cover_takes_the_track_itself():
    inline = "data:audio/mpeg;base64,SUQzBAA="
    assert wire(body_of("minimax/music-cover", reference_audio_url=inline))["reference_audio_url"] == inline
    assert errors(body_of("minimax-music", reference_audio_url=inline)) == {("reference_audio_url", "web_url")}
    for broken in (
        "data:,abc",
        "data:audio/mpeg;base64,",
        "data:audio/mpeg;base64,abc",
        "data:audio/mpeg;base64,a c=",
    ):
        assert errors(body_of("minimax/music-cover", reference_audio_url=broken)) == {
            ("reference_audio_url", "data_uri")
        }


def test_an_inline_track_is_taken_up_to_50_mb():
    quads, rest = divmod(MAX_INLINE_BYTES, 3)
    assert rest == 2
    largest = "data:audio/wav;base64," + "A" * 4 * quads + "AAA="
    wire(body_of("minimax/music-cover", reference_audio_url=largest))
    larger = "data:audio/wav;base64," + "A" * 4 * (quads + 1)
    assert errors(body_of("minimax/music-cover", reference_audio_url=larger)) == {
        ("reference_audio_url", "data_uri_size")
    }


def test_white_space_is_no_text():
    assert errors(body_of("minimax/music-2.0", lyrics=" \n" * 10)) == {("lyrics", "blank")}


def test_every_problem_of_a_body_is_found_at_once():
    body = {
        "model": "music-01",
        "lyrics": "x" * 601,
        "steps": 5,
        "audio_setting": {"sample_rate": 1, "bitrate": "x", "loudness": 3},
    }
    assert errors(body) == {
        ("lyrics", "string_too_long"),
        ("steps", "extra_forbidden"),
        ("audio_setting.format", "required"),
        ("audio_setting.sample_rate", "not_one_of"),
        ("audio_setting.bitrate", "int_parsing"),
        ("audio_setting.loudness", "extra_forbidden"),
        ("refer_voice or refer_instrumental", "none_of"),
    }


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_what_is_no_object_is_no_body(body):
    with pytest.raises(ValidationError):
        find("music-01").model_validate(body)


@pytest.mark.parametrize("name", ["music-2.6", " Music-2.6", "eleven_music"])
def test_a_name_without_its_vendor_is_nearest_to_the_whole_one(name):
    assert nearest_model(name) == find(nearest_model(name)).id
    assert nearest_model(name).endswith(f"/{name.strip().lower()}")
