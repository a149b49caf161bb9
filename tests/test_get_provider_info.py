# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import airflow
import jsonschema
import pytest

import airflow_provider_music
from airflow_provider_music.get_provider_info import get_provider_info

PACKAGE = Path(airflow_provider_music.__file__).parent
INFO = get_provider_info()
MODULE_KEYS = ("hooks", "operators", "sensors", "triggers")


def schema(name):
    return json.loads((Path(airflow.__file__).parent / name).read_text())


def test_airflow_takes_it_at_run_time():
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


@pytest.mark.parametrize("key", [*MODULE_KEYS, "integrations", "connection-types", "config"])
def test_its_parts_are_what_airflow_asks_of_its_own_providers(key):
    whole = schema("provider.yaml.schema.json")
    if key == "connection-types":
        known = whole["properties"][key]["items"]["properties"]
        entries = [{name: value for name, value in entry.items() if name in known} for entry in INFO[key]]
        # Airflow 2 does not know the fields that Airflow 3 builds its form from, and ignores them.
        missing = {name for entry in INFO[key] for name in entry} - set(known)
        assert missing <= {"hook-name", "ui-field-behaviour", "conn-fields"}
        value = entries
    else:
        value = INFO[key]
    asked = {**whole["properties"][key], "definitions": whole.get("definitions", {}), "$defs": whole.get("$defs", {})}
    jsonschema.validate(value, asked)


def test_it_is_plain_json_and_new_every_time():
    assert json.loads(json.dumps(INFO)) == INFO
    assert get_provider_info() is not get_provider_info()


def test_its_name_is_the_distributions():
    assert INFO["package-name"] == "airflow-provider-music"
    project = PACKAGE.parent / "pyproject.toml"
    if project.exists():
        assert tomllib.loads(project.read_text())["project"]["name"] == INFO["package-name"]
    try:
        found = metadata.distribution("airflow-provider-music")
    except metadata.PackageNotFoundError:
        return
    assert found.metadata["Name"] == INFO["package-name"]
    (entry,) = found.entry_points.select(group="apache_airflow_provider")
    assert entry.value == "airflow_provider_music.get_provider_info:get_provider_info"


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import airflow_provider_music.get_provider_info as found
found.get_provider_info()
print(*sorted(set(sys.modules) - before))
"""


def test_it_imports_nothing():
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", PROGRAM, str(PACKAGE.parent)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["airflow_provider_music", "airflow_provider_music.get_provider_info"]


@pytest.mark.parametrize(
    "module", [name for key in MODULE_KEYS for part in INFO[key] for name in part["python-modules"]]
)
def test_every_module_that_it_names_can_be_imported(module):
    assert importlib.import_module(module)


def test_every_class_that_it_names_is_there_and_says_the_same():
    for entry in INFO["connection-types"]:
        module, _, name = entry["hook-class-name"].rpartition(".")
        hook = getattr(importlib.import_module(module), name)
        assert (hook.conn_type, hook.hook_name) == (entry["connection-type"], entry["hook-name"])


def test_every_integration_that_it_names_is_one_of_its_own():
    own = {part["integration-name"] for part in INFO["integrations"]}
    assert {part["integration-name"] for key in MODULE_KEYS for part in INFO[key]} == own


def test_every_module_of_operators_sensors_and_triggers_for_dag_authors_is_named():
    named = {name for key in MODULE_KEYS for part in INFO[key] for name in part["python-modules"]}
    assert named == {f"airflow_provider_music.{key}.music" for key in MODULE_KEYS} | {
        "airflow_provider_music.hooks.c2pa"
    }


@pytest.mark.parametrize("entry", INFO["connection-types"], ids=lambda entry: entry["connection-type"])
def test_every_default_of_the_form_fits_its_own_field(entry):
    for spec in entry["conn-fields"].values():
        jsonschema.Draft7Validator.check_schema(spec["schema"])
        jsonschema.validate(spec["schema"]["default"], spec["schema"])
        jsonschema.validate(None, spec["schema"])
