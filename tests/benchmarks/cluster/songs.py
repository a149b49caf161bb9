# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Row "songs": many songs at once through music-01's open POST, beside HttpOperator and beside Airflow alone."""

from collections.abc import Iterator

from harness.sandbox import SandboxProcess

from cluster.report import Line
from cluster.stage import Measured, Stage

_DELAY_S = 15.0
_LARGE, _SMALL = 2_000_000, 100_000
_TIMEOUT_S = 300.0
_OWN_BLOCKS = "... that a machine with a core to spare had seen too"
_MAX_CPU_S, _MAX_GROWTH = 0.15, 20_000


def measure(stage: Stage, sandbox: SandboxProcess) -> Iterator[Line]:
    """Twenty songs of 2 MB; each costs the peer many seconds of CPU, so it gets six. Then twenty of 100 KB for both."""
    sandbox.settings(delay=_DELAY_S, song_bytes=_LARGE)
    first = stage.warm_up("songs_ours_1")
    yield Line("first song of a fresh triggerer", '"blocked" lines of the triggerer', len(first.blocks))
    yield Line("first song of a fresh triggerer", _OWN_BLOCKS, first.own_blocks)
    stage.warm_up("songs_wait_1")
    ours = stage.run("songs_ours_20", 20, _TIMEOUT_S)
    alone = stage.run("songs_wait_20", 20, _TIMEOUT_S)
    yield from _lines("20 songs of 2 MB; Airflow alone, 20 bare deferrals", ours, alone, targets=False)
    sandbox.settings(song_bytes=_SMALL)
    small = stage.run("songs_ours_20", 20, _TIMEOUT_S)
    stage.warm_up("songs_http_1", _TIMEOUT_S)
    small_peer = stage.run("songs_http_20", 20, _TIMEOUT_S)
    yield from _lines("20 songs of 100 KB, HttpOperator 20", small, small_peer, targets=False)
    # Last: large songs of HttpOperator's that did not end in time keep the triggerer busy on.
    sandbox.settings(song_bytes=_LARGE)
    peer = stage.run("songs_http_6", 6, _TIMEOUT_S)
    yield from _lines("20 songs of 2 MB; HttpOperator 6", ours, peer, targets=True)


def _lines(row: str, ours: Measured, peer: Measured, *, targets: bool) -> Iterator[Line]:
    cpu, growth, blocked = ours.cpu["triggerer"] / ours.count, ours.growth.total / ours.count, len(ours.blocks)

    def line(measure: str, of_ours: float | str, of_peer: float | str, target: str = "", met: bool = False) -> Line:  # noqa: FBT001, FBT002
        wanted = bool(target) and targets
        return Line(row, measure, of_ours, of_peer, target if wanted else "", met if wanted else None)

    yield line("done", _done(ours), _done(peer), "all", ours.done == ours.count)
    yield line("wall, s", ours.seconds, peer.seconds)
    peer_cpu = peer.cpu["triggerer"] / peer.count
    yield line("triggerer CPU a song, s", cpu, peer_cpu, f"<= {_MAX_CPU_S}", cpu <= _MAX_CPU_S)
    yield line("... over an idle triggerer's", ours.each["triggerer"], peer.each["triggerer"])
    yield line("scheduler and workers, CPU a song over idle, s", ours.each["scheduler"], peer.each["scheduler"])
    yield line("API server, CPU a song over idle, s", ours.each["api-server"], peer.each["api-server"])
    peer_growth = peer.growth.total / peer.count
    yield line("database growth a song, bytes", growth, peer_growth, f"<= {_MAX_GROWTH}", growth <= _MAX_GROWTH)
    payloads = [each.growth.payload / each.count for each in (ours, peer)]
    yield line("... octets written to columns that carry values", *payloads)
    for place in sorted({*ours.growth.payloads, *peer.growth.payloads}) if targets else ():
        yield line(f"...... {place}", *(each.growth.payloads.get(place, 0) / each.count for each in (ours, peer)))
    rows = [sum(max(0, count) for count in each.growth.rows.values()) / each.count for each in (ours, peer)]
    yield line("rows that stay in the database, a song", *rows)
    for place in sorted({*ours.growth.rows, *peer.growth.rows}) if targets else ():
        yield line(f"... {place}", *(each.growth.rows.get(place, 0) / each.count for each in (ours, peer)))
    yield line('"blocked" lines of the triggerer', blocked, len(peer.blocks), "0", blocked == 0)
    yield line(_OWN_BLOCKS, ours.own_blocks, peer.own_blocks)
    yield line("... longest, s", ours.longest_block, peer.longest_block)


def _done(measured: Measured) -> str:
    again = f", {measured.tries} tried again" if measured.tries else ""
    return f"{measured.done} of {measured.count}{again}"
