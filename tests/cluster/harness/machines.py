# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Machines in one: a process with a disk, a host name and process numbers of its own, by Linux namespaces.

The network stays the host's, so that all reach each other on loopback.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_UNSHARE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation=private")
# $1 is the host name, $2 its disk, $3 where that is mounted, and where the command runs; the rest is the command.
_BOOT = 'hostname "$1" && mount --bind "$2" "$3" && cd "$3" && shift 3 && exec "$@"'


def unavailable() -> str | None:
    """Say why this host cannot have machines of its own, or None where it can."""
    if os.geteuid() != 0:
        return "mount, UTS and PID namespaces need root"
    done = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    return f"no namespaces here: {done.stderr.strip()}" if done.returncode else None


@dataclass(frozen=True)
class Machine:
    """One machine.

    :param host: its host name, which another machine may have too.
    :param disk: what lies on its disk, as seen from outside.
    :param mounted_at: where processes on it see that disk; all machines have theirs at the same path.
    """

    name: str
    host: str
    disk: Path
    mounted_at: Path

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs a command there, with an empty disk if it had none before."""
        self.disk.mkdir(parents=True, exist_ok=True)
        self.mounted_at.mkdir(parents=True, exist_ok=True)
        (self.disk / "tmp").mkdir(exist_ok=True)
        return [*_UNSHARE, "sh", "-ec", _BOOT, "sh", self.host, str(self.disk), str(self.mounted_at), *command]

    @property
    def env(self) -> dict[str, str]:
        """What its processes have in their environment beside the others'; Airflow's table of jobs has the user."""
        return {"TMPDIR": str(self.mounted_at / "tmp"), "LOGNAME": self.name}

    def find(self, path: Path) -> Path | None:
        """Return a file of its disk, named as its processes name it, as seen from outside; None where there is none."""
        if not path.is_relative_to(self.mounted_at):
            return None
        found = self.disk / path.relative_to(self.mounted_at)
        return found if found.is_file() else None

    def wipe(self, folder: str) -> None:
        """Empty a folder of its disk, as if the machine had been replaced."""
        shutil.rmtree(self.disk / folder, ignore_errors=True)
