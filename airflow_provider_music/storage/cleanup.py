# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Removes what a killed process left in a song's folder, and never what somebody still writes."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.storage.folder import store_errors
from airflow_provider_music.storage.part_files import is_part, writer_is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

#: Where the writer cannot be looked at. It touches a file with every piece of a song, so this is long enough;
#: an upload in parts tells only when it began, and may take as long as max_body_seconds can be.
_UNTOUCHED_SECONDS = 3600.0
_UPLOADING_SECONDS = 25 * 3600.0


def sweep(folder: Folder) -> list[str]:
    """Remove what nobody writes any more, and return its names; blocks.

    It fails nothing: what cannot be seen or removed stays.
    """
    swept: list[str] = []
    for remove in (_files,) if folder.is_local else (_files, _uploads):
        with contextlib.suppress(OSError, MusicError), store_errors():
            swept.extend(remove(folder))
    if swept:
        log.info("Removed from %s what a process that is gone left there: %s", folder.url, ", ".join(swept))
    return swept


def _files(folder: Folder) -> Iterator[str]:
    for name, touched in list(_local(folder) if folder.is_local else _remote(folder)):
        if _is_left(name, touched, _UNTOUCHED_SECONDS):
            folder.remove(name)
            yield name


def _local(folder: Folder) -> Iterator[tuple[str, float]]:
    with os.scandir(folder.key("")) as entries:
        for entry in entries:
            if is_part(entry.name):
                yield entry.name, entry.stat().st_mtime


def _remote(folder: Folder) -> Iterator[tuple[str, float]]:
    fs = folder.fs
    fs.invalidate_cache()
    for key in fs.ls(folder.key("").rstrip("/"), detail=False):
        name = str(key).rpartition("/")[2]
        if is_part(name):
            yield name, fs.modified(key).timestamp()


def _uploads(folder: Folder) -> Iterator[str]:
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
        if _is_left(name, upload["Initiated"].timestamp(), _UPLOADING_SECONDS):
            fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])
            yield name


def _is_left(name: str, touched: float, longest: float) -> bool:
    gone = writer_is_gone(name)
    return time.time() - touched > longest if gone is None else gone
