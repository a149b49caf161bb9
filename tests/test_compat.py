# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Airflow's names on whichever Airflow this is, and a plain refusal of one that is too old."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_music import compat

MODULES = ("exceptions", "hooks.music", "operators.music", "sensors.music", "triggers.music")
PROGRAM = """
import airflow
airflow.__version__ = "2.10.5"
from airflow_provider_music.get_provider_info import get_provider_info
print(get_provider_info()["package-name"])
import airflow_provider_music.{module}
"""


def test_each_name_is_there_and_is_listed():
    assert set(compat._HOMES) <= set(compat.__all__)
    for name in compat.__all__:
        assert getattr(compat, name) is not None


def test_a_name_that_airflow_does_not_have_is_not_made_up():
    with pytest.raises(AttributeError, match="NoSuchName"):
        _ = compat.NoSuchName


def test_a_name_that_has_moved_once_more_is_named_with_where_it_was_searched(monkeypatch):
    monkeypatch.setitem(compat._HOMES, "Stats", ("airflow.no_such_module", "airflow.configuration:NoSuchName"))
    with pytest.raises(ImportError, match=r"has Stats in none of airflow\.no_such_module, airflow\.configuration"):
        compat._load("Stats")


def test_a_module_of_airflow_that_is_broken_is_not_taken_for_one_that_is_missing(monkeypatch, tmp_path):
    (tmp_path / "broken_airflow_module.py").write_text("import what_nobody_installed")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(compat._HOMES, "Stats", ("broken_airflow_module", "airflow.configuration:conf"))
    with pytest.raises(ModuleNotFoundError, match="what_nobody_installed"):
        compat._load("Stats")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.11.0", (2, 11, 0)),
        ("2.11.2", (2, 11, 2)),
        ("3.0.6", (3, 0, 6)),
        ("3.4.0b2", (3, 4, 0)),
        ("3.4.0rc1", (3, 4, 0)),
        ("3.5.0.dev0", (3, 5, 0)),
        ("4.0", (4, 0, 0)),
    ],
)
def test_a_version_is_read_with_what_stands_behind_its_numbers(text, version):
    assert compat.version_of(text) == version


@pytest.mark.parametrize("text", ["2.10.5", "2.9.0", "1.10.15", "unknown"])
def test_an_airflow_that_is_too_old_is_refused_by_its_version_and_with_what_is_needed(text):
    with pytest.raises(ImportError, match=f"needs Airflow 2.11.0 or later, and this is Airflow {text}"):
        compat.version_of(text)


@pytest.mark.parametrize("module", MODULES)
def test_on_an_airflow_that_is_too_old_no_module_loads_and_the_command_line_still_works(module):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "airflow-provider-music"
    assert done.returncode == 1
    assert "ImportError: airflow-provider-music needs Airflow 2.11.0 or later" in done.stderr


class Ti:
    def __init__(self):
        self.pushed = {}

    def xcom_push(self, *, key, value):
        self.pushed[key] = value


def test_on_airflow_3_0_each_output_but_none_is_pushed_by_us(monkeypatch):
    monkeypatch.setattr(compat, "MULTIPLE_OUTPUTS", False)
    ti = Ti()
    compat.push_outputs({"ti": ti}, {"generation_id": "a", "audio_uri": None, "submissions": 0})
    assert ti.pushed == {"generation_id": "a", "submissions": 0}


def test_where_airflow_pushes_each_output_itself_we_push_nothing(monkeypatch):
    monkeypatch.setattr(compat, "MULTIPLE_OUTPUTS", True)
    compat.push_outputs({"ti": None}, {"generation_id": "a"})


def test_a_task_that_returns_nothing_pushes_nothing(monkeypatch):
    monkeypatch.setattr(compat, "MULTIPLE_OUTPUTS", False)
    compat.push_outputs({"ti": None}, None)


class DatasetCollector:
    def __init__(self):
        self.read, self.written = [], []

    def add_input_dataset(self, *, context, uri):
        self.read.append(uri)

    def add_output_dataset(self, *, context, uri):
        self.written.append(uri)

    @property
    def collected_datasets(self):
        return self.read, self.written


def test_the_collector_of_airflow_2_takes_assets_as_datasets():
    collector = compat.with_asset_names(DatasetCollector())
    collector.add_input_asset(context=object(), uri="file:///a.mp3")
    collector.add_output_asset(context=object(), uri="file:///b.mp3")
    assert collector.collected_assets == (["file:///a.mp3"], ["file:///b.mp3"])


def test_a_collector_that_knows_assets_is_handed_out_as_it_is():
    class Collector:
        add_output_asset = None

    collector = Collector()
    assert compat.with_asset_names(collector) is collector
