# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A process may end anywhere between "the task starts" and "the result is delivered": one POST, whatever comes.

Each test walks through all points of a life, in order. The song of a life that ended must come to its end in
the next ones, as Airflow makes them: a lost worker is followed by a retry, a lost triggerer by the same trigger.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dying import Died, Mortality, instrument

from airflow_provider_music.compat import TaskDeferred
from airflow_provider_music.exceptions import HopelessBatchError, PartialBatchError, UnknownOutcomeError
from airflow_provider_music.operators.music import GenerateMusicOperator
from tests.lanes import LANES


@dataclass
class Airflow:
    """What Airflow keeps of a task instance between the lives of its processes."""

    fake: Any
    phase: str = "execute"
    trigger: tuple[Any, dict[str, Any]] | None = None
    event: dict[str, Any] | None = None
    lives: int = 0

    def step(self, task: Any) -> Any:
        """Run the next process until it ends, in whatever way; return the task's result once there is one."""
        self.lives += 1
        try:
            if self.phase == "trigger":
                assert self.trigger is not None
                cls, kwargs = self.trigger
                self.event = asyncio.run(self.fake.fire(cls(**kwargs)))
                self.phase = "resume"
                return None
            context = self.fake.context(task)
            if self.phase == "resume":
                return task.execute_complete(context, self.event)
            return task.execute(context)
        except TaskDeferred as deferred:
            _, kwargs = deferred.trigger.serialize()
            self.trigger, self.phase = (deferred.trigger.__class__, kwargs), "trigger"
            return None

    def bury(self) -> None:
        """A process ended: a lost worker costs a try, a lost triggerer does not."""
        if self.phase != "trigger":
            self.phase = "execute"
            self.fake.retry()


@pytest.fixture
def mortal(monkeypatch):
    """The life that is being lived; the tests replace it."""
    current = [Mortality()]
    instrument(monkeypatch, lambda: current[0])
    return current


def song(lane, output_dir, **more):
    return GenerateMusicOperator(
        task_id="song", output_dir=str(output_dir), retries=2, **{**LANES[lane], "timeout": 2.5, **more}
    )


def live_on(state, task, current):
    """Let Airflow go on until the task ends; return its result, or the error it ended with."""
    for _ in range(20):
        current[0] = Mortality()
        try:
            result = state.step(task)
        except UnknownOutcomeError as exc:
            return exc
        if result is not None:
            return result
    raise AssertionError("the task does not come to its end")


def check(lane, where, outcome, sandbox, n_before):
    posts = sandbox.posts() - n_before
    assert posts <= 1, f"{where}: {posts} POSTs"
    if isinstance(outcome, UnknownOutcomeError):
        assert "X-Client-Request-Id" in str(outcome)
        # The API keeps a song of the queued lane: once submitted, it is found, whoever dies.
        assert not (posts and lane == "queued"), where
        return f"{posts} POST, unknown"
    assert posts == 1, where
    assert Path(outcome["audio_uri"].removeprefix("file://")).stat().st_size == outcome["audio"]["size_bytes"], where
    return "1 POST, delivered"


def count_points(lane, fake, output_dir, current, deferrable):
    state = Airflow(fake)
    current[0] = life = Mortality()
    task = song(lane, output_dir / "whole", deferrable=deferrable)
    while state.step(task) is None:
        pass
    return life.points


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
@pytest.mark.parametrize("lane", list(LANES))
def test_a_process_that_ends_anywhere_costs_at_most_one_post(
    lane, deferrable, mortal, music_sandbox, airflow, output_dir, capsys
):
    music_sandbox.settings(any_reference=True, song_seconds=1)
    points = count_points(lane, type(airflow)(), output_dir, mortal, deferrable)
    table = []
    for at, where in enumerate(points):
        fake = type(airflow)(run_id=f"run-{at}")
        state, before = Airflow(fake), music_sandbox.posts()
        task = song(lane, output_dir, deferrable=deferrable)
        mortal[0] = Mortality(at)
        outcome = None
        try:
            while outcome is None:
                outcome = state.step(task)
        except Died:
            state.bury()
            outcome = live_on(state, task, mortal)
        table.append((f"{where}", check(lane, where, outcome, music_sandbox, before)))
    say(capsys, lane, "worker" if not deferrable else "deferred", "exception", table)


