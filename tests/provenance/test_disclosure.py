# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The disclosure sheet: what is known of a song's parts, inputs and rights, and "unknown" for the rest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.api.models import CATALOGUE
from airflow_provider_music.api.rights import LONGEST, rights_line
from airflow_provider_music.exceptions import InvalidRequestError
from airflow_provider_music.provenance.disclosure import lines_of, recorded_disclosure, sheet_of, words_hash
from airflow_provider_music.record.take import Take

MADE, NONE, UNKNOWN = "made by the model", "none", "unknown"
GIVEN = "given to the model; by people or another model: unknown"
CHANGED = "given to the model, which may have changed them; by people or another model: unknown"
#: A word of Persian with a joiner that is a part of it.
JOINED = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
WORDS = "[Verse]\nla la\n[Chorus]\nla"


def sheet(body, *, rights=None, tracks=()):
    recorded = json.loads(json.dumps(recorded_disclosure(body, rights, tracks)))
    return sheet_of(Take(1, {"intent": {"model": body["model"], "disclosure": recorded}}))


@pytest.mark.parametrize(
    ("body", "lyrics", "vocals"),
    [
        ({"model": "music-01", "lyrics": "la", "refer_voice": "v"}, GIVEN, MADE),
        ({"model": "minimax-music", "prompt": "##la##", "reference_audio_url": "https://a.example/r.mp3"}, GIVEN, MADE),
        ({"model": "minimax/music-2.0", "prompt": "p", "lyrics": "la"}, GIVEN, MADE),
        ({"model": "minimax/music-2.6", "prompt": "p", "lyrics": "la"}, GIVEN, MADE),
        ({"model": "minimax/music-2.6", "prompt": "p", "lyrics": "la", "lyrics_optimizer": True}, CHANGED, MADE),
        ({"model": "minimax/music-2.6", "prompt": "p", "lyrics_optimizer": True}, MADE, MADE),
        ({"model": "minimax/music-2.6", "prompt": "p", "is_instrumental": True}, NONE, NONE),
        ({"model": "minimax/music-2.6", "prompt": "p"}, UNKNOWN, UNKNOWN),
        ({"model": "minimax/music-cover", "prompt": "p", "reference_audio_url": "https://a.example/"}, UNKNOWN, MADE),
        ({"model": "google/lyria2", "prompt": "p"}, NONE, NONE),
        ({"model": "lyria2", "prompt": "p"}, NONE, NONE),
        ({"model": "stable-audio", "prompt": "p"}, UNKNOWN, UNKNOWN),
        ({"model": "elevenlabs/eleven_music", "prompt": "p"}, UNKNOWN, UNKNOWN),
    ],
)
def test_the_parts_follow_from_the_model_and_what_it_was_given(body, lyrics, vocals):
    assert sheet(body)["parts"] == {"lyrics": lyrics, "vocals": vocals, "music": MADE}


@pytest.mark.parametrize("model", ["somebody/new-model", "test/dummy-audio"])
def test_of_a_model_that_is_not_known_nothing_is_claimed(model):
    assert sheet({"model": model, "prompt": "p"})["parts"] == dict.fromkeys(("lyrics", "vocals", "music"), UNKNOWN)


def test_every_model_says_whether_it_sings():
    assert {known.vocals for known in CATALOGUE} <= {"made", "none", "unknown"}


@pytest.mark.parametrize(
    ("words", "lyrics", "changed"),
    [
        (WORDS.replace("\n", " \n "), "heard in the reference track by a model, and not changed since", "nothing"),
        (
            WORDS.replace("la", "lo"),
            "heard in the reference track by a model, and changed since; by people or another model: unknown",
            "changed since they were heard in the reference track; by people or another model: unknown",
        ),
    ],
)
def test_words_that_were_heard_in_a_track_are_compared(words, lyrics, changed):
    track = {"field": "cover_feature_id", "id": "f", "file": "ref.mp3", "words_sha256": words_hash(WORDS)}
    body = {"model": "minimax/music-cover", "prompt": "p", "cover_feature_id": "f", "lyrics": words}
    found = sheet(body, tracks=[track])
    assert found["parts"]["lyrics"] == lyrics
    assert found["changed_by_people"]["lyrics"] == changed
    assert found["references"] == [{"given_as": "cover_feature_id", "id": "f", "file": "ref.mp3"}]


