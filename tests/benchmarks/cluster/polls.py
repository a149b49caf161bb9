# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "polls": 300 waits at a pace of 2 s, whose connection is in the metadata database, beside HttpSensor's."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from harness.processes import Session, tail
from harness.rest import ClusterError

from airflow_provider_music.sandbox.server import READY
from cluster.deferred import Deferred
from cluster.report import Line
from cluster.stage import Measured, Stage

_WAITS, _PACE_S = 300, 2.0
_SETTLE_S, _WINDOW_S = 30.0, 60.0
_LATEST_S = 150.0
#: Postgres tells what an idle session has read after ten seconds.
_STATISTICS_S = 11.0
_START_S = 30.0


@dataclass(frozen=True)
class Polled:
    """What 300 waits did in the window, and what they cost.

    :param look_ups: reads of the table of connections, from the first wait's start to the last one's end.
    :param all_polls: polls in that time.
    :param begun_after: seconds from the start of all until each has polled once.
    :param starting: what it cost until then, and for half a minute at least.
    """

    begun_after: float
    polls_per_second: float
    longest_gap: float
    cpu_per_poll: float
    look_ups: int
    all_polls: int
    starting: Measured
    measured: Measured


class PollServer:
    """The server that all waits poll, as a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self._processes = Session(dict(os.environ), folder)
        self._processes.start("polls", [sys.executable, str(Path(__file__).with_name("server.py"))])
        self.url = self._wait_for_url(self._processes.log_path("polls"))

    def stop(self) -> None:
        """End it."""
        self._processes.stop()

    def seen(self) -> dict[str, float]:
        """What came since the last time this was asked."""
        return dict(httpx.get(f"{self.url}/_seen", trust_env=False).json())

    def until(self, what: str, count: int, timeout: float) -> float:
        """Wait until so many `waits` have begun, or the `pattern` has polled so often; returns when the last began."""
        deadline = time.monotonic() + timeout
        while (begun := httpx.get(f"{self.url}/_begun", trust_env=False).json())[what] < count:
            if time.monotonic() > deadline:
                raise ClusterError(f"{what}: {begun[what]} of {count} in {timeout:.0f} s")
            time.sleep(0.5)
        return float(begun["seconds"])

    def forget(self) -> None:
        """Forget all waits."""
        httpx.get(f"{self.url}/_forget", trust_env=False).raise_for_status()

    def _wait_for_url(self, log: Path) -> str:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith(READY):
                    return line.removeprefix(READY).strip()
            time.sleep(0.1)
        raise ClusterError(f"the server of the polls did not start:\n{tail(log)}")


def measure(stage: Stage, folder: Path) -> Iterator[Line]:
    """First ours, then the peer, on the same server; then waits that do not poll."""
    server = PollServer(folder)
    try:
        stage.cluster.api.create_pool("closed", 0)
        for name in ("pattern", "polls"):
            stage.connect(f"{name}_music", conn_type="music", host=server.url, password="a-key")
            stage.connect(f"{name}_http", conn_type="http", host=server.url, extra='{"Accept": "application/json"}')
        ours, peer, alone = (_waits(stage, server, side) for side in ("ours", "http", "wait"))
    finally:
        server.stop()
    yield from _lines(ours, peer)
    yield from _blocks(f"{_WAITS} waits; HttpSensor", ours, peer)
    yield from _blocks(f"{_WAITS} waits; Airflow alone, bare deferrals", ours, alone)


def _waits(stage: Stage, server: PollServer, side: str) -> Polled:
    server.forget()
    deferred = Deferred(stage.cluster, f"polls_{side}_many", f"polls_{side}_1", f"wait-of-{side}")
    if side != "wait":
        server.until("pattern", 2, _LATEST_S)  # once from its worker, once from the triggerer, which is warm then
    time.sleep(_STATISTICS_S)
    look_ups = stage.database.reads("connection")
    try:
        with stage.measuring(_WAITS) as starting:
            server.forget()
            deferred.start()
            time.sleep(_SETTLE_S)
            begun_after = 0.0 if side == "wait" else server.until("waits", _WAITS, _LATEST_S)
        with stage.measuring(_WAITS) as measured:
            early = server.seen()
            time.sleep(_WINDOW_S)
            seen = server.seen()
        if (waiting := deferred.waiting()) != _WAITS:
            raise ClusterError(f"{_WAITS - waiting} of {_WAITS} waits have ended before their time")
    finally:
        deferred.stop()
    time.sleep(_STATISTICS_S)
    late = server.seen()
    busy = measured.cpu.over_idle(stage.idle, measured.seconds)
    return Polled(
        begun_after=begun_after,
        polls_per_second=seen["polls"] / seen["seconds"],
        longest_gap=seen["longest_gap"],
        cpu_per_poll=busy["triggerer"] / max(1, seen["polls"]),
        look_ups=stage.database.reads("connection") - look_ups,
        all_polls=int(early["polls"] + seen["polls"] + late["polls"]),
        starting=starting,
        measured=measured,
    )


def _lines(ours: Polled, peer: Polled) -> Iterator[Line]:
    row = f"{_WAITS} waits polling every {_PACE_S:.0f} s; HttpSensor"
    yield Line(row, "until each wait has polled once, s", ours.begun_after, peer.begun_after)
    yield Line(row, f"polls a second ({_WAITS / _PACE_S:.0f} asked for)", ours.polls_per_second, peer.polls_per_second)
    yield Line(row, "longest gap between two polls of one wait, s", ours.longest_gap, peer.longest_gap)
    per_poll = [each.cpu_per_poll * 1000 for each in (ours, peer)]
    yield Line(row, "triggerer CPU a poll over idle, ms", *per_poll)
    busy = [each.measured.cpu["triggerer"] / each.measured.seconds for each in (ours, peer)]
    yield Line(row, "triggerer CPU, share of a core", *busy)
    yield Line(row, "connection look-ups in the database", ours.look_ups, peer.look_ups)
    yield Line(row, "... of so many polls", ours.all_polls, peer.all_polls)


def _blocks(row: str, ours: Polled, peer: Polled) -> Iterator[Line]:
    cpu = [each.starting.cpu["triggerer"] for each in (ours, peer)]
    yield Line(row, "triggerer CPU until each wait has polled once, and for 30 s at least, s", *cpu)
    for what, pair in (
        ("until then", (ours.starting, peer.starting)),
        (f"while all wait ({_WINDOW_S:.0f} s)", (ours.measured, peer.measured)),
    ):
        yield Line(row, f'"blocked" lines of the triggerer {what}', *(len(each.blocks) for each in pair))
        yield Line(row, "... that a machine with a core to spare had seen too", *(each.own_blocks for each in pair))
        yield Line(row, "... longest, s", *(each.longest_block for each in pair))
