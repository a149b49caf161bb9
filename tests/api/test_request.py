# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import json
import re

import pytest

from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.models import CATALOGUE, known_names
from airflow_provider_music.api.request import fingerprint, prepare, prepare_all
from airflow_provider_music.exceptions import InvalidRequestError

URL = "https://example.org/track.mp3"
SONG = {"lyrics": "la", "refer_voice": "vocal-1"}
COVER = {"prompt": "p" * 10, "reference_audio_url": URL}


def problems(model, fields, extra_body=None):
    with pytest.raises(InvalidRequestError) as caught:
        prepare(model, fields, extra_body)
    for problem in caught.value.problems:
        assert not re.search(r"pydantic|Input should|Field required|Extra inputs|valid string", problem)
        str(problem).encode()
    return caught.value.problems


def test_a_request_holds_what_was_given_and_nothing_else():
    setting = {"sample_rate": "44100", "bitrate": 256000, "format": "wav"}
    given = {**dict.fromkeys(REQUEST_FIELDS), **SONG, "audio_setting": setting}
    prepared = prepare("music-01", given)
    assert prepared.body == {
        "model": "music-01",
        **SONG,
        "audio_setting": {"sample_rate": 44100, "bitrate": 256000, "format": "wav"},
    }
    assert (prepared.model, prepared.lane) == ("music-01", "synchronous")
    assert (prepared.audio_format, prepared.sample_rate_hz) == ("wav", 44100)
    assert prepared.usual_seconds == 55.0
    assert prepared.notes == ()


def test_a_prepared_request_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        prepare("music-01", SONG).model = "other"


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("music-01", SONG, None),
        ("minimax/music-2.6", {"audio_setting": {"format": "mp3"}}, "mp3"),
        ("minimax/music-2.6", {"audio_setting": {"format": "wav"}}, "wav"),
        ("minimax/music-2.6", {"audio_setting": {"format": "pcm"}}, "pcm"),
        ("minimax/music-2.6", {"audio_setting": '{"format": "wav"}'}, "wav"),
        ("minimax/music-2.6", {"audio_setting": {"bitrate": 32000}}, None),
        ("google/lyria2", {"prompt": "p"}, None),
    ],
)
def test_the_format_to_expect_is_the_one_that_the_request_names(model, fields, expected):
    assert prepare(model, fields).audio_format == expected


@pytest.mark.parametrize(
    "setting",
    [
        {"format": "mp3", "sample_rate": 32000},
        '{"format": "mp3", "sample_rate": "32000"}',
        "{'format': 'mp3', 'sample_rate': 32000, 'bitrate': None}",
    ],
)
def test_an_audio_setting_may_be_text_as_a_template_renders_it(setting):
    prepared = prepare("music-01", {**SONG, "audio_setting": setting})
    assert prepared.body["audio_setting"] == {"format": "mp3", "sample_rate": 32000}


def test_the_older_name_of_the_rate_is_sent_as_the_newer_and_said():
    prepared = prepare("minimax/music-2.6", {"audio_setting": {"audio_sample_rate": 32000}})
    assert prepared.body["audio_setting"] == {"sample_rate": 32000}
    assert prepared.sample_rate_hz == 32000
    assert "sent as sample_rate" in prepared.notes[0]


def test_minimax_music_sings_its_prompt_so_lyrics_are_sent_as_prompt():
    prepared = prepare("minimax-music", {"lyrics": "la la", "reference_audio_url": URL})
    assert prepared.body == {"model": "minimax-music", "prompt": "la la", "reference_audio_url": URL}
    assert prepared.notes == ("minimax-music sings its prompt: lyrics are sent as prompt.",)
    assert prepare("minimax-music", {"prompt": "la", "reference_audio_url": URL}).notes == ()


