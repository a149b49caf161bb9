# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Many songs through the sandbox while it misbehaves: what became of each, what it was billed, what the process kept.

Every song is a task of its own with its tries, as Airflow makes them; a seed decides which request is hit by which
fault, so a run can be had again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_music.compat import AirflowFailException, TaskDeferred
from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.hooks.clients import close_clients
from airflow_provider_music.operators.music import GenerateMusicOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_music.sandbox.server import Sandbox

LANES: dict[str, dict[str, Any]] = {
    "queued": {"model": "minimax/music-2.6", "prompt": "a calm song of the sea", "poll_interval": 0.02},
    "synchronous": {
        "model": "music-01",
        "lyrics": "##we row until the end of night##",
        "refer_voice": "vocal-2025082518145625-6XW9wCOF",
        "audio_setting": {"sample_rate": 16000, "bitrate": 64000, "format": "mp3"},
    },
}
#: Faults of every kind, by route; each hits a part of the requests.
FAULTS = {
    "submit": [
        *("status=400", "status=401", "status=403", "status=404", "status=422", "status=500", "status=503"),
        *("status=504,gateway,billed", "status=502,gateway", "rate-limit=0", "base-resp=1026", "base-resp=1002"),
        *("redirect=http://127.0.0.1:1/", "cut-before", "cut-after", "cut-after,reset", "cut-body", "late=0.2"),
        *("junk=html", "junk=truncated", "junk=empty", "junk=list", "junk=nan", "junk=deep", "wrong-length=5"),
        *("huge=8", "gzip-bomb=16", "error", "hang=1.5"),
    ],
    "generate": [
        *("status=400", "status=500", "status=504,gateway,billed", "rate-limit=0", "base-resp=1026", "cut-before"),
        *("cut-after", "cut-body", "late=0.2", "junk=html", "junk=truncated", "junk=nan", "wrong-length=5", "huge=4"),
        *("gzip-bomb=16", "error", "audio=half", "audio=odd", "audio=upper", "audio=nothex", "audio=space"),
        *("audio=null", "audio=missing", "audio=empty", "audio=status1", "audio=url", "slow=200000", "hang=1.5"),
    ],
    "poll": [
        *("status=401", "status=404", "status=500", "status=502,gateway", "rate-limit=0", "cut-before", "cut-body"),
        *("late=0.1", "junk=html", "junk=truncated", "junk=list", "junk=nan", "junk=deep", "huge=8", "gzip-bomb=16"),
        *("expired-url", "no-file", "url=http://10.0.0.1/x", "url=nonsense", "status-word=waiting", "hang=1.5"),
    ],
    "download": [
        *(
            "status=403",
            "status=404",
            "status=500",
            "cut-before",
            "cut-body",
            "late=0.1",
            "junk=html",
            "wrong-length=9",
        ),
        *("audio=half", "audio=empty", "audio=html", "audio=header", "audio=other", "gzip-bomb=4", "hang=1.5"),
    ],
    "logs": ["status=500", "rate-limit=0", "junk=html", "junk=list", "cut-before", "huge=8"],
}
#: A task is tried as often as this; then it has failed for good.
TRIES = 4
#: Errors that are plain: they name what happened and what is owed.
_PLAIN = 20


@dataclass
class Song:
    """One song, and how its task ended."""

    number: int
    lane: str
    tries: int = 0
    result: dict[str, Any] | None = None
    error: str = ""
    message: str = ""

    @property
    def end(self) -> str:
        """Delivered, or the error's name."""
        return "delivered" if self.result else self.error


@dataclass
class Kept:
    """What the process holds at one moment."""

    songs: int
    files: int
    tasks: int
    rss: int
    objects: int


