# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of a task for many songs on a worker: its first half before the wait, and its second half after it."""

from __future__ import annotations

import collections
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from airflow_provider_music.api.rights import MISSING, missing_in
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import (
    BudgetExceededError,
    ChangedRequestError,
    InvalidRequestError,
    MusicError,
    OverBudgetError,
    RecordError,
    StorageNotSharedError,
    named,
)
from airflow_provider_music.generation import batch_manifest, errors
from airflow_provider_music.generation.attempt import SongAttempt
from airflow_provider_music.generation.batch_list import BatchList
from airflow_provider_music.generation.batch_plan import BatchPlan, PlanRef, remove_plan, remove_plans, run_batch
from airflow_provider_music.generation.batch_settlement import Settlement
from airflow_provider_music.generation.earlier_tries import newest_takes, searched_again, searched_takes
from airflow_provider_music.generation.folders import SongFolders
from airflow_provider_music.generation.kept_words import keep_words
from airflow_provider_music.generation.result import mark_delivered
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.spending import BatchSpending
from airflow_provider_music.hooks.clients import settings_of
from airflow_provider_music.record.identity import deployment_name
from airflow_provider_music.record.task_memory import TaskMemory
from airflow_provider_music.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.generation.attempt import GenerationOptions
    from airflow_provider_music.generation.batch_list import Lists
    from airflow_provider_music.generation.batch_manifest import SongOutcome
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.policy import Decision
    from airflow_provider_music.record.take import Take

T = TypeVar("T")
R = TypeVar("R")
OnPartial = Literal["fail", "keep"]

log = logging.getLogger(__name__)

