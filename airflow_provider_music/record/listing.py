# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Which records lie below a folder; one listing, and nothing is opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_music.exceptions import RecordError
from airflow_provider_music.storage.folder import Folder, store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTENT = re.compile(r"(?P<song>(?:.*/)?)take-(?P<n>[1-9][0-9]*)/intent\.json")
_SENSED = re.compile(r"(?P<folder>(?:.*/)?generation-[^/]+)/completed\.json")


class Listing:
    """What lies below a folder.

    :raises RecordError: the store does not answer.
    """

    def __init__(self, root: str) -> None:
        folder = Folder(root)
        try:
            with store_errors():
                self._names = sorted(folder.names())
        except OSError as exc:
            raise RecordError(f"{folder.url} cannot be listed: {exc}") from exc
        #: Of the folder itself.
        self.url = folder.url

    def takes(self) -> Iterator[tuple[str, int]]:
        """Yield each take, as the URL of its song's folder and its number."""
        for name in self._names:
            found = _INTENT.fullmatch(name)
            if found is not None:
                yield f"{self.url}/{found['song']}".rstrip("/"), int(found["n"])

    def sensed(self) -> Iterator[str]:
        """Yield the URL of each folder in which a sensor landed a song that was submitted elsewhere."""
        for name in self._names:
            found = _SENSED.fullmatch(name)
            if found is not None:
                yield f"{self.url}/{found['folder']}"


def takes_below(root: str) -> Iterator[tuple[str, int]]:
    """Yield each take below a folder, as the URL of its song's folder and its number.

    :raises RecordError: the store does not answer.
    """
    yield from Listing(root).takes()
