# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What templates, XComs and objects give in place of what a DAG's author meant: an error before anything is paid."""

from __future__ import annotations

import contextlib
import os
import wave
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.parsing import seconds_of
from airflow_provider_music.api.request import prepare
from airflow_provider_music.compat import DAG, AirflowException, BaseOperator, ObjectStoragePath
from airflow_provider_music.exceptions import CredentialsError, InvalidFolderError, InvalidRequestError, MusicError
from airflow_provider_music.operators.music import (
    GenerateMusicBatchOperator,
    GenerateMusicOperator,
    UploadReferenceOperator,
)
from airflow_provider_music.sensors.music import MusicGenerationSensor

PROMPT = "a calm song of the sea"
LYRICS = "we row until the end of the night"
WRITER = "{{ words }}"


class Upstream(BaseOperator):
    """A task whose result is handed on."""

    def execute(self, context):
        """Not run here."""


def new_dag(*, native=False):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return DAG("dag", schedule=None, start_date=start, render_template_as_native_obj=native)


@pytest.fixture(params=[False, True], ids=["text", "native"])
def run(request, airflow, music_sandbox, output_dir):
    """Render a task as Airflow does, with what an upstream task returned, and run it."""

    def rendered(make, words):
        with new_dag(native=request.param):
            before = Upstream(task_id="writer")
            task = make(before.output)
        # The second is Airflow 2's.
        ti = SimpleNamespace(
            xcom_pull=lambda *_, **__: words, get_relevant_upstream_map_indexes=lambda *_, **__: None, run_id="r"
        )
        task.render_template_fields({"words": words, "ti": ti, "expanded_ti_count": None})
        return airflow.run(task)

    return rendered


@pytest.fixture
def song(output_dir):
    def make(**more):
        fields = {"model": "minimax/music-2.6", "prompt": PROMPT, "output_dir": str(output_dir), "poll_interval": 0.05}
        return GenerateMusicOperator(task_id="song", **{**fields, **more})

    return make


@pytest.fixture
def batch(output_dir):
    def make(requests, **more):
        return GenerateMusicBatchOperator(
            task_id="songs", requests=requests, output_dir=str(output_dir), poll_interval=0.05, **more
        )

    return make


def refused(work, *told):
    with pytest.raises(InvalidRequestError) as caught:
        work()
    assert "nothing was sent" in str(caught.value)
    for one in told:
        assert one in str(caught.value)
    return caught.value


FIELDS = [
    {"lyrics": WRITER},
    {"prompt": WRITER},
    {"model": WRITER},
    {"negative_prompt": WRITER},
    {"seed": WRITER},
    {"lyrics_optimizer": WRITER},
    {"audio_setting": WRITER},
    {"audio_setting": {"format": WRITER}},
    {"extra_body": WRITER},
    {"extra_body": {"deep": [{"er": WRITER}]}},
    {"conn_id": WRITER},
    {"max_usd": WRITER},
    {"refer_voice": WRITER},
    {"reference_audio_url": WRITER},
]


@pytest.mark.parametrize(
    "words", [None, "None", "", " \n", "null", "undefined", "nan", "NaN", "NaT", "<NA>", float("nan")]
)
@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_a_template_that_renders_nothing_is_refused_before_anything_is_paid(run, song, music_sandbox, fields, words):
    name = next(iter(fields))
    refused(lambda: run(lambda _: song(**fields), words), f"{name}", "came out as", "upstream")
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("words", [[None], [None, None], [], "[None]", "(None,)", "[]"])
def test_a_list_of_nothing_is_nothing(run, song, music_sandbox, words):
    refused(lambda: run(lambda _: song(lyrics=WRITER), words), "lyrics")
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("words", [None, "None", ""])
def test_an_xcom_that_is_nothing_is_refused(run, song, batch, music_sandbox, words):
    refused(lambda: run(lambda result: song(lyrics=result), words), "lyrics: the XCom")
    refused(lambda: run(batch, words), "requests: the XCom")
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("template", ["##{{ words }}##", "a song about {{ words }}", "{{ words }} and the sea\n"])
def test_a_part_of_a_text_that_renders_to_none_is_refused(run, song, music_sandbox, template):
    refused(lambda: run(lambda _: song(lyrics=template), None), "lyrics: a part of its template", "'None'")
    assert music_sandbox.posts() == 0


