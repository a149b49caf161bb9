# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``make fuzz``: each target in a process of its own, fed by coverage (atheris), and a table at the end.

    make fuzz                       ten minutes for all of them together
    make fuzz ARGS="--seconds 60 --targets answers audio"

What is found is written to .fuzz/<target>/, and belongs into fuzz_seeds.py once it is mended.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_DONE = re.compile(r"Done (\d+) runs? in (\d+) second")
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)(?: corp: (\d+))?")


def _fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["airflow_provider_music.api", "airflow_provider_music.audio", "mutagen"]):
        from fuzz_targets import TARGETS

    folder = _ROOT / ".fuzz" / name
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(folder / "corpus")], TARGETS[name])
    atheris.Fuzz()


def _run(name: str, seconds: int) -> list[str]:
    """Fuzz one target and return its row of the table."""
    from fuzz_seeds import SEEDS

    corpus = _ROOT / ".fuzz" / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [sys.executable, str(_HERE), "--one", name, "--seconds", str(seconds)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    told = done.stdout + done.stderr
    runs = _DONE.findall(told) or re.findall(r"number_of_executed_units: (\d+)()", told)
    coverage = _COVERAGE.findall(told)
    if done.returncode:
        print(told[-6000:])  # noqa: T201 - what was found
    first, last = (coverage[0], coverage[-1]) if coverage else (("-", "-", "-"),) * 2
    took = time.monotonic() - began
    return [
        name,
        runs[-1][0] if runs else "-",
        f"{took:.0f}",
        first[0],
        last[0],
        last[1],
        last[2],
        str(done.returncode),
    ]


def main() -> int:
    """Fuzz all targets, one after the other."""
    names = ("song_body", "answers", "settings", "audio", "base_resp")
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--targets", nargs="+", default=names, choices=names)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        _fuzz(asked.one, asked.seconds)
        return 0
    rows = [_run(name, max(1, asked.seconds // len(asked.targets))) for name in asked.targets]
    heads = ["target", "executions", "seconds", "edges of the seeds", "edges", "features", "corpus", "exit"]
    for row in [heads, *rows]:
        print("| " + " | ".join(f"{cell:>18}" for cell in row) + " |")  # noqa: T201 - the table
    return int(any(row[-1] != "0" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