@pytest.mark.parametrize("lane", list(LANES))
def test_kill_9_anywhere_costs_at_most_one_post(lane, mortal, music_sandbox, airflow, output_dir, capsys):
    """The same with real processes: a child lives until the point and is killed by the kernel."""
    music_sandbox.settings(any_reference=True, song_seconds=1)
    points = count_points(lane, type(airflow)(), output_dir, mortal, deferrable=False)
    table, killed = [], 0
    for at, where in enumerate(points):
        fake = type(airflow)(run_id=f"run-{at}")
        state, before = Airflow(fake), music_sandbox.posts()
        task = song(lane, output_dir, deferrable=False)
        child = os.fork()
        if child == 0:
            mortal[0] = Mortality(at, kill=True)
            try:
                state.step(task)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        # A life with one poll fewer ends before its point: then Airflow only lost the success.
        killed += os.WIFSIGNALED(status)
        state.bury()
        outcome = live_on(state, task, mortal)
        table.append((where, check(lane, where, outcome, music_sandbox, before)))
    assert killed > 0.8 * len(points)
    say(capsys, lane, "worker", "kill -9", table)


def say(capsys, lane, place, how, table):
    """Print the table of crash points where it is asked for: MUSIC_CRASH_TABLE=1."""
    if not os.environ.get("MUSIC_CRASH_TABLE"):
        return
    with capsys.disabled():
        sums = dict(Counter(told for _, told in table))
        sys.stdout.write(f"\n{lane}, {place}, {how}: {len(table)} points, {sums}\n")
        sys.stdout.writelines(f"  {where:60} {told}\n" for where, told in table)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize(
    "on",
    [
        "after folder.create(intent.json)",
        "before folder.replace(post.json)",
        "after folder.replace(post.json)",
        "before folder.create(sent.json)",
    ],
)
def test_a_process_that_ends_between_claim_and_post_costs_a_retry_and_no_person(
    on, lane, deferrable, mortal, music_sandbox, airflow, output_dir
):
    """Before sent.json is there nothing left; whoever finds the claim says so, and submits the next take."""
    music_sandbox.settings(any_reference=True, song_seconds=1)
    state, task = Airflow(airflow), song(lane, output_dir, deferrable=deferrable)
    mortal[0] = Mortality(on=on)
    with pytest.raises(Died):
        while state.step(task) is None:
            pass
    state.bury()

    result = live_on(state, task, mortal)

    assert (result["status"], result["submissions"], music_sandbox.posts()) == ("completed", 1, 1)
    assert len(list(output_dir.rglob("sent.json"))) == 2


def ended(state, task, current):
    """Let Airflow go on until a task of several takes ends; a wait that is given up is resumed by a retry."""
    for _ in range(20):
        current[0] = Mortality()
        try:
            result = state.step(task)
        except HopelessBatchError as exc:
            return exc
        except PartialBatchError:
            state.bury()
            continue
        if result is not None:
            return result
    raise AssertionError("the task does not come to its end")


#: The points are those of one life; every so many of them is tried.
EVERY = 5


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
@pytest.mark.parametrize("lane", list(LANES))
def test_a_process_that_ends_anywhere_costs_at_most_one_post_for_each_of_several_takes(
    lane, deferrable, mortal, music_sandbox, airflow, output_dir
):
    pytest.importorskip("av", reason="the extra quality is not installed")
    music_sandbox.settings(any_reference=True, song_seconds=1)
    state, task = Airflow(type(airflow)()), song(lane, output_dir / "whole", deferrable=deferrable, takes=2)
    mortal[0] = life = Mortality()
    while state.step(task) is None:
        pass
    for at in range(0, len(life.points), EVERY):
        fake = type(airflow)(run_id=f"run-{at}")
        state, before, made = Airflow(fake), music_sandbox.posts(), len(music_sandbox.generations())
        task = song(lane, output_dir, deferrable=deferrable, takes=2)
        mortal[0] = Mortality(at)
        outcome = None
        try:
            while outcome is None:
                outcome = state.step(task)
        except BaseException as exc:
            if not mortal[0].dead:
                raise AssertionError(life.points[at]) from exc
            state.bury()
            outcome = ended(state, task, mortal)
        assert music_sandbox.posts() - before <= 2, life.points[at]
        if lane == "queued":
            # The API keeps a song of the queued lane: once made, it is found, whoever dies. The end of one request may
            # cut the other one off before the API has read it, which makes no song.
            found = 0 if isinstance(outcome, HopelessBatchError) else outcome["takes"]["completed"]
            assert found == len(music_sandbox.generations()) - made, life.points[at]
