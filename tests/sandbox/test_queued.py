# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import io
from urllib.parse import quote

import pytest
from mutagen.mp3 import MP3
from mutagen.wave import WAVE

SETTING = {"sample_rate": 44100, "bitrate": 128000, "format": "mp3"}
BODIES = [
    {"model": "minimax-music", "prompt": "la la la", "reference_audio_url": "https://example.com/a.mp3"},
    {
        "model": "minimax/music-1.5",
        "prompt": "a calm song",
        "lyrics": "the river sleeps",
        "audio_setting": SETTING,
    },
    {"model": "minimax/music-2.0", "prompt": "a calm song", "lyrics": "the river sleeps"},
    {"model": "minimax/music-2.6", "prompt": "a calm song", "audio_setting": {**SETTING, "format": "wav"}},
    {
        "model": "minimax/music-cover",
        "prompt": "a calm song",
        "reference_audio_url": "https://example.com/a.mp3",
    },
    {"model": "google/lyria2", "prompt": "a calm song"},
    {"model": "lyria2", "prompt": "a calm song"},
    {"model": "stable-audio", "prompt": "a calm song", "seconds_total": 3},
    {"model": "elevenlabs/eleven_music", "prompt": "a calm song", "music_length_ms": 10000},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body["model"])
def test_every_queued_model_ends_in_a_song_that_plays(api, body):
    accepted = api.submit(body)
    assert accepted.status_code == 200
    assert accepted.json()["status"] == "queued"
    usage = accepted.json()["meta"]["usage"]
    done = api.finished(accepted.json()["id"])
    assert done["status"] == "completed"
    data = api.fetch(done["audio_file"]["url"]).content
    (made,) = api.sandbox.generations()
    assert (made["sha256"], made["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (made["billed"], made["credits"]) == (True, usage["credits_used"])
    info = (MP3 if made["format"] == "mp3" else WAVE)(io.BytesIO(data)).info
    assert abs(info.length * 1000 - made["duration_ms"]) < 5


def test_a_song_goes_from_queued_to_generating_to_completed(start):
    api = start(delay=2.0)
    accepted = api.submit().json()
    seen = [accepted["status"]]
    while seen[-1] != "completed":
        status = api.poll(accepted["id"]).json()["status"]
        seen += [status] if status != seen[-1] else []
    assert seen == ["queued", "generating", "completed"]


def test_submit_and_polls_carry_the_generation_id_and_the_price(api):
    accepted = api.submit(X_Client_Request_Id="dag.run:1")
    number = accepted.json()["id"]
    assert accepted.headers["x-inference-id"] == number == api.poll(number).headers["x-inference-id"]
    assert accepted.headers["x-client-request-id"] == "dag.run:1"
    assert accepted.headers["x-aimlapi-credits-used"] == "390000"
    assert accepted.headers["x-aimlapi-usd-spent"] == "0.195"
    assert accepted.headers["x-request-id"]


def test_an_accepted_song_can_answer_201(start):
    assert start(created_status=201).submit().status_code == 201


def test_the_same_request_makes_the_same_song(api):
    api.song()
    api.song()
    first, second = api.sandbox.generations()
    assert first["sha256"] == second["sha256"]
    assert first["id"] != second["id"]


@pytest.mark.parametrize("envelope", ["problem", "documented"])
def test_a_wrong_body_is_a_400_that_lists_every_problem(start, envelope):
    response = start(envelope=envelope).submit({"model": "minimax/music-1.5", "prompt": "x", "colour": 1})
    assert response.status_code == 400
    body = response.json()
    assert body["message"] == "Body validation error!"
    assert {each["path"] for each in body["details"]} == {"prompt", "lyrics", "colour"}
    assert (body["statusCode"] == "400") if envelope == "documented" else (body["status"] == 400)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_400(api, content):
    assert api.http.post("/v2/generate/audio", content=content).status_code == 400


@pytest.mark.parametrize("model", ["music-99", "music-01"])
def test_a_model_that_this_lane_does_not_have_is_a_404(api, model):
    assert api.submit({"model": model, "prompt": "a calm song"}).status_code == 404


def test_any_model_can_be_let_in(start):
    assert start(any_model=True).song({"model": "new/music-9", "prompt": "la"})["status"] == "completed"


@pytest.mark.parametrize("number", ["NMDk4_Yh8DjqiZ7Ub_7WB", "a\nb", ""])
def test_an_unknown_id_is_refused_in_the_envelope(api, number):
    response = api.poll(number)
    assert response.status_code == (404 if number else 400)
    assert response.json()["requestId"]
    assert ("x-inference-id" in response.headers) is (number == "NMDk4_Yh8DjqiZ7Ub_7WB")


def test_a_song_is_nobody_elses(api):
    number = api.submit().json()["id"]
    stranger = {"Authorization": "Bearer other"}
    assert api.http.get("/v2/generate/audio", params={"generation_id": number}, headers=stranger).status_code == 404


def test_the_file_needs_its_signature_and_not_the_key(api):
    url = api.song()["audio_file"]["url"]
    assert api.fetch(url).status_code == 200
    assert api.fetch(url + "x").status_code == 403
    assert api.fetch(url.partition("?")[0]).status_code == 403
    assert api.fetch(url.replace("%2F", "/")).status_code == 403
    assert api.fetch(url.replace("%2F", quote("%2F"))).status_code == 403
    assert api.sandbox.state()["file_route"] == {"authorizations": 0, "keys": []}


def test_a_key_at_the_file_route_is_noticed_but_never_shown(api):
    api.fetch(api.song()["audio_file"]["url"], Authorization="Bearer sandbox-key")
    state = api.sandbox.state()
    assert state["file_route"]["authorizations"] == 1
    assert state["file_route"]["keys"] == list(state["bill"])
    assert "sandbox-key" not in str(state)


def test_a_signed_url_expires(start):
    api = start(url_seconds=0)
    assert api.fetch(api.song()["audio_file"]["url"]).status_code == 403


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_a_part_of_the_file_can_be_asked_for(api, asked, status, part):
    url = api.song()["audio_file"]["url"]
    whole = api.fetch(url).content
    response = api.fetch(url, Range=asked)
    assert (response.status_code, response.content) == (status, whole[part])


def test_a_part_beyond_the_file_is_a_416(api):
    assert api.fetch(api.song()["audio_file"]["url"], Range="bytes=99999999-").status_code == 416