def test_the_sheet_names_inputs_and_holds_no_words_and_no_url():
    url = "https://user:pw@media.example/private/ref.mp3?signature=s3cret"
    body = {"model": "minimax/music-cover", "prompt": "a secret idea", "lyrics": "la la", "reference_audio_url": url}
    found = sheet(body, rights="Licence 7 with the label")
    assert found["given_to_the_model"] == ["lyrics", "prompt", "reference_audio_url"]
    assert found["references"] == [{"given_as": "reference_audio_url", "host": "media.example"}]
    assert found["rights"] == "Licence 7 with the label"
    assert not any(word in json.dumps(found) for word in ("secret", "la la", "private", "pw@"))


def test_a_track_inside_the_request_is_named_as_that_and_not_kept():
    found = recorded_disclosure(
        {"model": "minimax/music-cover", "reference_audio_url": "data:audio/mpeg;base64,AA"}, None, []
    )
    assert found["tracks"] == [{"field": "reference_audio_url", "host": "none, it was sent inside the request"}]


def test_a_record_of_an_older_version_is_a_sheet_of_unknowns():
    found = sheet_of(Take(1, {"intent": {"model": "stable-audio"}, "completed": {"model": "stable-audio"}}))
    assert found == {
        "model": "stable-audio",
        "parts": {"lyrics": UNKNOWN, "vocals": UNKNOWN, "music": UNKNOWN},
        "given_to_the_model": UNKNOWN,
        "references": UNKNOWN,
        "rights": UNKNOWN,
        "changed_by_people": {
            "lyrics": UNKNOWN,
            "audio": "nothing until this sheet was written; later changes: unknown",
        },
    }


def test_the_sheet_reads_as_text():
    tracks = [{"field": "refer_voice", "id": "v-1", "sha256": "a" * 64, "file": "ref.wav", "rights": "own recording"}]
    body = {"model": "music-01", "lyrics": "la", "refer_voice": "v-1"}
    assert list(lines_of(sheet(body, rights="https://rights.example/7", tracks=tracks))) == [
        ("Model", "music-01"),
        ("Lyrics", GIVEN),
        ("Vocals", MADE),
        ("Music", MADE),
        ("Given to the model", "lyrics, refer_voice"),
        ("Reference (refer_voice)", f"id v-1, sha256 {'a' * 64}, file ref.wav, rights own recording"),
        ("Rights", "https://rights.example/7"),
        ("Changed by people: lyrics", UNKNOWN),
        ("Changed by people: audio", "nothing until this sheet was written; later changes: unknown"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=600),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["rights", "lyrics", "given", "tracks", "vocals"]))
def test_whatever_a_record_holds_becomes_a_sheet_of_texts(value, name):
    for disclosure in (value, {name: value}):
        found = sheet_of(Take(1, {"intent": {"model": value, "disclosure": disclosure}}))
        assert all(isinstance(text, str) for line in lines_of(found) for text in line)
        assert all(len(text) <= 400 for text in (found["rights"], found["model"], *found["parts"].values()))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, None),
        ("Licence 7\n with\t the label ", "Licence 7 with the label"),
        (20261128, "20261128"),
        ("https://u:pw@r.example/licence?sig=s3cret#x", "https://r.example/licence"),
        ("Bearer abc.def given", "Bearer *** given"),
        ("a\u202eb\x00c", "a b c"),
        ("<script>", "<script>"),
        (JOINED, JOINED),
        ("x" * LONGEST, "x" * LONGEST),
    ],
)
def test_rights_are_one_line_without_keys(value, line):
    assert rights_line(value) == line


@pytest.mark.parametrize("value", ["", " \n", "None", "x" * (LONGEST + 1), ["own"], True, 1.5])
def test_what_can_be_no_rights_is_refused(value):
    with pytest.raises(InvalidRequestError, match="rights: ") as caught:
        rights_line(value)
    assert "or leave it out" in str(caught.value)


@given(st.text())
def test_any_text_is_one_bounded_line_or_refused(text):
    try:
        line = rights_line(text)
    except InvalidRequestError:
        return
    assert line is not None
    assert 0 < len(line) <= LONGEST
    assert line.splitlines() == [line]
