# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a store refuses to create the same object twice: proven once per process and store, not assumed.

A library or a proxy may drop the condition of a write; two processes would then both own one POST. A disk needs no
proof.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_music.exceptions import RecordError, UnsafeStoreError

if TYPE_CHECKING:
    from airflow_provider_music.storage.folder import Folder

#: Stores that were seen to refuse it, by scheme and host.
_proven: set[str] = set()


def prove_exclusive_by(folder: Folder, name: str, content: bytes) -> None:
    """Create an object that this process has just created once more, which has to lose: one request, and no probe.

    :raises RecordError: the store does not answer.
    :raises UnsafeStoreError: the second creation won.
    """
    if _is_proven(folder):
        return
    try:
        won = folder.create_once(name, content)
    except OSError as exc:
        raise _not_written(folder, name, exc) from exc
    if won:
        raise _unsafe(folder)
    _proven.add(_store_of(folder))


def prove_exclusive_once(folder: Folder) -> None:
    """Do what :func:`prove_exclusive` does, where this process has not seen this store refuse it yet."""
    if not _is_proven(folder):
        prove_exclusive(folder)
        _proven.add(_store_of(folder))


def prove_exclusive(folder: Folder) -> None:
    """Create one object twice, of which the second has to lose, and remove it.

    :raises RecordError: the store does not take it.
    :raises UnsafeStoreError: the second creation won.
    """
    # A name of its own: another process that proves the same may remove its probe between our two creations.
    probe = f"created-twice-{uuid.uuid4().hex[:12]}.probe"
    try:
        folder.create_once(probe, b"first\n")
        won = folder.create_once(probe, b"second\n")
    except OSError as exc:
        raise _not_written(folder, probe, exc) from exc
    with contextlib.suppress(OSError):
        folder.remove(probe)
    if won:
        raise _unsafe(folder)


def _is_proven(folder: Folder) -> bool:
    return folder.is_local or _store_of(folder) in _proven


def _store_of(folder: Folder) -> str:
    return "://".join(urlsplit(folder.url)[:2])


def _not_written(folder: Folder, name: str, exc: OSError) -> RecordError:
    return RecordError(f"The record {folder.url_of(name)} cannot be written: {exc}")


def _unsafe(folder: Folder) -> UnsafeStoreError:
    return UnsafeStoreError(
        f"{_store_of(folder)} let the same object be created twice, so two processes could both submit this song; "
        "nothing was sent. The store, or what lies before it, drops the condition of a write (If-None-Match on S3; "
        "s3fs before 2024.12 never sends it). Update it, or give an output_dir or record_dir in another store."
    )
