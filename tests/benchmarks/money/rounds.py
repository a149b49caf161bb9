# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One round: a peer makes so many songs side by side, dies at one point of all of them, and is started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from money.contenders import Contender
    from money.points import Point
    from money.server import Served

#: As in `peers/told.py`, which needs a peer's environment.
_OUTCOME = "outcome "
_ARRIVE_SECONDS = 180.0
_END_SECONDS = 300.0
_SERVICE_SECONDS = 90.0
_SETTLE_SECONDS = 60.0
_STOP_SECONDS = 10.0


class BrokenRoundError(RuntimeError):
    """A peer did not come to its point, or to its end; its own words are in the message."""


@dataclass
class Round:
    """What came of it.

    :param posts: paid requests that reached the API.
    :param paid: bills.
    :param delivered: songs that lie whole in storage, without anybody's help.
    :param left: what the tool says of the songs that it leaves to a person, by song.
    :param after: songs in storage, and bills, once that person has done it; None where nobody had to, or it is work
        outside of the tool.
    """

    songs: int
    posts: int = 0
    paid: int = 0
    usd: float = 0.0
    delivered: int = 0
    left: dict[str, str] = field(default_factory=dict)
    after: tuple[int, int] | None = None

    @property
    def cleared(self) -> int:
        """Songs that a person's work brought."""
        return self.after[0] - self.delivered if self.after else 0

    @property
    def lost(self) -> int:
        """Songs that are paid and not in storage."""
        return self.paid - self.delivered


def run_round(contender: Contender, point: Point, songs: list[str], keep: Path | None = None) -> Round:
    """Run one round.

    :param keep: leave the peer's own files there.
    """
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="music-money-")))
        folder.mkdir(parents=True, exist_ok=True)
        api = stack.enter_context(contender.api())
        env = _environment(contender, api, folder, songs)
        if contender.service:
            env |= stack.enter_context(_service(contender, folder, env))
        api.gate.arm(point, songs)
        first = _start(contender, folder, env)
        api.gate.stop = lambda: os.killpg(first.pid, signal.SIGSTOP)
        api.gate.kill = lambda: os.killpg(first.pid, signal.SIGKILL)
        try:
            outcome = _until_point(first, api, folder, point) or _run(contender, folder, env)
        finally:
            _stop(first)
        found = _counted(api, songs, outcome)
        if found.left and contender.cleared:
            again = _counted(api, songs, _run(contender, folder, env, "person"))
            found.after = (again.delivered, again.paid)
        return found


def _until_point(process: subprocess.Popen[bytes], api: Served, folder: Path, point: Point) -> dict[str, Any] | None:
    """Wait until all songs have come to the point; where the process lives on, until it ends, and return its words."""
    deadline = time.monotonic() + _ARRIVE_SECONDS
    while not api.gate.done.wait(0.05):
        if process.poll() is not None or time.monotonic() > deadline:
            # The gate kills it first and says so then.
            if api.gate.done.wait(_STOP_SECONDS):
                break
            arrived = len(api.gate.arrived)
            raise BrokenRoundError(f"{arrived} songs came to {point!r}; the process: {process.poll()}\n{_tail(folder)}")
    if point.name != "CUT":
        process.wait(_STOP_SECONDS)
        return None
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BrokenRoundError(f"no end after the line was cut:\n{_tail(folder)}") from error
    return _outcome(folder)


def _run(contender: Contender, folder: Path, env: dict[str, str], *arguments: str) -> dict[str, Any]:
    process = _start(contender, folder, env, *arguments)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BrokenRoundError(f"no end after it was started again:\n{_tail(folder)}") from error
    finally:
        _stop(process)
    return _outcome(folder)


def _counted(api: Served, songs: list[str], outcome: dict[str, Any]) -> Round:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while api.is_busy():  # what is still being made is billed too
        if time.monotonic() > deadline:
            raise BrokenRoundError("the API does not come to rest")
        time.sleep(0.1)
    paths = {song: Path(path) for song, path in outcome["delivered"].items()}
    delivered = sum(api.is_whole(song, path) for song, path in paths.items())
    paid = api.paid()
    if unknown := set(paid) - set(songs):
        raise BrokenRoundError(f"bills of nobody's song: {unknown}")
    return Round(len(songs), sum(api.gate.posts.values()), len(paid), api.usd(), delivered, outcome["failed"])


def _start(contender: Contender, folder: Path, env: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "process.log").open("ab") as log:
        return subprocess.Popen(
            [contender.python, "-W", "ignore", contender.program, *arguments],
            cwd=Path(__file__).parent / "peers",
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_STOP_SECONDS)


def _outcome(folder: Path) -> dict[str, Any]:
    lines = (folder / "process.log").read_text(errors="replace").splitlines()
    found = [line for line in lines if line.startswith(_OUTCOME)]
    if not found:
        raise BrokenRoundError(f"it ended without a word:\n{_tail(folder)}")
    return dict(json.loads(found[-1].removeprefix(_OUTCOME)))


@contextmanager
def _service(contender: Contender, folder: Path, env: dict[str, str]) -> Iterator[dict[str, str]]:
    """Run a tool's server, which outlives its workers."""
    assert contender.service is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, more = contender.service(folder / "state", port)
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**env, **more}, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_for_port(process, port, folder)
        yield more
    finally:
        _stop(process)


def _wait_for_port(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _SERVICE_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise BrokenRoundError(f"its server did not start:\n{(folder / 'service.log').read_text()[-2000:]}")
        time.sleep(0.2)


def _environment(contender: Contender, api: Served, folder: Path, songs: list[str]) -> dict[str, str]:
    (folder / "state").mkdir(parents=True, exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and not name.startswith(("AIRFLOW", "PREFECT", "DAGSTER", "DBOS", "OPENAI"))
    }
    key, http = "money-key", {"conn_type": "http", "host": api.url}
    http["extra"] = json.dumps({"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    llm = {"conn_type": "pydanticai", "host": f"{api.url}/v1", "password": key}
    return {
        **kept,
        **contender.env,
        "PYTHONPATH": os.pathsep.join(contender.paths()),
        "MONEY_URL": api.url,
        "MONEY_KEY": key,
        "MONEY_STATE": str(folder / "state"),
        "MONEY_OUT": str(folder / "out"),
        "MONEY_SONGS": json.dumps(songs),
        "AIRFLOW_HOME": str(folder / "state" / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_MONEY_MUSIC": json.dumps({"conn_type": "music", "host": api.url, "password": key}),
        "AIRFLOW_CONN_MONEY_HTTP": json.dumps(http),
        "AIRFLOW_CONN_MONEY_LLM": json.dumps(llm),
    }


def _tail(folder: Path) -> str:
    logs = [folder / "process.log", *sorted((folder / "state").glob("song-*.log"))[:1]]
    return "\n".join(log.read_text(errors="replace")[-1500:] for log in logs if log.exists())
