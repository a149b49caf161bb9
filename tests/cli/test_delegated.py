# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""verify and sandbox: the same as the two modules that have a command line of their own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import airflow_provider_music
from airflow_provider_music.cli.definition import COMMANDS
from airflow_provider_music.sandbox import __main__ as sandbox_main
from airflow_provider_music.sandbox.server import READY

ROOT = Path(airflow_provider_music.__file__).parent.parent


@pytest.mark.usefixtures("quick_clock")
def test_a_song_that_is_what_it_says_is_ok_and_another_is_not(music_sandbox, command):
    assert command("try", "calm piano", "--yes").code == 0
    assert command("verify", command.here).code == 0
    (song,) = command.here.glob("*.mp3")
    song.write_bytes(song.read_bytes() + b"more")
    done = command("verify", song)
    assert done.code == 1
    assert done.out.startswith("PROBLEM ")


def test_a_path_that_is_not_there_ends_with_2(command):
    done = command("verify", command.here / "nowhere.mp3")
    assert done.code == 2
    assert done.out.startswith("CANNOT READ ")


def test_the_sandbox_takes_the_same_options_as_its_own_command_line():
    (ours,) = (each for each in COMMANDS if each.name == "sandbox")
    theirs = {flag for action in sandbox_main._parser()._actions for flag in action.option_strings}
    assert {each.flags[0] for each in ours.arguments} == theirs - {"-h", "--help"}


def test_the_sandbox_is_told_what_was_given_and_nothing_else(command, monkeypatch):
    told = []
    monkeypatch.setattr(sandbox_main, "main", lambda line: told.append(line) or 0)
    assert command("sandbox").code == 0
    assert command("sandbox", "--port", "0", "--any-model", "--key", "a", "--key", "b", "--delay", "0").code == 0
    assert told == [[], ["--port", "0", "--delay", "0.0", "--key", "a", "--key", "b", "--any-model"]]


def test_the_sandbox_serves_until_it_is_stopped(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(tmp_path)}
    line = [sys.executable, "-m", "airflow_provider_music", "sandbox", "--port", "0"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        ready = process.stdout.readline().strip()
        assert ready.startswith(READY)
        headers = {"Authorization": "Bearer any"}
        answer = httpx.get(ready.removeprefix(READY) + "/v2/billing", headers=headers, trust_env=False)
        assert answer.json()["current_balance"] == 100
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_a_fault_that_cannot_be_read_ends_with_2(command):
    with pytest.raises(SystemExit) as caught:
        command("sandbox", "--fault", "nonsense")
    assert caught.value.code == 2
    assert isinstance(sandbox_main._parser(), argparse.ArgumentParser)
