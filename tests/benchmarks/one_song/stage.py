# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The processes around one song: the sandbox, S3, and a fresh process for each part of the task."""

from __future__ import annotations

import compileall
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from one_song.half import FIGURES
from one_song.s3_requests import NOTED
from one_song.s3_requests import READY as S3_READY

PARTS = ("first", "wait", "second")
PACKAGE = "airflow_provider_music"
_HELPERS = Path(__file__).parents[1]
_SANDBOX_READY = "ready on "
_PART_SECONDS = 120.0
_MAPPED_SECONDS = 12.0
_SONG_SECONDS = 1.0
_BUCKET = "songs"
_KEYS = ("test", "test")


class BrokenPartError(RuntimeError):
    """A process did not come to its end; its own words are in the message."""


@dataclass(frozen=True)
class Part:
    """What a process said of its part, and what it wrote on standard error."""

    figures: dict[str, Any]
    errors: str
    requests: list[dict[str, Any]]


class Stage:
    """Measures the package of one tree; a context manager.

    :param tree: the folder that holds the package. A copy of it is measured, so that edits meanwhile change nothing
        and no bytecode is written there.
    """

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._runs = itertools.count(1)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="music-cost-")))
            self._package = self.folder / "package"
            shutil.copytree(self._tree / PACKAGE, self._package / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
            compileall.compile_dir(self._package, quiet=2)
            self._env = self._environment()
            options = ["--port", "0", "--delay", str(_SONG_SECONDS), "--song-seconds", "2"]
            self._sandbox = self._serve(stack, _SANDBOX_READY, f"{PACKAGE}.sandbox", *options)
            self._s3 = self._serve(stack, S3_READY, "one_song.s3_requests")
            self._env.update(self._connections())
            self._make_bucket()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def local(self) -> str:
        """An output folder on disk."""
        return str(self.folder / "songs")

    @property
    def remote(self) -> str:
        """An output folder in the bucket."""
        return f"s3://s3_cost@{_BUCKET}/songs"

    def song(self, output_dir: str, *, python: tuple[str, ...] = (), **options: Any) -> dict[str, Part]:
        """Run one song's task in three processes.

        :param python: switches of the interpreter.
        :param options: for each part, see ``one_song.half``.
        :return: by part: first, wait, second.
        """
        order = self._order(output_dir, options)
        done: dict[str, Part] = {}
        for name in PARTS:
            part = self._part({**order, "part": name}, python)
            done[name] = part
            order.update({key: value for key, value in part.figures.items() if key not in _FIGURE_NAMES})
        result = done["second"].figures["result"]
        if result.get("status") != "completed":
            raise BrokenPartError(f"the song did not come: {result}")
        return done

    def mapped(self, output_dir: str, count: int) -> dict[str, Part]:
        """Run a mapped task of so many songs: each half of each in a process of its own, all waits in one."""
        order = {**self._order(output_dir, {}), "count": count, "shared": str(self.folder)}
        return {
            name: self._part({**order, "part": name}, (), "one_song.mapped", _PART_SECONDS + _MAPPED_SECONDS * count)
            for name in PARTS
        }

    def _order(self, output_dir: str, options: dict[str, Any]) -> dict[str, Any]:
        return {
            **options,
            "task": {
                "task_id": "song",
                "model": "minimax/music-2.6",
                "prompt": "calm piano, slow",
                "lyrics": "A short line to sing",
                "output_dir": output_dir,
                "conn_id": "music_default",
                "poll_interval": 0.5,
            },
            "run_id": f"manual__{next(self._runs)}",
            "folder": self.local,
            "package": str(self._package),
        }

    def _part(
        self,
        order: dict[str, Any],
        python: tuple[str, ...],
        module: str = "one_song.half",
        seconds: float = _PART_SECONDS,
    ) -> Part:
        self._requests()
        if order.get("profiles"):
            order = {**order, "profile": f"{order['profiles']}.{order['part']}.prof"}
        command = [sys.executable, "-W", "ignore", *python, "-m", module, json.dumps(order)]
        ended = subprocess.run(
            command, capture_output=True, text=True, env=self._env, cwd=self.folder, timeout=seconds, check=False
        )
        found = [line for line in ended.stdout.splitlines() if line.startswith(FIGURES)]
        if ended.returncode or not found:
            raise BrokenPartError(f"{order['part']} ended with {ended.returncode}:\n{ended.stderr[-4000:]}")
        return Part(json.loads(found[-1].removeprefix(FIGURES)), ended.stderr, self._requests())

    def _requests(self) -> list[dict[str, Any]]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self._s3 + NOTED, timeout=30) as answer:
            return list(json.load(answer))

    def _serve(self, stack: ExitStack, ready: str, module: str, *options: str) -> str:
        log = stack.enter_context((self.folder / f"{module}.log").open("w"))
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=self._env,
            cwd=self.folder,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        for line in process.stdout:
            if ready in line:
                return line.rpartition(ready)[2].strip()
        raise BrokenPartError(f"{module} did not start:\n{(self.folder / f'{module}.log').read_text()[-2000:]}")

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if "proxy" not in name.lower() and not name.startswith(("AIRFLOW", "AWS_"))
        }
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(self._package), str(_HELPERS)]),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
            "AWS_ACCESS_KEY_ID": _KEYS[0],
            "AWS_SECRET_ACCESS_KEY": _KEYS[1],
        }

    def _connections(self) -> dict[str, str]:
        music = {"conn_type": "music", "host": self._sandbox, "password": "sandbox-key"}
        extra = {"endpoint_url": self._s3, "region_name": "us-east-1"}
        s3 = {"conn_type": "aws", "login": _KEYS[0], "password": _KEYS[1], "extra": extra}
        return {"AIRFLOW_CONN_MUSIC_DEFAULT": json.dumps(music), "AIRFLOW_CONN_S3_COST": json.dumps(s3)}

    def _make_bucket(self) -> None:
        request = urllib.request.Request(f"{self._s3}/{_BUCKET}", method="PUT")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30):
            pass


#: What a part's figures hold beside what the next part needs.
_FIGURE_NAMES = ("cpu", "wall", "modules", "opened", "listed", "result")
