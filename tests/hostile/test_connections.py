# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Connections that no client can be made of are told as such, by the field that is wrong."""

from __future__ import annotations

import json
import os
import signal
from types import SimpleNamespace

import pytest
from hostile_api import LANES

from airflow_provider_music.api.connection import MusicSettings
from airflow_provider_music.exceptions import CredentialsError
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.operators.music import GenerateMusicOperator


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize(
    "host", ["\ufffd.example.org", "a\u200b.example.org", "\u00e4" * 70 + ".org", "xn--\u00e4.org", "-\u00e4.org"]
)
def test_a_host_that_is_no_name_is_told_as_the_host(host, lane, airflow, output_dir, monkeypatch):
    connection = {"conn_type": "music", "host": f"https://{host}", "password": "sk-key"}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(connection))
    task = GenerateMusicOperator(task_id="song", output_dir=str(output_dir), timeout=1, **LANES[lane])
    with pytest.raises(CredentialsError, match=r"base URL \(host\)"):
        airflow.run(task)
    assert not list(output_dir.rglob("*.json"))


@pytest.mark.parametrize("path", ["a" * 300, "/" + "a/" * 3000, "\0", "\ufffd" * 200])
def test_a_ca_bundle_that_is_no_path_is_told_as_such(path):
    conn = SimpleNamespace(
        conn_type="music", password="sk-key", host=None, schema=None, port=None, extra=json.dumps({"verify": path})
    )
    with pytest.raises(CredentialsError, match="extra verify"):
        MusicSettings.from_connection(conn, "music_default")


def test_a_forked_child_looks_its_connection_up_though_its_parent_did_before(monkeypatch):
    """A fork has no thread of its parent's, so a pool of theirs that both share would let it wait for ever."""
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps({"conn_type": "music", "password": "sk-any-key"}))
    run_sync(client_of("music_default"))
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            run_sync(client_of("music_default"))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
