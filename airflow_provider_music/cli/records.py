# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where records lie, from what a person types or copies: a folder, a fact, a song, in any store. Reads only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_music.exceptions import RecordError
from airflow_provider_music.generation.folders import default_record_dir
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder, store_errors
from airflow_provider_music.storage.location import location

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAKE = re.compile(r"(?P<song>.*)/take-(?P<n>[1-9][0-9]*)(?:/[^/]*)?")
_INTENT = re.compile(r"(?P<song>(?:.*/)?)take-(?P<n>[1-9][0-9]*)/intent\.json")


def root_of(folder: str | None) -> str:
    """Return the folder below which records are searched for.

    :raises InvalidFolderError: it names none.
    """
    if folder:
        return location(absolute(folder), "folder")
    return location(default_record_dir(), "[music] record_dir or output_dir")


def absolute(path: str) -> str:
    """Return a path that a person typed in a shell; relative ones are of the current folder."""
    from pathlib import Path

    return path if "://" in path else str(Path(path).expanduser().absolute())


def takes_below(root: str) -> Iterator[tuple[str, int]]:
    """Yield each take below a folder, as the URL of its song's folder and its number; one listing.

    :raises RecordError: the store does not answer.
    """
    folder = Folder(root)
    try:
        with store_errors():
            names = sorted(folder.names())
    except OSError as exc:
        raise RecordError(f"{folder.url} cannot be listed: {exc}") from exc
    for name in names:
        found = _INTENT.fullmatch(name)
        if found is not None:
            yield f"{folder.url}/{found['song']}".rstrip("/"), int(found["n"])


def record_at(path: str) -> tuple[SongRecord, list[int]]:
    """Return the record that a path leads to, and the numbers of its takes.

    :param path: of a song's folder, of a take's, or of a file in that.
    :raises RecordError: there is none.
    """
    url = absolute(path).rstrip("/")
    found = _TAKE.fullmatch(url)
    song = found["song"] if found is not None else url
    numbers = sorted(n for place, n in takes_below(song) if place == Folder(song).url)
    if not numbers:
        raise RecordError(f"There is no record in {song}: give the folder that holds take-1, or a file in it.")
    return SongRecord(song), numbers
