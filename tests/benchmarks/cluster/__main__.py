# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""`make bench-cluster`: what songs, polls and batches cost on a real Airflow, beside Airflow's own HTTP operators.

Everything is measured in one run on one cluster, so its ratios hold on a busy machine too; its absolute figures are
that machine's. The table is printed and left in `.bench/cluster.md`.
"""

# ruff: noqa: T201 - what it prints is what it is for

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.processes import leave_nothing_behind
from harness.rest import ClusterError
from harness.sandbox import SandboxProcess
from inprocess.report import head

from cluster import batch, polls, report, songs
from cluster.stage import Stage

_ROOT = Path(__file__).resolve().parents[3]
_SETTLE_S = 15.0
_BROKEN = "could not be measured"
_CLUSTER = "Postgres, LocalExecutor with 4 workers, one triggerer, one API server; connections in the database."
_ROWS: dict[str, Callable[[Stage, SandboxProcess], Iterator[report.Line]]] = {
    "songs": songs.measure,
    "polls": lambda stage, _: polls.measure(stage, stage.home),
    "batch": batch.measure,
}


def main() -> int:
    """Measure, print and keep the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-cluster", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=_ROWS, default=list(_ROWS), help="rows to measure")
    parser.add_argument("--output", type=Path, default=_ROOT / ".bench" / "cluster.md", help="where the table goes")
    parser.add_argument("--package", type=Path, help="folder that holds another copy of the package to be measured")
    parser.add_argument("--keep", action="store_true", help="leave Airflow's logs and the songs in place")
    options = parser.parse_args()
    output = options.output.absolute()
    leave_nothing_behind()
    home = Path(tempfile.mkdtemp(prefix="music-bench-"))
    package = options.package and options.package.absolute()
    os.chdir(home)  # python -m finds modules in the folder where it is started, and that one may hold the package
    try:
        missed = _measure(home, options.only, package, output)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except ClusterError as error:
        print(f"\nThe benchmark failed: {error}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"logs and songs: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    print(f"\n{output.read_text()}\nThe same in {output}")
    return int(missed)


def _measure(home: Path, rows: list[str], package: Path | None, output: Path) -> bool:
    """Measure, and write the table anew after each row; returns whether one could not be measured."""
    sandbox = SandboxProcess(home / "sandbox", "--any-reference", "--balance", "100000")
    stage = None
    lines: list[report.Line] = []
    try:
        _say("Airflow is starting")
        stage = Stage(home / "airflow", Path(__file__).with_name("dags"), package)
        _connect(stage, sandbox)
        time.sleep(_SETTLE_S)
        _say("measuring what it costs while nothing runs")
        stage.rest()
        idle = ", ".join(f"{name} {report.number(value)}" for name, value in stage.idle.items())
        about = f"{head()}\n{_CLUSTER} CPU while nothing runs, share of a core: {idle}."
        output.parent.mkdir(parents=True, exist_ok=True)
        for row in rows:
            _say(f"measuring {row}")
            lines += _lines(row, stage, sandbox)
            output.write_text(f"# Benchmarks on a real Airflow\n\n{about}\n\n{report.table(lines)}\n")
    finally:
        if stage is not None:
            stage.stop()
        sandbox.stop()
    return any(line.measure == _BROKEN for line in lines)


def _lines(row: str, stage: Stage, sandbox: SandboxProcess) -> list[report.Line]:
    """Measure one row; one that breaks must not cost the others."""
    lines: list[report.Line] = []
    try:
        for line in _ROWS[row](stage, sandbox):
            lines.append(line)
            print("   ", " | ".join(line.cells()[1:]), flush=True)
    except ClusterError as error:
        print(error, file=sys.stderr, flush=True)
        lines.append(report.Line(row, _BROKEN, str(error).partition("\n")[0], met=False))
    return lines


def _connect(stage: Stage, sandbox: SandboxProcess) -> None:
    stage.connect("bench_music", conn_type="music", host=sandbox.url, password=sandbox.key)
    headers = {"Authorization": f"Bearer {sandbox.key}", "Content-Type": "application/json"}
    stage.connect("bench_http", conn_type="http", host=sandbox.url, extra=json.dumps(headers))


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
