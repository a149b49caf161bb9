# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``make soak``: a thousand songs, a tenth of the requests spoilt; a table at the end. ARGS="--songs 200 --seed 7".

With ARGS="--airflow --songs 100" they are mapped tasks of a real Airflow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-music-soak-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

from auditing import audit_soak
from soaking import TRIES, Soak, arm, let_threads_execute, prepare

from airflow_provider_music.generation import reconcile
from airflow_provider_music.record import lease
from airflow_provider_music.sandbox.server import SpawnedSandbox
from airflow_provider_music.triggers import music as triggers

if TYPE_CHECKING:
    from on_airflow import SoakOnAirflow

say = print
#: What may be kept on top between the first looks and the last, in files, tasks and bytes.
_MOST_FILES, _MOST_TASKS, _MOST_BYTES = 8, 2, 24 * 2**20


def main() -> int:
    """Have the songs, print the table, and return 1 where something was lost, billed twice or kept."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--songs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.1, help="of each route's requests, that are spoilt")
    parser.add_argument("--tries", type=int, default=TRIES, help="of each song; with 1 the audit has songs to land")
    parser.add_argument("--airflow", action="store_true", help="as tasks of a real Airflow 3 on Postgres")
    parser.add_argument("--keep", action="store_true", help="with --airflow: leave its logs and the songs in place")
    asked = parser.parse_args()
    return _on_airflow(asked) if asked.airflow else _in_process(asked)


def _in_process(asked: argparse.Namespace) -> int:
    _make_brisk()
    with tempfile.TemporaryDirectory(prefix="music-soak-") as folder, SpawnedSandbox("--delay", "0.05") as sandbox:
        os.environ["AIRFLOW_CONN_MUSIC_DEFAULT"] = prepare(sandbox)
        arm(sandbox, asked.seed, asked.share)
        soak = Soak(sandbox, Path(folder) / "songs", tries=asked.tries)
        began = time.monotonic()
        asyncio.run(soak.run(asked.songs))
        took = time.monotonic() - began
        ended_well = _report(soak, asked.songs, took)
        # Before the audit: it reads every record, and what that takes is no growth of the songs.
        kept_little = _kept_little(soak)
        return int(not (_explained(soak) and kept_little and ended_well))


def _on_airflow(asked: argparse.Namespace) -> int:
    from on_airflow import SoakOnAirflow

    folder = Path(tempfile.mkdtemp(prefix="music-soak-"))
    try:
        with SpawnedSandbox("--delay", "0.05") as sandbox:
            with SoakOnAirflow(sandbox, folder) as soak:
                began = time.monotonic()
                soak.have(asked.songs, asked.seed, asked.share)
                took = time.monotonic() - began
            (folder / "sandbox.json").write_text(json.dumps(sandbox.state(), indent=1))
            ended_well = _report(soak, asked.songs, took)
            return int(not (_held_little(soak) and ended_well))
    finally:
        if asked.keep:
            say(f"logs, songs and bills: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _make_brisk() -> None:
    logging.disable(logging.CRITICAL)
    triggers.HOLD_BACK_SECONDS = 0.0
    reconcile._WATCH_SECONDS = 0.02
    lease.SILENCE_SECONDS = 0.5
    let_threads_execute()


def _report(soak: Soak, count: int, took: float) -> bool:
    """Tell how the songs ended; return whether none is lost, billed twice, or failed without a word."""
    state = soak.sandbox.state()
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
    return soak.plain() and not twice and len(soak.songs) == count


def _kept_little(soak: Soak) -> bool:
    say(f"\n| {'songs':>5} | {'files':>5} | {'tasks':>5} | {'RSS MiB':>7} | {'objects':>8} |")
    for kept in soak.kept:
        say(f"| {kept.songs:5} | {kept.files:5} | {kept.tasks:5} | {kept.rss / 2**20:7.1f} | {kept.objects:8} |")
    early, late = soak.kept[min(1, len(soak.kept) - 1)], soak.kept[-1]
    grown = (late.files - early.files, late.tasks - early.tasks, late.rss - early.rss)
    say(f"grown since song {early.songs}: {grown[0]} files, {grown[1]} tasks, {grown[2] / 2**20:.1f} MiB")
    return all(a <= b for a, b in zip(grown, (_MOST_FILES, _MOST_TASKS, _MOST_BYTES), strict=True))


def _explained(soak: Soak) -> bool:
    """Tell what explains each row of the bill; return whether no cent is left."""
    began = time.monotonic()
    audited = audit_soak(soak.sandbox, soak.output_dir)
    say(f"\naudit in {time.monotonic() - began:.0f} s")
    for line in audited.table():
        say(line)
    return audited.holds


def _held_little(soak: SoakOnAirflow) -> bool:
    """Tell what Airflow's processes hold, and what the songs of the failed tasks cost; return whether it is little."""
    paid = {end: bills for end, bills in sorted(soak.paid.items()) if end[1] != "delivered" and bills}
    say(f"paid and not delivered: {paid or 'none'}; part files left: {len(list(soak.output_dir.rglob('*part*')))}")
    say(f"delivered as the half that the API handed out as the whole, which a client cannot tell: {soak.halves}")
    say(f"\n| {'lane':<12} | {'a try before the last':<24} | tries |")
    for (lane, end), tries in sorted(soak.tries_before.items()):
        say(f"| {lane:<12} | {end:<24} | {tries:5} |")
    say(f"of these {soak.races} were failed by Airflow itself, whose scheduler saw the worker's exit too late")
    say(f"\n| {'songs':>5} | {'process':<18} | {'files':>5} | {'RSS MiB':>7} |")
    for held in soak.held:
        say(f"| {held.songs:5} | {held.process:<18} | {held.files:5} | {held.rss / 2**20:7.1f} |")
    grown = [(late.files - early.files, late.rss - early.rss) for early, late in soak.first_and_last()]
    say(f"grown at most: {max(files for files, _ in grown)} files, {max(rss for _, rss in grown) / 2**20:.1f} MiB")
    return all(files <= _MOST_FILES and rss <= _MOST_BYTES for files, rss in grown)


if __name__ == "__main__":
    sys.exit(main())
