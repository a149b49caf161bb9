# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs on a cluster, each with a sandbox of its own: so its POSTs are counted alone, and its faults hit it alone."""

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_music.sandbox.server import Sandbox
from harness import logs
from harness.cluster import Cluster
from harness.processes import tail
from harness.rest import ClusterError
from harness.s3 import S3Server

#: The folder of all songs, in the cluster's home or in the bucket; records lie beside the audio.
SONGS = "songs"
_LOOK_EVERY_S = 0.2
_PATIENCE_S = 180.0
_ENDED = ("success", "failed")


@dataclass
class Outcome:
    """How a scenario ended.

    :param posts: paid POSTs that the sandbox counted.
    :param songs: audio files that were delivered and are, to the byte, what the sandbox made.
    :param seconds: from the death to the first request about the song, where something died.
    :param log: what the last try logged.
    """

    scenario: str
    posts: int
    songs: int
    state: str
    tries: int
    seconds: float | None = None
    log: str = field(default="", repr=False)
    result: dict[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """One row of the table."""
        seconds = "" if self.seconds is None else f"{self.seconds:.1f}"
        return f"| {self.scenario} | {self.posts} | {self.songs} | {self.state} | {self.tries} | {seconds} |"


class Stage:
    """A cluster, an S3 server, and the songs that are asked for there."""

    def __init__(self, cluster: Cluster, s3: S3Server) -> None:
        """Take them; they are somebody else's to stop."""
        self.cluster = cluster
        self.s3 = s3
        self._sandboxes: list[Sandbox] = []
        self._acts: list[Future[list[Outcome]]] = []
        #: What ended so far, in the order of its end.
        self.outcomes: list[Outcome] = []

    def play(
        self, acts: Mapping[str, Callable[[], list[Outcome]]], *, alongside: bool = False
    ) -> dict[str, Future[list[Outcome]]]:
        """Begin these scenarios, all at once, and return their outcomes to come.

        They begin when those of before have ended; unless they go alongside: then nobody waits for anybody.
        """
        if not alongside:
            wait(self._acts)
        begun: dict[str, Future[list[Outcome]]] = {name: Future() for name in acts}
        self._acts += [] if alongside else begun.values()
        for name, act in acts.items():
            threading.Thread(target=self._play, args=(act, begun[name]), name=name, daemon=True).start()
        return begun

    def _play(self, act: Callable[[], list[Outcome]], outcome: Future[list[Outcome]]) -> None:
        try:
            told = act()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the outcome raises it
            outcome.set_exception(error)
        else:
            self.outcomes += told
            outcome.set_result(told)

    def sandbox(self, *faults: str, **settings: Any) -> Sandbox:
        """Start one more sandbox."""
        options: dict[str, Any] = {"any_reference": True, "song_seconds": 1.0, "delay": 0.5} | settings
        sandbox = Sandbox(faults=faults, **options).start()
        self._sandboxes.append(sandbox)
        return sandbox

    def prepared(self, dag: str, name: str, *faults: str, s3: bool = False, **settings: Any) -> "Song":
        """Return a song with a sandbox and a connection of its own, which nobody asked for yet."""
        song = Song(self, self.sandbox(*faults, **settings), f"money_{dag}", name, f"music_{name}", s3=s3)
        self.connect(song.conn_id, song.sandbox)
        return song

    def song(self, dag: str, name: str, *faults: str, s3: bool = False, **settings: Any) -> "Song":
        """Ask for a song with a sandbox and a connection of its own."""
        song = self.prepared(dag, name, *faults, s3=s3, **settings)
        song.start()
        return song

    def connect(self, conn_id: str, sandbox: Sandbox) -> None:
        """Add a connection to Airflow's database, for workers and triggerers."""
        connection = {"connection_id": conn_id, "conn_type": "music", "host": sandbox.url, "password": sandbox.key}
        self.cluster.api.call("POST", "/connections", json=connection)

    def stop(self) -> None:
        """End the sandboxes."""
        for sandbox in self._sandboxes:
            sandbox.stop()


class Song:
    """One task instance, and all that can be seen of it."""

    def __init__(
        self, stage: Stage, sandbox: Sandbox, dag_id: str, name: str, conn_id: str, *, s3: bool = False
    ) -> None:
        """Name it; `start` asks for it."""
        self.stage = stage
        self.sandbox = sandbox
        self.dag_id = f"{dag_id}_s3" if s3 else dag_id
        self.run_id = name
        self.conn_id = conn_id
        self._s3 = s3

    def start(self, **conf: Any) -> None:
        """Start the run."""
        body = {"dag_run_id": self.run_id, "logical_date": None, "conf": {"conn_id": self.conn_id, **conf}}
        self.stage.cluster.api.call("POST", f"/dags/{self.dag_id}/dagRuns", json=body)

    # ---------------------------------------------------------------- what Airflow knows
    def row(self) -> tuple[str | None, int, int, str, int | None, int | None]:
        """State, try number, max tries, task instance id, trigger id, and the triggerer that has it."""
        (row,) = self.stage.cluster.sql(
            "SELECT ti.state, ti.try_number, ti.max_tries, ti.id::text, ti.trigger_id, t.triggerer_id "
            "FROM task_instance ti LEFT JOIN trigger t ON t.id = ti.trigger_id "
            "WHERE ti.dag_id = %s AND ti.run_id = %s AND ti.task_id = 'song'",
            self.dag_id,
            self.run_id,
        )
        return row

    def run_state(self) -> str:
        """State of the run."""
        where = "WHERE dag_id = %s AND run_id = %s"
        return str(self.stage.cluster.sql(f"SELECT state FROM dag_run {where}", self.dag_id, self.run_id)[0][0])

    def until_run_ended(self, timeout: float) -> list[tuple[str, str, int, int]]:
        """Wait for the run's end, and return id, state, try number and map index of each of its songs."""
        deadline = time.monotonic() + timeout
        while (state := self.run_state()) not in _ENDED:
            if time.monotonic() > deadline:
                log = tail(self.stage.cluster.processes.log_path("scheduler"))
                raise ClusterError(f"{self.run_id} is {state} after {timeout:.0f} s\n{log}")
            time.sleep(1)
        return self.rows()

    def rows(self) -> list[tuple[str, str, int, int]]:
        """Id, state, try number and map index of each mapped song."""
        return self.stage.cluster.sql(
            "SELECT id::text, state, try_number, map_index FROM task_instance "
            "WHERE dag_id = %s AND run_id = %s AND task_id = 'song'",
            self.dag_id,
            self.run_id,
        )

    @property
    def task_instance_id(self) -> str:
        """Id of the present try."""
        return self.row()[3]

    def until(self, met: Callable[[], Any], what: str, timeout: float = _PATIENCE_S) -> Any:
        """Wait until something is so, and return it."""
        deadline = time.monotonic() + timeout
        while not (found := met()):
            if time.monotonic() > deadline:
                raise ClusterError(f"{self.run_id}: not {what} after {timeout:.0f} s; {self.row()[:3]}\n{self.log()}")
            time.sleep(_LOOK_EVERY_S)
        return found

    def until_state(self, *states: str) -> str:
        """Wait for one of these states."""
        return str(self.until(lambda: (state := self.row()[0]) in states and state, f"in state {states}"))

    def until_asked(self) -> None:
        """Wait until the sandbox has taken the order."""
        self.until(self.sandbox.generations, "asked for")

    def until_polled(self) -> None:
        """Wait until a triggerer polls."""
        self.until(lambda: self.row()[5] and self.row()[0] == "deferred", "deferred")
        before = self.sandbox.requests("poll")
        self.until(lambda: self.sandbox.requests("poll") > before, "polled")

    def until_open(self) -> None:
        """Wait until a triggerer has the synchronous POST open."""
        self.until_asked()
        self.until(lambda: self.row()[5], "deferred")

    @property
    def holder(self) -> int | None:
        """Job id of the triggerer that has the song, if one has."""
        return self.row()[5]

    def move_to(self, holder: int | None) -> None:
        """Give the song to another live triggerer, as Airflow does when it believes the present one dead."""
        if self.holder != holder:
            self.stage.cluster.sql("UPDATE trigger SET triggerer_id = %s WHERE id = %s", holder, self.row()[4])
            logs_of_run = self.stage.cluster.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
            self.until(lambda: any(logs_of_run.rglob(f"*.log.trigger.{holder}.log")), "begun there")

    def going_on(self, died: float, holder: int | None = None) -> float:
        """Wait for the next request about the song, from another triggerer than `holder`; the seconds since."""
        if holder is None:
            time.sleep(0.3)  # what was on its way when the process died
        else:
            self.until(lambda: self.holder != holder, "taken over")
        before = self._requests()
        self.until(lambda: self._requests() > before or (holder and self.row()[0] != "deferred"), "going on")
        return time.monotonic() - died

    def _requests(self) -> int:
        return sum(self.sandbox.state()["requests"].values())

    def clear(self) -> None:
        """Clear the task as a person does, who sees its run as ended."""
        tries = self.row()[1]
        # Before that, the scheduler may still be about to end the run, and would leave the task in it cleared for ever.
        self.until(lambda: self.run_state() in _ENDED, "an ended run")
        self.stage.cluster.api.clear(self.dag_id, self.run_id, "song")
        self.until(lambda: self.row()[1] > tries or self.row()[0] not in _ENDED, "cleared")

    def log(self) -> str:
        """What the present try logged."""
        home = self.stage.cluster.home
        return logs.readable(logs.of_task(home, self.dag_id, self.run_id, "song", try_number=self.row()[1]))

    # ---------------------------------------------------------------- what lies in storage
    @property
    def _folder(self) -> Path:
        """Where this DAG's records and songs lie on disk; below it stand the deployment and the run."""
        return self.stage.cluster.home / SONGS / self.dag_id

    def read(self, take: int, name: str) -> bytes | None:
        """Read a file of a take."""
        inside = f"{self.run_id}/song/take-{take}/{name}"
        if self._s3:
            found = [key for key in self.stage.s3.keys(f"{SONGS}/{self.dag_id}/") if key.endswith(f"/{inside}")]
            return self.stage.s3.read(found[0]) if found else None
        files = list(self._folder.glob(f"*/{inside}"))
        return files[0].read_bytes() if files else None

    def fact(self, take: int, name: str) -> dict[str, Any] | None:
        """One fact of the record."""
        content = self.read(take, f"{name}.json")
        return None if content is None else dict(json.loads(content))

    def parts(self) -> list[Path]:
        """Part files of songs that are being landed."""
        return list(self._folder.glob(f"*/{self.run_id}/**/.song.part-*"))

    def delivered(self) -> int:
        """Count the takes that were handed on and are still, to the byte, songs that the sandbox made."""
        made = [generation["sha256"] for generation in self.sandbox.generations()]
        takes = itertools.takewhile(lambda take: self.fact(take, "intent"), itertools.count(1))
        return sum(self._is_whole(take, made) for take in takes if self.fact(take, "delivered"))

    def _is_whole(self, take: int, made: list[str]) -> bool:
        completed = self.fact(take, "completed") or {}
        audio = self.read(take, str(completed.get("audio_uri")).rpartition("/")[2])
        sha256 = hashlib.sha256(audio or b"").hexdigest()
        return sha256 in made and sha256 == completed["audio"]["sha256"]

    # ---------------------------------------------------------------- the end
    def end(self, scenario: str, seconds: float | None = None) -> Outcome:
        """Wait for the task's end and say how it ended."""
        state = self.until_state(*_ENDED)
        tries = self.row()[1]
        result = self.stage.cluster.api.xcom(self.dag_id, self.run_id, "song") if state == "success" else {}
        return Outcome(scenario, self.sandbox.posts(), self.delivered(), state, tries, seconds, self.log(), result)


class Together:
    """Several scenarios meet at one death of triggerers: it comes once, when the songs of all are ready for it."""

    def __init__(self, parties: int, death: Callable[[set[int]], float], *, of_one: bool = False) -> None:
        """Take how many meet, and what happens to the triggerers of their songs; it returns when they died.

        With `of_one`, the triggerer that has an open POST gets the other songs too.
        """
        self._death = death
        self._of_one = of_one
        self._died = 0.0
        self._songs: list[Song] = []
        self._holders: dict[str, int] = {}
        self._barrier = threading.Barrier(parties, action=self._happen)

    def meet(self, song: Song) -> float:
        """Wait for the others, for the death, and for the song to go on; returns how long that took."""
        self._songs.append(song)
        self._barrier.wait(_PATIENCE_S)
        return song.going_on(self._died, self._holders[song.run_id])

    def give_up(self) -> None:
        """Let the others go: somebody will not come."""
        self._barrier.abort()

    def _happen(self) -> None:
        if self._of_one:
            (holder,) = (song.holder for song in self._songs if "synchronous" in song.dag_id)
            for song in self._songs:
                song.move_to(holder)
        self._holders = {song.run_id: int(song.holder or 0) for song in self._songs}
        self._died = self._death(set(self._holders.values()))
