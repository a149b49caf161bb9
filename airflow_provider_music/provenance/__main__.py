# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_music.provenance verify <path>...``: verifies songs against their manifests."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_AGREES, SOMETHING_DIFFERS, CANNOT_READ = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line a song; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_music.provenance",
        description="Where songs came from. Exit code 0: all agrees; 1: something differs; 2: a path cannot be read.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("verify", help="verify songs against their manifests")
    command.add_argument("paths", nargs="+", metavar="path", help="a song, its manifest, or a folder; local or a URL")
    out, paths = sys.stdout, parser.parse_args(arguments).paths
    # Airflow and the stores' libraries log to the standard output, which is for one line a song.
    with contextlib.redirect_stdout(sys.stderr):
        return max(_verify(path, out) for path in paths)


def _verify(path: str, out: TextIO) -> int:
    from airflow_provider_music.exceptions import MusicError
    from airflow_provider_music.provenance.verify_song import verify_all

    worst = ALL_AGREES
    try:
        for verdict in verify_all(path):
            words = "ok" if verdict.ok else "PROBLEM"
            said = "; ".join((*verdict.problems, *verdict.notes))
            _print(out, f"{words} {verdict.url}{': ' if said else ''}{said}")
            worst = max(worst, ALL_AGREES if verdict.ok else SOMETHING_DIFFERS)
    except (OSError, MusicError) as exc:
        _print(out, f"CANNOT READ {path}: {exc}")
        return CANNOT_READ
    return worst


def _print(out: TextIO, line: str) -> None:
    """Write one line, whatever a file is named and whatever the terminal can show."""
    text, encoding = "".join(char if char.isprintable() else "\ufffd" for char in line), out.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), file=out, flush=True)


if __name__ == "__main__":
    sys.exit(main())
