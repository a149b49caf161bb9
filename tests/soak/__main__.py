# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``make soak``: a thousand songs, a tenth of the requests spoilt; a table at the end. ARGS="--songs 200 --seed 7"."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-music-soak-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

from soaking import Soak, arm, let_threads_execute, prepare

from airflow_provider_music.sandbox.server import SpawnedSandbox
from airflow_provider_music.triggers import start
from airflow_provider_music.waiting import find, lease

#: What may be kept on top between the first looks and the last, in files, tasks and bytes.
_MOST_FILES, _MOST_TASKS, _MOST_BYTES = 8, 2, 24 * 2**20


def main() -> int:
    """Have the songs, print the table, and return 1 where something was lost, billed twice or kept."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--songs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.1, help="of each route's requests, that are spoilt")
    asked = parser.parse_args()
    _make_brisk()
    with tempfile.TemporaryDirectory(prefix="music-soak-") as folder, SpawnedSandbox("--delay", "0.05") as sandbox:
        os.environ["AIRFLOW_CONN_MUSIC_DEFAULT"] = prepare(sandbox)
        arm(sandbox, asked.seed, asked.share)
        soak = Soak(sandbox, Path(folder) / "songs")
        began = time.monotonic()
        asyncio.run(soak.run(asked.songs))
        took = time.monotonic() - began
        return _report(soak, asked.songs, took)


def _make_brisk() -> None:
    logging.disable(logging.CRITICAL)
    start.HOLD_BACK_SECONDS = 0.0
    find._WATCH_SECONDS = 0.02
    lease.SILENCE_SECONDS = 0.5
    let_threads_execute()


def _report(soak: Soak, count: int, took: float) -> int:
    state = soak.sandbox.state()
    say = print
    say(f"\n{count} songs in {took:.0f} s; requests: {json.dumps(state['requests'])}")
    hits = sum(fault["hits"] for fault in state["faults"])
    unhit = [fault["spec"].split(",p=")[0] for fault in state["faults"] if not fault["hits"]]
    say(f"faults that hit: {hits}, of {len(state['faults'])} kinds; never: {', '.join(unhit) or 'none'}")
    say(f"\n| {'lane':<12} | {'end':<24} | songs |")
    for (lane, end), songs in sorted(soak.ends().items()):
        say(f"| {lane:<12} | {end:<24} | {songs:5} |")
    tries = sum(song.tries for song in soak.songs)
    billed = sum(bool(generation["billed"]) for generation in soak.sandbox.generations())
    twice = soak.billed_twice()
    say(f"\ntries {tries}, billed {billed}, takes billed twice {len(twice)} {twice[:5]}, plain: {soak.plain()}")
    say(f"\n| {'songs':>5} | {'files':>5} | {'tasks':>5} | {'RSS MiB':>7} | {'objects':>8} |")
    for kept in soak.kept:
        say(f"| {kept.songs:5} | {kept.files:5} | {kept.tasks:5} | {kept.rss / 2**20:7.1f} | {kept.objects:8} |")
    early, late = soak.kept[min(1, len(soak.kept) - 1)], soak.kept[-1]
    grown = (late.files - early.files, late.tasks - early.tasks, late.rss - early.rss)
    say(f"grown since song {early.songs}: {grown[0]} files, {grown[1]} tasks, {grown[2] / 2**20:.1f} MiB")
    kept_little = all(a <= b for a, b in zip(grown, (_MOST_FILES, _MOST_TASKS, _MOST_BYTES), strict=True))
    return int(not (kept_little and soak.plain() and not twice and len(soak.songs) == count))


if __name__ == "__main__":
    sys.exit(main())
