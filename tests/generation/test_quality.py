# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs are measured once they are in place; one that breaks a limit is kept, and is paid once."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_music.compat import AirflowFailException, TaskDeferred
from airflow_provider_music.exceptions import HopelessBatchError, InvalidRequestError, OutputError, QualityError
from airflow_provider_music.generation import quality
from airflow_provider_music.lineage.listener import extra_of
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor
from tests.lanes import LANES, ROUTES

#: No song of the sandbox is so loud.
TOO_LOUD = {"min_loudness_lufs": -1, "min_channels": None}
PASSED = {"min_loudness_lufs": -40, "min_channels": None, "max_silence_ratio": None}


@pytest.fixture(autouse=True)
def any_reference(music_sandbox):
    pytest.importorskip("av", reason="the extra quality is not installed")
    music_sandbox.settings(any_reference=True)


@pytest.fixture
def counted(monkeypatch):
    seen = []
    monkeypatch.setattr(quality.metrics, "_count", lambda name, model, **tags: seen.append((name, *tags.values())))
    return seen


def files(output_dir, name):
    return sorted(Path(output_dir).rglob(name))


@pytest.mark.parametrize("lane", list(LANES))
def test_a_song_is_measured_and_its_figures_are_in_the_result_and_beside_it(lane, song, music_sandbox, airflow):
    result = airflow.run(song(lane, quality="measure"))

    figures = result["audio"]["quality"]
    assert figures["loudness_lufs"] < 0
    assert figures["duration_ms"] == pytest.approx(result["audio"]["duration_ms"], abs=100)
    assert len(json.dumps(figures)) < 1000
    assert len(json.dumps(result)) < 4096
    audio = Path(result["audio_uri"].removeprefix("file://"))
    assert json.loads((audio.parent / "quality.json").read_bytes()) == figures
    waveform = json.loads(Path(f"{audio}.peaks.json").read_bytes())
    assert waveform["duration_ms"] == figures["duration_ms"]
    manifest = json.loads(Path(f"{audio}.provenance.json").read_bytes())
    assert manifest["quality"] == figures


def test_nothing_is_measured_by_default(song, music_sandbox, airflow, output_dir):
    assert "quality" not in airflow.run(song())["audio"]
    assert files(output_dir, "quality.json") == []


def test_a_song_that_passes_is_delivered_under_fail(song, music_sandbox, airflow):
    assert airflow.run(song(quality="fail", quality_limits=PASSED))["status"] == "completed"


def test_warn_delivers_and_names_the_limit_in_the_log(song, music_sandbox, airflow, caplog, counted):
    assert airflow.run(song(quality="warn", quality_limits=TOO_LOUD))["status"] == "completed"
    assert "min_loudness_lufs is -1" in caplog.text
    assert counted.count(("music.quality_failed",)) == 1
    assert counted.count(("music.submissions",)) == 1


@pytest.mark.parametrize("lane", list(LANES))
def test_a_song_that_fails_is_kept_and_no_retry_pays_again(lane, song, music_sandbox, airflow, output_dir, counted):
    for _ in range(3):
        with pytest.raises(QualityError, match=r"loudness_lufs is -.* too little(.|\n)*It is paid") as caught:
            airflow.run(song(lane, quality="fail", quality_limits=TOO_LOUD))
        assert isinstance(caught.value, AirflowFailException)
        airflow.retry()

    assert music_sandbox.posts(ROUTES[lane]) == 1
    [audio] = files(output_dir, "song.mp3")
    assert str(audio) in str(caught.value)
    assert len(files(output_dir, "rejected.json")) == 1
    assert files(output_dir, "delivered.json") == []
    assert counted == [
        ("music.quality_failed",),
        ("music.submissions",),
        ("music.generations", "rejected"),
    ]


@pytest.mark.parametrize("more", [{"quality": "warn", "quality_limits": TOO_LOUD}, {"quality": "none"}])
def test_a_clear_with_another_policy_delivers_the_song_that_is_paid(more, song, music_sandbox, airflow, counted):
    with pytest.raises(QualityError):
        airflow.run(song(quality="fail", quality_limits=TOO_LOUD))
    airflow.clear()

    result = airflow.run(song(**more))

    assert result["submissions"] == 1
    assert music_sandbox.posts("submit") == 1
    assert counted.count(("music.submissions",)) == 1


