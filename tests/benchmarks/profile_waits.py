# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where the CPU of many waits goes: ``python tests/benchmarks/profile_waits.py --recorded``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from inprocess.processes import Bench


def main() -> None:
    """Run the waits under cProfile in a process of their own, and print what dominates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="waits (default %(default)s)")
    parser.add_argument("--interval", type=float, default=6.0, help="seconds between polls (default %(default)s)")
    parser.add_argument(
        "--song", type=float, default=20.0, help="seconds until all songs are done (default %(default)s)"
    )
    parser.add_argument("--lines", type=int, default=35, help="lines of each table (default %(default)s)")
    parser.add_argument("--contender", default="ours", help="whose waits, as in the table of the benchmarks")
    parser.add_argument("--recorded", action="store_true", help="with a spec and a record, as GenerateMusicOperator")
    parser.add_argument("--cold", action="store_true", help="first imports and the client's making included")
    chosen = parser.parse_args()
    with Bench() as bench:
        figures = bench.run(
            "polling.profiled",
            contender="ours, recorded" if chosen.recorded else chosen.contender,
            run="profiled",
            url=bench.url,
            count=chosen.count,
            interval=chosen.interval,
            song_seconds=chosen.song,
            folder=str(bench.folder),
            lines=chosen.lines,
            warm=not chosen.cold,
        )
    print(figures["text"])  # noqa: T201 - the tables


if __name__ == "__main__":
    main()
