# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is installed beside what: the package's bounds fit what each Airflow's day had, and pins agree."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
SHARED = [
    *("aiohttp", "av", "c2pa-python", "fsspec", "h11", "httpcore", "httpx", "httpx-aiohttp", "lameenc"),
    *("mutagen", "pydantic", "s3fs", "starlette", "uvicorn", "yarl"),
]
AIRFLOWS = ("2.11.0", "2.11.2", "3.0.6", "3.1.8", "3.2.2", "3.3.2", "3.4.0b2")
#: Environments whose pins stand on one of the stored lists.
CONSTRAINED = {
    "2.11.2-constrained": "2.11.2",
    "3.3.2-constrained": "3.3.2",
    **{airflow: airflow for airflow in AIRFLOWS if airflow not in ("2.11.2", "3.3.2")},
}
#: Not in any Airflow's constraints: whatever is the newest gets in.
FREE = {"av", "c2pa-python", "httpx-aiohttp", "lameenc", "mutagen"}

if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("an installed package has no pins beside it", allow_module_level=True)


def versions(name):
    lines = (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    pairs = (line.split(";")[0].strip().split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(package): version for package, version in pairs}


def required():
    """Everything that the package and its extras ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in (*project["dependencies"], *extras)]


def refused(held):
    return [
        f"{each} against {held[canonicalize_name(each.name)]}"
        for each in required()
        if canonicalize_name(each.name) in held
        and not each.specifier.contains(held[canonicalize_name(each.name)], prereleases=True)
    ]


@pytest.mark.parametrize("name", SHARED)
def test_what_knows_no_airflow_is_the_same_beside_both(name):
    assert versions("airflow-3.3.2")[name] == versions("airflow-2.11.2")[name]


@pytest.mark.parametrize("airflow", AIRFLOWS)
def test_every_bound_fits_what_was_there_on_an_airflow_s_day(airflow):
    held = versions(f"constraints-{airflow}")
    assert held["apache-airflow"] == airflow
    assert refused(held) == []


@pytest.mark.parametrize("airflow", AIRFLOWS)
def test_every_requirement_is_on_the_list_unless_no_airflow_holds_it(airflow):
    held = versions(f"constraints-{airflow}")
    assert {each.name for each in required() if canonicalize_name(each.name) not in held} <= FREE


@pytest.mark.parametrize(("name", "airflow"), sorted(CONSTRAINED.items()))
def test_an_environment_of_one_airflow_holds_what_its_day_had_and_all_that_the_package_needs(name, airflow):
    pins, held = versions(f"airflow-{name}"), versions(f"constraints-{airflow}")
    differ = {package: (pins[package], held[package]) for package in set(pins) & set(held)}
    assert {package: pair for package, pair in differ.items() if pair[0] != pair[1]} == {}
    assert refused(pins) == []
    needed = {canonicalize_name(each.name) for each in required()}
    assert needed - set(pins) <= {"apache-airflow-providers-openlineage", "av", "c2pa-python"}


@pytest.mark.parametrize("name", ["airflow-2.11.2", "airflow-3.3.2"])
def test_the_newest_of_everything_fits_too(name):
    assert refused(versions(name)) == []


def test_a_bound_that_is_too_high_is_found(monkeypatch):
    project = Requirement("apache-airflow-providers-common-compat>=1.23.0")
    monkeypatch.setitem(globals(), "required", lambda: [project])
    assert refused(versions("constraints-3.2.2")) == [f"{project} against 1.15.0"]


def test_no_list_names_where_it_came_from():
    for path in REQUIREMENTS.glob("*.txt"):
        assert "://" not in path.read_text(), path
