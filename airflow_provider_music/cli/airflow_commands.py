# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The commands as ``airflow music``: Airflow 3.2 and later calls this at every ``airflow`` command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import COMMANDS, arguments_of
from airflow_provider_music.cli.running import run_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from airflow_provider_music.cli.definition import Command


def get_cli_commands() -> list[Any]:
    """Return the commands as Airflow takes them, which adds ``airflow music`` to its own (Airflow 3.2 and later)."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    # Airflow's own has no types.
    make: Any = Arg
    subcommands = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=_for_airflow(command),
            args=tuple(make(each.flags, **each.options) for each in arguments_of(command)),
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name="music", help="Songs of the AI/ML API: set-up, prices, records", subcommands=subcommands)]


def _for_airflow(command: Command) -> Callable[[argparse.Namespace], None]:
    def run(args: argparse.Namespace) -> None:
        code = run_command(command, args)
        if code:
            sys.exit(code)

    return run
