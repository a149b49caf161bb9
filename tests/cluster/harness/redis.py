# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A Redis of its own, Debian's `redis-server`; on loopback, nothing kept."""

import os
import shutil
import socket
import time
from pathlib import Path

from harness.processes import Session, free_ports, tail
from harness.rest import ClusterError

_START_S = 20.0


def binary() -> str | None:
    """Path of the server, or None where it is not installed."""
    return shutil.which("redis-server", path=f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/usr/local/bin")


class Redis:
    """One server."""

    def __init__(self, log_dir: Path) -> None:
        """Start it, and wait until it answers; what it prints goes to `<log_dir>/redis.log`."""
        (port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{port}"
        self._processes = Session(dict(os.environ), log_dir)
        options = (
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(log_dir),
        )
        process = self._processes.start("redis", [binary() or "redis-server", *options])
        deadline = time.monotonic() + _START_S
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ClusterError(f"Redis does not answer:\n{tail(log_dir / 'redis.log')}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        self._processes.stop()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
