# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What Airflow itself keeps for a task instance from try to try (the task state store, Airflow 3.3 and later).

It says where an earlier try began a song, and under which id the API accepted it, when the folder that says so too is
lost or was moved. Before 3.3 there is none, and a triggerer reaches none: then nothing is kept, and nothing is known.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.record.carried import carried
from airflow_provider_music.record.take import Take

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.record.take import Fact

log = logging.getLogger(__name__)

_KEY = "airflow_provider_music"
#: That a song is in place somewhere says nothing of a disk where it is not; by its id it is landed again.
_NOTED: tuple[Fact, ...] = ("intent", "accepted", "failed", "unknown")


class TaskMemory:
    """Reads and writes it; blocks. It fails nothing: where it cannot be had, the usage log is asked.

    :param store: Airflow's ``task_state_store``, None where there is none.
    """

    def __init__(self, store: Any = None) -> None:
        self._store = store

    @classmethod
    def of(cls, context: Any) -> TaskMemory:
        """Find it in the context of the running task instance."""
        try:
            return cls(context.get("task_state_store"))
        except Exception as exc:  # noqa: BLE001 - private names of Airflow are behind it
            log.debug("No task state store: %s", exc)
            return cls()

    @property
    def is_kept(self) -> bool:
        """Whether this Airflow keeps anything."""
        return self._store is not None

    def note(self, record_url: str, take: Take | None = None) -> None:
        """Remember where the task's record lies, and what is known of the newest take."""
        if self._store is None:
            return
        value: dict[str, Any] = {"record_url": record_url}
        if take is not None:
            known = {fact: take.facts[fact] for fact in _NOTED if fact in take.facts}
            value |= {"n": take.n, "facts": carried(known)}
        try:
            self._store.set(_KEY, value)
        except Exception as exc:  # noqa: BLE001 - the record has it all; this is the second anchor
            log.warning("Airflow does not take the task's state: %s: %s", type(exc).__name__, exc)

    def note_begun(self, record_url: str, n: int, intent: Mapping[str, Any]) -> None:
        """Remember, before it is sent, a request that may be paid: its id is searched for if nothing else is left.

        :param intent: as the take's fact will have it.
        """
        self.note(record_url, Take(n, {"intent": intent}))

    def recall(self) -> dict[str, Any]:
        """Return what an earlier try noted: ``record_url``, ``n`` and ``facts``; empty where nothing is known."""
        if self._store is None:
            return {}
        try:
            found = self._store.get(_KEY)
        except Exception as exc:  # noqa: BLE001 - as above
            log.warning("Airflow does not tell the task's state: %s: %s", type(exc).__name__, exc)
            return {}
        return found if isinstance(found, dict) else {}