def test_a_folder_that_renders_to_nothing_is_told_as_a_folder(run, song, music_sandbox):
    with pytest.raises(InvalidFolderError):
        run(lambda _: song(output_dir=WRITER), None)
    refused(lambda: run(lambda _: song(output_dir="/songs/{{ words }}/a"), None), "output_dir: a part")
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("words", [LYRICS, "None shall pass here", f"{LYRICS}\nNone", "[None] is what I feel"])
def test_a_template_that_renders_words_is_sent(run, song, music_sandbox, words):
    assert run(lambda _: song(lyrics=WRITER), words)["status"] == "completed"
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"lyrics": None},
        {"lyrics": LYRICS, "seed": None, "audio_setting": {"format": "mp3", "bitrate": None}},
        {"lyrics": "{{ words or 'la la la la la' }}"},
        {"lyrics": "{% if words %}{{ words }}{% else %}la la la la la{% endif %}"},
        {"lyrics": "la la la {{ words or '' }} la la"},
        {"extra_body": {"note": None}},
    ],
    ids=str,
)
def test_none_that_the_author_wrote_leaves_the_field_out(run, song, music_sandbox, fields):
    assert run(lambda _: song(**fields), None)["status"] == "completed"


def request(**more):
    return {"model": "minimax/music-2.6", "prompt": PROMPT, **more}


@pytest.mark.parametrize("words", [None, "None", ""])
def test_the_rule_holds_for_each_field_of_a_batchs_requests(run, batch, music_sandbox, words):
    requests = [request(), request(lyrics=WRITER), request(extra_body={"a": WRITER})]
    refused(lambda: run(lambda _: batch(requests), words), "requests[1].lyrics", "requests[2].extra_body.a")
    refused(lambda: run(lambda result: batch([request(lyrics=result)]), words), "requests[0].lyrics: the XCom")
    assert music_sandbox.posts() == 0


def test_none_in_a_list_from_upstream_is_left_out(run, batch, music_sandbox):
    requests = [request(lyrics=None), request(audio_setting=None)]
    assert run(batch, requests)["delivered"] == 2
    assert music_sandbox.posts("submit") == 2


def test_the_text_none_in_a_list_from_upstream_is_refused(run, batch, music_sandbox):
    refused(lambda: run(batch, [request(), request(lyrics="None")]), "requests[1].lyrics")
    assert music_sandbox.posts() == 0


def test_the_text_none_in_a_list_that_a_template_made_is_refused(run, batch, music_sandbox):
    refused(lambda: run(lambda _: batch(WRITER), [request(lyrics="None")]), "requests[0].lyrics")
    assert music_sandbox.posts() == 0


def test_the_authors_own_none_in_a_batch_is_left_out(run, batch, music_sandbox):
    assert run(lambda _: batch([request(lyrics=None)]), None)["delivered"] == 1


MAPPED = {"model": "minimax/music-2.6", "prompt": PROMPT}


def mapped(expand, values):
    """A mapped task as it is on a worker, and the check that it does before anything is sent."""
    dag = new_dag()
    with dag:
        before = Upstream(task_id="writer")
        made = expand(GenerateMusicOperator.partial(task_id="song", **MAPPED), before.output)
    task = made.unmap(values)
    return lambda: task._check_rendered({"dag": dag})


@pytest.mark.parametrize("words", [None, "None", ""])
def test_a_mapped_xcom_that_is_nothing_is_refused(words):
    refused(mapped(lambda song, result: song.expand(lyrics=result), {"lyrics": words}), "lyrics: the XCom")
    refused(mapped(lambda song, result: song.expand(lyrics=["la", result]), {"lyrics": words}), "lyrics: the XCom")


@pytest.mark.parametrize("words", ["None", "[None]"])
def test_the_text_none_in_mapped_dicts_is_refused_and_none_is_left_out(words):
    refused(mapped(lambda song, result: song.expand_kwargs(result), {"lyrics": words}), "lyrics: the text")
    mapped(lambda song, result: song.expand_kwargs(result), {"lyrics": None})()


def test_what_the_author_mapped_is_taken_as_it_is():
    for words in (LYRICS, None, "None"):
        mapped(lambda song, _: song.expand(lyrics=[LYRICS, None, "None"]), {"lyrics": words})()
        mapped(lambda song, _, one=words: song.expand_kwargs([{"lyrics": one}]), {"lyrics": words})()


# Objects


def test_digits_that_native_rendering_made_a_number_are_a_connections_id(run, song, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_4711", os.environ["AIRFLOW_CONN_MUSIC_DEFAULT"])
    assert run(lambda _: song(conn_id=WRITER), "4711")["status"] == "completed"


@pytest.mark.parametrize("value", [None, "", "None", 1.5, True, ["a"], {"a": 1}, object(), b"music_default"])
def test_what_is_no_connections_id_is_named(song, airflow, value, tmp_path):
    upload = UploadReferenceOperator(task_id="upload", file=str(tmp_path / "a.wav"), conn_id=value)
    for task in (song(conn_id=value), upload):
        with pytest.raises(MusicError) as caught:
            airflow.run(task)
        assert "conn_id" in str(caught.value) or task is upload
    with pytest.raises(CredentialsError, match="conn_id"):
        song(conn_id=value)._use_conn_id()


@pytest.mark.parametrize("kind", [str, Path, ObjectStoragePath, lambda path: ObjectStoragePath(f"file://{path}")])
def test_a_path_is_taken_as_a_folder_and_as_a_file(kind, song, airflow, music_sandbox, output_dir, tmp_path):
    assert airflow.run(song(output_dir=kind(str(output_dir))))["status"] == "completed"
    file = tmp_path / "reference.wav"
    with wave.open(str(file), "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(2 * 8000 * 11))
    assert airflow.run(UploadReferenceOperator(task_id="upload", file=kind(str(file))))["voice_id"]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (Path("s3://bucket/a.wav"), "has one slash after s3:"),
        (None, "names no file"),
        (0, "0 is no path"),
        (b"/a.wav", "is no path"),
        (["/a.wav"], "is no path"),
        ({"file": "/a.wav"}, "is no path"),
        (object(), "is no path"),
        (Path("/nowhere/a.wav"), "does not exist"),
        (ObjectStoragePath("file:///nowhere/a.wav"), "does not exist"),
    ],
)
def test_what_is_no_file_is_named(file, told, airflow, music_sandbox):
    refused(lambda: airflow.run(UploadReferenceOperator(task_id="upload", file=file)), "file: ", told)


