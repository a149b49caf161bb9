# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``rights`` and ``require_rights``: recorded with the request and no part of it, asked for before anything is paid."""

from __future__ import annotations

import json

import pytest

from airflow_provider_music.api.request import fingerprint, prepare_one
from airflow_provider_music.compat import DAG
from airflow_provider_music.exceptions import GenerationTimeoutError, InvalidRequestError
from airflow_provider_music.operators.music import (
    GenerateMusicBatchOperator,
    GenerateMusicOperator,
    PreprocessCoverOperator,
    UploadReferenceOperator,
)
from airflow_provider_music.record import references
from airflow_provider_music.requests import MiniMaxMusic26
from airflow_provider_music.sandbox.songs import SongSpec, make
from airflow_provider_music.sensors.music import MusicGenerationSensor

MODEL, PROMPT = "minimax/music-2.6", "a calm song of the sea"
RIGHTS = "Licence 7 with the label"


@pytest.fixture(autouse=True)
def references_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(tmp_path / "default"))
    references._fact.cache_clear()
    return tmp_path / "default" / "references"


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "reference.mp3"
    path.write_bytes(make(SongSpec(text="la la", seed="", seconds=12, rate=16000, bitrate=32000, format="mp3")).data)
    return path


def sheet(output_dir, pattern="*.provenance.json"):
    (found,) = output_dir.rglob(pattern)
    return json.loads(found.read_text())["disclosure"]


def intent(output_dir, take=1):
    (found,) = output_dir.rglob(f"take-{take}/intent.json")
    return json.loads(found.read_text())


