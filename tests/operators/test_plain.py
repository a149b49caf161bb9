# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Mistakes that are written out in a DAG file are found when it is parsed, at no cost for the DAGs without one."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from airflow_provider_music.api import plain
from airflow_provider_music.api.models import CATALOGUE
from airflow_provider_music.api.request import prepare
from airflow_provider_music.compat import DAG, BaseOperator
from airflow_provider_music.exceptions import InvalidReferenceError, InvalidRequestError
from airflow_provider_music.operators.music import (
    GenerateMusicBatchOperator,
    GenerateMusicOperator,
    UploadReferenceOperator,
)

MODEL = "minimax/music-2.6"
PROMPT = "a calm song of the sea"
LONG = "la " * 3334


def song(**fields):
    return GenerateMusicOperator(task_id="song", **{"model": MODEL, "prompt": PROMPT, **fields})


def batch(requests):
    return GenerateMusicBatchOperator(task_id="songs", requests=requests)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"lyrics": LONG}, ["lyrics: 10002 characters, but minimax/music-2.6 takes at most 3000"]),
        ({"audio_setting": {"format": "flac"}}, ["audio_setting.format: 'flac'"]),
        ({"audio_setting": '{"format": "flac"}'}, ["audio_setting.format: 'flac'"]),
        ({"lyrics": LONG, "audio_setting": {"format": "flac", "bitrat": 1}}, ["lyrics", "format", "bitrat"]),
        ({"model": "stable-audio", "seconds_total": 500}, ["seconds_total"]),
        ({"model": "music-01", "prompt": None}, ["lyrics", "refer_voice"]),
        ({"model": "minimax/music-1.5", "lyrics": PROMPT, "prompt": "short"}, ["prompt: 'short', 5 characters"]),
        ({"prompt": 5}, ["prompt"]),
        ({"extra_body": {"stream": True}}, ["stream"]),
        ({"extra_body": "no JSON"}, ["extra_body"]),
        ({"model": None}, ["model: not given"]),
        ({"model": " "}, ["model"]),
    ],
)
def test_a_mistake_that_is_written_out_is_found_at_the_import_with_all_others(fields, says):
    with pytest.raises(InvalidRequestError, match="nothing was sent") as caught:
        song(**fields)
    for part in says:
        assert part in str(caught.value)


def test_it_says_what_the_run_would_say():
    fields = {"lyrics": LONG, "audio_setting": {"format": "flac"}}
    with pytest.raises(InvalidRequestError) as at_import:
        song(**fields)
    with pytest.raises(InvalidRequestError) as at_run:
        prepare(MODEL, {"prompt": PROMPT, **fields})
    assert str(at_import.value) == str(at_run.value)


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        ([], "the list is empty"),
        ((), "the list is empty"),
        ("[]", "the list is empty"),
        (None, "is no list"),
        ({"model": MODEL}, "is no list"),
        ([{"model": MODEL, "prompt": PROMPT}, {"model": MODEL, "lyrics": LONG}], r"requests\[1\] lyrics: 10002"),
        ([{"model": MODEL, "prompt": PROMPT, "modle": "x"}], r"requests\[0\]"),
        ([{"modle": MODEL, "prompt": PROMPT}], "did you mean model"),
        ([5], r"requests\[0\] is 5"),
    ],
)
def test_a_batchs_mistakes_are_found_too(requests, says):
    with pytest.raises(InvalidRequestError, match=says):
        batch(requests)


def test_a_purpose_that_there_is_not_is_found_too():
    with pytest.raises(InvalidReferenceError, match="purpose: 'vocals', but one of song, voice, instrumental is taken"):
        UploadReferenceOperator(task_id="upload", file="/r.mp3", purpose="vocals")


class Upstream(BaseOperator):
    """A task whose result is handed on."""

    def execute(self, context):
        """Not run here."""


