# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of one song, whether it has a task of its own or is one of a batch: decide, order, land, deliver."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.request import fingerprint
from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation import clock, errors
from airflow_provider_music.generation.fetch import fetch, mark_delivered
from airflow_provider_music.generation.spec import Order, audio_format
from airflow_provider_music.generation.usage_log import LoggedRequest
from airflow_provider_music.provenance.attach import attach_provenance, with_attached
from airflow_provider_music.record.policy import Attempt, Decision, decide
from airflow_provider_music.record.references import references_of
from airflow_provider_music.record.store import SongIdentity, SongRecord
from airflow_provider_music.storage.audio_writer import RequestedAudio
from airflow_provider_music.storage.folder import default_output_dir

if TYPE_CHECKING:
    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.exceptions import ChangedRequestError
    from airflow_provider_music.provenance.attach import ProvenancePolicy
    from airflow_provider_music.record.policy import OnUnknown

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a task says about each of its songs; times in seconds."""

    conn_id: str
    timeout: float
    poll_interval: float | None
    on_unknown: OnUnknown = "fail"
    until_accepted: bool = False

    @classmethod
    def of(cls, task: Any) -> Terms:
        """Read them from an operator, its templates rendered."""
        interval = task.poll_interval
        return cls(
            conn_id=task.conn_id,
            timeout=clock.seconds_of(task.timeout),
            poll_interval=clock.seconds_of(interval) if interval is not None else None,
            on_unknown=task.on_unknown,
            until_accepted=not getattr(task, "wait_for_completion", True),
        )


@dataclass(frozen=True, slots=True)
class TryOfTask:
    """Which try of which task instance this is, as Airflow tells it."""

    identity: SongIdentity
    try_number: int
    max_tries: int

    @classmethod
    def of(cls, context: Any) -> TryOfTask:
        """Read it from the context of the running task instance."""
        ti = context["ti"]
        identity = SongIdentity(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        return cls(identity, int(ti.try_number), int(ti.max_tries))

    @property
    def stamp(self) -> dict[str, Any]:
        """What every fact says about the try that wrote it."""
        return {"task": self.identity.name, "try_number": self.try_number, "max_tries": self.max_tries}


class SongTry:
    """One try of one song.

    :param prepared: the request, checked.
    :param record: the song's record.
    """

    def __init__(self, prepared: PreparedRequest, record: SongRecord, terms: Terms, this_try: TryOfTask) -> None:
        self.record = record
        self.prepared = prepared
        self._terms = terms
        self._try = this_try

    def decide(self, n: int | None = None) -> Decision:
        """Decide what this try does, from take ``n`` or the newest one."""
        return decide(self.record.latest() if n is None else self.record.read(n), self._attempt)

    def order(self, decision: Decision) -> Order:
        """Return what the wait has to know; the deadline counts from now."""
        terms, prepared = self._terms, self.prepared
        return Order(
            conn_id=terms.conn_id,
            record_url=self.record.folder.url,
            n=decision.n,
            lane=prepared.lane,
            body=prepared.body,
            fingerprint=self._attempt.fingerprint,
            audio_format=audio_format(prepared),
            sample_rate_hz=prepared.sample_rate_hz,
            usual_seconds=prepared.usual_seconds,
            deadline=clock.now() + terms.timeout,
            poll_interval=terms.poll_interval,
            until_accepted=terms.until_accepted and prepared.lane == "queued",
            resubmission=decision.resubmission,
            references=references_of(prepared.body),
            **self._try.stamp,
        )

    def changed(self, n: int) -> ChangedRequestError:
        """Write down that a changed request was refused, and make its error."""
        self.record.write(n, "changed", **self._try.stamp, fingerprint=self._attempt.fingerprint)
        return errors.changed(self.record, n)

    @functools.cached_property
    def _attempt(self) -> Attempt:
        terms = self._terms
        print_ = fingerprint(self.prepared, terms.conn_id)
        return Attempt(self._try.try_number, self._try.max_tries, print_, terms.on_unknown)


def land(record: SongRecord, n: int, client: MusicClient, this_try: TryOfTask) -> None:
    """Fetch an accepted song that is done, and write down that it is in place; blocks.

    :raises MusicError: it cannot be fetched; it is paid, and another try fetches it again.
    """
    take = record.read(n)
    if take is None or take.generation_id is None:
        raise MusicError(f"The record in {record.take_folder(n).url} holds no accepted song.")
    intent = take["intent"]
    asked = RequestedAudio(intent.get("audio_format"), intent.get("sample_rate_hz"))
    wanted = LoggedRequest.of(intent, take.generation_id)
    values = fetch(client, take.generation_id, record.take_folder(n), asked, before=take["accepted"], wanted=wanted)
    record.write(n, "completed", **this_try.stamp, model=intent.get("model"), **values)


def deliver(record: SongRecord, n: int, this_try: TryOfTask, provenance: ProvenancePolicy = "none") -> dict[str, Any]:
    """Return the song's result, and write down that the task handed it on.

    :raises OutputError: its provenance cannot be kept; a retry does, and asks for nothing.
    """
    take = record.read(n) if provenance != "none" else None
    changed = attach_provenance(record.take_folder(n), take, this_try.identity, provenance) if take else {}
    result = with_attached(mark_delivered(record, n, this_try.stamp), changed)
    log.info("Delivering take %d: %s", n, result["audio_uri"] or result["generation_id"])
    return result


def song_folder(task: Any, this_try: TryOfTask) -> SongRecord:
    """Record of a task's only song."""
    return SongRecord(this_try.identity.folder(task.output_dir or default_output_dir()))
