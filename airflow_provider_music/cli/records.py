# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Where records lie, from what a person types or copies: a folder, a fact, a song, in any store. Reads only."""

from __future__ import annotations

import re

from airflow_provider_music.exceptions import RecordError
from airflow_provider_music.generation.folders import default_record_dir
from airflow_provider_music.record.listing import takes_below
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder
from airflow_provider_music.storage.location import location

_TAKE = re.compile(r"(?P<song>.*)/take-(?P<n>[1-9][0-9]*)(?:/[^/]*)?")


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
