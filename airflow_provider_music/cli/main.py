# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_music``: reads the command line, and runs the command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_provider_music.cli.definition import COMMANDS, arguments_of
from airflow_provider_music.cli.running import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = argparse.ArgumentParser(
        prog="python -m airflow_provider_music",
        description="Songs of the AI/ML API: set-up, prices, records. Exit codes: 0 all is well; 1 something is not; "
        "2 the command could not run; 3 a paid request is in doubt.",
    )
    commands = made.add_subparsers(dest="subcommand", required=True, metavar="command")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        for each in arguments_of(command):
            one.add_argument(*each.flags, **each.options)
        one.set_defaults(command=command)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = parser().parse_args(arguments)
    return run_command(args.command, args)
