# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of a task for one song on a worker: its first half before the wait, and its second half after it."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.generation import errors
from airflow_provider_music.generation.attempt import SongAttempt, budget_of, deliver, land
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.state_machine import run_generation
from airflow_provider_music.generation.submit import DeadlineReached, Submission
from airflow_provider_music.hooks.clients import client_of, settings_of
from airflow_provider_music.record.store import SongRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.cost.budget import Budget
    from airflow_provider_music.generation.attempt import GenerationOptions, TaskAttempt
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.store import Take

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Defer:
    """The task has to wait: what a trigger is to do."""

    spec: GenerationSpec


class GenerationTask:
    """One try of a task for one song.

    :param options: what the task says beside its request.
    :param request: ``model``, ``fields`` and ``extra_body`` of the request, as
        :func:`~airflow_provider_music.api.request.prepare` takes them.
    :param attempt: which try this is.
    """

    def __init__(self, options: GenerationOptions, request: Mapping[str, Any], attempt: TaskAttempt) -> None:
        self._options = options
        self._given = request
        self._attempt = attempt
        #: The take whose result was returned.
        self.delivered: Take | None = None

    def start(self) -> dict[str, Any] | Defer:
        """Check the request and continue from what the record says; return the result, or what to wait for."""
        for note in self._request.notes:
            log.warning(note)
        # Before the record, so that a missing key is its own error and leaves nothing behind.
        settings_of(self._options.conn_id)
        _ = self._budget
        record = SongRecord(self._attempt.identity.folder(self._options.output_dir))
        return self._decided(self._song(record), record.latest())

    def resume(self, event: Mapping[str, Any]) -> dict[str, Any] | Defer:
        """Continue from how the wait ended."""
        record, status = SongRecord(str(event["record_url"])), event["status"]
        take = record.read(int(event["n"]))
        if status == "timeout":
            metrics.timed_out(self._request.body.get("model"))
            raise errors.timed_out(take, self._options.timeout)
        if take is None and status != "error":
            raise MusicError(f"The record in {record.folder.url} vanished; nothing is sent.")
        if take is None or status == "error":
            raise errors.broken_wait(take, event.get("error"), event.get("message"), status)
        if status in ("completed", "accepted"):
            return self._deliver(record, take)
        if status == "ready":
            return self._land(record, take)
        if status == "failed":
            raise self._failed(take)
        # unknown: whether another request may be made is the policy's business.
        metrics.without_song(take, "unknown", self._attempt.metadata)
        return self._decided(self._song(record), take)

    def _decided(self, song: SongAttempt, take: Take | None) -> dict[str, Any] | Defer:
        """Do what the policy says of the newest take."""
        decision = song.decide(take)
        log.info("%s: %s. Record: %s", decision.step, decision.why, song.record.take_folder(decision.n).url)
        if take is not None:
            if decision.step == "deliver":
                return self._deliver(song.record, take)
            if decision.step == "refuse_unknown":
                raise errors.unknown(take, self._options.on_unknown)
            if decision.step == "refuse_changed":
                raise song.changed(take)
        self._check_budget(song, decision)
        spec = song.spec(decision)
        if not self._options.deferrable:
            return self._wait(spec)
        if decision.step == "submit" and spec.lane == "queued":
            return self._submit(song.record, spec)
        if take is not None and decision.step == "attach":
            return self._attach(song.record, spec, take)
        return self._wait(spec)

    def _submit(self, record: SongRecord, spec: GenerationSpec) -> dict[str, Any] | Defer:
        """Send the quick POST of the queued lane from the worker."""
        try:
            take = run_sync(Submission(spec, record).submit())
        except DeadlineReached:
            take = None
        if take is not None and take.state == "accepted" and spec.until_accepted:
            return self._deliver(record, take)
        if take is not None and take.state == "failed" and take["failed"].get("sent") is not False:
            raise self._failed(take)
        # Accepted; or not accepted now, and the triggerer submits again; or the answer is lost, and it reconciles.
        return self._wait(spec)

    def _attach(self, record: SongRecord, spec: GenerationSpec, take: Take) -> dict[str, Any] | Defer:
        """Poll once before deferring: on a retry the song is often done already."""
        if spec.until_accepted:
            return self._deliver(record, take)

        async def poll() -> Generation:
            client = await client_of(spec.conn_id)
            return await client.call(endpoints.poll(str(take.generation_id)))

        try:
            found = run_sync(poll())
        except MusicError as exc:
            log.warning("The first poll failed; waiting all the same: %s", exc)
            return self._wait(spec)
        return self._land(record, take) if found.done and found.audio_url else self._wait(spec)

    def _wait(self, spec: GenerationSpec) -> dict[str, Any] | Defer:
        return Defer(spec) if self._options.deferrable else self.resume(run_sync(run_generation(spec)))

    def _land(self, record: SongRecord, take: Take) -> dict[str, Any]:
        return self._deliver(record, run_sync(land(record, take, self._options.conn_id, self._attempt)))

    def _deliver(self, record: SongRecord, take: Take) -> dict[str, Any]:
        result = deliver(record, take, self._attempt, self._options.provenance)
        self.delivered = take
        return result

    def _failed(self, take: Take) -> MusicError:
        metrics.without_song(take, "failed", self._attempt.metadata)
        return errors.failed(take)

    def _song(self, record: SongRecord) -> SongAttempt:
        return SongAttempt(self._request, record, self._options, self._attempt)

    def _check_budget(self, song: SongAttempt, decision: Decision) -> None:
        if self._budget is None:
            return
        from airflow_provider_music.hooks.clients import sync_client_of

        refusal = self._budget.refusal(sync_client_of(self._options.conn_id), [song], [decision])
        if refusal is not None:
            raise refusal

    @functools.cached_property
    def _budget(self) -> Budget | None:
        return budget_of(self._options)

    @functools.cached_property
    def _request(self) -> PreparedRequest:
        # Not for the second half of a task: the catalogue's import is most of what this costs.
        from airflow_provider_music.api.request import prepare

        return prepare(**self._given)
