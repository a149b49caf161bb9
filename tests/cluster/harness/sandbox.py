# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The package's sandbox as a process of its own, and a reference track to send to it."""

import os
import sys
import time
from pathlib import Path

from airflow_provider_music.sandbox.client import SandboxControl
from airflow_provider_music.sandbox.songs import compose, encode
from harness.processes import Session, tail
from harness.rest import ClusterError

_READY = "sandbox ready on "
_RATE = 32_000
_WORDS = "a street at night\nthe rain is soft\nand every window has a light"


class SandboxProcess(SandboxControl):
    """`python -m airflow_provider_music.sandbox` with its controls; it prints to `<folder>/sandbox.log`."""

    def __init__(self, folder: Path, *options: str, key: str = "sandbox-key", timeout: float = 30.0) -> None:
        """Start it on a free port, and wait until it answers; options are those of its command line."""
        self.processes = Session(dict(os.environ), folder)
        command = [sys.executable, "-m", "airflow_provider_music.sandbox", "--port", "0", *options]
        self.process = self.processes.start("sandbox", command)
        super().__init__(self._wait_for_url(timeout), key)

    def stop(self) -> None:
        """End it."""
        self.processes.stop()

    def _wait_for_url(self, timeout: float) -> str:
        log, deadline = self.processes.log_path("sandbox"), time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith(_READY):
                    return line.removeprefix(_READY).strip()
            time.sleep(0.1)
        self.stop()
        raise ClusterError(f"the sandbox did not start:\n{tail(log)}")


def make_reference(path: Path, seconds: float = 25.0) -> Path:
    """Write a reference track, an MP3 of so many seconds, and return its absolute path."""
    samples = compose(_WORDS, "reference", seconds, _RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(samples, "mp3", _RATE, 128_000).data)
    return path.absolute()