@pytest.mark.parametrize(
    ("model", "fields", "sentence"),
    [
        (
            "music-01",
            {**SONG, "lyrics": "x" * 731},
            "lyrics: 731 characters, but music-01 takes at most 600; shorten by 131.",
        ),
        (
            "minimax/music-1.5",
            {"prompt": "short", "lyrics": "l" * 10},
            ("prompt: 'short', 5 characters, but minimax/music-1.5 takes at least 10 characters; add 5 or more."),
        ),
        (
            "music-01",
            {**SONG, "lyrics": ""},
            "lyrics: empty, but music-01 takes at least 1 character; add 1 or more.",
        ),
        (
            "music-01",
            {**SONG, "lyrics": " \n"},
            "lyrics: 2 characters of nothing but white space, but music-01 needs text; write some.",
        ),
        (
            "music-01",
            {"refer_voice": "v"},
            "lyrics: not given, but music-01 needs it; give text of 1 to 600 characters.",
        ),
        (
            "music-01",
            {**SONG, "lyrics": 5},
            "lyrics: 5 is not what music-01 takes; give text of 1 to 600 characters.",
        ),
        (
            "music-01",
            {"lyrics": "la"},
            (
                "refer_voice or refer_instrumental: not given, but music-01 needs at least one; "
                "run UploadReferenceOperator first and pass its voice_id or instrumental_id."
            ),
        ),
        (
            "music-01",
            {**SONG, "refer_voice": "None"},
            (
                "refer_voice: the text 'None', which is what the empty XCom of an upstream task renders as; "
                "look at what that task returned, or leave the field out."
            ),
        ),
        (
            "music-01",
            {**SONG, "steps": 9},
            (
                "steps: music-01 has no such field; leave it out (models that take it: stable-audio), "
                "or pass it in extra_body if the API has learned it."
            ),
        ),
        (
            "music-01",
            {**SONG, "lyric": "x"},
            (
                "lyric: music-01 has no such field; leave it out (did you mean lyrics?), "
                "or pass it in extra_body if the API has learned it."
            ),
        ),
        (
            "stable-audio",
            {"prompt": "p", "zzz": 1},
            (
                "zzz: stable-audio has no such field; leave it out (it takes prompt, seconds_start, "
                "seconds_total, "
                "steps), or pass it in extra_body if the API has learned it."
            ),
        ),
        (
            "music-01",
            {**SONG, "model": "music-01"},
            "model: it is an argument of its own; leave it out of the fields.",
        ),
        (
            "music-01",
            {**SONG, "audio_setting": {"format": "mp3", "bitrate": 96000}},
            ("audio_setting.bitrate: 96000, but one of 32000, 64000, 128000, 256000 is taken; choose one of them."),
        ),
        (
            "music-01",
            {**SONG, "audio_setting": {"format": "mp3", "sample_rate": "48000"}},
            ("audio_setting.sample_rate: '48000', but one of 16000, 24000, 32000, 44100 is taken; choose one of them."),
        ),
        (
            "music-01",
            {**SONG, "audio_setting": {"format": "MP3"}},
            "audio_setting.format: 'MP3', but one of mp3, wav, pcm is taken; choose one of them.",
        ),
        (
            "music-01",
            {**SONG, "audio_setting": {"sample_rate": 44100}},
            (
                "audio_setting.format: not given, but music-01 needs it when audio_setting is given; "
                "give one of mp3, wav, pcm."
            ),
        ),
        (
            "music-01",
            {**SONG, "audio_setting": {"format": "mp3", "bitrate": "high"}},
            ("audio_setting.bitrate: 'high' is not what music-01 takes; give one of 32000, 64000, 128000, 256000."),
        ),
        (
            "music-01",
            {**SONG, "audio_setting": {"format": "mp3", "loud": 1}},
            (
                "audio_setting.loud: audio_setting has no such field; leave it out (it takes "
                "sample_rate, bitrate, "
                "format)."
            ),
        ),
        (
            "music-01",
            {**SONG, "audio_setting": {"format": "mp3", "sample_rate": 32000, "audio_sample_rate": 44100}},
            (
                "audio_setting.sample_rate: 32000, but audio_sample_rate, its other name, says 44100; "
                "give only sample_rate."
            ),
        ),
        (
            "music-01",
            {**SONG, "audio_setting": "loud"},
            ("audio_setting: 'loud' is not what music-01 takes; give an object with sample_rate, bitrate and format."),
        ),
        (
            "minimax-music",
            {"lyrics": "x" * 601, "reference_audio_url": URL},
            "lyrics: 601 characters, but minimax-music takes at most 600; shorten by 1.",
        ),
        (
            "minimax-music",
            {"lyrics": "a", "prompt": "b", "reference_audio_url": URL},
            (
                "lyrics and prompt: both given, but minimax-music sings its prompt and takes no other "
                "lyrics; leave one of them out."
            ),
        ),
        (
            "minimax-music",
            {"reference_audio_url": URL},
            (
                "prompt: not given, but minimax-music needs it; this model sings it as the lyrics; "
                "give text of 1 to 600 characters."
            ),
        ),
        (
            "minimax-music",
            {"prompt": "la", "reference_audio_url": "s3://key:word@bucket/x.mp3?sig=secret"},
            (
                "reference_audio_url: 's3://bucket/x.mp3' is not what minimax-music takes; "
                "give an http or https URL of the track, which the API can fetch."
            ),
        ),
        (
            "minimax/music-cover",
            {"prompt": "p" * 10},
            (
                "reference_audio_url or cover_feature_id: not given, but minimax/music-cover needs "
                "one of them; give the "
                "track's URL, or the cover_feature_id that the API made of it in the last 24 hours."
            ),
        ),
        (
            "minimax/music-cover",
            {**COVER, "cover_feature_id": "f", "lyrics": "l" * 10},
            (
                "reference_audio_url and cover_feature_id: given together, but minimax/music-cover "
                "takes only one of "
                "them; leave the others out."
            ),
        ),
        (
            "minimax/music-cover",
            {"prompt": "p" * 10, "cover_feature_id": "f"},
            (
                "lyrics: not given, but minimax/music-cover needs it beside cover_feature_id; "
                "give 10 to 3000 characters of lyrics."
            ),
        ),
        (
            "minimax/music-cover",
            {**COVER, "reference_audio_url": "data:audio/mpeg;base64,abc"},
            (
                "reference_audio_url: 'data:audio/mpeg;base64,abc' is not a whole data URI; give "
                "data:audio/...;base64,... with the padded base64 of the file, or an http or https URL."
            ),
        ),
        (
            "minimax/music-cover",
            {**COVER, "reference_audio_url": "data:audio/mpeg;base64," + "AAAA" * 17_500_000},
            (
                "reference_audio_url: 50.1 MB of audio, but minimax/music-cover takes at most 50 MB; "
                "shorten it, or give its URL."
            ),
        ),
        (
            "minimax/music-2.6",
            {"is_instrumental": "maybe"},
            "is_instrumental: 'maybe' is not what minimax/music-2.6 takes; give true or false.",
        ),
        (
            "lyria2",
            {"prompt": "p", "seed": -1},
            "seed: -1, but lyria2 takes a whole number, 0 or more; raise it to at least 0.",
        ),
        (
            "lyria2",
            {"prompt": "a\ud800", "seed": 1},
            r"prompt: 'a\ud800' is not what lyria2 takes; give text of 1 to 600 characters.",
        ),
        (
            "stable-audio",
            {"prompt": "p", "seconds_total": "48"},
            "seconds_total: '48', but stable-audio takes a whole number, 1 to 47; lower it to at most 47.",
        ),
        (
            "elevenlabs/eleven_music",
            {"prompt": "p", "music_length_ms": 9999},
            (
                "music_length_ms: 9999, but elevenlabs/eleven_music takes a whole number, 10000 to 300000; "
                "raise it to at least 10000."
            ),
        ),
    ],
)
def test_a_problem_names_field_value_limit_and_fix(model, fields, sentence):
    assert problems(model, fields) == [sentence]


