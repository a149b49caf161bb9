# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""`make bench-money`: a hundred songs, processes that die at five points, and what that costs; ours beside others.

The table is printed and left in `.bench/money.md`, with a picture beside it.
"""

# ruff: noqa: T201 - what it prints is what it is for

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from money import report
from money.contenders import CONTENDERS, ROOT, NotInstalledError
from money.picture import draw
from money.points import Point, counts
from money.report import Result
from money.rounds import BrokenRoundError, run_round

_OUT = ROOT / ".bench"


def main() -> int:
    """Run the chosen rounds; 1 where one broke."""
    parser = argparse.ArgumentParser(prog="make bench-money", description=__doc__)
    parser.add_argument("--songs", type=int, default=100, help="of each contender, a multiple of 10 (default 100)")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="these contenders")
    parser.add_argument("--point", nargs="+", choices=[point.name.lower() for point in Point], help="these points")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave each round's files there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the picture there too, as SVG")
    asked = parser.parse_args()
    shares = counts(asked.songs)
    chosen = {point: n for point, n in shares.items() if not asked.point or point.name.lower() in asked.point}
    began, results = time.monotonic(), []
    for name in asked.only:
        results.append(_measured(name, chosen, asked.keep))
        _write(results, asked.songs, time.monotonic() - began)
    caption = f"The bill of {asked.songs} songs whose processes die, {datetime.now(UTC):%Y-%m-%d}"
    for path in [_OUT / "money.svg", *([asked.picture] if asked.picture else [])]:
        draw(results, path, caption)
    print((_OUT / "money.md").read_text())
    return int(any(result.broken for result in results))


def _measured(name: str, shares: dict[Point, int], keep: Path | None) -> Result:
    contender = CONTENDERS[name]
    result = Result(contender.name, retold=contender.retold)
    try:
        contender.install()
        result.versions = contender.versions()
        first = 1
        for point, count in shares.items():
            songs = [f"song-{number:03}" for number in range(first, first + count)]
            first += count
            began = time.monotonic()
            found = run_round(contender, point, songs, keep and keep / name / point.name.lower())
            result.rounds[point] = found
            took = time.monotonic() - began
            print(
                f"{contender.name}, {point}: {found.posts} POSTs, {found.usd:.2f} USD, {found.delivered} of {count} "
                f"delivered, {found.lost} lost, {len(found.left)} left to a person {found.after or ''} ({took:.0f} s)",
                flush=True,
            )
            for said in set(list(found.left.values())[:1]):
                print(f"    {said[:400]}", flush=True)
    except NotInstalledError as error:
        result.broken = f"could not be installed ({error})"
    except BrokenRoundError as error:
        result.broken = str(error).partition("\n")[0]
        print(f"{contender.name}: {error}", file=sys.stderr, flush=True)
    return result


def _write(results: list[Result], songs: int, took: float) -> None:
    _OUT.mkdir(exist_ok=True)
    versions = "; ".join(f"{each.name}: {each.versions}" for each in results)
    about = f"{songs} songs, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {took:.0f} s. {versions}."
    text = f"# Money when processes die\n\n{about}\n\n{report.points()}\n{report.table(results)}\n"
    (_OUT / "money.md").write_text(text + f"\nPOSTs / songs delivered:\n\n{report.by_point(results)}")
    (_OUT / "money.json").write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
