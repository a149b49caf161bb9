# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``sandbox``: the music API on this machine, as ``python -m airflow_provider_music.sandbox`` serves it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from airflow_provider_music.cli.definition import COMMANDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_provider_music.cli.output import Output


def run(args: argparse.Namespace, out: Output) -> int:
    """Serve until it is stopped; returns its exit code."""
    from airflow_provider_music.sandbox.__main__ import main

    with contextlib.redirect_stdout(out.stream):
        return main(list(_command_line(args)))


def _command_line(args: argparse.Namespace) -> Iterator[str]:
    """Yield what was given, as the sandbox's own command line has it."""
    (command,) = (each for each in COMMANDS if each.name == "sandbox")
    for each in command.arguments:
        flag = each.flags[0]
        value = getattr(args, flag.removeprefix("--").replace("-", "_"))
        if value is True:
            yield flag
        elif value is not None and value is not False:
            for one in value if isinstance(value, list) else [value]:
                yield from (flag, str(one))
