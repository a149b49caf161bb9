# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Names of files on their way into a folder: they say which process of which machine writes them."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import socket
import uuid
from pathlib import Path

_MARK = ".part-"
_NO_MACHINE, _NO_START = "0" * 8, "0"
_OWNED = re.compile(r"\..+\.part-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{12}")


def part_name(name: str) -> str:
    """Make a name for the content of ``name`` until it is whole; no two calls make the same."""
    pid = os.getpid()
    owner = f"{_machine()}-{pid}-{process_started(pid) or _NO_START}"
    return f".{name}{_MARK}{owner}-{uuid.uuid4().hex[:12]}"


def is_part(name: str) -> bool:
    """Whether a file of that name is one on its way, of this version of the package or an older one."""
    return name.startswith(".") and _MARK in name


def writer_is_gone(name: str) -> bool | None:
    """Whether the process that writes that file has ended; None where that cannot be told from here."""
    owned = _OWNED.fullmatch(name)
    if owned is None or owned[1] == _NO_MACHINE or owned[1] != _machine() or owned[3] == _NO_START:
        return None
    return process_started(int(owned[2])) != owned[3]


def process_started(pid: int) -> str | None:
    """Start of a process as its kernel counts it, which tells a process from a later one of the same number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


@functools.lru_cache(maxsize=1)
def _machine() -> str:
    """Eight hex digits for this machine, its boot and its namespace of process numbers; zeros where nothing tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return _NO_MACHINE
    return hashlib.sha256(f"{socket.gethostname()} {boot} {namespace}".encode()).hexdigest()[:8]
