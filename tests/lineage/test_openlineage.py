# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

pytest.importorskip("airflow.providers.openlineage")

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.operators.music import PreprocessCoverOperator, UploadReferenceOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor


def names(datasets):
    return [(one.namespace, one.name) for one in datasets]


def test_an_upload_reads_the_file_and_makes_its_ids(airflow, ti):
    task = UploadReferenceOperator(task_id="upload", file="s3://conn@bucket/ref.mp3")
    assert names(task.get_openlineage_facets_on_start().inputs) == [("s3://bucket", "ref.mp3")]
    pulled = {"voice_id": "v1", "instrumental_id": "i1", "file": task.file, "sha256": "a" * 64}
    reported = task.get_openlineage_facets_on_complete(ti(airflow, task, pulled))
    assert names(reported.outputs) == [("aimlapi", "voice/v1"), ("aimlapi", "instrumental/i1")]
    assert names(reported.inputs) == [("s3://bucket", "ref.mp3")]
    assert reported.inputs[0].facets["aimlapi_musicAudio"].sha256 == "a" * 64


@pytest.mark.parametrize(
    ("reference", "read"),
    [
        ({"file": "s3://conn@bucket/ref.mp3"}, ("s3://bucket", "ref.mp3")),
        (
            {"reference_audio_url": "https://host/ref.mp3?signature=secret"},
            ("https://host", "sha256/e28dee791add7e0a919f18cf90b98df3c70f5adcc69d75ce800b9badbeb913b2"),
        ),
    ],
)
def test_an_analysis_reads_its_reference_and_makes_features(reference, read, airflow, ti):
    task = PreprocessCoverOperator(task_id="heard", **reference)
    assert names(task.get_openlineage_facets_on_start().inputs) == [read]
    pulled = {"cover_feature_id": "f1", "formatted_lyrics": "quagmire", "sha256": None, "usage": {"usd_spent": 0.01}}
    reported = task.get_openlineage_facets_on_complete(ti(airflow, task, pulled))
    assert (names(reported.inputs), names(reported.outputs)) == ([read], [("aimlapi", "features/f1")])
    assert reported.run_facets["aimlapi_music"].usdSpent == 0.01
    assert "quagmire" not in str(reported)


def test_a_song_reads_its_references(song):
    url = "https://host/ref.mp3?signature=secret"
    task = song(refer_voice="v1", refer_instrumental="None", reference_audio_url=url)
    reported = names(task.get_openlineage_facets_on_start().inputs)
    assert reported[0] == ("aimlapi", "voice/v1")
    assert reported[1][0] == "https://host"
    assert "secret" not in str(reported)


def test_a_song_makes_its_file_and_says_what_it_cost(music_sandbox, airflow, song, ti):
    task = song()
    result = airflow.run(task)

    reported = task.get_openlineage_facets_on_complete(ti(airflow, task))
    assert names(reported.outputs) == [("file", result["audio_uri"].removeprefix("file://"))]
    facet = reported.run_facets["aimlapi_music"]
    assert (facet.model, facet.take, facet.submissions) == ("minimax/music-2.6", 1, 1)
    assert facet.usdSpent == 0.195
    assert facet.waitSeconds > 0
    made = reported.outputs[0].facets["aimlapi_musicAudio"]
    assert made.sha256 == result["audio"]["sha256"]
    assert (made.model, made.generationId, made.fingerprint) == (facet.model, facet.generationId, facet.fingerprint)
    assert len(facet.fingerprint) == 64


def test_an_instance_that_never_ran_says_the_same_from_its_xcom(music_sandbox, airflow, song, ti):
    ran = song()
    result = airflow.run(ran)
    fresh = song()

    one = ran.get_openlineage_facets_on_complete(ti(airflow, ran))
    other = fresh.get_openlineage_facets_on_complete(ti(airflow, fresh, result))
    assert one == other


