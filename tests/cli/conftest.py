# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from airflow_provider_music.cli.main import main


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Run a command as a shell would, in a folder of its own; no output may hold the key or a signature."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(tmp_path / "songs"))

    def run(*arguments):
        # What a fixture logged is not the command's.
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        captured = capsys.readouterr()
        for text in (captured.out, captured.err):
            assert "sandbox-key" not in text
            assert "Signature=" not in text
        return Done(code, captured.out, captured.err)

    run.here = here
    return run


@pytest.fixture
def no_connection(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_MUSIC_DEFAULT", raising=False)
