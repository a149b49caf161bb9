# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What waiting and landing cost, ours and others side by side in one run: ``make bench``.

Every contender runs in a fresh process, in turns, against a server on loopback in another process. The table is
Markdown, on standard output and in .bench/inprocess.md; .bench/cost-per-wait.png is a picture of it. What counts is
a ratio within one run: a machine that others use too is slower for both sides.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from typing import TYPE_CHECKING

from inprocess.measures.landing import landing
from inprocess.measures.opened import opened
from inprocess.measures.plan import Plan, say
from inprocess.measures.runners import runners
from inprocess.measures.small import hexed, imports, pace
from inprocess.measures.waits import waits
from inprocess.processes import Bench, BrokenSubjectError
from inprocess.report import Row, head, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BROKE = ": broke, see the messages"
OUT = Path(__file__).parents[2] / ".bench"
MEASURES: dict[str, Callable[[Plan], Iterable[Row]]] = {
    "waits": waits,
    "runners": runners,
    "pace": pace,
    "opened": opened,
    "landing": landing,
    "hex": hexed,
    "imports": imports,
}


def main() -> int:
    """Run the chosen measures; 1 where one broke, but 0 where a target is missed: the machine may be the reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), help="these measures alone")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and one turn each")
    parser.add_argument("--at-once", action="store_true", help="all waits begin at once, and poll in step if they like")
    chosen = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    began, about, rows = time.monotonic(), head(), []
    with Bench() as bench:
        plan = Plan(bench, chosen.quick, chosen.at_once, OUT)
        for name, measure in MEASURES.items():
            if name in chosen.only:
                say(f"{name} ...")
                try:
                    # Row by row: what was measured before something broke stays.
                    rows.extend(measure(plan))
                except BrokenSubjectError as exc:
                    say(str(exc))
                    rows.append(Row(name + _BROKE, "", met=False))
    switches = " ".join(sys.argv[1:]) or "all measures"
    took = f"Took {time.monotonic() - began:.0f} s ({switches})."
    text = f"# Benchmarks in one process\n\n{about}\n{table(rows)}\n{took}\n"
    (OUT / "inprocess.md").write_text(text)
    print(text)  # noqa: T201 - the table
    return int(any(row.measure.endswith(_BROKE) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
