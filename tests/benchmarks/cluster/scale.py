# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""`make bench-scale`: ten thousand waits on two triggerers of a real Airflow, one of which is killed.

Says what a poll costs in CPU, what a wait takes of memory, how long the loops were blocked, and whether each wait
polls again once its triggerer is gone. The table is printed and left in `.bench/scale.md`.
"""

# ruff: noqa: T201 - what it prints is what it is for

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from harness.cluster import Cluster
from harness.processes import leave_nothing_behind
from harness.rest import ClusterError
from inprocess.report import head

from cluster.cpu import seconds_of
from cluster.deferred import Deferred
from cluster.loop import Block, LoopThread
from cluster.polls import PollServer
from cluster.report import Line, table

_ROOT = Path(__file__).resolve().parents[3]
_NAMES = ("triggerer-1", "triggerer-2")
_SETTLE_S = 20.0
#: As quick as workers of a large deployment would defer.
_PORTION, _PAUSE_S = 100, 1.0
_EXPAND_S, _BEGIN_S, _AGAIN_S = 900.0, 900.0, 900.0
_MIB = 2**20


@dataclass(frozen=True)
class Held:
    """What all triggerers hold together, supervisors included.

    :param rss: bytes of memory, of which what they share counts once each.
    """

    cpu: float
    rss: int
    files: int


def main() -> int:
    """Measure, print and keep the table; 1 where a wait is lost."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--waits", type=int, default=10_000, help="at once (default %(default)s)")
    parser.add_argument("--pace", type=float, default=60.0, help="seconds between polls (default %(default)s)")
    parser.add_argument("--window", type=float, default=120.0, help="seconds that are measured (default %(default)s)")
    parser.add_argument("--output", type=Path, default=_ROOT / ".bench" / "scale.md", help="where the table goes")
    parser.add_argument("--keep", action="store_true", help="leave Airflow's logs in place")
    asked = parser.parse_args()
    output = asked.output.absolute()
    leave_nothing_behind()
    # A wait's log is an open file of its triggerer's supervisor.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    home = Path(tempfile.mkdtemp(prefix="music-scale-"))
    os.chdir(home)
    lines: list[Line] = []
    try:
        for line in _measure(home, asked):
            lines.append(line)
            print("   ", " | ".join(line.cells()[1:4]), flush=True)
    except ClusterError as error:
        print(f"\nThe benchmark failed: {error}", file=sys.stderr)
        return 1
    finally:
        if asked.keep:
            print(f"logs: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    about = (
        f"{asked.waits:,} waits, a poll each {asked.pace:g} s. Postgres; the triggerers' heartbeats are the defaults."
    )
    output.write_text(f"# Scale\n\n{head()}\n{about}\n\n{table(lines)}\n")
    print(f"\n{output.read_text()}\nThe same in {output}")
    return int(any(line.met is False for line in lines))


def _measure(home: Path, asked: argparse.Namespace) -> Iterator[Line]:
    server = PollServer(home)
    cluster = Cluster(home / "airflow", Path(__file__).with_name("dags"), _env(asked), worker_env={}, triggerers=2)
    try:
        _say("Airflow is starting")
        cluster.start()
        yield from _on(cluster, server, asked)
    finally:
        cluster.stop()
        server.stop()


def _env(asked: argparse.Namespace) -> dict[str, str]:
    return {
        "MUSIC_SCALE_WAITS": str(asked.waits),
        "MUSIC_SCALE_PACE": str(asked.pace),
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__MAX_MAP_LENGTH": str(asked.waits),
        "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": "1000",
        # One alone has to bear them all once the other is dead; a thousand by default.
        "AIRFLOW__TRIGGERER__CAPACITY": str(asked.waits + 10),
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "5",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
    }