@dataclass
class Soak:
    """A run.

    :param sandbox: to be had from, with its faults armed by :func:`arm`.
    :param abreast: songs under way at once.
    :param tries: as often a task is tried; then it has failed for good.
    """

    sandbox: Sandbox
    output_dir: Path
    abreast: int = 16
    tries: int = TRIES
    songs: list[Song] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    async def run(self, count: int, *, look_every: int = 100) -> None:
        """Have that many songs, both lanes in turn, each until it is delivered or failed for good."""
        for first in range(0, count, look_every):
            places = asyncio.Semaphore(self.abreast)
            batch = [Song(n, list(LANES)[n % 2]) for n in range(first, min(first + look_every, count))]
            await asyncio.gather(*(self._in_turn(song, places) for song in batch))
            self.songs += batch
            await asyncio.sleep(0.2)
            self.kept.append(self._look())
        await close_clients()

    def _look(self) -> Kept:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            # What the C library keeps of large answers is no growth of ours.
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return Kept(len(self.songs), files, len(asyncio.all_tasks()), rss, len(gc.get_objects()))

    async def _in_turn(self, song: Song, places: asyncio.Semaphore) -> None:
        async with places:
            while song.tries < self.tries and song.result is None:
                song.tries += 1
                try:
                    song.result = await self._try(song)
                except MusicError as exc:
                    # Not the error itself: its frames would hold all that the try held.
                    song.error, song.message = type(exc).__name__, str(exc)
                    if isinstance(exc, AirflowFailException):
                        return

    async def _try(self, song: Song) -> dict[str, Any]:
        """One try: execute on a "worker" (a thread), the trigger in this loop, and back."""
        task = GenerateMusicOperator(task_id="song", output_dir=str(self.output_dir), timeout=6.0, **LANES[song.lane])
        context = self._context(song)
        step: Callable[[], Any] = lambda: task.execute(context)  # noqa: E731
        while True:
            deferred = await asyncio.to_thread(_step, step)
            if not isinstance(deferred, TaskDeferred):
                return dict(deferred)
            path, kwargs = deferred.trigger.serialize()
            del path
            (event,) = [event.payload async for event in deferred.trigger.__class__(**kwargs).run()]
            method = getattr(task, deferred.method_name)
            step = lambda: method(context, event)  # noqa: B023, E731 - called before the next turn

    def _context(self, song: Song) -> dict[str, Any]:
        from types import SimpleNamespace

        ti = SimpleNamespace(
            dag_id="soak",
            run_id="run",
            task_id="song",
            map_index=song.number,
            try_number=song.tries,
            max_tries=self.tries - 1,
        )
        return {"ti": ti, "task_instance": ti, "run_id": "run"}

    def billed_twice(self) -> list[str]:
        """Songs that the sandbox billed more than once; by the place that each request's own id names."""
        bills = Counter(
            str(generation["client_request_id"]).rsplit("-", 1)[0]
            for generation in self.sandbox.generations()
            if generation["billed"]
        )
        return [f"{place}: {count}" for place, count in bills.items() if count > 1]

    def plain(self) -> bool:
        """Whether every failure is an error of ours that says something."""
        failed = [song for song in self.songs if song.result is None]
        return all(song.error and len(song.message) > _PLAIN for song in failed)

    def ends(self) -> Counter[tuple[str, str]]:
        """How many songs of each lane ended how."""
        return Counter((song.lane, song.end) for song in self.songs)


def _step(step: Callable[[], Any]) -> Any:
    _let_this_thread_execute()
    try:
        return step()
    except TaskDeferred as deferred:
        return deferred


def _let_this_thread_execute() -> None:
    """Airflow 2.11 keeps who may call execute() in a place of the main thread only."""
    try:
        from airflow.models.baseoperator import ExecutorSafeguard
    except ImportError:
        return
    sentinel = getattr(ExecutorSafeguard, "_sentinel", None)
    if sentinel is not None and not hasattr(sentinel, "callers"):
        sentinel.callers = {}


def let_threads_execute() -> None:
    """Airflow minds who calls execute()."""
    _safeguard().test_mode = True


def _safeguard() -> Any:
    try:
        from airflow.sdk.bases.operator import ExecutorSafeguard
    except ImportError:
        from airflow.models.baseoperator import ExecutorSafeguard
    return ExecutorSafeguard


def arm(sandbox: Sandbox, seed: int, share: float = 0.1, slowness: int = 1) -> None:
    """Let about ``share`` of the requests of each route be hit, by all faults alike.

    :param slowness: as :func:`prepare` has it, so that what is to last beyond a timeout does.
    """
    dice = random.Random(seed)
    for route, kinds in FAULTS.items():
        for kind in dice.sample(kinds, len(kinds)):
            name, _, value = kind.partition("=")
            slowed = {"hang": lambda v: v * slowness, "slow": lambda v: v / slowness}.get(name)
            spec = f"{name}={slowed(float(value)):g}" if slowed else kind
            sandbox.fault(f"{route}:{spec},p={share / len(kinds):.5f},seed={dice.randrange(10**6)}")


def prepare(sandbox: Sandbox, slowness: int = 1) -> str:
    """Make a sandbox quick, and return the connection to it.

    :param slowness: all timeouts are that many times longer, for a client that shares the machine with others.
    """
    sandbox.settings(any_reference=True, delay=0.05, balance=10_000, logs_per_minute=10**6)
    return sandbox.connection_json(
        connect_timeout=2 * slowness,
        read_timeout=0.5 * slowness,
        generation_timeout=slowness,
        max_body_seconds=2 * slowness,
        max_audio_bytes=2**22,
    )