@pytest.mark.parametrize(
    "url",
    [
        *(httpx.URL("https://cdn.example/a.mp3"), ObjectStoragePath("https://cdn.example/a.mp3")),
        "https://cdn.example/a.mp3",
    ],
    ids=["object of a URL", "path of a URL", "text"],
)
def test_the_url_of_a_reference_may_be_an_object(url):
    fields = {"prompt": "a song of the sea", "reference_audio_url": url}
    assert prepare("minimax-music", fields).body["reference_audio_url"] == "https://cdn.example/a.mp3"


@pytest.mark.parametrize(
    "url", [Path("/a.mp3"), Path("https://cdn.example/a.mp3"), ObjectStoragePath("s3://b/a.mp3"), 7, ["x"], object()]
)
def test_what_the_api_cannot_fetch_is_named(url):
    fields = {"prompt": "a song of the sea", "reference_audio_url": url}
    refused(lambda: prepare("minimax-music", fields), "reference_audio_url: ", "http or https URL")


@pytest.mark.parametrize("value", [Path("/a"), object(), 5.5, b"a", {1: object()}, [object()], {"a"}, lambda: None])
@pytest.mark.parametrize("name", ["model", *REQUEST_FIELDS, "extra_body", "output_dir", "conn_id", "max_usd"])
def test_an_odd_object_is_taken_or_an_error_of_ours_in_any_argument(name, value, song, airflow, music_sandbox):
    # ValueError: when the DAG's file is parsed.
    with contextlib.suppress(MusicError, ValueError):
        airflow.run(song(**{name: value}))
    assert music_sandbox.posts() <= 1


# Slips that are found when the DAG's file is parsed


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("lyric", "lyrics"),
        ("promt", "prompt"),
        ("timout", "timeout"),
        ("outputdir", "output_dir"),
        ("retry", "retries"),
    ],
)
def test_an_unknown_argument_is_named_with_the_nearest_right_one(song, slip, meant):
    with pytest.raises(TypeError, match=f"GenerateMusicOperator has no argument '{slip}'; did you mean {meant}\\?"):
        song(**{slip: "x"})


def test_an_argument_that_nothing_is_near_to_is_airflows_own_error(song):
    with pytest.raises((TypeError, AirflowException), match="Invalid arguments"):
        song(zzzzzz="x")


DURATIONS = {
    "1h": 3600.0,
    "1.5h": 5400.0,
    "1h30m": 5400.0,
    "1 hour 30 minutes": 5400.0,
    "1 hour, 30 minutes and 5 seconds": 5405.0,
    "90s": 90.0,
    "90": 90.0,
    " 5 ": 5.0,
    "2 Minutes": 120.0,
    "500ms": 0.5,
    "1 week 2 days": 777600.0,
    "1:30:00": 5400.0,
    "PT1H30M": 5400.0,
    "P1D": 86400.0,
}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_a_time_may_be_text(song, text, seconds):
    task = song(timeout=text, poll_interval=text)
    assert (seconds_of(task.timeout), seconds_of(task.poll_interval)) == (seconds, seconds)
    sensor = MusicGenerationSensor(task_id="sensor", generation="g", timeout=text, poll_interval=text)
    assert (float(sensor.timeout), float(sensor.poke_interval)) == (seconds, seconds)


@pytest.mark.parametrize("text", ["soon", "1x", "", "1h-", "h", "2026-01-01", "{{ params.wait }}", "1 month", [], {}])
@pytest.mark.parametrize("name", ["timeout", "poll_interval"])
def test_what_is_no_time_is_named_when_the_dag_is_parsed(song, name, text):
    with pytest.raises(ValueError, match=f"{name}: .* is no duration"):
        song(**{name: text})
    if isinstance(text, str):
        with pytest.raises(ValueError, match=f"{name}: .* is no duration"):
            MusicGenerationSensor(task_id="sensor", generation="g", **{name: text})