def test_a_request_without_a_model_is_one_problem():
    (problem,) = problems(None, {"lyrics": "", "steps": "many"})
    assert problem == f"model: not given; give one of {', '.join(known_names())}."


@pytest.mark.parametrize("model", ["", " ", "None", 3])
def test_a_request_needs_the_name_of_a_model(model):
    (problem,) = problems(model, {})
    assert problem.startswith(f"model: {model!r} names no model; give one of music-01, ")


def test_all_problems_come_in_one_message():
    fields = {
        "lyrics": "x" * 601,
        "refer_voice": "None",
        "refer_instrumental": "",
        "steps": 3,
        "audio_setting": '{"format": "ogg", "bitrate": 1}',
    }
    found = problems("music-01", fields, {"newer": {1, 2}})
    assert [problem.split(":")[0] for problem in found] == [
        "refer_voice",
        "lyrics",
        "refer_instrumental",
        "audio_setting.bitrate",
        "audio_setting.format",
        "steps",
        "newer",
    ]
    text = str(InvalidRequestError(found, "The request to music-01"))
    assert text.startswith("The request to music-01 has 7 problems; nothing was sent:")


def test_a_reference_that_an_empty_xcom_spoiled_is_not_missing_as_well():
    assert len(problems("music-01", {"lyrics": "la", "refer_voice": "None"})) == 1


