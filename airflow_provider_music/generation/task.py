# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task for one song does on a worker, before and after the wait."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.request import prepare
from airflow_provider_music.cost import metrics
from airflow_provider_music.cost.budget import Budget
from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation import clock, errors
from airflow_provider_music.generation.attempt import SongTry, Terms, TryOfTask, deliver, land, song_folder
from airflow_provider_music.generation.inline import run_here
from airflow_provider_music.generation.submit import Asker
from airflow_provider_music.hooks.clients import settings_of, sync_client_of
from airflow_provider_music.record.store import SongRecord

if TYPE_CHECKING:
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.generation.spec import Order
    from airflow_provider_music.operators.generate import GenerateMusicOperator
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.store import Take

log = logging.getLogger(__name__)


class SongFlow:
    """One try of a task, or its second half after the wait.

    :param task: the operator, its templates rendered.
    :param context: Airflow's context of the running task instance.
    """

    def __init__(self, task: GenerateMusicOperator, context: Any) -> None:
        self._task = task
        self._try = TryOfTask.of(context)

    def start(self) -> dict[str, Any]:
        """Check the request and go on from what the record says."""
        for note in self._prepared.notes:
            log.warning(note)
        # Before the record, so that a missing key is told as such and leaves nothing behind.
        settings_of(self._task.conn_id)
        _ = self._budget
        song = self._song(song_folder(self._task, self._try))
        return self._follow(song, song.decide())

    def resume(self, event: dict[str, Any]) -> dict[str, Any]:
        """Go on from how the wait ended."""
        record, n, status = SongRecord(str(event["record_url"])), int(event["n"]), event["status"]
        if status in ("completed", "accepted"):
            return self._deliver(record, n)
        if status == "ready":
            return self._land(record, n)
        if status == "failed":
            raise self._failed(record, n)
        if status == "unknown":
            metrics.lost(record.read(n), "unknown", self._try.stamp)
            song = self._song(record)
            return self._follow(song, song.decide(n))
        if status == "timeout":
            metrics.timed_out(self._prepared.body.get("model"))
            raise errors.timed_out(record, n, self._task.timeout)
        raise errors.broken_wait(record, n, event.get("error"), event.get("message"), status)

    def _follow(self, song: SongTry, decision: Decision) -> dict[str, Any]:
        n, record = decision.n, song.record
        log.info("%s: %s. Record: %s", decision.step, decision.why, record.take_folder(n).url)
        if decision.step == "deliver":
            return self._deliver(record, n)
        if decision.step == "refuse_unknown":
            raise errors.unknown(record, n, self._task.on_unknown)
        if decision.step == "refuse_changed":
            raise song.changed(n)
        if self._budget is not None:
            refusal = self._budget.refusal(sync_client_of(self._task.conn_id), [song], [decision])
            if refusal is not None:
                raise refusal
        order = song.order(decision)
        if not self._task.deferrable:
            return self._wait(order)
        if decision.step == "ask" and order.lane == "queued":
            return self._ask_here(record, order)
        take = record.read(n)
        if take is not None and "accepted" in take:
            return self._accepted(record, order, take)
        return self._wait(order)

    def _ask_here(self, record: SongRecord, order: Order) -> dict[str, Any]:
        """Send the quick POST of the queued lane from the worker."""
        run_here(Asker(order, record).ask())
        take = record.read(order.n)
        if take is not None and "accepted" in take and order.until_accepted:
            return self._deliver(record, order.n)
        if take is not None and "failed" in take and take["failed"].get("sent") is not False:
            raise self._failed(record, order.n)
        # Accepted; or not accepted now, and the triggerer goes on trying; or the answer is lost, and it looks for it.
        return self._wait(order)

    def _accepted(self, record: SongRecord, order: Order, take: Take) -> dict[str, Any]:
        """Look once before deferring: on a retry the song is often done already."""
        if order.until_accepted:
            return self._deliver(record, order.n)
        try:
            found = sync_client_of(order.conn_id).call(endpoints.poll(str(take.generation_id)))
        except MusicError as exc:
            log.warning("The first look failed; the wait goes on: %s", exc)
            return self._wait(order)
        return self._land(record, order.n) if found.done and found.audio_url else self._wait(order)

    def _wait(self, order: Order) -> dict[str, Any]:
        from airflow_provider_music.triggers.music import MusicGenerationTrigger

        trigger = MusicGenerationTrigger(
            conn_id=order.conn_id, order=order.as_dict(), deadline=order.deadline, asked_at=clock.now()
        )
        if self._task.deferrable:
            self._task.defer(trigger=trigger, method_name="execute_complete")
        return self.resume(run_here(trigger.outcome()))

    def _land(self, record: SongRecord, n: int) -> dict[str, Any]:
        land(record, n, sync_client_of(self._task.conn_id), self._try)
        return self._deliver(record, n)

    def _deliver(self, record: SongRecord, n: int) -> dict[str, Any]:
        return deliver(record, n, self._try, self._task.provenance)

    def _failed(self, record: SongRecord, n: int) -> MusicError:
        metrics.lost(record.read(n), "failed", self._try.stamp)
        return errors.failed(record, n)

    def _song(self, record: SongRecord) -> SongTry:
        return SongTry(self._prepared, record, Terms.of(self._task), self._try)

    @functools.cached_property
    def _budget(self) -> Budget | None:
        return Budget.of(self._task)

    @functools.cached_property
    def _prepared(self) -> PreparedRequest:
        task = self._task
        fields = {name: getattr(task, name) for name in REQUEST_FIELDS}
        return prepare(task.model, fields, task.extra_body)
