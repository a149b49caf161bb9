# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A new field is written in three files: these tests say what is missing where."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Annotated

import pytest

from airflow_provider_music.api import models
from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.models import CATALOGUE, OBJECT_FIELDS, REFERENCES, MusicRequest
from airflow_provider_music.api.schema import FLAG, Length, Reference, described, text
from airflow_provider_music.operators.generate import GenerateMusicOperator


class NewModel(MusicRequest):
    """A model of tomorrow, with a field that no other model takes."""

    id = "maker/new-model"
    usual_seconds = 30.0
    source = "live OpenAPI"

    prompt: str | None = text(1)
    with_applause: bool | None = described(FLAG)
    loop_id: Annotated[str | None, Reference("features")] = text(1)


def missing(catalogue, names, operator):
    """What api/models.py, api/fields.py and operators/generate.py do not agree on, and what to do."""
    takers = {}
    for known in catalogue:
        for name in known.fields():
            takers.setdefault(name, []).append(known.__name__)
    arguments = inspect.signature(operator.__init__).parameters
    stored = vars(
        operator(task_id="song", model="a-model", **{name: f"<{name}>" for name in names if name in arguments})
    )
    found = [
        f"api/fields.py: add {name!r} to REQUEST_FIELDS; {', '.join(takers[name])} of api/models.py takes it"
        for name in takers
        if name not in names
    ]
    for name in dict.fromkeys([*takers, *names]):
        where = f"operators/generate.py, {operator.__name__}:"
        if name not in takers:
            found.append(f"api/fields.py: take {name!r} out of REQUEST_FIELDS; no model of api/models.py takes it")
        if name not in arguments:
            found.append(f"{where} add the argument {name}, None by default")
        elif arguments[name].default is not None:
            found.append(f"{where} the argument {name} has to be None by default")
        elif name in names and stored.get(name) != f"<{name}>":
            found.append(f"{where} __init__ has to say self.{name} = {name}")
        if f":param {name}:" not in inspect.getdoc(operator):
            found.append(f"{where} describe {name} in the docstring (:param {name}: ...)")
        if name in names and name not in operator.template_fields:
            found.append(f"{where} template_fields have to hold {name} (REQUEST_FIELDS of api/fields.py)")
    return found


def test_the_catalogue_the_field_names_and_the_operators_arguments_agree():
    problems = missing(CATALOGUE, REQUEST_FIELDS, GenerateMusicOperator)
    assert not problems, "\n".join(["A field is not written everywhere:", *problems])
    assert len(REQUEST_FIELDS) == len(set(REQUEST_FIELDS))


def test_a_field_that_only_a_model_has_is_reported_with_what_to_do():
    operator = "operators/generate.py, GenerateMusicOperator:"
    assert missing((*CATALOGUE, NewModel), REQUEST_FIELDS, GenerateMusicOperator) == [
        "api/fields.py: add 'with_applause' to REQUEST_FIELDS; NewModel of api/models.py takes it",
        "api/fields.py: add 'loop_id' to REQUEST_FIELDS; NewModel of api/models.py takes it",
        f"{operator} add the argument with_applause, None by default",
        f"{operator} describe with_applause in the docstring (:param with_applause: ...)",
        f"{operator} add the argument loop_id, None by default",
        f"{operator} describe loop_id in the docstring (:param loop_id: ...)",
    ]


def test_a_field_that_no_model_takes_is_reported_with_what_to_do():
    without = [known for known in CATALOGUE if "steps" not in known.fields()]
    (problem,) = [each for each in missing(without, REQUEST_FIELDS, GenerateMusicOperator) if "'steps'" in each]
    assert problem == "api/fields.py: take 'steps' out of REQUEST_FIELDS; no model of api/models.py takes it"


def test_an_argument_that_is_not_stored_is_reported_with_what_to_do():
    class Forgetful(GenerateMusicOperator):
        __doc__ = GenerateMusicOperator.__doc__

        def __init__(self, *, steps=None, seed=1, **kwargs):
            super().__init__(seed=seed, **kwargs)

        template_fields = tuple(name for name in GenerateMusicOperator.template_fields if name != "prompt")

    found = missing(CATALOGUE, ("steps", "seed", "prompt"), Forgetful)
    assert "operators/generate.py, Forgetful: __init__ has to say self.steps = steps" in found
    assert "operators/generate.py, Forgetful: the argument seed has to be None by default" in found
    assert any(each.endswith("template_fields have to hold prompt (REQUEST_FIELDS of api/fields.py)") for each in found)


def test_the_field_names_come_without_pydantic():
    code = (
        "import sys, airflow_provider_music.api.fields;"
        "print(sorted({'pydantic', 'httpx', 'airflow'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_the_fields_that_name_a_track_are_marked():
    assert {name: marker.kind for name, marker in REFERENCES.items()} == {
        "refer_voice": "voice",
        "refer_instrumental": "instrumental",
        "reference_audio_url": "url",
        "cover_feature_id": "features",
    }


@pytest.mark.parametrize("known", CATALOGUE, ids=lambda known: known.id)
def test_a_field_is_the_same_kind_of_reference_in_every_model(known):
    assert known.marked(Reference) == {name: REFERENCES[name] for name in known.fields() if name in REFERENCES}


def test_the_fields_that_say_a_length_are_marked():
    assert {known.id: known.marked(Length) for known in CATALOGUE if known.marked(Length)} == {
        "stable-audio": {"seconds_total": Length()},
        "elevenlabs/eleven_music": {"music_length_ms": Length(per_second=1000, kept=False)},
        "test/dummy-audio": {"duration": Length()},
    }


def test_the_fields_that_are_json_objects_are_found_by_their_class():
    assert OBJECT_FIELDS == ("audio_setting",)
    assert models.object_of(MusicRequest.model_fields["model"]) is None