@pytest.mark.parametrize("name", ["refer_voice", "refer_instrumental", "reference_audio_url", "cover_feature_id"])
def test_the_text_none_is_a_problem_for_an_unknown_model_too(name):
    (problem,) = problems("maker/new-model", {name: "None"})
    assert problem.startswith(f"{name}: the text 'None'")


@pytest.mark.parametrize("value", ["x" * 5000, "x\n" * 3000, ["x" * 500] * 500, {"k": "v" * 500}, b"x" * 900])
def test_a_value_is_shortened_to_one_line(value):
    (problem,) = problems("stable-audio", {"prompt": "p", "seconds_total": value})
    assert "\n" not in problem
    assert len(problem) < 200


def test_extra_body_is_merged_last_untouched_and_wins():
    extra = {"lyrics": "y" * 4000, "newer": {"a": [None]}, "steps": None}
    prepared = prepare("music-01", SONG, extra)
    assert prepared.body == {"model": "music-01", "refer_voice": "vocal-1", **extra}
    assert prepared.notes == ("lyrics: given in extra_body too; extra_body's value is sent.",)


RESERVED = {
    "model": "model: it is an argument of its own; leave it out of {}.",
    "stream": "stream: a streamed response is not supported, and its song would be lost; leave it out of {}.",
}


@pytest.mark.parametrize("value", [None, False, True, "music-01", 0])
@pytest.mark.parametrize("name", list(RESERVED))
@pytest.mark.parametrize(("model", "fields"), [("music-01", SONG), ("maker/new-model", {"prompt": "p"})])
def test_extra_body_may_name_neither_another_model_nor_a_stream(model, fields, name, value):
    assert problems(model, fields, {name: value}) == [RESERVED[name].format("extra_body")]
    assert problems(model, fields, json.dumps({name: value})) == [RESERVED[name].format("extra_body")]


@pytest.mark.parametrize("model", ["music-01", "maker/new-model"])
def test_a_stream_among_the_fields_is_refused_too(model):
    assert problems(model, {**SONG, "stream": True}) == [RESERVED["stream"].format("the fields")]
    assert prepare(model, {**SONG, "stream": None}).body == {"model": model, **SONG}


def test_in_a_batch_each_request_that_names_them_is_told():
    bad = {"model": "music-01", **SONG, "extra_body": {"stream": True, "model": "lyria2"}}
    with pytest.raises(InvalidRequestError) as caught:
        prepare_all([{"model": "music-01", **SONG}, bad])
    assert caught.value.problems == [f"requests[1] {text.format('extra_body')}" for text in RESERVED.values()]


def test_extra_body_supplies_what_is_required():
    assert prepare("music-01", {}, {"lyrics": 1, "refer_voice": 2}).body["lyrics"] == 1
    assert prepare("minimax/music-cover", {"prompt": "p" * 10}, {"reference_audio_url": "x"}).body["prompt"]
    assert len(problems("music-01", {}, {"lyrics": None})) == 2
    assert len(problems("minimax/music-cover", COVER, {"cover_feature_id": "f", "lyrics": "l"})) == 1
    assert len(problems("minimax-music", {"lyrics": "a", "reference_audio_url": URL}, {"prompt": "b"})) == 1


def test_extra_body_does_not_stand_in_for_a_field_inside_another():
    assert problems("music-01", {**SONG, "audio_setting": {"bitrate": 32000}}, {"format": "mp3"})


def test_extra_body_may_be_text_as_a_template_renders_it():
    assert prepare("music-01", SONG, '{"newer": 1}').body["newer"] == 1
    for text in ("x", "None", "null", "5", "[1]"):
        assert problems("music-01", SONG, text) == [f"extra_body: '{text}' is no JSON object; give a dict."]


