# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64

import pytest

PATH = "/v2/generate/audio/preprocess"
URL = "https://example.org/reference.mp3"


def preprocess(api, **body):
    return api.http.post(PATH, json={"model": "minimax/music-cover", "reference_audio_url": URL, **body})


def data_uri(content):
    return f"data:audio/wav;base64,{base64.b64encode(content).decode()}"


def test_a_track_is_analysed_billed_and_logged(api):
    body = preprocess(api).json()
    assert {"cover_feature_id", "formatted_lyrics", "structure_result", "audio_duration"} < set(body)
    assert api.sandbox.posts("preprocess") == 1
    (bill,) = api.sandbox.state()["bill"].values()
    assert (bill["spent_credits"], bill["held_credits"]) == (20_000, 0)
    assert (api.first_row()["status"], api.first_row()["cost"]["usd"]) == ("succeeded", 0.01)


def test_a_data_uri_is_decoded_and_its_length_counts(api, track):
    assert preprocess(api, reference_audio_url=data_uri(track(7))).json()["audio_duration"] == pytest.approx(7, abs=0.1)
    assert preprocess(api, reference_audio_url=data_uri(track(3))).status_code == 400
    assert preprocess(api, reference_audio_url=data_uri(b"no audio at all")).status_code == 400


@pytest.mark.parametrize(
    "body", [{"reference_audio_url": None}, {"reference_audio_url": "ftp://a/b"}, {"model": "stable-audio"}]
)
def test_a_body_that_breaks_the_limits_is_a_400(body, api):
    assert preprocess(api, **body).status_code == 400


def test_an_empty_account_is_refused(start):
    assert preprocess(start(balance=0)).status_code == 403


def test_a_withdrawn_model_is_a_404(api):
    api.sandbox.withdraw("minimax/music-cover")
    assert preprocess(api).status_code == 404


def test_faults_hit_it_by_its_name(api):
    api.sandbox.fault("preprocess:status=500")
    assert preprocess(api).status_code == 500
    assert preprocess(api).status_code == 200