@pytest.mark.parametrize(
    "fields",
    [
        {"lyrics": LONG, "prompt": "{{ ds }}"},
        {"lyrics": "{{ x }}" + LONG},
        {"lyrics": "{% if x %}" + LONG + "{% endif %}"},
        {"lyrics": LONG + "{# said #}"},
        {"lyrics": LONG, "model": "{{ params.model }}"},
        {"audio_setting": {"format": "{{ params.format }}", "sample_rate": 1}},
        {"audio_setting": {"{{ x }}": 1}},
        {"extra_body": {"a": ["{{ x }}"]}, "lyrics": LONG},
        {"model": "vendor/of-tomorrow", "lyrics": LONG, "audio_setting": {"format": "flac"}},
        {"lyrics": lambda context, jinja_env: "la"},
    ],
    ids=", ".join,
)
def test_where_the_run_decides_nothing_is_said_at_the_import(fields):
    song(**fields)
    batch([{"model": MODEL, "prompt": PROMPT, **fields}])


def test_xcoms_and_mapped_tasks_are_left_to_the_run():
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        words = Upstream(task_id="writer").output
        song(lyrics=words, audio_setting={"format": "flac"})
        batch(words)
        UploadReferenceOperator(task_id="upload", file="/r.mp3", purpose=words)
        UploadReferenceOperator(task_id="upload-2", file="/r.mp3", purpose="{{ params.purpose }}")
        GenerateMusicOperator.partial(task_id="a", model=MODEL, lyrics=LONG).expand(prompt=["a", "b"])
        GenerateMusicOperator.partial(task_id="b", model=MODEL).expand(lyrics=[LONG])
        GenerateMusicBatchOperator.partial(task_id="c").expand(requests=[[]])
    # As Airflow makes a task of a mapped one, when it runs.
    GenerateMusicOperator(task_id="d", model=MODEL, lyrics=LONG, _airflow_from_mapped=True)
    GenerateMusicBatchOperator(task_id="e", requests=[], _airflow_from_mapped=True)
    UploadReferenceOperator(task_id="f", file="/r.mp3", purpose="vocals", _airflow_from_mapped=True)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_text_is_as_long_as_it_is_once_it_is_rendered(ending):
    song(lyrics="la\r\n" * 999 + "wow" + ending)


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.id)
def test_what_counts_as_ordinary_is_taken_by_every_model(model):
    """Or the import of a DAG file would miss it."""
    limits = model.fields()
    for name in (name for name in plain.WORDS if name in limits):
        for length in (plain.SHORTEST, plain.LONGEST):
            fields = {name: "x" * length}
            assert plain.is_ordinary({"model": model.id, **fields})
            assert [problem for problem in problems(model.id, fields) if "characters, but" in problem] == []
    for name, values in plain.ORDINARY_SETTING.items() if "audio_setting" in limits else ():
        for value in values:
            found = problems(model.id, {"audio_setting": {"format": "mp3", name: value}})
            assert [problem for problem in found if problem.startswith("audio_setting")] == []


def problems(model, fields):
    try:
        prepare(model, fields)
    except InvalidRequestError as exc:
        return exc.problems
    return []


def test_a_dag_without_a_mistake_loads_no_catalogue(tmp_path):
    program = """
import json, sys
from airflow_provider_music.operators.music import *
before = set(sys.modules)
GenerateMusicOperator(task_id="a", model="minimax/music-2.6", prompt="a calm song of the sea",
    lyrics="we row until the end of the night", lyrics_optimizer=True, audio_setting={"format": "mp3"})
GenerateMusicOperator(task_id="b", model="music-01", lyrics="{{ x }}", refer_voice="{{ y }}", seed=5)
GenerateMusicBatchOperator(task_id="c", requests=[{"model": "google/lyria2", "prompt": "a calm song of the sea"}])
UploadReferenceOperator(task_id="d", file="/r.mp3", purpose="voice")
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert [name for name in loaded if name.startswith("airflow_provider_music")] == []
