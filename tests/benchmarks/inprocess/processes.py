# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The server and the subjects as processes: started, asked, and ended to the last one."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import airflow_provider_music
from inprocess.child import FIGURES
from inprocess.server import READY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FOLDER = Path(__file__).parent.parent
_CHILD_SECONDS = 400.0
_CONTROL_SECONDS = 30.0


class BrokenSubjectError(RuntimeError):
    """A subject did not come to its end; its own words are in the message."""


class Bench:
    """A server, a folder for what is written, and an Airflow of its own; a context manager."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="music-bench-")))
            self._keep_package()
            self.env = self._environment()
            self._server = self._start("inprocess.server", stdin=subprocess.PIPE)
            stack.callback(self._stop)
            assert self._server.stdout is not None
            line = self._server.stdout.readline().strip()
            if not line.startswith(READY):
                raise BrokenSubjectError(f"the server did not start: {line}")
            self.url = line.removeprefix(READY)
            self._end = stack.pop_all()
        connection = {"conn_type": "music", "host": self.url, "password": "bench-key"}
        self.env["AIRFLOW_CONN_MUSIC_BENCH"] = json.dumps(connection)
        # For loads beyond the 200 polls a second that a connection allows by itself.
        more = {**connection, "extra": {"max_polls_per_second": 400}}
        self.env["AIRFLOW_CONN_MUSIC_BENCH_MORE"] = json.dumps(more)
        self.env["AIRFLOW_CONN_HTTP_BENCH"] = json.dumps({"conn_type": "http", "host": self.url})
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.close()

    def run(self, subject: str, **arguments: Any) -> dict[str, Any]:
        """Run a subject in a fresh process and return its figures."""
        return self.result_of(self.start(subject, **arguments))

    def start(self, subject: str, **arguments: Any) -> subprocess.Popen[str]:
        """Start a subject in a fresh process, to be killed or waited for."""
        return self._start("inprocess.child", subject, json.dumps(arguments), stderr=subprocess.PIPE)

    def result_of(self, child: subprocess.Popen[str], timeout: float = _CHILD_SECONDS) -> dict[str, Any]:
        """Wait for a subject's end and return its figures."""
        try:
            out, err = child.communicate(timeout=timeout)
        finally:
            child.kill()
        found = [line for line in out.splitlines() if line.startswith(FIGURES)]
        if child.returncode or not found:
            raise BrokenSubjectError(f"{child.args} ended with {child.returncode}:\n{err[-4000:]}")
        return dict(json.loads(found[-1].removeprefix(FIGURES)))

    def run_all(self, subjects: Sequence[tuple[str, Mapping[str, Any]]], abreast: int) -> list[dict[str, Any]]:
        """Run several subjects, so many at the same time."""
        with ThreadPoolExecutor(abreast) as pool:
            return list(pool.map(lambda each: self.run(each[0], **each[1]), subjects))

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Talk to the server's controls."""
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/control/{path}", data, timeout=_CONTROL_SECONDS) as answer:
            return dict(json.load(answer))

    def _start(self, module: str, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.env, cwd=self.folder, **more)

    def _stop(self) -> None:
        self._server.kill()
        self._server.communicate()

    def _keep_package(self) -> None:
        """Copy the package as it is now, and compile it: one run measures one state, whatever is edited meanwhile."""
        source = Path(airflow_provider_music.__file__).parent
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, self.folder / "package" / source.name, ignore=ignored)
        compileall.compile_dir(self.folder / "package", quiet=2)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        given = filter(None, [os.environ.get("PYTHONPATH")])
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(self.folder / "package"), str(_FOLDER), *given]),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
        }
