# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a command: its module is imported now, and what it could not do becomes a sentence and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING

from airflow_provider_music.cli.definition import CANNOT
from airflow_provider_music.cli.output import Output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_provider_music.cli.definition import Command

#: Airflow 3 looks a connection up in its database only where this says "server", as its own `airflow connections` does.
_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"
#: As a shell reports a process that was interrupted.
_INTERRUPTED = 130


def run_command(command: Command, args: argparse.Namespace) -> int:
    """Run it; returns the exit code."""
    out = Output(sys.stdout, as_json=getattr(args, "output", "table") == "json")
    # Airflow and the stores' libraries log to the standard output, which is for the result.
    with contextlib.redirect_stdout(sys.stderr), _plain_logs(), _sees_database():
        try:
            module = importlib.import_module(f"{__package__}.{command.module}")
            code: int = module.run(args, out)
        except KeyboardInterrupt:
            out.note("Interrupted.")
            return _INTERRUPTED
        except BrokenPipeError:
            # As of `... | head`.
            return CANNOT
        except Exception as exc:
            if not _is_known(exc):
                raise
            out.note(str(exc))
            return CANNOT
    return code


def _is_known(exc: Exception) -> bool:
    """Whether an error says all there is to say, without a traceback."""
    from airflow_provider_music.exceptions import MusicError

    return isinstance(exc, MusicError | OSError)


@contextlib.contextmanager
def _sees_database() -> Iterator[None]:
    before = os.environ.get(_CONTEXT)
    os.environ.setdefault(_CONTEXT, "server")
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CONTEXT]


@contextlib.contextmanager
def _plain_logs() -> Iterator[None]:
    """Show this package's own warnings and progress as plain lines, and nothing of Airflow's."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours, airflows = logging.getLogger(__name__.partition(".")[0]), logging.getLogger("airflow")
    before = ours.level, ours.propagate, airflows.level
    ours.addHandler(handler)
    ours.setLevel(logging.WARNING)
    ours.propagate = False
    # What a look-up in one of several places did not find is no news, and comes with a traceback.
    airflows.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # Not by a filter: Airflow 2 sets its own when it is imported, and shows what it lets through.
            import airflow.settings  # noqa: F401

            warnings.showwarning = lambda *_, **__: None
            yield
    finally:
        ours.removeHandler(handler)
        ours.level, ours.propagate, airflows.level = before