def test_a_clear_with_wider_limits_delivers_the_song_that_is_paid(song, music_sandbox, airflow):
    with pytest.raises(QualityError):
        airflow.run(song(quality="fail", quality_limits=TOO_LOUD))
    airflow.clear()

    assert airflow.run(song(quality="fail", quality_limits=PASSED))["submissions"] == 1
    assert music_sandbox.posts("submit") == 1


def test_a_clear_as_it_is_makes_a_new_take_and_its_retries_none(song, music_sandbox, airflow, output_dir):
    with pytest.raises(QualityError):
        airflow.run(song(quality="fail", quality_limits=TOO_LOUD))
    airflow.clear()
    for _ in range(2):
        with pytest.raises(QualityError, match="take-2"):
            airflow.run(song(quality="fail", quality_limits=TOO_LOUD))
        airflow.retry()

    assert music_sandbox.posts("submit") == 2
    assert len(files(output_dir, "song.mp3")) == 2


def test_a_new_take_counts_against_max_usd_with_the_rejected_one(song, music_sandbox, airflow):
    limited = {"quality": "fail", "quality_limits": TOO_LOUD, "max_usd": 0.2}
    with pytest.raises(QualityError):
        airflow.run(song(**limited))
    airflow.clear()
    with pytest.raises(Exception, match="max_usd"):
        airflow.run(song(**limited))
    assert music_sandbox.posts("submit") == 1


def test_a_retry_reads_the_figures_and_decodes_nothing(song, music_sandbox, airflow, monkeypatch):
    with pytest.raises(QualityError):
        airflow.run(song(quality="fail", quality_limits=TOO_LOUD))
    monkeypatch.setattr(quality, "measure", lambda *_, **__: pytest.fail("decoded again"))
    airflow.retry()
    with pytest.raises(QualityError):
        airflow.run(song(quality="fail", quality_limits=TOO_LOUD))


def test_figures_that_cannot_be_read_are_measured_again(song, music_sandbox, airflow, output_dir):
    with pytest.raises(QualityError):
        airflow.run(song(quality="fail", quality_limits=TOO_LOUD))
    [figures] = files(output_dir, "quality.json")
    figures.write_bytes(b"{")
    airflow.retry()
    with pytest.raises(QualityError):
        airflow.run(song(quality="fail", quality_limits=TOO_LOUD))
    assert music_sandbox.posts("submit") == 1


def test_a_request_for_a_length_is_judged_by_it(music_sandbox, airflow, output_dir):
    fields = {"model": "elevenlabs/eleven_music", "prompt": "the sea", "music_length_ms": 20_000}
    task = GenerateMusicOperator(
        task_id="song", output_dir=str(output_dir), poll_interval=0.05, quality="measure", **fields
    )
    assert airflow.run(task)["audio"]["quality"]["requested_ms"] == 20_000


def test_without_the_extra_nothing_is_sent(song, batch, music_sandbox, airflow, monkeypatch):
    monkeypatch.setattr(quality, "is_installed", lambda: False)
    for task in (song(quality="measure"), batch(quality="fail")):
        with pytest.raises(InvalidRequestError, match=r"airflow-provider-music\[quality\](.|\n)*|needs PyAV"):
            airflow.run(task)
    assert music_sandbox.posts("submit") == 0


def test_a_worker_without_the_extra_lands_the_song_and_a_retry_measures_it(song, music_sandbox, airflow, monkeypatch):
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "av", None)
        context.setattr(quality, "is_installed", lambda: True)
        with pytest.raises(OutputError, match="a retry measures it"):
            airflow.run(song(quality="fail", quality_limits=PASSED))
    airflow.retry()
    assert airflow.run(song(quality="fail", quality_limits=PASSED))["submissions"] == 1
    assert music_sandbox.posts("submit") == 1


