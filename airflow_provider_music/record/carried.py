# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The record of a song where its storage is out of sight: what its worker knew, carried along in memory.

It lets a process poll and reconcile, and carries what that comes to back to a worker. Nothing is claimed in it, so
nothing can be submitted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import StorageNotSharedError
from airflow_provider_music.record.store import SongRecord, fact_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.take import Fact, Take
    from airflow_provider_music.storage.folder import Folder


class CarriedRecord(SongRecord):
    """Stands in for a :class:`~airflow_provider_music.record.store.SongRecord` that is on another disk.

    :param take: what is known of the one take that it holds.
    """

    def __init__(self, folder: Folder | str, take: Take) -> None:
        super().__init__(folder)
        self._take_known = take

    def latest(self) -> Take | None:
        """Return the take."""
        return self._take_known

    def read(self, n: int) -> Take | None:
        """Return the take, if it is that one."""
        return self._take_known if n == self._take_known.n else None

    def refresh(self, take: Take) -> Take:  # noqa: ARG002 - as a record that is read
        """Return the take as it is known now."""
        return self._take_known

    def claim(self, n: int, **_values: Any) -> Take | None:
        """Refuse: nobody else would see the claim."""
        raise not_shared(f"take {n} of {self.folder.url}")

    def write_first(self, take: Take, fact: Fact, **values: Any) -> Take | None:
        """Keep a fact, to be carried back."""
        if fact in self._take_known:
            return None
        body = fact_body(fact, take.n, values)
        self._take_known = replace(self._take_known, facts={**self._take_known.facts, fact: body})
        return self._take_known


def carried(facts: Mapping[Fact, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the facts that another process has to know: plain JSON, about a kilobyte."""
    told: dict[str, Any] = {fact: dict(facts[fact]) for fact in facts if fact != "sent"}
    if "intent" in told:
        # Where sent.json is out of sight, that it is not there says nothing: the request may have left.
        told["intent"].pop("says_when_sent", None)
    return told


def not_shared(what: str) -> StorageNotSharedError:
    """Make the error of a process that does not see what another one wrote."""
    return StorageNotSharedError(
        f"The record of this song ({what}) is out of sight here: the worker wrote it to a disk of its own, or the "
        "folder was moved. Nothing was sent by this process. Give an output_dir (or record_dir) that workers and "
        "triggerer share: an object store, or a shared mount with [music] shared_disk = True."
    )
