# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_music
from airflow_provider_music.cli.airflow_commands import get_cli_commands
from airflow_provider_music.cli.definition import COMMANDS
from airflow_provider_music.cli.main import main, parser
from airflow_provider_music.compat import AIRFLOW

ROOT = Path(airflow_provider_music.__file__).parent.parent
NAMES = ["doctor", "models", "estimate", "check", "try", "songs", "show", "audit", "verify", "adopt", "sandbox"]
HEAVY = ("airflow", "rich", "httpx", "pydantic", "starlette", "fsspec")


def python(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )


def test_every_command_has_a_module_and_a_word_of_help():
    assert [command.name for command in COMMANDS] == NAMES
    for command in COMMANDS:
        assert callable(importlib.import_module(f"airflow_provider_music.cli.{command.module}").run)
        assert command.help


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text for name in NAMES)


def test_an_unknown_command_ends_with_2():
    with pytest.raises(SystemExit) as caught:
        main(["dcotor"])
    assert caught.value.code == 2


def test_nothing_heavy_is_imported_before_a_command_runs():
    program = (
        "import json, sys; from airflow_provider_music.cli.main import parser; parser(); "
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert json.loads(python("-c", program).stdout) == []


def test_it_runs_as_a_module():
    done = python("-m", "airflow_provider_music", "estimate", "/nowhere.json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_airflow_gets_the_same_commands_and_arguments():
    (group,) = get_cli_commands()
    assert group.name == "music"
    assert [command.name for command in group.subcommands] == NAMES
    for ours, theirs in zip(COMMANDS, group.subcommands, strict=True):
        made = argparse.ArgumentParser()
        for each in theirs.args:
            each.add_to_parser(made)
        assert made.format_usage().count("--") == parser_of(ours.name).format_usage().count("--")


def parser_of(name):
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return commands.choices[name]


def test_airflow_s_process_ends_with_the_command_s_exit_code(tmp_path):
    (group,) = get_cli_commands()
    (estimate,) = (command for command in group.subcommands if command.name == "estimate")
    made = argparse.ArgumentParser()
    for each in estimate.args:
        each.add_to_parser(made)
    with pytest.raises(SystemExit) as caught:
        estimate.func(made.parse_args([str(tmp_path / "nowhere.json")]))
    assert caught.value.code == 2


@pytest.mark.skipif(AIRFLOW < (3, 2, 0), reason="Airflow takes commands of a provider from 3.2 on")
def test_airflow_music_is_a_command_of_airflow(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(tmp_path)}
    (tmp_path / "one.json").write_text('{"model": "minimax/musik-2.6", "prompt": "calm piano"}')
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "music", "estimate", str(tmp_path / "one.json"), "-o", "json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "did you mean minimax/music-2.6" in json.loads(done.stdout)["requests"][0]["problems"][0]


def test_a_terminal_s_control_characters_are_not_printed(command, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps({"model": "\u001b[31mred", "prompt": "calm piano"}))
    done = command("estimate", tmp_path / "one.json")
    assert "\u001b" not in done.out
