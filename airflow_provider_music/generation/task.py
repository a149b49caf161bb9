# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of a task for one song on a worker: its first half before the wait, and its second half after it."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import (
    BudgetExceededError,
    CredentialsError,
    MusicError,
    OutputError,
    StorageNotSharedError,
)
from airflow_provider_music.generation import errors
from airflow_provider_music.generation.attempt import SongAttempt, budget_of, deliver, land
from airflow_provider_music.generation.earlier_tries import (
    moved_record,
    newest_takes,
    remembered_take,
    searched_again,
    searched_takes,
)
from airflow_provider_music.generation.folders import SongFolders, folders_of
from airflow_provider_music.generation.kept_words import keep_words
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.spending import Spending, settle
from airflow_provider_music.generation.state_machine import run_generation
from airflow_provider_music.generation.submissions import submission_of
from airflow_provider_music.generation.submit import DeadlineReached, WaitsForAnother
from airflow_provider_music.hooks.clients import client_of, settings_of
from airflow_provider_music.record.carried import carried, not_shared
from airflow_provider_music.record.identity import deployment_name
from airflow_provider_music.record.store import SongRecord, fact_body
from airflow_provider_music.record.task_memory import TaskMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.cost.budget import Budget
    from airflow_provider_music.generation.attempt import GenerationOptions
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Defer:
    """The task has to wait: what a trigger is to do."""

    spec: GenerationSpec


