# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Task instances on machines apart, each with a sandbox of its own: what was paid, and whether the right song came."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_music import exceptions
from airflow_provider_music.sandbox.server import Sandbox
from harness.songs import Song, Stage

if TYPE_CHECKING:
    from harness.apart import Apart

HEAD = "| scenario | POSTs | right songs | task state | tries | error |\n|---|---|---|---|---|---|"
_ENDED = ("success", "failed")
_PATIENCE_S = 400.0
_ERROR = re.compile(r"^ *(?:[a-z_.]+\.)?([A-Z]\w+): ", re.MULTILINE)


@dataclass
class Row:
    """How a scenario ended.

    :param posts: paid POSTs that the sandbox counted.
    :param songs: of the songs that the task returned, those that are in place and, to the byte, what the sandbox made
        of the words that the task was given.
    :param error: class of this package's error that ended the last try.
    """

    scenario: str
    posts: int
    songs: int
    state: str
    tries: int
    error: str = ""
    log: str = field(default="", repr=False)
    run: "Run | None" = field(default=None, repr=False)

    def __str__(self) -> str:
        """One row of the table."""
        return f"| {self.scenario} | {self.posts} | {self.songs} | {self.state} | {self.tries} | {self.error} |"


class Run(Song):
    """One run of one of the DAGs of `dags/disks.py`, by the DAG's name and its own.

    :param sandbox: the API, if another run had it before.
    """

    def __init__(self, stage: Stage, dag: str, name: str, *, sandbox: Sandbox | None = None, **settings: Any) -> None:
        """Give it a sandbox and a connection; `begin` starts it."""
        super().__init__(stage, sandbox or stage.sandbox(**{"delay": 4.0} | settings), f"disks_{dag}", name, "")
        self.cluster: Apart = stage.cluster  # type: ignore[assignment]
        self.conn_id = f"music_{dag}_{name}".replace("-", "_")
        self.words: str | list[str] = ""
        stage.connect(self.conn_id, self.sandbox)

    def begin(self, words: str | list[str] | None = None, *, fail_through: int = 0) -> "Run":
        """Start the run; its task fails after it returned its song, through that try."""
        self.words = words or f"A song of {self.dag_id} in {self.run_id}"
        given = self.words if isinstance(self.words, str) else requests_of(self.words)
        conf = {"conn_id": self.conn_id, "words": given, "fail_through": fail_through}
        body = {"dag_run_id": self.run_id, "logical_date": None, "conf": conf}
        self.cluster.api.call("POST", f"/dags/{self.dag_id}/dagRuns", json=body)
        return self

    def edit(self, words: str | list[str]) -> None:
        """Edit the words that the task is given from now on."""
        self.words = words
        key = f"words_{self.conn_id}"
        body = {"key": key, "value": words if isinstance(words, str) else json.dumps(requests_of(words))}
        known = {one["key"] for one in self.cluster.api.call("GET", "/variables", params={"limit": 100})["variables"]}
        path = f"/variables/{quote(key, safe='')}" if key in known else "/variables"
        self.cluster.api.call("PATCH" if key in known else "POST", path, json=body)

    def delete(self) -> None:
        """Delete the run, as `dags test` and a backfill do before they create it again."""
        self.cluster.api.call_at("DELETE", f"/api/v2/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}")

    def fail_and_delete(self) -> None:
        """Give the run up, and delete it."""
        path = f"/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}"
        self.cluster.api.call("PATCH", path, json={"state": "failed"})
        self.delete()

    def clear_latest(self) -> None:
        """Clear the task so that it runs as its DAG says now."""
        self.until(lambda: self.run_state() in _ENDED, "an ended run")
        tries = self.row()[1]
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": ["song"], "only_failed": False}
        body |= {"reset_dag_runs": True, "run_on_latest_version": True}
        self.cluster.api.call("POST", f"/dags/{self.dag_id}/clearTaskInstances", json=body)
        self.until(lambda: self.row()[1] > tries or self.row()[0] not in _ENDED, "cleared")

    def until_retry(self) -> None:
        """Wait until the first try has failed."""
        self.until(lambda: self.row()[0] in ("up_for_retry", *_ENDED) or self.row()[1] > 1, "failed once")

    def until_landing(self) -> str:
        """Wait until a song is being fetched, and return the id of the task instance."""
        self.until(lambda: self.sandbox.requests("download"), "landing")
        return self.task_instance_id

    def until(self, met: Callable[[], Any], what: str, timeout: float = _PATIENCE_S) -> Any:
        """Wait as `Song` does, for as long as some fifty runs side by side may take."""
        return super().until(met, what, timeout)

    def move_to_stay(self, holder: int) -> None:
        """Give the song to another triggerer; on a busy machine the first takes it back, as from one that is dead."""
        logs_of_run = self.cluster.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"

        def begun_there() -> bool:
            if self.holder not in (holder, None):
                self.cluster.sql("UPDATE trigger SET triggerer_id = %s WHERE id = %s", holder, self.row()[4])
            return any(logs_of_run.rglob(f"*.log.trigger.{holder}.log"))

        self.until(begun_there, "begun there")

    def row_at_end(self, scenario: str) -> Row:
        """Wait for the task's end, and say how it ended."""
        state = self.until_state(*_ENDED)
        tries, log = self.row()[1], self.log()
        songs = self._right_songs() if state == "success" else 0
        error = "" if state == "success" else _error(log)
        return Row(scenario, self.sandbox.posts(), songs, state, tries, error, log, self)

    def _right_songs(self) -> int:
        """Count the returned songs that are in place and are those of the words at their place in the list."""
        result = self.cluster.api.xcom(self.dag_id, self.run_id, "song")
        words, results = self.words, [result]
        if "manifest_uri" in result:
            lines = (self.file(result["manifest_uri"]) or b"").decode().splitlines()
            results = [line for line in map(json.loads, lines) if line["status"] == "completed"]
        if isinstance(words, str):
            words = [words]
        return sum(
            self._is_right(one, words[one.get("index", 0)]) for one in results if one.get("index", 0) < len(words)
        )

    def _is_right(self, result: dict[str, Any], words: str) -> bool:
        sha256 = hashlib.sha256(self.file(str(result["audio_uri"])) or b"").hexdigest()
        made = {one.sha256 for one in self.sandbox._state.generations.values() if one.song.text == words}
        return sha256 == result["audio"]["sha256"] and sha256 in made

    def file(self, uri: str) -> bytes | None:
        """Content of a file, on whichever machine it lies."""
        if uri.startswith("s3://"):
            return self.stage.s3.read(uri.split("/", 3)[3])
        found = self.cluster.find(Path(uri.removeprefix("file://")))
        return found.read_bytes() if found else None


def requests_of(words: list[str]) -> list[dict[str, str]]:
    """Return a batch's requests of these words."""
    return [{"model": "minimax/music-2.6", "prompt": each, "lyrics": each} for each in words]


def _error(log: str) -> str:
    """Name the last error in a log that is this package's."""
    names = [name for name in _ERROR.findall(log) if hasattr(exceptions, name)]
    return names[-1] if names else ""