def _on(cluster: Cluster, server: PollServer, asked: argparse.Namespace) -> Iterator[Line]:
    waits = asked.waits
    cluster.api.create_pool("closed", 0)
    for name in ("pattern", "polls"):
        connection = {"connection_id": f"{name}_music", "conn_type": "music", "host": server.url, "password": "a-key"}
        cluster.api.call("POST", "/connections", json=connection)
    _say(f"{waits:,} tasks are being made")
    deferred = Deferred(cluster, "scale_many", "scale_1", "wait-of-ours", _EXPAND_S)
    server.until("pattern", 2, _EXPAND_S)
    time.sleep(_SETTLE_S)
    idle = _idle(cluster)
    loops = {
        name: LoopThread(_runner(cluster, name).pid, cluster.processes.log_path(name)) for name in cluster.triggerers
    }
    empty, began_at = _held(cluster), time.time()
    server.forget()
    began = time.monotonic()
    deferred.start(_PORTION, _PAUSE_S)
    _say("all are deferred")
    server.until("waits", waits, _BEGIN_S)
    yield Line("start", "until each wait has polled once, s", time.monotonic() - began)
    yield Line("start", "longest block of a loop, s", _longest(loops, began_at), None, "of its own")
    time.sleep(asked.pace)  # until their polls are spread out
    _say("measuring")
    server.seen()
    before, began_at = _held(cluster), time.time()
    time.sleep(asked.window)
    seen, after = server.seen(), _held(cluster)
    yield from _lines(waits, asked.pace, seen, Held(after.cpu - before.cpu, after.rss, after.files), empty, idle)
    yield Line("waiting", "longest block of a loop, s", _longest(loops, began_at), None, "of its own")
    yield from _shares(cluster)
    yield from _killed(cluster, server, deferred, waits)
    for loop in loops.values():
        loop.stop()


def _lines(waits: int, pace: float, seen: dict[str, float], held: Held, empty: Held, idle: float) -> Iterator[Line]:
    """Say what the window cost.

    :param held: CPU of the window, memory and files at its end.
    :param empty: the same before there were any waits.
    :param idle: CPU seconds a second of both triggerers before that.
    """
    polls = max(1, seen["polls"])
    yield Line("waiting", f"polls a second ({waits / pace:.0f} wanted)", seen["polls"] / seen["seconds"])
    yield Line("waiting", "longest gap between two polls of a wait, s", seen["longest_gap"])
    busy = max(0.0, held.cpu - idle * seen["seconds"])
    yield Line("waiting", "CPU a poll over idle, both triggerers, ms", busy / polls * 1000)
    yield Line("waiting", "CPU, share of a core", held.cpu / seen["seconds"])
    yield Line("waiting", "... idle, before", idle)
    yield Line("waiting", "memory a wait, KB", (held.rss - empty.rss) / waits / 1000)
    yield Line("waiting", "memory of both triggerers, MiB", held.rss / _MIB)
    yield Line("waiting", "open files a wait", (held.files - empty.files) / waits)


def _idle(cluster: Cluster) -> float:
    before, began = _held(cluster).cpu, time.monotonic()
    time.sleep(_SETTLE_S)
    return (_held(cluster).cpu - before) / (time.monotonic() - began)


def _killed(cluster: Cluster, server: PollServer, deferred: Deferred, waits: int) -> Iterator[Line]:
    """Kill one of the two; each wait has to poll again, and none may have ended."""
    _say("a triggerer is killed")
    cluster.kill_triggerers(_NAMES[0])
    server.forget()
    died = time.monotonic()
    server.until("waits", waits, _AGAIN_S)
    yield Line("one killed", "until each wait has polled again, s", time.monotonic() - died)
    waiting = deferred.waiting()
    yield Line("one killed", "waits that are lost", waits - waiting, None, "0", waiting == waits)
    yield from _shares(cluster)


def _shares(cluster: Cluster) -> Iterator[Line]:
    rows = cluster.sql("SELECT triggerer_id, count(*) FROM trigger WHERE triggerer_id IS NOT NULL GROUP BY 1")
    names = {each.job_id: each.name for each in cluster.triggerers.values()}
    for job, count in rows:
        if job in names:
            yield Line("waiting" if len(names) > 1 else "one killed", f"waits of {names[job]}", int(count))


def _runner(cluster: Cluster, name: str) -> psutil.Process:
    (runner,) = cluster.triggerers[name].process.children()
    return runner


def _held(cluster: Cluster) -> Held:
    cpu, rss, files = 0.0, 0, 0
    for each in cluster.triggerers.values():
        cpu += seconds_of(each.process)
        for process in [each.process, *each.process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                rss += process.memory_info().rss
                files += process.num_fds()
    return Held(cpu, rss, files)


def _longest(loops: dict[str, LoopThread], began: float) -> float:
    """Return the longest that a loop was blocked, the waits for a core left out; Airflow reports 0.2 s and more."""
    blocks: list[Block] = [block for loop in loops.values() for block in loop.blocks(began, time.time())]
    return max((block.seconds - block.starved for block in blocks), default=0.0)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