def test_extra_body_says_which_audio_to_expect():
    setting = {"format": "pcm", "audio_sample_rate": "16000", "bitrate": "high"}
    prepared = prepare("minimax/music-2.6", {}, {"audio_setting": setting})
    assert (prepared.audio_format, prepared.sample_rate_hz) == ("pcm", 16000)
    for odd in ({"format": "opus"}, {"format": ["mp3"]}, {"format": None}, {}, 3, None, ["mp3"]):
        prepared = prepare("minimax/music-2.6", {}, {"audio_setting": odd})
        assert (prepared.audio_format, prepared.sample_rate_hz) == (None, None)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x", "\ud800", {("a",): 1}, {1: 1, "a": 1}])
def test_what_cannot_be_written_as_json_is_a_problem(value):
    for model, fields in (("music-01", SONG), ("maker/new-model", {})):
        (problem,) = problems(model, fields, {"newer": value})
        assert problem.startswith("newer: ")
        assert "cannot be written as JSON" in problem
    assert problems("music-01", SONG, {1: 1})
    assert problems("maker/new-model", {"prompt": value})


def test_an_unknown_model_is_sent_as_it_stands_with_a_note():
    prepared = prepare("minimax/music-3.0", {"lyrics": "", "seed": "1", "prompt": None}, {"x": 1})
    assert prepared.body == {"model": "minimax/music-3.0", "lyrics": "", "seed": "1", "x": 1}
    assert (prepared.lane, prepared.audio_format, prepared.usual_seconds) == ("queued", None, 60.0)
    assert "is not in this version's catalogue" in prepared.notes[0]
    assert prepare("maker/new", {"audio_setting": {"format": "wav"}}).audio_format == "wav"


def test_a_slip_in_a_models_name_is_pointed_out():
    assert "Was minimax/music-2.6 meant?" in prepare("minimax/music-2.7", {}).notes[0]
    assert "meant" not in prepare("zzzz", {}).notes[0]


@pytest.mark.parametrize("known", CATALOGUE, ids=lambda known: known.id)
def test_every_model_answers_an_empty_request_with_sentences_or_takes_it(known):
    if known.required or known.rules:
        assert len(problems(known.id, {})) == len(known.required) + sum(rule.when is None for rule in known.rules)
    else:
        assert prepare(known.id, {}).body == {"model": known.id}


def test_the_fingerprint_is_the_same_in_every_process_and_version():
    prepared = prepare("music-01", {**SONG, "lyrics": "曲", "audio_setting": {"format": "mp3"}})
    assert fingerprint(prepared, "music_default") == (
        "c202375c94483f3ec41511d3447c38e41126a1a983489c7b31f40a1a1b142401"
    )


def test_the_fingerprint_follows_what_is_sent_and_where_to():
    first = fingerprint(prepare("music-01", SONG), "a")
    assert first == fingerprint(prepare("music-01", dict(reversed(SONG.items()))), "a")
    assert first == fingerprint(prepare("music-01", {**SONG, "prompt": None}), "a")
    assert first != fingerprint(prepare("music-01", SONG), "b")
    assert first != fingerprint(prepare("music-01", {**SONG, "lyrics": "lo"}), "a")
    assert first != fingerprint(prepare("music-01", SONG, {"x": None}), "a")


def test_the_body_is_plain_json():
    body = prepare("music-01", {**SONG, "audio_setting": {"format": "mp3", "bitrate": "32000"}}).body
    assert json.loads(json.dumps(body)) == body


def batch_problems(requests):
    with pytest.raises(InvalidRequestError) as caught:
        prepare_all(requests)
    assert str(caught.value).startswith("The batch has ")
    return caught.value.problems


class Mapped:
    """As Airflow gives the results of mapped tasks: a sequence that is no list."""

    def __init__(self, requests):
        self._requests = requests

    def __iter__(self):
        return iter(self._requests)

    def __getitem__(self, index):
        return self._requests[index]


ONE = {"model": "music-01", **SONG}


@pytest.mark.parametrize("shape", [list, tuple, json.dumps, repr, Mapped])
def test_a_batch_is_a_list_in_any_shape_that_airflow_gives_it(shape):
    two = [ONE, {"model": "lyria2", "prompt": "p", "extra_body": {"newer": 1}}]
    assert [each.body for each in prepare_all(shape(two))] == [
        ONE,
        {"model": "lyria2", "prompt": "p", "newer": 1},
    ]


