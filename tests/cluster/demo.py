# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""`make demo` and `make up`: a song on a real Airflow, from the reference track to the file.

Sandbox, `airflow standalone`, connection, the example DAG `cover_from_reference`: started, run and shown, all
in `.demo/`. `make demo` ends by itself; `make up` stays until Ctrl-C. Neither leaves a process behind.
"""

# ruff: noqa: T201 - what it prints is what it is for

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mutagen
from harness import settings
from harness.processes import leave_nothing_behind, tail
from harness.rest import ClusterError
from harness.sandbox import SandboxProcess, make_reference
from harness.standalone import Standalone
from harness.watch import Change, Watch

_ROOT = Path(__file__).resolve().parents[2]
_DEMO = _ROOT / ".demo"
_DAG = "cover_from_reference"
_SONG_TAKES_S = 20
_NEEDED_MB = 300
_CREDITS_PER_USD = 2_000_000
_BEGUN = time.monotonic()


def main() -> int:
    """Run the demo, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay-up", action="store_true", help="leave Airflow up until Ctrl-C")
    stay_up = parser.parse_args().stay_up
    leave_nothing_behind()
    try:
        with _alone():
            _run(stay_up=stay_up)
    except ClusterError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nCtrl-C: everything was ended.", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


@contextmanager
def _alone() -> Iterator[None]:
    """Have `.demo/` to ourselves, empty but for the songs of earlier runs."""
    _DEMO.mkdir(exist_ok=True)
    with (_DEMO / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ClusterError(f"another `make demo` or `make up` is running in {_DEMO}; end it first") from error
        free_mb = shutil.disk_usage(_DEMO).free // 1024**2
        if free_mb < _NEEDED_MB:
            raise ClusterError(f"{free_mb} MB are free in {_DEMO}, the demo needs {_NEEDED_MB} MB")
        for old in ("airflow", "sandbox"):
            shutil.rmtree(_DEMO / old, ignore_errors=True)
        yield


def _run(*, stay_up: bool) -> None:
    _say(f"Airflow {settings.AIRFLOW_VERSION}, Python {sys.version.split()[0]}; all of it in {_short(_DEMO)}/")
    reference = make_reference(_DEMO / "reference.mp3")
    _say(f"reference track: {_short(reference)}, {mutagen.File(reference).info.length:.0f} s")
    sandbox = SandboxProcess(_DEMO / "sandbox", "--delay", str(_SONG_TAKES_S), key="demo-key")
    _say(f"sandbox of the music API on {sandbox.url}; a song takes it {_SONG_TAKES_S} s")
    airflow = _prepare(sandbox, reference)
    try:
        _say("airflow standalone is starting (about half a minute)")
        airflow.start(_say)
        _say(f"Airflow is up; UI: {airflow.url}")
        run = _make_song(airflow)
        _show_song(airflow, sandbox, run)
        if stay_up:
            _stay(airflow)
        else:
            print("`make up` does the same and leaves Airflow up: then the song is heard at /music/.", flush=True)
    except ClusterError:
        raise
    except Exception as error:
        raise ClusterError(f"{error!r}; the end of {airflow.log_path}:\n{tail(airflow.log_path)}") from error
    finally:
        airflow.stop()
        sandbox.stop()


def _prepare(sandbox: SandboxProcess, reference: Path) -> Standalone:
    env = {
        "AIRFLOW_CONN_MUSIC_DEFAULT": sandbox.connection_json(),
        "AIRFLOW_VAR_MUSIC_REFERENCE": str(reference),
        "AIRFLOW__MUSIC__OUTPUT_DIR": str(_DEMO / "songs"),
    }
    return Standalone(_DEMO / "airflow", _ROOT / "dags_examples", env)


def _make_song(airflow: Standalone) -> Watch:
    """Run the DAG to its end, a line for each change."""
    run = airflow.run(_DAG, on_change=_say_change)
    _say(f"{_DAG} was triggered: {airflow.url}/dags/{_DAG}")
    return airflow.finish(run)


def _show_song(airflow: Standalone, sandbox: SandboxProcess, run: Watch) -> None:
    """Print where the song is, what it is, what it cost, and what the wait held."""
    song = _find_song(airflow, run)
    path = Path(song["audio_uri"].removeprefix("file://"))
    info, facts = mutagen.File(path).info, song["audio"]
    print(f"\nSong      {_short(path)}")
    print(f"          {facts['format']}, {info.length:.1f} s, {info.sample_rate} Hz, {info.bitrate // 1000} kbit/s")
    print(f"          {path.stat().st_size} bytes, sha256 {facts['sha256']}")
    print(f"Cost      {_cost(song, sandbox)}; submitted {song['submissions']} time(s)")
    print(f"Waiting   worker slots held by deferred tasks: {run.slots_held_while_waiting}")
    print(f"Time      {time.monotonic() - _BEGUN:.0f} s in all", flush=True)


def _find_song(airflow: Standalone, run: Watch) -> dict[str, Any]:
    """Return what the task that made a song handed on."""
    for task in airflow.api.tasks(run.dag_id, run.run_id):
        if "audio_uri" in airflow.api.xcom_keys(run.dag_id, run.run_id, task.task_id, task.map_index):
            song = airflow.api.xcom(run.dag_id, run.run_id, task.task_id, map_index=task.map_index)
            return dict(song)
    raise ClusterError(f"no task of {_DAG} handed on an audio_uri\n{airflow.explain(run)}")


def _cost(song: dict[str, Any], sandbox: SandboxProcess) -> str:
    """Tell the price as the API said it; where it said nothing, as the sandbox billed it."""
    usage = song.get("usage") or {}
    if usage.get("usd_spent") is not None:
        return f"{usage['usd_spent']} USD"
    billed = sum(generation["credits"] for generation in sandbox.generations())
    return f"{billed / _CREDITS_PER_USD} USD by the sandbox's bill"


def _stay(airflow: Standalone) -> None:
    print(f"\nUI        {airflow.url} (no password)\nListen    {airflow.url}/music/", flush=True)
    print("Ctrl-C ends everything.", flush=True)
    try:
        while airflow.processes.members():
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nending everything ...", flush=True)
        return
    raise ClusterError(f"Airflow ended by itself:\n{tail(airflow.log_path)}")


def _say_change(change: Change) -> None:
    held = change.slots["running_slots"] + change.slots["queued_slots"]
    waiting = f" - waits without a worker, slots held: {held}" if change.state == "deferred" else ""
    again = f" (try {change.try_number})" if change.try_number > 1 else ""
    _say(f"{change.task}: {change.state}{again}{waiting}")


def _say(line: str) -> None:
    print(f"{time.monotonic() - _BEGUN:6.1f} s  {line}", flush=True)


def _short(path: Path) -> str:
    return os.path.relpath(path, Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
