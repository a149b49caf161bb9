# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the meter says of a loop that stands still, and of memory that comes and goes."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest
from inprocess import meter
from inprocess.meter import Meter, Ticker


class FakeLoop:
    """A loop whose time is set, and whose timers are fired, by the test."""

    def __init__(self):
        self.now = 100.0
        self.timers = []

    def time(self):
        return self.now

    def call_at(self, due, call):
        self.timers.append((due, call))
        return self

    def cancel(self):
        self.timers.clear()


@pytest.fixture
def ticking(monkeypatch):
    """A started ticker; ``go(seconds, cpu)`` lets time pass and the timer fire."""
    loop, cpu = FakeLoop(), [0.0]
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    monkeypatch.setattr(meter.time, "thread_time", lambda: cpu[0])
    ticker = Ticker()
    ticker.start()

    def go(seconds, burned):
        due, call = loop.timers.pop()
        loop.now, cpu[0] = due + seconds, cpu[0] + burned
        call()

    yield ticker, go
    ticker.stop()


def test_the_longest_block_is_kept_with_its_time(ticking):
    ticker, go = ticking
    for late in (0.001, 0.3, 0.02):
        go(late, 0.0)
    assert ticker.late == pytest.approx(0.3)
    assert ticker.late_at == pytest.approx(0.311)


def test_time_that_others_took_is_no_cpu_of_the_loop(ticking):
    ticker, go = ticking
    go(0.5, 0.01)
    go(0.03, 0.03)
    assert ticker.late == pytest.approx(0.5)
    assert ticker.own == pytest.approx(0.03)


def test_a_garbage_collection_is_left_out_of_the_loops_own_block(ticking, monkeypatch):
    ticker, go = ticking
    times = iter((0.0, 0.2))
    monkeypatch.setattr(meter.time, "perf_counter", lambda: next(times))
    ticker._on_gc("start", {})
    ticker._on_gc("stop", {})
    go(0.25, 0.25)
    assert ticker.longest_gc == pytest.approx(0.2)
    assert ticker.own == pytest.approx(0.05)


def test_a_stopped_ticker_leaves_no_hook_behind(ticking):
    ticker, _ = ticking
    ticker.stop()
    assert ticker._on_gc not in gc.callbacks
    gc.callbacks.append(ticker._on_gc)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own peak")
def test_memory_that_is_given_back_counts_at_its_peak():
    meter.forget_peak()
    before = meter.rss_bytes()
    held = bytearray(b"x") * (64 * 2**20)
    del held
    assert meter.peak_bytes() - before > 60 * 2**20


async def test_a_measured_block_has_all_figures():
    async with Meter() as measured:
        held = bytearray(b"x") * (32 * 2**20)
        await asyncio.sleep(0)
        del held
    assert measured.result.keys() == {"cpu", "wall", "rss", "block", "block_at", "block_own", "longest_gc"}
    assert all(value >= 0 for value in measured.result.values())