@pytest.mark.parametrize(
    ("requests", "problem"),
    [
        (None, "requests: None is no list; give one dict a song."),
        ("7", "requests: 7 is no list; give one dict a song."),
        ("None", "requests: None is no list; give one dict a song."),
        ("nothing", "requests: 'nothing' is no list; give one dict a song."),
        ("", "requests: '' is no list; give one dict a song."),
        (ONE["model"].encode(), "requests: b'music-01' is no list; give one dict a song."),
        ('{"a": 1}', "requests: {'a': 1} is no list; give one dict a song."),
        ([], "requests: the list is empty; give one dict a song."),
        ("[]", "requests: the list is empty; give one dict a song."),
        (["la"], "requests[0] is 'la'; give a dict of the fields of one song."),
    ],
)
def test_a_batch_that_is_no_list_of_songs_says_so(requests, problem):
    assert batch_problems(requests) == [problem]


def test_a_request_of_a_batch_names_its_model():
    (problem,) = batch_problems([ONE, {**SONG}])
    assert problem.startswith("requests[1] model: not given; give one of music-01, ")
    (problem,) = batch_problems([{**SONG, "model": None}])
    assert problem.startswith("requests[0] model: not given; give one of music-01, ")


def test_the_problems_of_a_batch_are_listed_up_to_twenty():
    found = batch_problems([{**ONE, "lyrics": ""}] * 25)
    assert len(found) == 21
    assert found[19].startswith("requests[19] lyrics: empty")
    assert found[20] == "and 5 more"
    assert len(batch_problems([{**ONE, "lyrics": ""}] * 20)) == 20


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("minimax/musik-2.6", "minimax/music-2.6"),
        ("minmax/music-2.6", "minimax/music-2.6"),
        ("Minimax/Music-2.6", "minimax/music-2.6"),
        (" minimax/music-2.6 ", "minimax/music-2.6"),
        ("minimax/music_2.6", "minimax/music-2.6"),
        ("minimax/music2.6", "minimax/music-2.6"),
        ("minimax-music-2.6", "minimax/music-2.6"),
        ("music-O1", "music-01"),
        ("music-1", "music-01"),
        ("elevenlabs/eleven-music", "elevenlabs/eleven_music"),
        ("google/lyria-2", "google/lyria2"),
        ("stable_audio", "stable-audio"),
        ("minimax/music-covr", "minimax/music-cover"),
    ],
)
def test_a_misspelled_model_is_one_problem_with_the_nearest_known_name(model, meant):
    with pytest.raises(InvalidRequestError) as caught:
        prepare(model, {"nonsense": 1, "audio_setting": 5}, "[")
    assert caught.value.problems == [f"model: {model!r} is no known model; did you mean {meant}?"]


@pytest.mark.parametrize(
    "model",
    [
        *("minimax/music-2.7", "minimax/music-3.0", "minimax/music-2.5", "music-02", "google/lyria3", "stable-audio-2"),
        *("minimax/music-cover-pro", "suno/v5", "music-2.6", "eleven_music", "x", "elevenlabs/eleven_music_v2"),
    ],
)
def test_a_model_that_may_be_newer_than_the_catalogue_is_sent(model):
    assert prepare(model, {"prompt": "la"}).body == {"model": model, "prompt": "la"}


def test_a_misspelled_field_of_a_batchs_request_is_one_problem():
    with pytest.raises(InvalidRequestError) as caught:
        prepare_all([{"modle": "minimax/music-2.6", "prompt": "la", "seed": 7, "x": 1}])
    assert caught.value.problems == ["requests[0] modle: no such field; did you mean model?"]
    with pytest.raises(InvalidRequestError) as caught:
        prepare_all([{"model": "minimax/music-2.6", "promt": "la", "audio_setting": {"bitrat": 64000}}])
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 2
    assert "promt: minimax/music-2.6 has no such field; leave it out (did you mean prompt?)" in told
    assert "audio_setting.bitrat: audio_setting has no such field; leave it out (did you mean bitrate?)." in told