def batch(output_dir, requests, **more):
    return GenerateMusicBatchOperator(task_id="songs", requests=requests, output_dir=str(output_dir), **more)


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_rights_are_in_the_manifest_and_not_in_what_is_sent(lane, deferrable, song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(any_reference=True)
    result = airflow.run(song(lane, rights=RIGHTS, require_rights=True, deferrable=deferrable))

    found = sheet(output_dir)
    assert found["rights"] == RIGHTS
    assert found["parts"]["music"] == "made by the model"
    assert RIGHTS not in json.dumps(result)
    assert music_sandbox.posts() == 1


def test_they_are_no_part_of_the_body_nor_of_the_fingerprint():
    plain, licensed = (prepare_one({"model": MODEL, "prompt": PROMPT}, rights) for rights in (None, RIGHTS))
    assert licensed.rights == RIGHTS
    assert licensed.body == plain.body
    assert fingerprint(licensed, "music_default") == fingerprint(plain, "music_default")


def test_without_rights_the_sheet_says_unknown(song, airflow, music_sandbox, output_dir):
    airflow.run(song())
    assert sheet(output_dir)["rights"] == "unknown"
    assert "rights" not in intent(output_dir)["disclosure"]


def test_changed_rights_pay_nothing_and_the_first_ones_stand(song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(delay=2)
    with pytest.raises(GenerationTimeoutError, match="not done within"):
        airflow.run(song(rights="first", timeout=0.3))
    airflow.retry()
    first = airflow.run(song(rights="second", timeout=20))
    airflow.retry()
    assert airflow.run(song(rights="third")) == first
    assert sheet(output_dir)["rights"] == "first"
    assert music_sandbox.posts() == 1


def test_a_synchronous_song_in_place_keeps_its_first_rights(song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(any_reference=True)
    airflow.run(song("synchronous", rights="first"))
    for path in output_dir.rglob("take-1/*.json"):
        if path.name in ("completed.json", "delivered.json") or path.name.endswith(".provenance.json"):
            path.unlink()
    airflow.retry()
    airflow.run(song("synchronous", rights="second", timeout=20))
    assert sheet(output_dir)["rights"] == "first"
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize("how", ["argument", "configuration"])
def test_a_song_without_required_rights_costs_nothing(how, song, airflow, music_sandbox, output_dir, monkeypatch):
    if how == "configuration":
        monkeypatch.setenv("AIRFLOW__MUSIC__REQUIRE_RIGHTS", "True")
    with pytest.raises(InvalidRequestError, match="rights: not given, and require_rights asks for them"):
        airflow.run(song(require_rights=how == "argument"))
    assert music_sandbox.posts() == 0
    assert not list(output_dir.rglob("intent.json"))


def test_a_paid_song_is_delivered_though_rights_are_required_since(song, airflow, music_sandbox):
    first = airflow.run(song())
    airflow.retry()
    assert airflow.run(song(require_rights=True))["audio_uri"] == first["audio_uri"]
    airflow.clear()
    with pytest.raises(InvalidRequestError, match="rights: not given"):
        airflow.run(song(require_rights=True))
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize("value", [None, "", "None", "nan"])
def test_a_template_that_came_out_as_nothing_costs_nothing(value, song, airflow, music_sandbox):
    op = song(rights="{{ params.x }}")
    op.rights = value
    with pytest.raises(InvalidRequestError, match="rights: its template"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


def test_rights_that_are_too_long_cost_nothing(song, airflow, music_sandbox):
    with pytest.raises(InvalidRequestError, match="rights: 301 characters, and 300 are the most"):
        song(rights="x" * 301)
    op = song(rights="{{ x }}")
    op.rights = "x" * 301
    with pytest.raises(InvalidRequestError, match="rights: 301 characters"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


def test_the_key_is_never_recorded(song, airflow, music_sandbox, output_dir, reference, references_dir):
    airflow.run(song(rights="the key sandbox-key is ours"))
    assert intent(output_dir)["disclosure"]["rights"] == "the key *** is ours"
    airflow.run(UploadReferenceOperator(task_id="upload", file=str(reference), rights="the key sandbox-key"))
    written = [*output_dir.rglob("*.json"), *references_dir.iterdir()]
    assert not [path for path in written if "sandbox-key" in path.read_text()]


def test_a_template_makes_them():
    with DAG("named", schedule=None):
        tasks = [
            GenerateMusicOperator(task_id="song", model=MODEL, prompt=PROMPT, rights="{{ params.licence }}"),
            GenerateMusicBatchOperator(
                task_id="songs", requests=[{"model": MODEL, "prompt": PROMPT}], rights="{{ params.licence }}"
            ),
            UploadReferenceOperator(task_id="upload", file="/a.mp3", rights="{{ params.licence }}"),
            PreprocessCoverOperator(task_id="analyse", file="/a.mp3", rights="{{ params.licence }}"),
        ]
    for task in tasks:
        task.render_template_fields({"params": {"licence": RIGHTS}})
        assert task.rights == RIGHTS


def test_a_request_has_its_own_in_place_of_the_task_s(song, airflow, music_sandbox, output_dir):
    request = MiniMaxMusic26(prompt=PROMPT, lyrics="la la la la la", rights="of the request")
    op = GenerateMusicOperator(task_id="song", request=request, rights=RIGHTS, output_dir=str(output_dir))
    airflow.run(op)
    assert sheet(output_dir)["rights"] == "of the request"
    plain = GenerateMusicOperator(
        task_id="song", request={"model": MODEL, "prompt": PROMPT}, rights=RIGHTS, output_dir=str(output_dir)
    )
    airflow.clear()
    airflow.run(plain)
    assert intent(output_dir, take=2)["disclosure"]["rights"] == RIGHTS


def test_a_batch_has_them_for_all_and_a_request_its_own(airflow, music_sandbox, output_dir):
    requests = [{"model": MODEL, "prompt": PROMPT}, {"model": MODEL, "prompt": PROMPT, "rights": "of the second"}]
    assert airflow.run(batch(output_dir, requests, rights=RIGHTS, require_rights=True))["delivered"] == 2
    assert sheet(output_dir, "song-0/**/*.provenance.json")["rights"] == RIGHTS
    assert sheet(output_dir, "song-1/**/*.provenance.json")["rights"] == "of the second"
    airflow.retry()
    assert airflow.run(batch(output_dir, requests, rights="others"))["delivered"] == 2
    assert music_sandbox.posts() == 2


def test_a_batch_keeps_them_through_its_wait_and_a_resubmission(airflow, music_sandbox, output_dir, quick_clock):
    music_sandbox.settings(log_lag=3600)
    music_sandbox.fault("submit:cut-after,times=1")
    requests = [{"model": MODEL, "prompt": PROMPT, "rights": "of the request"}]
    op = batch(output_dir, requests, rights=RIGHTS, require_rights=True, on_unknown="resubmit")
    assert airflow.run(op)["delivered"] == 1
    assert intent(output_dir, take=2)["disclosure"]["rights"] == "of the request"
    assert music_sandbox.posts() == 2


def test_a_batch_names_the_requests_without_and_sends_none(airflow, music_sandbox, output_dir):
    requests = [{"model": MODEL, "prompt": PROMPT, "rights": RIGHTS}, {"model": MODEL, "prompt": PROMPT}]
    with pytest.raises(InvalidRequestError, match=r"Missing in requests\[1\]\."):
        airflow.run(batch(output_dir, requests, require_rights=True))
    assert music_sandbox.posts() == 0


def test_a_batch_is_refused_over_a_request_whose_template_came_out_as_nothing(airflow, music_sandbox, output_dir):
    op = batch(output_dir, [{"model": MODEL, "prompt": PROMPT, "rights": "{{ params.x }}"}])
    op.requests = [{"model": MODEL, "prompt": PROMPT, "rights": None}]
    with pytest.raises(InvalidRequestError, match="rights"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


def test_an_upload_remembers_its_rights_for_the_songs_made_from_it(
    song, airflow, music_sandbox, output_dir, reference, references_dir
):
    upload = UploadReferenceOperator(task_id="upload", file=str(reference), purpose="voice", rights=RIGHTS)
    uploaded = airflow.run(upload)
    assert "rights" not in uploaded
    fact = json.loads((references_dir / f"{uploaded['voice_id']}.json").read_text())
    assert fact["rights"] == RIGHTS

    airflow.run(song("synchronous", refer_voice=uploaded["voice_id"], rights="own words"))
    assert sheet(output_dir)["references"] == [
        {
            "given_as": "refer_voice",
            "id": uploaded["voice_id"],
            "sha256": uploaded["sha256"],
            "file": "reference.mp3",
            "rights": RIGHTS,
        }
    ]


@pytest.mark.parametrize("how", ["argument", "configuration"])
def test_an_upload_without_required_rights_sends_nothing(how, airflow, music_sandbox, reference, monkeypatch):
    if how == "configuration":
        monkeypatch.setenv("AIRFLOW__MUSIC__REQUIRE_RIGHTS", "True")
    with pytest.raises(InvalidRequestError, match="rights: not given, and require_rights asks for them"):
        airflow.run(UploadReferenceOperator(task_id="upload", file=str(reference), require_rights=how == "argument"))
    assert music_sandbox.posts() == 0


def test_an_upload_whose_template_came_out_as_nothing_sends_nothing(airflow, music_sandbox, reference):
    op = UploadReferenceOperator(task_id="upload", file=str(reference), rights="{{ params.x }}")
    op.rights = None
    with pytest.raises(InvalidRequestError, match="rights: its template"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("change", [False, True])
def test_the_words_of_a_cover_are_compared_with_those_that_were_heard(
    change, airflow, music_sandbox, output_dir, reference
):
    analyse = PreprocessCoverOperator(
        task_id="analyse", file=str(reference), record_dir=str(output_dir / "analysis"), rights=RIGHTS
    )
    features = airflow.run(analyse)
    words = features["formatted_lyrics"]
    op = GenerateMusicOperator(
        task_id="song",
        model="minimax/music-cover",
        prompt="a slow waltz for strings",
        cover_feature_id=features["cover_feature_id"],
        lyrics=words.replace("lantern", "harbour") if change else words,
        output_dir=str(output_dir),
        deferrable=False,
    )
    airflow.run(op)
    found = sheet(output_dir)
    assert ("and changed since" in found["parts"]["lyrics"]) is change
    assert ("and not changed since" in found["parts"]["lyrics"]) is not change
    (track,) = found["references"]
    assert (track["file"], track["rights"], track["sha256"]) == ("reference.mp3", RIGHTS, features["sha256"])


def test_an_analysis_without_required_rights_sends_nothing(airflow, music_sandbox, output_dir, reference):
    op = PreprocessCoverOperator(
        task_id="analyse", file=str(reference), record_dir=str(output_dir), require_rights=True
    )
    with pytest.raises(InvalidRequestError, match="rights: not given"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


def test_a_sensor_s_manifest_has_the_sheet_of_the_task_that_submitted(song, airflow, music_sandbox, output_dir):
    submitted = airflow.run(song(rights=RIGHTS, wait_for_completion=False))
    sensor = MusicGenerationSensor(task_id="wait", generation=submitted, output_dir=str(output_dir / "sensed"))
    airflow.run(sensor)
    assert sheet(output_dir / "sensed")["rights"] == RIGHTS


def test_several_takes_of_one_request_have_them_and_are_refused_without(song, airflow, music_sandbox, output_dir):
    pytest.importorskip("av", reason="the extra quality is not installed")
    with pytest.raises(InvalidRequestError, match="rights: not given, and require_rights asks for them") as caught:
        airflow.run(song(takes=2, require_rights=True))
    assert "requests[" not in str(caught.value)
    assert music_sandbox.posts() == 0
    airflow.run(song(takes=2, require_rights=True, rights=RIGHTS))
    sheets = [json.loads(path.read_text())["disclosure"] for path in output_dir.rglob("*.provenance.json")]
    assert [found["rights"] for found in sheets] == [RIGHTS] * 2
    assert music_sandbox.posts() == 2