def test_a_worker_without_the_extra_delivers_where_figures_are_all_that_is_wanted(
    song, music_sandbox, airflow, monkeypatch
):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(quality, "is_installed", lambda: True)
    assert "quality" not in airflow.run(song(quality="measure"))["audio"]


def test_a_batch_keeps_what_fails_and_submits_it_anew_after_a_clear_alone(batch, music_sandbox, airflow, monkeypatch):
    real = quality.broken_limits
    # The second song alone.
    monkeypatch.setattr(
        quality,
        "broken_limits",
        lambda figures, limits: ["loudness_lufs is -9"] if figures == odd else real(figures, limits),
    )
    odd = {}
    judged = quality._figures

    def one_odd(folder, song, take):
        figures, is_new = judged(folder, song, take)
        if "/song-1/take-1" in folder.url:
            odd.update(figures, odd=True)
            return odd, is_new
        return figures, is_new

    monkeypatch.setattr(quality, "_figures", one_odd)
    task = {"quality": "fail", "quality_limits": PASSED}
    for _ in range(2):
        with pytest.raises(HopelessBatchError, match=r"requests\[1\] rejected: The song"):
            airflow.run(batch(**task))
        airflow.retry()
    assert music_sandbox.posts("submit") == 3

    airflow.clear()
    result = airflow.run(batch(**task))
    assert result["delivered"] == 3
    assert music_sandbox.posts("submit") == 4


def test_a_batch_that_keeps_what_is_there_counts_the_rejected(batch, music_sandbox, airflow):
    task = batch(quality="fail", quality_limits=TOO_LOUD, on_partial="keep")
    result = airflow.run(task)
    assert (result["delivered"], result["rejected"], result["failed"]) == (0, 3, 0)
    assert music_sandbox.posts("submit") == 3


def test_a_sensor_measures_and_a_clear_of_it_is_free(song, music_sandbox, airflow, output_dir):
    accepted = airflow.run(song(wait_for_completion=False))

    def sensor(**more):
        return MusicGenerationSensor(
            task_id="wait", generation=accepted, output_dir=str(output_dir), poll_interval=0.05, **more
        )

    for _ in range(2):
        with pytest.raises(QualityError, match="costs nothing"):
            airflow.run(sensor(quality="fail", quality_limits=TOO_LOUD))
        airflow.retry()
    airflow.clear()
    result = airflow.run(sensor(quality="warn", quality_limits=TOO_LOUD))
    assert result["audio"]["quality"]["channels"] in (1, 2)
    assert music_sandbox.posts("submit") == 1


def test_a_song_in_a_bucket_is_measured(song, music_sandbox, airflow, bucket):
    result = airflow.run(song(output_dir=bucket.url, quality="measure"))
    assert result["audio"]["quality"]["loudness_lufs"] < 0


def test_the_figures_are_in_the_asset_event_and_in_openlineage(song, music_sandbox, airflow):
    task = song(quality="measure")
    result = airflow.run(task)
    assert extra_of(result, None)["quality"] == result["audio"]["quality"]
    pytest.importorskip("airflow.providers.openlineage")
    reported = task.get_openlineage_facets_on_complete(SimpleNamespace(try_number=1))
    assert reported.outputs[0].facets["aimlapi_musicAudio"].quality == result["audio"]["quality"]


def test_the_figures_of_each_song_of_a_batch_are_in_its_manifest(batch, music_sandbox, airflow):
    result = airflow.run(batch(quality="measure"))
    lines = Path(result["manifest_uri"].removeprefix("file://")).read_text().splitlines()
    assert [json.loads(line)["audio"]["quality"]["channels"] for line in lines] == [1, 1, 1]


def test_what_the_triggerer_landed_is_measured_by_the_worker(song, music_sandbox, airflow, output_dir):
    task = song("synchronous", quality="measure")
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(airflow.context(task))
    event = asyncio.run(airflow.fire(deferred.value.trigger))

    assert len(files(output_dir, "song.mp3")) == 1
    assert files(output_dir, "quality.json") == []
    assert task.execute_complete(airflow.context(task), event)["audio"]["quality"]["channels"] == 1
