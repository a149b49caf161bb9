# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that can be found again and ended to the last one.

Airflow puts tasks, DAG parsing and web workers into process groups of their own, so a group is not enough to
find them all. Nobody leaves the *session*, though: what is started here begins one, and all in it are ours.
"""

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

_ALIVE: list["Session"] = []


class Session:
    """What was started together, with every descendant, and the way to end it."""

    def __init__(self, env: Mapping[str, str], log_dir: Path) -> None:
        """Take the environment of all processes here, and the folder of their logs."""
        self.env = dict(env)
        self.log_dir = log_dir
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        self._pids: dict[str, int] = {}
        log_dir.mkdir(parents=True, exist_ok=True)
        _ALIVE.append(self)

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, user: str | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own; what it prints goes to `<log_dir>/<name>.log`.

        `env` is added to the environment of all; `user` is whose process it becomes, where root starts it.
        """
        with self.log_path(name).open("ab") as log:
            process = subprocess.Popen(
                list(command),
                env=self.env | dict(env or {}),
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started[process.pid] = process
        self._pids[name] = process.pid
        return process

    def root(self, name: str) -> psutil.Process:
        """Return the process that was last started under that name; what it started is below it."""
        return psutil.Process(self._pids[name])

    def log_path(self, name: str) -> Path:
        """Where the output of a process of that name goes."""
        return self.log_dir / f"{name}.log"

    def members(self) -> list[psutil.Process]:
        """Every live process of ours, however deep, oldest first."""
        found = [process for process in psutil.process_iter() if self._is_ours(process)]
        return sorted(found, key=lambda process: process.pid)

    def find(self, *words: str) -> list[psutil.Process]:
        """Those of ours whose command line holds all the words."""
        return [process for process in self.members() if all(word in _command_line(process) for word in words)]

    def kill(self, *words: str) -> list[int]:
        """`kill -9` those of ours whose command line holds all the words; their ids are returned."""
        victims = self.find(*words)
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        killed = [process.pid for process in victims]
        while any(process.pid in killed for process in self.members()):
            self._reap()
            time.sleep(0.05)
        return killed

    def wait_gone(self, processes: Sequence[psutil.Process], timeout: float = 60.0) -> None:
        """Wait until these have ended, whether or not their parents have noticed."""
        deadline = time.monotonic() + timeout
        while left := [process for process in processes if _lives(process)]:
            self._reap()
            if time.monotonic() > deadline:
                raise TimeoutError(f"still there after {timeout:.0f} s: {left}")
            time.sleep(0.05)

    def stop(self, grace: float = 5.0) -> None:
        """End everything: ask politely, wait up to `grace` seconds, then kill what is left."""
        deadline = time.monotonic() + grace
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        while self.members() and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.1)
        while left := self.members():  # a dying parent may start one more child, so look again
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._reap()
            time.sleep(0.05)
        self._reap()
        if self in _ALIVE:
            _ALIVE.remove(self)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return os.getsid(process.pid) in self._started and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            return False

    def _reap(self) -> None:
        for process in self._started.values():
            process.poll()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return ""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def tail(path: Path, lines: int = 25) -> str:
    """Return the last lines of a log, or say that there is none."""
    if not path.is_file():
        return f"({path} was not written)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def leave_nothing_behind() -> None:
    """See to it that no process of ours outlives this one: at its end, on Ctrl-C, on TERM and on HUP."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_on_signal)


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _stop_all() -> None:
    while _ALIVE:
        _ALIVE[-1].stop()


atexit.register(_stop_all)
