# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task for one song does on a worker, before and after the wait."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.request import fingerprint, prepare
from airflow_provider_music.exceptions import (
    ChangedRequestError,
    GenerationTimeoutError,
    MusicError,
    ResubmissionLostError,
    UnknownOutcomeError,
    named,
)
from airflow_provider_music.hooks.clients import settings_of, sync_client_of
from airflow_provider_music.record.policy import Attempt, Decision, decide
from airflow_provider_music.record.song import SongIdentity, SongRecord
from airflow_provider_music.storage.folder import default_output_dir
from airflow_provider_music.storage.landing import AskedAudio
from airflow_provider_music.waiting import clock
from airflow_provider_music.waiting.ask import Asker
from airflow_provider_music.waiting.deliver import fetch, hand_on
from airflow_provider_music.waiting.inline import run_here
from airflow_provider_music.waiting.order import Order, asked_format

if TYPE_CHECKING:
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.operators.generate import GenerateMusicOperator
    from airflow_provider_music.record.song import Take

log = logging.getLogger(__name__)


class SongFlow:
    """One try of a task, or its second half after the wait.

    :param task: the operator, its templates rendered.
    :param context: Airflow's context of the running task instance.
    """

    def __init__(self, task: GenerateMusicOperator, context: Any) -> None:
        ti = context["ti"]
        self._task = task
        self._identity = SongIdentity(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        self._try_number = int(ti.try_number)
        self._max_tries = int(ti.max_tries)

    def start(self) -> dict[str, Any]:
        """Check the request and go on from what the record says."""
        for note in self._prepared.notes:
            log.warning(note)
        # Before the record, so that a missing key is told as such and leaves nothing behind.
        settings_of(self._task.conn_id)
        record = SongRecord(self._identity.folder(self._task.output_dir or default_output_dir()))
        return self._follow(record, decide(record.latest(), self._attempt))

    def resume(self, event: dict[str, Any]) -> dict[str, Any]:
        """Go on from how the wait ended."""
        record, n, status = SongRecord(str(event["song_url"])), int(event["n"]), event["status"]
        if status in ("completed", "accepted"):
            return self._deliver(record, n)
        if status == "ready":
            return self._land(record, n)
        if status == "failed":
            raise self._failure(record, n)
        if status == "unknown":
            return self._follow(record, decide(record.read(n), self._attempt))
        if status == "timeout":
            raise GenerationTimeoutError(
                f"Generation {event.get('generation_id')} was not done within {self._task.timeout}. The API goes on "
                "making it and bills it. A retry or a clear goes on waiting for the same song; it is not asked "
                f"for again. Record: {record.take_folder(n).url}"
            )
        raise self._broken_wait(record, n, event)

    def _follow(self, record: SongRecord, decision: Decision) -> dict[str, Any]:
        n = decision.n
        log.info("%s: %s. Record: %s", decision.step, decision.why, record.take_folder(n).url)
        if decision.step == "deliver":
            return self._deliver(record, n)
        if decision.step == "refuse_unknown":
            raise self._unknown(record, n)
        if decision.step == "refuse_changed":
            raise self._changed(record, n)
        order = self._order(record, decision)
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
            raise self._failure(record, order.n)
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
        take = record.read(n)
        if take is None or take.generation_id is None:
            raise MusicError(f"The record in {record.take_folder(n).url} holds no accepted song.")
        intent = take["intent"]
        asked = AskedAudio(intent.get("asked_format"), intent.get("sample_rate_hz"))
        values = fetch(self._task.conn_id, take.generation_id, record.take_folder(n), asked, before=take["accepted"])
        record.write(n, "completed", **self._stamp, model=intent.get("model"), **values)
        return self._deliver(record, n)

    def _deliver(self, record: SongRecord, n: int) -> dict[str, Any]:
        result = hand_on(record, n, self._stamp)
        log.info("Delivering take %d: %s", n, result["audio_uri"] or result["generation_id"])
        return result

    def _failure(self, record: SongRecord, n: int) -> MusicError:
        take = record.read(n)
        fact = take["failed"] if take is not None and "failed" in take else {}
        reason = str(fact.get("reason") or "no reason is recorded")
        return named(
            fact.get("error", "GenerationFailedError"),
            f"Request {n} failed and is not billed; a retry asks again. {reason}. Record: {record.take_folder(n).url}",
        )

    def _broken_wait(self, record: SongRecord, n: int, event: dict[str, Any]) -> MusicError:
        message = str(event.get("message") or f"The wait ended with {event['status']!r}.")
        take = record.read(n)
        if take is not None and take.generation_id is not None:
            message += (
                f" Generation {take.generation_id} is accepted and billed all the same: mend this and clear the task, "
                "which goes on with that song."
            )
        return named(event.get("error"), message)

    def _unknown(self, record: SongRecord, n: int) -> MusicError:
        take = record.read(n)
        if take is None:
            return MusicError(f"The record in {record.take_folder(n).url} vanished; nothing is sent.")
        fact = take.facts.get("unknown", {})
        billed = "It is billed" if fact.get("billed") else "It may have been billed"
        head = (
            f"The answer to request {n} for {take['intent'].get('model')} is lost: {fact.get('reason')}. {billed}, "
            f"under X-Client-Request-Id {take['intent'].get('client_request_id')} (see GET /v2/logs). "
        )
        if self._task.on_unknown == "resubmit":
            return ResubmissionLostError(f"{head}on_unknown='resubmit': the next try asks once more.")
        return UnknownOutcomeError(
            f"{head}Nothing is sent again by itself. To go on: clear this task to ask for a new song (a second bill), "
            "or, where the log shows an inference_id, wait for that song with "
            f"MusicGenerationSensor(generation='<inference_id>'). Record: {record.take_folder(n).url}"
        )

    def _changed(self, record: SongRecord, n: int) -> ChangedRequestError:
        take = record.read(n)
        record.write(n, "changed", **self._stamp, fingerprint=self._attempt.fingerprint)
        what = f"generation {take.generation_id}" if take is not None and take.generation_id else f"take {n}"
        return ChangedRequestError(
            f"The request differs from the one that {what} was asked for with (model, fields or connection), and that "
            "one is not delivered yet. Nothing was sent. Restore the former request and clear the task to get the "
            "former song; or clear the task as it is now to ask for the changed one as a new take, which is billed "
            f"beside the former. A template that gives another value at every try must be fixed. "
            f"Record: {record.take_folder(n).url}"
        )

    @functools.cached_property
    def _prepared(self) -> PreparedRequest:
        task = self._task
        fields = {name: getattr(task, name) for name in REQUEST_FIELDS}
        return prepare(task.model, fields, task.extra_body)

    @functools.cached_property
    def _attempt(self) -> Attempt:
        print_ = fingerprint(self._prepared, self._task.conn_id)
        return Attempt(self._try_number, self._max_tries, print_, self._task.on_unknown)

    @property
    def _stamp(self) -> dict[str, Any]:
        return {"task": self._name, "try_number": self._try_number, "max_tries": self._max_tries}

    @property
    def _name(self) -> str:
        one = self._identity
        mapped = f"[{one.map_index}]" if one.map_index >= 0 else ""
        return f"{one.dag_id} / {one.run_id} / {one.task_id}{mapped}"

    def _order(self, record: SongRecord, decision: Decision) -> Order:
        task, prepared = self._task, self._prepared
        return Order(
            conn_id=task.conn_id,
            song_url=record.folder.url,
            n=decision.n,
            lane=prepared.lane,
            body=prepared.body,
            fingerprint=self._attempt.fingerprint,
            asked_format=asked_format(prepared),
            sample_rate_hz=prepared.sample_rate_hz,
            usual_seconds=prepared.usual_seconds,
            deadline=clock.now() + clock.seconds_of(task.timeout),
            poll_interval=clock.seconds_of(task.poll_interval) if task.poll_interval is not None else None,
            until_accepted=not task.wait_for_completion and prepared.lane == "queued",
            resubmission=decision.resubmission,
            **self._stamp,
        )