def test_a_song_that_is_handed_out_again_is_an_input_and_names_the_task_that_paid(
    music_sandbox, airflow, song, ti, tmp_path, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__MUSIC__RECORD_DIR", str(tmp_path / "records"))
    paid = type(airflow)(run_id="one").run(song(reuse="identical"))
    task, again = song(reuse="identical"), type(airflow)(run_id="two")
    result = again.run(task)

    reported = task.get_openlineage_facets_on_complete(ti(again, task))

    assert result["audio_uri"] == paid["audio_uri"]
    assert reported.outputs == []
    assert ("file", paid["audio_uri"].removeprefix("file://")) in names(reported.inputs)
    facet = reported.run_facets["aimlapi_music"]
    assert (facet.usdSpent, facet.submissions) == (0.0, 0)
    assert facet.reused == {
        "task": "dag / one / song",
        "recordUri": paid["record_uri"].rpartition("/")[0],
        "generationId": paid["generation_id"],
        "completedAt": result["reused"]["completed_at"],
    }


def test_the_sensor_reads_the_generation_that_was_submitted(music_sandbox, airflow, song, output_dir, ti):
    submit = song(wait_for_completion=False)
    submitted = airflow.run(submit)
    wait = MusicGenerationSensor(task_id="wait", generation=submitted, output_dir=str(output_dir), poll_interval=0.05)
    result = airflow.run(wait)

    made = submit.get_openlineage_facets_on_complete(ti(airflow, submit))
    reported = wait.get_openlineage_facets_on_complete(ti(airflow, wait))
    assert names(made.outputs) == names(reported.inputs) == [("aimlapi", f"generation/{submitted['generation_id']}")]
    assert names(reported.outputs) == [("file", result["audio_uri"].removeprefix("file://"))]
    facet = reported.run_facets["aimlapi_music"]
    assert facet.fingerprint == made.run_facets["aimlapi_music"].fingerprint
    assert facet.waitSeconds is not None


def test_a_batch_makes_its_songs_and_its_manifest(music_sandbox, airflow, batch, ti):
    task = batch()
    airflow.run(task)
    reported = task.get_openlineage_facets_on_complete(ti(airflow, task))
    assert len(reported.outputs) == 4
    facet = reported.run_facets["aimlapi_music"]
    assert (facet.delivered, facet.model) == (3, "minimax/music-2.6")
    songs = [one.facets["aimlapi_musicAudio"] for one in reported.outputs[1:]]
    assert len({song.fingerprint for song in songs}) == len({song.generationId for song in songs}) == 3


def test_a_batch_of_several_models_names_each_with_its_song(music_sandbox, airflow, batch, ti):
    task = batch(requests=[{"model": model, "prompt": "a calm song"} for model in ("stable-audio", "google/lyria2")])
    airflow.run(task)
    reported = task.get_openlineage_facets_on_complete(ti(airflow, task))
    assert reported.run_facets["aimlapi_music"].model is None
    assert [one.facets["aimlapi_musicAudio"].model for one in reported.outputs[1:]] == ["stable-audio", "google/lyria2"]


@pytest.mark.parametrize(
    ("fault", "billing"),
    [("submit:status=500", "not_billed"), ("submit:cut-after", "may_be_billed"), ("download:cut-body=0.5", "billed")],
)
def test_a_failure_says_what_it_means_for_the_bill_and_no_word_of_the_request(
    music_sandbox, airflow, song, ti, fault, billing, quick_clock
):
    music_sandbox.fault(f"{fault},times=all", "logs:status=500,times=all")
    task = song(prompt="zanzibar", timeout=5)
    with pytest.raises(MusicError) as raised:
        airflow.run(task)

    reported = task.get_openlineage_facets_on_failure(ti(airflow, task))
    facet = reported.run_facets["aimlapi_musicBilling"]
    assert (facet.billing, facet.error) == (billing, type(raised.value).__name__)
    assert "zanzibar" not in json.dumps(str(reported))


def test_a_failed_batch_says_whether_any_of_its_songs_is_billed(music_sandbox, airflow, batch, ti):
    music_sandbox.fault("submit:status=500,times=1")
    task = batch()
    with pytest.raises(MusicError):
        airflow.run(task)
    reported = task.get_openlineage_facets_on_failure(ti(airflow, task))
    assert reported.run_facets["aimlapi_musicBilling"].billing == "billed"


def test_several_takes_of_which_none_passes_are_billed(music_sandbox, airflow, song, ti):
    pytest.importorskip("av", reason="the extra quality is not installed")
    task = song(takes=2, quality="fail", quality_limits={"min_loudness_lufs": -1})
    with pytest.raises(MusicError):
        airflow.run(task)
    reported = task.get_openlineage_facets_on_failure(ti(airflow, task))
    assert reported.run_facets["aimlapi_musicBilling"].billing == "billed"


def test_the_best_of_several_takes_is_the_output(music_sandbox, airflow, song, ti):
    pytest.importorskip("av", reason="the extra quality is not installed")
    task = song(takes=2)
    result = airflow.run(task)
    reported = task.get_openlineage_facets_on_complete(ti(airflow, task))
    assert [one.name for one in reported.outputs] == [result["audio_uri"].removeprefix("file://")]
    assert reported.run_facets["aimlapi_music"].usdSpent == 0.39


@pytest.mark.parametrize("kind", ["song", "batch"])
def test_a_record_that_cannot_be_read_leaves_the_bill_open(airflow, request, ti, monkeypatch, kind):
    def broken(*_):
        raise PermissionError("no")

    for listing in ("names", "children"):
        monkeypatch.setattr(f"airflow_provider_music.storage.folder.Folder.{listing}", broken)
    task = request.getfixturevalue(kind)()
    task.lineage_record_url = "file:///songs/dag/run/song"
    reported = task.get_openlineage_facets_on_failure(ti(airflow, task))
    assert reported.run_facets["aimlapi_musicBilling"].billing == "may_be_billed"


def test_a_file_that_is_no_reference_costs_nothing(airflow, ti):
    task = UploadReferenceOperator(task_id="upload", file="/nowhere/at/all.mp3")
    with pytest.raises(MusicError):
        airflow.run(task)
    reported = task.get_openlineage_facets_on_failure(ti(airflow, task))
    facet = reported.run_facets["aimlapi_musicBilling"]
    assert (facet.billing, facet.error) == ("not_billed", "InvalidReferenceError")
    assert names(reported.inputs) == [("file", "/nowhere/at/all.mp3")]


@pytest.mark.parametrize(
    ("error", "billing"),
    [("ServerFailureError", "not_billed"), ("ApiUnreachableError", "may_be_billed"), (None, "may_be_billed")],
)
def test_a_failed_upload_is_free_where_the_api_refused_it(airflow, ti, error, billing):
    task = UploadReferenceOperator(task_id="upload", file="/ref.mp3")
    task.lineage_error = error
    reported = task.get_openlineage_facets_on_failure(ti(airflow, task))
    assert reported.run_facets["aimlapi_musicBilling"].billing == billing


ACCEPTED = {"generation_id": "g1", "status": "accepted"}


@pytest.mark.parametrize(
    ("generation", "error", "billing"),
    [
        (ACCEPTED, "GenerationFailedError", "not_billed"),
        (ACCEPTED, "GenerationSensorTimeout", "billed"),
        (ACCEPTED, None, "billed"),
        ("g1", "AudioHostError", "billed"),
        ("g1", "GenerationSensorTimeout", "may_be_billed"),
        ("g1", "ValueError", "may_be_billed"),
    ],
)
def test_a_failed_wait_names_its_generation_and_whether_it_is_billed(airflow, ti, generation, error, billing):
    task = MusicGenerationSensor(task_id="wait", generation=generation)
    task.lineage_error = error
    facet = task.get_openlineage_facets_on_failure(ti(airflow, task)).run_facets["aimlapi_musicBilling"]
    assert (facet.billing, facet.error, facet.generationId) == (billing, error, "g1")
