# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What Airflow loads in every process: little, and nothing at all where it has no such pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

import airflow_provider_music
from airflow_provider_music.compat import AIRFLOW
from airflow_provider_music.plugin import music_plugin
from airflow_provider_music.plugin.listen_link import OPERATORS, SCOPE, ListenLink, page_path

ROOT = Path(airflow_provider_music.__file__).parent.parent
PROGRAM = """
import json, sys
from airflow_provider_music.compat import BaseOperatorLink, conf
# What loads plugins.
import airflow.plugins_manager
before = set(sys.modules)
import airflow_provider_music.plugin.music_plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_loading_the_plugin_imports_no_web_framework_and_no_operator():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    loaded = json.loads(done.stdout.splitlines()[-1])
    ours = [name for name in loaded if name.startswith("airflow_provider_music.")]
    assert set(ours) <= {f"airflow_provider_music.plugin{name}" for name in ("", ".music_plugin", ".listen_link")}
    assert not {"fastapi", "starlette", "jinja2", "sqlalchemy", "pydantic"} & set(loaded)


@pytest.mark.parametrize("version", [(2, 11, 0), (3, 0, 6)])
def test_before_airflow_3_1_there_is_no_plugin(monkeypatch, version):
    monkeypatch.setattr(music_plugin, "AIRFLOW", version)
    assert music_plugin._plugin() is None


def test_before_airflow_3_4_no_tab_is_on_everybody_s_tasks(monkeypatch):
    monkeypatch.setattr(music_plugin, "AIRFLOW", (3, 3, 2))
    assert [view["destination"] for view in music_plugin._views()] == ["nav"]


def test_since_airflow_3_4_a_tab_is_on_our_operators_only(monkeypatch):
    monkeypatch.setattr(music_plugin, "AIRFLOW", (3, 4, 0))
    (tab,) = [view for view in music_plugin._views() if view["destination"] == "task_instance"]
    assert tab["applies_to"] == SCOPE
    assert tab["href"] == "music/song/{DAG_ID}/{RUN_ID}/{TASK_ID}/{MAP_INDEX}"


@pytest.mark.parametrize("inherits", [False, True])
def test_the_tab_s_scope_holds_for_each_class_and_what_inherits_from_it(inherits):
    for operator in ListenLink().operators:
        each = type("Jingle", (operator,), {}) if inherits else operator
        assert each.ui_color in SCOPE["task.ui_color"]
        assert set(each.template_fields) & set(SCOPE["task.template_fields"])


def test_the_tab_s_scope_holds_for_none_of_our_other_operators():
    from airflow_provider_music.operators.music import (
        AuditMusicOperator,
        PreprocessCoverOperator,
        UploadReferenceOperator,
    )

    for each in (AuditMusicOperator, PreprocessCoverOperator, UploadReferenceOperator):
        assert each.ui_color not in SCOPE["task.ui_color"]
        assert not set(each.template_fields) & set(SCOPE["task.template_fields"])


def test_airflow_takes_the_plugin_for_one_where_it_has_pages():
    from airflow.plugins_manager import is_valid_plugin

    assert bool(is_valid_plugin(music_plugin.MusicPlugin)) == (AIRFLOW >= (3, 1, 0))


def test_the_link_needs_nothing_but_names():
    key = SimpleNamespace(dag_id="a b", run_id="manual__2026-11-28T07:52:40+00:00", task_id="group.song", map_index=3)
    path = ListenLink().get_link(None, ti_key=key)
    assert path == "/music/song/a%20b/manual__2026-11-28T07%3A52%3A40%2B00%3A00/group.song/3"
    assert unquote(path).endswith("+00:00/group.song/3")


def test_the_link_leads_below_the_path_of_airflow_itself(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/airflow/")
    key = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
    assert ListenLink().get_link(None, ti_key=key) == page_path("/airflow", "d", "r", "t", -1)


def test_the_link_is_on_the_classes_that_users_import():
    from airflow_provider_music.decorators import music as decorators
    from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
    from airflow_provider_music.sensors.music import MusicGenerationSensor

    users = [GenerateMusicOperator, GenerateMusicBatchOperator, MusicGenerationSensor]
    decorated = [decorators._MusicDecoratedOperator, decorators._MusicBatchDecoratedOperator]
    assert ListenLink().operators == [*users, *decorated]
    for path, found in zip(OPERATORS, ListenLink().operators, strict=True):
        # Airflow compares these two.
        assert path == f"{found.__module__}.{found.__name__}"


async def test_the_application_is_made_at_the_first_request(monkeypatch):
    made = []

    async def application(scope, receive, send):
        made.append(scope)

    monkeypatch.setattr(music_plugin, "_load", lambda: made.append("loaded") or application)
    lazy = music_plugin.LazyApp()
    assert made == []
    await lazy({"n": 1}, None, None)
    await lazy({"n": 2}, None, None)
    assert made == ["loaded", {"n": 1}, {"n": 2}]