class GenerationTask:
    """One try of a task for one song.

    :param options: what the task says beside its request.
    :param request: as :func:`~airflow_provider_music.api.request.prepare_one` takes it; None in a second half whose
        first half alone knew it.
    :param attempt: which try this is.
    :param memory: what Airflow keeps of earlier tries.
    """

    def __init__(
        self,
        options: GenerationOptions,
        request: Any,
        attempt: TaskAttempt,
        memory: TaskMemory | None = None,
    ) -> None:
        self._options = options
        self._given = request
        self._attempt = attempt
        self._memory = memory or TaskMemory()
        self._spending = Spending(options)
        #: The take whose result was returned.
        self.delivered: Take | None = None
        #: Where its record lies, once that is known.
        self.record_url: str | None = None

    def start(self) -> dict[str, Any] | Defer:
        """Check the request and continue from what the record says; return the result, or what to wait for."""
        for note in self._request.notes:
            log.warning(note)
        # Before the record, so that a missing key is its own error and leaves nothing behind.
        attempt = self._attempt_here
        _ = self._budget
        self._spending.check()
        self._options.quality.check_installed()
        song = self._song(SongFolders.of(self._options.folders, attempt.identity))
        self.record_url = song.folders.record_url
        take = song.record.latest()
        if song.record.has_list:
            self._check_former(song)
        if take is None and not song.record.sent_nothing_before(attempt.begun_tries + 1):
            song, take = self._after_earlier_tries(song)
        return self._decided(song, take)

    def _check_former(self, song: SongAttempt) -> None:
        """Refuse a task of one song once while former takes, from when it was one of several, are open."""
        from airflow_provider_music.generation.batch_list import BatchList

        BatchList(song.record.folder, [song.fingerprint], self._attempt, "takes").check()

    def resume(self, event: Mapping[str, Any]) -> dict[str, Any] | Defer:
        """Continue from how the wait ended."""
        record, n, status = SongRecord(str(event["record_url"])), int(event["n"]), event["status"]
        self.record_url = str(event["record_url"])
        take = self._known(record, n, event)
        if (take is not None and status in ("failed", "unknown")) or (take is None and _sent_nothing(event)):
            # Or a later try on an empty disk would wait for this generation again.
            self._memory.note(self.record_url, take)
        if event.get("marker"):
            record.remove_marker(str(event["marker"]))
        if status == "timeout":
            metrics.timed_out(self._request.body.get("model"))
            raise errors.timed_out(take, self._options.timeout, event.get("unknown_status"), event.get("polls"))
        if take is None and status != "error":
            raise not_shared(f"take {n} of {self.record_url}")
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
        if self._given is None:
            # A retry knows the request, and decides.
            raise errors.unknown(take, self._options.on_unknown)
        return self._decided(self._song(folders_of(take, self.record_url)), take)

    def _known(self, record: SongRecord, n: int, event: Mapping[str, Any]) -> Take | None:
        """Return the take with what the event carries: this worker may not see what others wrote."""
        take, carried = record.read(n), event.get("facts") or {}
        missing = {fact: values for fact, values in carried.items() if take is None or fact not in take}
        return record.adopt(n, missing) if missing else take

    def _after_earlier_tries(self, song: SongAttempt) -> tuple[SongAttempt, Take | None]:
        """Find out what earlier tries did, whose record is not where this try looks."""
        moved = moved_record(song, self._memory)
        if moved is not None:
            self.record_url = moved.folders.record_url
            return moved, moved.record.latest()
        return song, remembered_take(song, self._memory) or searched_takes(song.conn_id, [song])[0]

    def _decided(self, song: SongAttempt, take: Take | None) -> dict[str, Any] | Defer:
        """Do what the policy says of the newest take."""
        take = newest_takes(song.conn_id, [song], searched_again(song.conn_id, [song], [take]))[0]
        decision = song.decide(take)
        log.info("%s: %s. Record: %s", decision.step, decision.why, song.record.take_folder(decision.n).url)
        if take is not None:
            if decision.step == "deliver":
                return self._deliver(song.record, take)
            if decision.step == "refuse_unknown":
                raise errors.unknown(take, self._options.on_unknown)
            if decision.step == "refuse_changed":
                raise song.changed(take)
            if decision.step == "refuse_ambiguous":
                raise errors.ambiguous(take)
        song.check_rights(decision)
        self._options.provenance.check_before((decision.step,))
        return self._reused(song, decision) or self._continued(song, decision, take)

    def _continued(self, song: SongAttempt, decision: Decision, take: Take | None) -> dict[str, Any] | Defer:
        """Submit, or go on with what was submitted."""
        self._check_budget(song, decision)
        keep_words(song, decision, take)
        spec = self._spending.specs([song], [decision])[0]
        if decision.step == "submit":
            # Before anything may be paid: where a later try has to look, and for what, should this folder be gone then.
            if spec.n == 1 and self._memory.is_kept:
                # What Airflow remembers without a claim here is then known to have sent nothing.
                song.record.begin(self._attempt.try_number)
            self._memory.note_begun(
                spec.record_url, spec.n, fact_body("intent", spec.n, spec.intent(str(spec.request_id)))
            )
            if spec.lane == "queued" and self._options.deferrable:
                return self._submit(song.record, spec)
            take = None
        if take is not None and decision.step == "attach" and self._options.deferrable:
            return self._attach(song.record, spec, take)
        return self._wait(song.record, spec, take)

    def _reused(self, song: SongAttempt, decision: Decision) -> dict[str, Any] | Defer | None:
        """Deliver what another task paid for, where it can be had now; None where it cannot."""
        take = self._spending.reused(song, decision)
        if take is None:
            return None
        self._memory.note(song.folders.record_url)
        if take.state == "completed":
            return self._deliver(song.record, take)
        return self._wait(song.record, self._spending.specs([song], [decision])[0], take)

    def _submit(self, record: SongRecord, spec: GenerationSpec) -> dict[str, Any] | Defer:
        """Send the quick POST of the queued lane from the worker."""
        take = None
        try:
            take = run_sync(submission_of(spec, record, waits=False).submit())
        except WaitsForAnother:
            self._memory.note(spec.record_url)
            return self._wait(record, spec, None)
        except DeadlineReached:
            log.warning("The deadline came before the request could be sent")
        except (OutputError, CredentialsError, BudgetExceededError):
            self._memory.note(spec.record_url)
            raise
        self._memory.note(spec.record_url, take)
        if take is not None and take.state == "accepted" and spec.until_accepted:
            return self._deliver(record, take)
        if take is not None and take.state == "failed" and take["failed"].get("sent") is not False:
            raise self._failed(take)
        # Accepted; or not accepted now, and the triggerer submits again; or the answer is lost, and it reconciles.
        return self._wait(record, spec, take)

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
            return self._wait(record, spec, take)
        return self._land(record, take) if found.done and found.audio_url else self._wait(record, spec, take)

    def _wait(self, record: SongRecord, spec: GenerationSpec, take: Take | None) -> dict[str, Any] | Defer:
        """Wait, in the triggerer where that is wanted.

        :param take: what is known of it; None where the triggerer is to submit.
        """
        if not self._options.deferrable:
            return self.resume(run_sync(run_generation(spec, sees_record=True)))
        if take is not None:
            return Defer(replace(spec, facts=carried(take.facts)))
        return Defer(replace(spec, marker=record.leave_marker()))

    def _land(self, record: SongRecord, take: Take) -> dict[str, Any]:
        return self._deliver(record, run_sync(land(record, take, self._options.conn_id, self._attempt)))

    def _deliver(self, record: SongRecord, take: Take) -> dict[str, Any]:
        settle(take)
        result = deliver(record, take, self._attempt, self._options.provenance, self._options.quality)
        self.delivered = take
        return result

    def _failed(self, take: Take) -> MusicError:
        settle(take)
        metrics.without_song(take, "failed", self._attempt.metadata)
        return errors.failed(take)

    def _song(self, folders: SongFolders) -> SongAttempt:
        return SongAttempt(self._request, folders, self._options, self._attempt_here)

    @functools.cached_property
    def _attempt_here(self) -> TaskAttempt:
        return self._attempt.within(deployment_name(), settings_of(self._options.conn_id).base_url)

    def _check_budget(self, song: SongAttempt, decision: Decision) -> None:
        if song.request.lane == "synchronous" and decision.step == "submit":
            # Its request is sent by the triggerer; what cannot be paid is not deferred.
            no_room = self._spending.has_no_room([song], [decision])
            if no_room is not None:
                raise no_room
        if self._budget is None:
            return
        from airflow_provider_music.hooks.clients import sync_client_of

        former: list[SongAttempt] = []
        left: list[Decision] = []
        if song.record.has_list:
            from airflow_provider_music.generation.batch_list import left_beside

            former, left = left_beside(song)
        client = sync_client_of(self._options.conn_id)
        refusal = self._budget.refusal(client, [song, *former], [decision, *left])
        if refusal is not None:
            raise refusal

    @functools.cached_property
    def _budget(self) -> Budget | None:
        return budget_of(self._options)

    @functools.cached_property
    def _request(self) -> PreparedRequest:
        # Not for the second half of a task: the catalogue's import is most of what this costs.
        from airflow_provider_music.api.request import prepare_one

        return prepare_one(self._given, self._options.rights)


def _sent_nothing(event: Mapping[str, Any]) -> bool:
    """Whether a wait that knows of no take is certain to have sent nothing.

    A deadline, a full disk or a connection that is gone may come behind the request, which this worker may not see.
    """
    return event.get("error") in (StorageNotSharedError.__name__, BudgetExceededError.__name__)
