# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Part files: what is on its way into a folder. Their names say which process writes them; abandoned ones are removed.

A writer process is known by its machine, its number and when it started, so a killed writer's files can be told from
those that somebody still writes. :mod:`airflow_provider_music.storage.folder` names its files by this module, which
therefore imports nothing of it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import re
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_MARK = ".part-"
_NO_MACHINE, _NO_START = "0" * 8, "0"
_WRITER_PROCESS = re.compile(r"\..+\.part-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{12}")
#: Where the writer process cannot be checked. It touches a file with every piece of a song, so this is long enough;
#: an upload in parts says only when it began, and may take as long as max_body_seconds can be.
_UNTOUCHED_SECONDS = 3600.0
_UPLOADING_SECONDS = 25 * 3600.0


def part_name(name: str) -> str:
    """Make a name for the content of ``name`` until it is whole; no two calls make the same."""
    pid = os.getpid()
    writer = f"{machine_id() or _NO_MACHINE}-{pid}-{process_started(pid) or _NO_START}"
    return f".{name}{_MARK}{writer}-{uuid.uuid4().hex[:12]}"


def is_part(name: str) -> bool:
    """Whether a file of that name is one on its way, of this version of the package or an older one."""
    return name.startswith(".") and _MARK in name


def writer_is_gone(name: str) -> bool | None:
    """Whether the process that writes that file has ended; None where that cannot be known from here."""
    writer = _WRITER_PROCESS.fullmatch(name)
    if writer is None or writer[1] != machine_id() or writer[3] == _NO_START:
        return None
    return process_started(int(writer[2])) != writer[3]


def process_started(pid: int) -> str | None:
    """Start of a process as its kernel counts it, which tells a process from a later one of the same number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


@functools.lru_cache(maxsize=1)
def machine_id() -> str | None:
    """Eight hex digits for where a process number means one process; None where there is no /proc to tell it.

    That is this boot of this machine and this namespace of process numbers. Its host name says nothing: containers
    with the host's network share it, and each may have a process 7.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return None
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:8]


class CleanableFolder(Protocol):
    """What cleanup needs of a folder."""

    is_local: bool
    url: str

    @property
    def fs(self) -> Any:
        """The fsspec file system of one that is not local."""

    def key(self, name: str) -> str:
        """Path of a file as its file system spells it."""

    def remove(self, name: str) -> None:
        """Delete a file."""


def remove_abandoned(folder: CleanableFolder) -> list[str]:
    """Remove the part files that nobody writes any more, and return their names; blocks.

    It fails nothing: what cannot be seen or removed stays.
    """
    removed: list[str] = []
    for remove in (_remove_files,) if folder.is_local else (_remove_files, _abort_uploads):
        # A store's library may raise anything; a song is not to fail over what an earlier process left.
        with contextlib.suppress(Exception):
            removed.extend(remove(folder))
    if removed:
        log.info("Removed from %s what a process that is gone left there: %s", folder.url, ", ".join(removed))
    return removed


def _remove_files(folder: CleanableFolder) -> Iterator[str]:
    for name, touched in list(_local_parts(folder) if folder.is_local else _remote_parts(folder)):
        if _is_abandoned(name, touched, _UNTOUCHED_SECONDS):
            folder.remove(name)
            yield name


def _local_parts(folder: CleanableFolder) -> Iterator[tuple[str, float]]:
    with os.scandir(folder.key("")) as entries:
        for entry in entries:
            if is_part(entry.name):
                yield entry.name, entry.stat().st_mtime


def _remote_parts(folder: CleanableFolder) -> Iterator[tuple[str, float]]:
    fs = folder.fs
    fs.invalidate_cache()
    for key in fs.ls(folder.key("").rstrip("/"), detail=False):
        name = str(key).rpartition("/")[2]
        if is_part(name):
            yield name, fs.modified(key).timestamp()


def _abort_uploads(folder: CleanableFolder) -> Iterator[str]:
    """Abort uploads in parts that were begun and not ended: S3 bills what they hold, and shows it in no listing."""
    fs = folder.fs
    if not hasattr(fs, "call_s3"):
        return
    bucket, prefix, _ = fs.split_path(folder.key("."))
    for upload in fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix).get("Uploads", []):
        key = str(upload["Key"])
        name = key.removeprefix(prefix[:-1])
        if "/" in name or not is_part(name):
            continue
        if _is_abandoned(name, upload["Initiated"].timestamp(), _UPLOADING_SECONDS):
            fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])
            yield name


def _is_abandoned(name: str, touched: float, longest: float) -> bool:
    gone = writer_is_gone(name)
    return time.time() - touched > longest if gone is None else gone
