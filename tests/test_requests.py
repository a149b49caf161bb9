# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Typed requests: one class a model, made from the catalogue, checked by mypy, light at import."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_music import requests
from airflow_provider_music.api.models import CATALOGUE, find
from airflow_provider_music.compat import AIRFLOW
from airflow_provider_music.requests import MiniMaxMusic26, MusicRequest
from tests import typed_requests

ROOT = Path(requests.__file__).parents[1]
CLASSES = {
    name: value for name, value in vars(requests).items() if inspect.isclass(value) and value.__base__ is MusicRequest
}


def test_the_module_is_what_the_catalogue_makes():
    made = typed_requests.module()
    assert Path(requests.__file__).read_text() == made, "run `make docs`, and commit what it writes"


def test_every_model_has_a_class_with_its_fields():
    assert sorted(each.model for each in CLASSES.values()) == sorted(known.id for known in CATALOGUE)
    for each in CLASSES.values():
        known = find(each.model)
        parameters = dict(list(inspect.signature(each).parameters.items()))
        assert set(parameters) == {*known.fields(), "extra_body", "name", "rights"}
        assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in parameters.values())
        needed = {name for name, one in parameters.items() if one.default is inspect.Parameter.empty}
        assert needed == set(known.required)
        assert [name for name in parameters if f":param {name}:" not in each.__doc__] == []
        assert known.source.split(";")[0].split("/")[0] in each.__doc__


def test_a_request_is_a_dict_of_what_was_given():
    request = MiniMaxMusic26(prompt="a calm song", is_instrumental=False)
    assert request == {"model": "minimax/music-2.6", "prompt": "a calm song", "is_instrumental": False}
    assert json.loads(json.dumps(request)) == request
    for again in (copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
        assert again == request
        assert type(again) is MiniMaxMusic26


def test_a_name_that_the_model_has_not_is_a_type_error():
    with pytest.raises(TypeError, match="lyric"):
        MiniMaxMusic26(lyric="x")
    with pytest.raises(TypeError, match="prompt"):
        requests.Lyria2()


PROGRAM = """
from airflow_provider_music.requests import Lyria2, MiniMaxMusic01, MiniMaxMusic26, StableAudio
MiniMaxMusic26(prompt="{{ ds }}", audio_setting={"format": "mp3", "sample_rate": 44100})
MiniMaxMusic01(lyrics="la", refer_voice="x", audio_setting={"format": "wav"})
StableAudio(prompt="x", seconds_total="{{ params.seconds }}")
"""
WRONG = """
Lyria2(negative_prompt="x")
MiniMaxMusic26(lyric="x")
MiniMaxMusic26(prompt=5)
MiniMaxMusic26(audio_setting={"format": "flac"})
MiniMaxMusic26(audio_setting={"format": "mp3", "sample_rate": 48000})
MiniMaxMusic01(lyrics="la", audio_setting={"sample_rate": 44100})
StableAudio(prompt="x", seconds_total=4.5)
"""


def test_mypy_finds_what_a_model_does_not_take(tmp_path):
    if AIRFLOW < (3, 0, 0) or importlib.util.find_spec("mypy") is None:
        pytest.skip("Airflow's types are those of airflow.sdk")
    file = tmp_path / "dag.py"
    file.write_text(PROGRAM + WRONG)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            "/dev/null",
            str(file),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    lines = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    first = len(PROGRAM.splitlines()) + 2
    assert lines == list(range(first, first + len(WRONG.split("\n")) - 2)), done.stdout


def test_the_page_about_operators_names_every_class():
    page = ROOT / "docs" / "operators.md"
    if not page.is_file():
        pytest.skip("an installed package has no docs beside it")
    rows = [f"| `{each.model}` | `{name}` |" for name, each in CLASSES.items()]
    assert [row for row in rows if row not in page.read_text()] == []
