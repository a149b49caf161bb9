# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import re

import pytest
from mutagen.mp3 import MP3


def voice(api, track) -> dict[str, str]:
    said = api.upload(track(11)).json()
    return {"refer_voice": said["voice_id"], "refer_instrumental": said["instrumental_id"]}


@pytest.mark.parametrize(
    ("purpose", "fields"),
    [
        ("song", {"voice_id", "instrumental_id"}),
        ("voice", {"voice_id"}),
        ("instrumental", {"instrumental_id"}),
    ],
)
def test_an_upload_gives_the_ids_of_its_purpose(api, track, purpose, fields):
    said = api.upload(track(11, "mp3"), purpose).json()
    assert set(said) == {*fields, "trace_id", "base_resp"}
    assert said["base_resp"] == {"status_code": 0, "status_msg": "success"}
    for field in fields:
        kind = "vocal" if field == "voice_id" else "instrumental"
        assert re.fullmatch(kind + r"-\d{16}-[A-Za-z0-9]{8}", said[field])


@pytest.mark.parametrize(("seconds", "code"), [(9, 2037), (10, 2037), (10.1, 0), (600, 0), (600.5, 2037)], ids=str)
def test_a_track_is_longer_than_10_s_and_at_most_10_min(api, track, seconds, code):
    assert api.upload(track(seconds)).json()["base_resp"]["status_code"] == code


@pytest.mark.parametrize("content", [b"", b"not audio at all" * 100, b"fLaC" + bytes(5000), b"RIFF\x00\x00"])
def test_what_is_no_wav_or_mp3_is_refused_by_its_content(api, content):
    response = api.upload(content, name="song.mp3")
    assert (response.status_code, response.json()["base_resp"]["status_code"]) == (200, 2013)
    assert "voice_id" not in response.json()


def test_a_wrong_form_is_a_400(api, track):
    assert api.upload(track(11), "karaoke").status_code == 400
    assert api.http.post("/v2/generate/audio/minimax/upload", json={"purpose": "song"}).status_code == 400
    only_purpose = api.http.post("/v2/generate/audio/minimax/upload", files={"other": b"x"}, data={"purpose": "song"})
    assert only_purpose.json()["details"][0]["path"] == "file"
    broken = api.http.post(
        "/v2/generate/audio/minimax/upload",
        content=b"nonsense",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert broken.status_code == 400


@pytest.mark.parametrize("length", [50_001, 500_000, 3_000_000])
def test_an_upload_beyond_the_limit_is_a_413(start, length):
    assert start(max_upload_bytes=50_000).upload(bytes(length)).status_code == 413


def test_music_01_answers_with_the_whole_song_in_hex(api, track):
    setting = {"sample_rate": 32000, "bitrate": 64000, "format": "mp3"}
    response = api.generate(**voice(api, track), audio_setting=setting)
    body = response.json()
    assert body["data"]["status"] == 2
    assert body["base_resp"]["status_code"] == 0
    data = bytes.fromhex(body["data"]["audio"])
    info = MP3(io.BytesIO(data)).info
    extra = body["extra_info"]
    assert (extra["audio_size"], extra["audio_bitrate"], extra["audio_sample_rate"]) == (
        len(data),
        64000,
        32000,
    )
    assert (extra["music_channel"], info.channels) == (1, 1)
    assert abs(extra["audio_length"] - info.length * 1000) < 5
    assert response.headers["x-aimlapi-credits-used"] == "140000"
    (made,) = api.sandbox.generations()
    assert (made["lane"], made["bytes"], made["billed"]) == ("synchronous", len(data), True)


def test_a_song_is_at_most_a_minute(start, track):
    api = start(song_seconds=300)
    setting = {"sample_rate": 16000, "bitrate": 32000, "format": "mp3"}
    body = api.generate(**voice(api, track), audio_setting=setting).json()
    assert 60_000 <= body["extra_info"]["audio_length"] < 60_300


def test_the_references_choose_the_parts_and_a_new_upload_changes_nothing(api, track):
    first, second = voice(api, track), voice(api, track)
    whole = [api.generate(**each).json()["data"]["audio"] for each in (first, second)]
    assert whole[0] == whole[1]
    lead = api.generate(refer_voice=first["refer_voice"], refer_instrumental=None).json()["data"]["audio"]
    backing = api.generate(refer_instrumental=first["refer_instrumental"]).json()["data"]["audio"]
    assert len({whole[0], lead, backing}) == 3


@pytest.mark.parametrize("field", ["refer_voice", "refer_instrumental"])
def test_an_id_that_was_never_given_out_is_refused_by_minimax_and_costs_nothing(api, field):
    response = api.generate(**{field: "vocal-2025010100000000-a0AAAaaa"})
    assert response.status_code == 200
    assert response.json()["base_resp"]["status_code"] == 20132
    assert "data" not in response.json()
    assert api.sandbox.generations() == []


def test_ids_of_one_kind_do_not_stand_for_the_other(api, track):
    ids = voice(api, track)
    assert api.generate(refer_voice=ids["refer_instrumental"]).json()["base_resp"]["status_code"] == 20132


def test_any_reference_can_be_let_in(start):
    assert start(any_reference=True).generate(refer_voice="anything").json()["data"]["status"] == 2


def test_a_reference_is_needed(api):
    response = api.generate()
    assert response.status_code == 400
    assert "refer_voice" in response.json()["details"][0]["path"]


def test_a_client_that_hangs_up_still_pays(start):
    api = start(any_reference=True, delay=0.4)
    with pytest.raises(Exception, match="timed out"):
        api.http.post(
            "/v2/generate/audio/minimax/generate",
            json={"model": "music-01", "lyrics": "la", "refer_voice": "x"},
            timeout=0.1,
        )
    assert api.first_row()["status"] == "succeeded"
    assert api.sandbox.generations()[0]["billed"]


@pytest.mark.parametrize(
    "kind", ["half", "odd", "upper", "nothex", "space", "null", "missing", "empty", "status1", "url"]
)
def test_the_hex_can_be_spoilt(start, kind):
    api = start(any_reference=True)
    right = api.generate(refer_voice="x").json()["data"]["audio"]
    api.sandbox.fault(f"generate:audio={kind}")
    data = api.generate(refer_voice="x").json()["data"]
    audio = data.get("audio")
    assert data["status"] == (1 if kind == "status1" else 2)
    assert audio != right
    good = {
        "half": lambda: right.startswith(audio) and len(audio) == len(right) // 4 * 2,
        "odd": lambda: audio == right[:-1],
        "upper": lambda: audio == right.upper(),
        "nothex": lambda: "zz" in audio and len(audio) == len(right),
        "space": lambda: "".join(audio.split()) == right,
        "null": lambda: "audio" in data and audio is None,
        "missing": lambda: "audio" not in data,
        "empty": lambda: audio == "",
        "status1": lambda: right.startswith(audio),
        "url": lambda: api.fetch(audio).content.hex() == right,
    }
    assert good[kind]()
    assert api.sandbox.generations()[-1]["billed"]


def test_a_failed_song_says_so_in_base_resp_and_is_not_billed(start):
    api = start(any_reference=True)
    api.sandbox.fault("generate:error")
    assert api.generate(refer_voice="x").json()["base_resp"]["status_code"] == 1013
    assert api.rows()["data"][0]["status"] == "failed"
    assert api.sandbox.generations()[0]["credits"] == 0