#: Records read at once: stores answer slowly, one at a time would take minutes.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What a batch says beside :class:`~airflow_provider_music.generation.attempt.GenerationOptions`.

    The parameters of :class:`~airflow_provider_music.operators.music.GenerateMusicBatchOperator` of the same names.
    """

    max_in_flight: int
    on_partial: OnPartial
    fail_fast: bool
    check_balance: bool = True


@dataclass(frozen=True, slots=True)
class DeferBatch:
    """The task has to wait: what a trigger is to do."""

    plan: PlanRef
    max_in_flight: int
    fail_fast: bool


class GenerationBatch:
    """One try of a batch.

    :param options: what the task says about each of its songs.
    :param batch: what it says about all of them.
    :param requests: the requests, as :func:`~airflow_provider_music.api.request.prepare_all` takes them.
    :param attempt: which try this is.
    :param memory: what Airflow keeps of earlier tries.
    """

    #: What its list is of.
    lists: ClassVar[Lists] = "requests"

    def __init__(
        self,
        options: GenerationOptions,
        batch: BatchOptions,
        requests: Any,
        attempt: TaskAttempt,
        memory: TaskMemory | None = None,
    ) -> None:
        self._options = options
        self._batch = batch
        self._spending = BatchSpending(options, check_balance=batch.check_balance)
        self._given = requests
        self._attempt = attempt
        self._memory = memory or TaskMemory()
        self._songs: list[SongAttempt] = []
        #: Newest take of each song, as it stood at the end.
        self._takes: dict[int, Take] = {}
        #: The songs whose results were returned, each with its take.
        self.delivered: list[tuple[dict[str, Any], Take]] = []
        #: Where the records lie, once that is known.
        self.record_url: str | None = None

    def start(self) -> dict[str, Any] | DeferBatch:
        """Check the requests and continue from what the records say; return the result, or what to wait for."""
        requests = self._prepared()
        for note, count in collections.Counter(note for one in requests for note in one.notes).items():
            log.warning("%s (%d of %d requests)", note, count, len(requests))
        # Before the records, so that a missing key is its own error and leaves nothing behind.
        attempt = self._attempt.within(deployment_name(), settings_of(self._options.conn_id).base_url)
        self._spending.check()
        self._options.quality.check_installed()
        folders = SongFolders.of(self._options.folders, attempt.identity)
        self.record_url = folders.record_url
        self._check_former(SongAttempt(requests[0], folders, self._options, attempt))
        self._songs = [
            SongAttempt(request, folders.song(index), self._options, attempt.song(index))
            for index, request in enumerate(requests)
        ]
        takes = self._newest_or_searched()
        listed = BatchList(self._folder, [song.fingerprint for song in self._songs], self._attempt, self.lists)
        listed.check()
        takes = searched_again(self._options.conn_id, self._songs, takes)
        takes = newest_takes(self._options.conn_id, self._songs, takes)
        return self._follow(takes, self._decisions(takes), listed)

    def resume(self, event: Mapping[str, Any]) -> dict[str, Any] | DeferBatch:
        """Continue from how the wait ended; the plan says of which songs, and their records the rest."""
        ref = PlanRef(str(event["plan_url"]), event.get("plan_sha256"), self._options.conn_id)
        self.record_url = ref.record_url
        if event.get("error") == StorageNotSharedError.__name__:
            remove_plan(ref.url)
            raise StorageNotSharedError(str(event.get("message")))
        try:
            plan = BatchPlan.read(ref)
        except RecordError:
            remove_plan(ref.url)
            raise
        attempt = self._attempt.within(deployment_name(), settings_of(self._options.conn_id).base_url)
        self._songs = [
            SongAttempt.of_spec(spec, self._options, attempt.song(index)) for index, spec in enumerate(plan.specs)
        ]
        refusal = named(plan.refused_by or OverBudgetError.__name__, plan.refusal) if plan.refusal else None
        if event.get("refusal"):
            refusal = BudgetExceededError(str(event["refusal"]))
        if self._options.on_unknown == "resubmit":
            takes = self._newest()
            decisions = self._decisions(takes)
            if any(decision.resubmission for decision in decisions):
                self._count_lost(takes, decisions)
                again = [one if one.resubmission else skipped(one) for one in decisions]
                return self._follow(takes, again, refused_before=refusal)
        remove_plan(ref.url)
        return self._finish(event, refusal)

    def _prepared(self) -> list[PreparedRequest]:
        """Check the requests; one a song."""
        from airflow_provider_music.api.request import prepare_all

        return prepare_all(self._given, self._options.rights)

    def _check_former(self, single: SongAttempt) -> None:
        """Look at what the same task did as one song, where it may have been a task of one.

        :param single: as the task would make it alone.
        """

    def _refusal(self, decisions: Sequence[Decision]) -> MusicError | None:
        """Return why the requests that are due now must not be sent, or None where they may."""
        return self._spending.refusal(self._songs, decisions)

    def _newest_or_searched(self) -> list[Take | None]:
        """Return the newest take of each song; without any record, what earlier tries are known to have done."""
        names = _names_in(self._folder)
        # Of tries that did not come to their end: nobody needs their words any more.
        remove_plans(self._folder, names)
        nothing: list[Take | None] = [None] * len(self._songs)
        takes = self._newest() if names else nothing
        if self._attempt.begun_tries == 0 or BatchList.was_written(names) or None not in takes:
            # Claims are exclusive, so a song submitted in this very moment is still submitted once.
            return takes
        if any(takes):
            # A try that found out what others did died over it.
            return self._searched_for_the_rest(takes)
        url = self._memory.recall().get("record_url")
        if isinstance(url, str) and url != self.record_url and _names_in(Folder(url)):
            log.info("The records of an earlier try lie in %s, and are used on", url)
            self.record_url = url
            self._songs = [song.with_record(f"{url}/song-{index}") for index, song in enumerate(self._songs)]
            return self._newest()
        return searched_takes(self._options.conn_id, self._songs)

    def _searched_for_the_rest(self, takes: Sequence[Take | None]) -> list[Take | None]:
        rest = [index for index, take in enumerate(takes) if take is None]
        found = iter(searched_takes(self._options.conn_id, [self._songs[index] for index in rest]))
        return [take if take is not None else next(found) for take in takes]

    def _follow(
        self,
        takes: Sequence[Take | None],
        decisions: Sequence[Decision],
        listed: BatchList | None = None,
        refused_before: MusicError | None = None,
    ) -> dict[str, Any] | DeferBatch:
        steps = collections.Counter(decision.step for decision in decisions)
        log.info("Batch of %d: %s. Records: %s", len(decisions), dict(steps), self.record_url)
        if steps["refuse_changed"]:
            raise self._changed(takes, decisions)
        for take, decision in zip(takes, decisions, strict=True):
            if take is not None and decision.step == "refuse_ambiguous":
                raise errors.ambiguous(take)
        self._check_rights(decisions)
        self._options.provenance.check_before(steps)
        refusal = self._refusal(decisions)
        if refusal is not None and steps["submit"] == len(decisions):
            raise refusal
        # What was submitted before is paid: it is waited for and landed, and the refusal is raised at the end.
        follow = ("submit", "attach", "reconcile") if refusal is None else ("attach", "reconcile")
        due = [index for index, decision in enumerate(decisions) if decision.step in follow]
        refusal = refusal or refused_before
        if not due:
            return self._finish({}, refusal)
        if listed is not None:
            listed.write()
        if self.record_url is not None:
            self._memory.note(self.record_url)
        if self._options.keep_request:
            # Some at once: a store answers slowly.
            _each(lambda index: keep_words(self._songs[index], decisions[index], takes[index]), due)
        why, by = (str(refusal), type(refusal).__name__) if refusal is not None else (None, None)
        plan = BatchPlan(self._spending.specs(self._songs, decisions), due, why, by)
        wait = DeferBatch(plan.write(self._options.conn_id), self._batch.max_in_flight, self._batch.fail_fast)
        if self._options.deferrable:
            return wait
        return self.resume(run_sync(run_batch(wait.plan, max_in_flight=wait.max_in_flight, fail_fast=wait.fail_fast)))

    def _finish(self, event: Mapping[str, Any], refusal: MusicError | None = None) -> dict[str, Any]:
        """Land what is done, write the manifest, and return the counts or raise what is missing."""
        outcomes = self._settled()
        manifest_uri = batch_manifest.write_manifest(self._folder, self._attempt.try_number, outcomes)
        # Under fail_fast what was not submitted is as good as failed; at a deadline it is still to come.
        stopped = bool((event.get("counts") or {}).get("not_submitted"))
        kept = ("failed", "unknown", "rejected", *(["not_submitted"] if stopped else []))
        lost = [one for one in outcomes if one.status != "completed"]
        if refusal is not None and lost:
            refusal.args = (f"{refusal}\n{batch_manifest.missing(outcomes, manifest_uri)}",)
            raise refusal
        if lost and (self._batch.on_partial == "fail" or any(one.status not in kept for one in lost)):
            raise batch_manifest.missing(outcomes, manifest_uri, what_broke(event))
        done = [one for one in outcomes if one.status == "completed"]
        _each(self._mark_delivered, done)
        self.delivered = [(one.fields, self._takes[one.index]) for one in done]
        log.info("Delivering %d of %d songs: %s", len(done), len(outcomes), manifest_uri)
        return batch_manifest.result_of(outcomes, manifest_uri)

    def _settled(self) -> list[SongOutcome]:
        """Land what is ready, and return how each song ended."""
        self._options.provenance.look_up()
        settlement = Settlement([song.record for song in self._songs], self._options, self._attempt)
        outcomes = run_sync(settlement.outcomes())
        self._takes = settlement.takes
        return outcomes

    def _mark_delivered(self, outcome: SongOutcome) -> None:
        mark_delivered(self._songs[outcome.index].record, self._takes[outcome.index], self._attempt.metadata)

    def _count_lost(self, takes: Sequence[Take | None], decisions: Sequence[Decision]) -> None:
        """Count the lost answers that are submitted anew: at the end only their next takes are seen."""
        for take, decision in zip(takes, decisions, strict=True):
            if decision.resubmission:
                metrics.without_song(take, "unknown", self._attempt.metadata)

    def _newest(self) -> list[Take | None]:
        return _each(lambda song: song.record.latest(), self._songs)

    def _decisions(self, takes: Sequence[Take | None]) -> list[Decision]:
        return [song.decide(take) for song, take in zip(self._songs, takes, strict=True)]

    def _check_rights(self, decisions: Sequence[Decision]) -> None:
        lacking = [index for index, decision in enumerate(decisions) if self._songs[index].lacks_rights(decision)]
        if lacking:
            raise missing_in(lacking) if self.lists == "requests" else InvalidRequestError(MISSING)

    def _changed(self, takes: Sequence[Take | None], decisions: Sequence[Decision]) -> ChangedRequestError:
        refused = {
            index: self._songs[index].changed(take)
            for index, (take, decision) in enumerate(zip(takes, decisions, strict=True))
            if decision.step == "refuse_changed" and take is not None
        }
        first = next(iter(refused))
        return ChangedRequestError(
            f"{len(refused)} of {len(decisions)} requests changed while their songs are open, the first is "
            f"requests[{first}]; nothing was sent. A song is known by its place in the list. {refused[first]}"
        )

    @property
    def _folder(self) -> Folder:
        return Folder(str(self.record_url))


def _names_in(folder: Folder) -> set[str]:
    try:
        return folder.children()
    except OSError as exc:
        raise RecordError(f"The record {folder.url} cannot be listed: {exc}. Nothing is sent until it can be.") from exc


def what_broke(event: Mapping[str, Any]) -> str | None:
    """Return what broke a wait as a whole, or the first of its songs; None where nothing did."""
    broke = event.get("error") or (event.get("counts") or {}).get("error")
    return event.get("message") if broke else None


def skipped(decision: Decision) -> Decision:
    """Leave a song out of this round."""
    return replace(decision, step="skip")


def _each(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do the same for all, some at once, and return the results in order."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="music") as pool:
        return list(pool.map(work, items))
