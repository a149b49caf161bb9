# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The soak's songs as mapped tasks of a real Airflow 3 on Postgres; how each ended stands in its log and its record."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
from harness import logs
from harness.cluster import Cluster
from harness.processes import leave_nothing_behind
from harness.rest import ClusterError
from money_many import RACE
from soaking import LANES, Soak, Song, arm, prepare

from airflow_provider_music import exceptions
from airflow_provider_music.exceptions import MusicError

if TYPE_CHECKING:
    from airflow_provider_music.sandbox.server import Sandbox

_DAGS = Path(__file__).parents[1] / "cluster" / "dags"
_ERRORS = {
    name for name, found in vars(exceptions).items() if isinstance(found, type) and issubclass(found, MusicError)
}
_WARM_UP = 8
_SETTLE_SECONDS = 5.0
#: Airflow's own processes leave the triggerer and the sandbox little of the machine.
_SLOWNESS = 8
_PATIENCE_SECONDS, _PATIENCE_PER_SONG = 300.0, 6.0
#: A try without an error of ours in its log.
OTHERS = "no error of ours"


@dataclass
class Held:
    """What a process of Airflow holds after so many songs; of several of a kind, the one that holds most."""

    songs: int
    process: str
    files: int
    rss: int


class SoakOnAirflow(Soak):
    """A run on a cluster of its own.

    with SoakOnAirflow(sandbox, Path("home")) as soak:
        soak.have(100, seed=1, share=0.1)
    """

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        """Prepare, without starting yet."""
        super().__init__(sandbox, home / "songs")
        dags = home / "dags"
        dags.mkdir(parents=True)
        shutil.copy(_DAGS / "soak.py", dags)
        env = {
            "AIRFLOW_CONN_MUSIC_DEFAULT": prepare(sandbox, _SLOWNESS),
            "AIRFLOW__MUSIC__OUTPUT_DIR": str(self.output_dir),
        }
        leave_nothing_behind()
        self.cluster = Cluster(home, dags, env, worker_env={}, triggerers=1)
        #: How the tries ended that were not a song's last.
        self.tries_before: Counter[tuple[str, str]] = Counter()
        #: Songs of which the API handed out a half as if it were the whole: a client cannot tell.
        self.halves = 0
        #: How many bills the songs have, by lane and end.
        self.paid: Counter[tuple[str, str]] = Counter()
        self.held: list[Held] = []

    def __enter__(self) -> Self:
        """Start Airflow."""
        try:
            self.cluster.start()
            for lane in LANES:
                self.cluster.wait_for_dag(f"soak_{lane}")
        except BaseException:
            self.cluster.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End every process."""
        self.cluster.stop()

    def have(self, count: int, seed: int, share: float, look_every: int = 100) -> None:
        """Have that many songs, half of them in each lane, so many at once; a few before them meet no fault."""
        self._round("warm-up", _WARM_UP, 0)
        if any(song.result is None for song in self.songs):
            raise ClusterError(f"songs fail without any fault: {self.ends()}")
        for counts in (self.songs, self.tries_before, self.paid):
            counts.clear()
        self.halves = 0
        self._races_before = self._count_races()
        self._hold()
        self.sandbox.reset()
        arm(self.sandbox, seed, share, _SLOWNESS)
        for first in range(0, count, look_every):
            self._round(f"songs-from-{first}", min(look_every, count - first), first)
            self._hold()

    @property
    def races(self) -> int:
        """How many tries Airflow itself failed, since their trigger fired before it had seen the worker's exit."""
        return self._count_races() - self._races_before

    def _count_races(self) -> int:
        return self.cluster.processes.log_path("scheduler").read_text(errors="replace").count(RACE)

    # ---------------------------------------------------------------- one round
    def _round(self, run_id: str, count: int, first: int) -> None:
        shares = dict(zip(LANES, (count - count // 2, count // 2), strict=True))
        for lane, songs in shares.items():
            body = {"dag_run_id": run_id, "logical_date": None, "conf": {"songs": songs}}
            self.cluster.api.call("POST", f"/dags/soak_{lane}/dagRuns", json=body)
        self._wait(run_id, _PATIENCE_SECONDS + _PATIENCE_PER_SONG * count)
        for lane in shares:
            self.songs += self._songs(lane, run_id, first)

    def _wait(self, run_id: str, seconds: float) -> None:
        """Wait for the runs' end; at the deadline the songs are taken as they are."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if all(self.cluster.api.run_state(f"soak_{lane}", run_id) in {"success", "failed"} for lane in LANES):
                return
            time.sleep(2)

    def _songs(self, lane: str, run_id: str, first: int) -> list[Song]:
        rows = self.cluster.sql(
            "SELECT map_index, state, try_number FROM task_instance "
            "WHERE dag_id = %s AND run_id = %s AND task_id = 'song' AND map_index >= 0 ORDER BY map_index",
            f"soak_{lane}",
            run_id,
        )
        made = {generation["client_request_id"]: generation for generation in self.sandbox.generations()}
        found = []
        for index, state, tries in rows:
            song = Song(first + index, lane, tries)
            folder = self.output_dir / f"soak_{lane}" / run_id / "song" / str(index)
            if state == "success":
                song.result = self._landed(folder, made)
                song.error = "not in storage"
            else:
                song.error, song.message = self._error(lane, run_id, index, tries) if state == "failed" else (state, "")
            for number in range(1, tries):
                self.tries_before[lane, self._error(lane, run_id, index, number)[0]] += 1
            asked = _requests(folder)
            self.paid[lane, song.end] += sum(bool(made[one]["billed"]) for one in asked if one in made)
            found.append(song)
        return found

    def _landed(self, folder: Path, made: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
        """The newest song that was handed on, if it is to the byte what the sandbox made for that request."""
        for fact in sorted(folder.glob("take-*/delivered.json"), reverse=True):
            completed: dict[str, Any] = json.loads(fact.with_name("completed.json").read_text())
            audio = fact.with_name(completed["audio_uri"].rpartition("/")[2]).read_bytes()
            generation = made[json.loads(fact.with_name("intent.json").read_text())["client_request_id"]]
            if hashlib.sha256(audio).hexdigest() == generation["sha256"]:
                return completed
            if len(audio) == generation["bytes"] // 2:
                self.halves += 1
                return completed
        return None

    def _error(self, lane: str, run_id: str, index: int, number: int) -> tuple[str, str]:
        """The last error of ours that a try logged, and what it says.

        Airflow counts some resumptions as a try that never begins, whose work it logs under the one before.
        """
        where = (self.cluster.home, f"soak_{lane}", run_id, "song")
        errors: list[dict[str, Any]] = []
        while number and not errors:
            text = logs.of_task(*where, try_number=number, map_index=index)
            errors = [error for line in text.splitlines() for error in _details(line)]
            number -= 1
        ours = [error for error in errors if error.get("exc_type") in _ERRORS]
        return (str(ours[-1]["exc_type"]), str(ours[-1].get("exc_value"))) if ours else (OTHERS, "")

    # ---------------------------------------------------------------- what the processes hold
    def first_and_last(self) -> list[tuple[Held, Held]]:
        """The first look at each process, and the last."""
        by_name = {held.process: held for held in reversed(self.held)}
        return [(by_name[held.process], held) for held in self.held[-len(by_name) :]]

    def _hold(self) -> None:
        time.sleep(_SETTLE_SECONDS)
        for name in ("scheduler", "triggerer-1"):
            root = self.cluster.processes.root(name)
            self.held += [self._held(name, [root]), self._held(f"below {name}", root.children(recursive=True))]

    def _held(self, name: str, processes: list[psutil.Process]) -> Held:
        found = [(0, 0)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append((process.num_fds(), process.memory_info().rss))
        return Held(len(self.songs), name, max(files for files, _ in found), max(rss for _, rss in found))


def _requests(folder: Path) -> list[str]:
    return [json.loads(fact.read_text())["client_request_id"] for fact in folder.glob("take-*/intent.json")]


def _details(line: str) -> list[dict[str, Any]]:
    try:
        record = json.loads(line)
    except ValueError:
        return []
    return list(record.get("error_detail") or []) if isinstance(record, dict) else []
