# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Counts what Python opens for reading and lists below a folder, whichever library does it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

_LISTINGS = ("os.listdir", "os.scandir")
_NO_READ = os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: An audit hook stays for the life of the process, so there is one, which passes events on to whoever counts now.
_counting: list[FileReads] = []
_hooked: list[bool] = []


@dataclass
class FileReads:
    """A context manager that counts reads by file name, relative to ``folder``.

    A file that is not there counts too: looking for it is a request to a store. ``stat`` is not seen.
    """

    folder: Path
    opened: Counter[str] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self.folder = self.folder.absolute()
        if not _hooked:
            _hooked.append(True)
            sys.addaudithook(_hook)
        _counting.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _counting.remove(self)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an event if it is a read in this folder."""
        name = self._inside(arguments[0])
        if name is None:
            return
        if event in _LISTINGS:
            self.listed[name] += 1
        elif is_read(arguments[1], arguments[2]):
            self.opened[name] += 1

    def _inside(self, path: object) -> str | None:
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        absolute, root = os.path.abspath(os.fsdecode(path)), str(self.folder)  # noqa: PTH100 - no Path in a hook
        if absolute == root:
            return "."
        return absolute[len(root) + 1 :] if absolute.startswith(root + os.sep) else None


def is_read(mode: object, flags: object) -> bool:
    """Whether ``open``'s audit event is of a read: ``mode`` is None for ``os.open``, ``flags`` are always there."""
    if isinstance(mode, str):
        return mode.startswith("r")
    opening = int(flags) if isinstance(flags, int) else 0
    return opening & os.O_ACCMODE != os.O_WRONLY and not opening & _NO_READ


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _counting and (event == "open" or event in _LISTINGS):
        for reads in tuple(_counting):
            reads.note(event, arguments)
