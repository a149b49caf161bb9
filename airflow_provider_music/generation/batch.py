# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task for many songs does on a worker, before and after the wait."""

from __future__ import annotations

import collections
import functools
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_music.api.batch_request import prepare_all
from airflow_provider_music.cost import metrics
from airflow_provider_music.cost.budget import Budget
from airflow_provider_music.exceptions import (
    ChangedRequestError,
    GenerationTimeoutError,
    MusicError,
    OverBudgetError,
)
from airflow_provider_music.generation import batch_manifest, clock, errors
from airflow_provider_music.generation.attempt import SongTry, Terms, TryOfTask, land
from airflow_provider_music.generation.batch_manifest import SongEnd
from airflow_provider_music.generation.batch_wait import forget_plan, write_plan
from airflow_provider_music.generation.fetch import result_of
from airflow_provider_music.generation.inline import run_here
from airflow_provider_music.hooks.clients import sync_client_of
from airflow_provider_music.provenance.attach import attach_provenance, with_attached
from airflow_provider_music.record.policy import Decision
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import default_output_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.operators.batch import GenerateMusicBatchOperator
    from airflow_provider_music.record.store import Take
    from airflow_provider_music.storage.folder import Folder

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)

#: Records read and songs landed at once: stores and hosts answer slowly, one at a time would take minutes.
_AT_ONCE = 8


class BatchFlow:
    """One try of a batch, or its second half after the wait.

    :param task: the operator, its templates rendered.
    :param context: Airflow's context of the running task instance.
    """

    def __init__(self, task: GenerateMusicBatchOperator, context: Any) -> None:
        self._task = task
        self._try = TryOfTask.of(context)
        #: Newest take of each song, as it stood at the end.
        self._takes: dict[int, Take] = {}

    def start(self) -> dict[str, Any]:
        """Check the requests and go on from what the records say."""
        for note, count in collections.Counter(note for one in self._prepared for note in one.notes).items():
            log.warning("%s (%d of %d requests)", note, count, len(self._prepared))
        # Before the records, so that a missing key is told as such and leaves nothing behind.
        _ = self._client
        _ = self._budget
        if self._folder.is_empty():
            # Claims are exclusive, so a song asked for in this very moment is still asked for once.
            return self._follow([Decision("ask", 1, "nothing was asked for yet")] * len(self._songs))
        return self._follow(_each(SongTry.decide, self._songs))

    def resume(self, event: dict[str, Any]) -> dict[str, Any]:
        """Go on from how the wait ended; the songs' records say the rest."""
        if event.get("plan_url"):
            forget_plan(str(event["plan_url"]))
        if self._task.on_unknown == "resubmit":
            decisions = _each(SongTry.decide, self._songs)
            if any(decision.resubmission for decision in decisions):
                self._tell_lost(decisions)
                return self._follow([one if one.resubmission else _leave(one) for one in decisions])
        return self._finish(event)

    def _follow(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        steps = collections.Counter(decision.step for decision in decisions)
        log.info("Batch of %d: %s. Records: %s", len(decisions), dict(steps), self._folder.url)
        if steps["refuse_changed"]:
            raise self._changed(decisions)
        refusal = self._refusal(decisions)
        if refusal is not None and steps["ask"] == len(decisions):
            raise refusal
        # What was asked for before is paid: it is waited for and landed, and the refusal is told at the end.
        follow = ("ask", "attach", "find") if refusal is None else ("attach", "find")
        orders = [
            song.order(decision)
            for song, decision in zip(self._songs, decisions, strict=True)
            if decision.step in follow
        ]
        if not orders:
            return self._finish({}, refusal)
        from airflow_provider_music.triggers.batch import MusicBatchTrigger

        trigger = MusicBatchTrigger(
            plan_url=write_plan(self._folder, orders),
            max_in_flight=self._task.max_in_flight,
            fail_fast=self._task.fail_fast,
            asked_at=clock.now(),
        )
        if self._task.deferrable:
            self._task.defer(trigger=trigger, method_name="execute_complete")
        return self.resume(run_here(trigger.outcome()))

    def _finish(self, event: dict[str, Any], refusal: OverBudgetError | None = None) -> dict[str, Any]:
        """Land what is done, write the manifest, and return the counts or raise what is missing."""
        all_ends = _each(self._end, range(len(self._songs)))
        manifest_uri = batch_manifest.write_manifest(self._folder, self._try.try_number, all_ends)
        # Under fail_fast what was not asked for is as good as failed; at a deadline it is still to come.
        stopped = bool((event.get("counts") or {}).get("not_asked"))
        kept = ("failed", "unknown", "not_asked") if stopped else ("failed", "unknown")
        lost = [end for end in all_ends if end.status != "completed"]
        refusal = refusal or (self._refusal_of_rest() if lost else None)
        if refusal is not None:
            raise OverBudgetError(f"{refusal}\n{batch_manifest.missing(all_ends, manifest_uri)}")
        if lost and (self._task.on_partial == "fail" or any(end.status not in kept for end in lost)):
            raise batch_manifest.missing(all_ends, manifest_uri, event.get("message") if event.get("error") else None)
        done = [end for end in all_ends if end.status == "completed"]
        _each(self._hand_on, done)
        self._task.lineage_songs = [(end.told, self._takes[end.index]["intent"].get("fingerprint")) for end in done]
        log.info("Delivering %d of %d songs: %s", len(done), len(all_ends), manifest_uri)
        return batch_manifest.result_of(all_ends, manifest_uri)

    def _end(self, index: int) -> SongEnd:
        record = self._songs[index].record
        take = record.latest()
        if take is None:
            return SongEnd(index, "not_asked")
        n, stamp = take.n, self._try.stamp
        try:
            if "accepted" in take and not {"completed", "delivered", "failed"} & take.facts.keys():
                land(record, n, self._client, self._try)
                take = record.read(n) or take
            folder, identity = record.take_folder(n), self._try.identity
            changed = attach_provenance(folder, take, identity, self._task.provenance, song_index=index)
        except MusicError as exc:
            return SongEnd.without(index, "pending", n, exc)
        self._takes[index] = take
        if "completed" in take:
            return SongEnd(index, "completed", n, with_attached(result_of(record, take), changed))
        if "failed" in take:
            metrics.lost(take, "failed", stamp)
            return SongEnd.without(index, "failed", n, errors.failed(record, n))
        if "unknown" in take:
            metrics.lost(take, "unknown", stamp)
            return SongEnd.without(index, "unknown", n, errors.unknown(record, n, self._task.on_unknown))
        metrics.timed_out(take["intent"].get("model"))
        late: GenerationTimeoutError = errors.timed_out(record, n, self._task.timeout)
        return SongEnd.without(index, "pending", n, late)

    def _hand_on(self, end: SongEnd) -> None:
        if self._songs[end.index].record.write(end.n, "delivered", **self._try.stamp, status="completed"):
            metrics.delivered(self._takes[end.index])

    def _tell_lost(self, decisions: Sequence[Decision]) -> None:
        """Count the lost answers that are asked for anew: at the end only their next takes are looked at."""
        for song, decision in zip(self._songs, decisions, strict=True):
            if decision.resubmission:
                metrics.lost(song.record.read(decision.n - 1), "unknown", self._try.stamp)

    def _refusal(self, decisions: Sequence[Decision]) -> OverBudgetError | None:
        return self._budget.refusal(self._client, self._songs, decisions) if self._budget is not None else None

    def _refusal_of_rest(self) -> OverBudgetError | None:
        """Say why songs were left out by this try; between its halves only the records stay."""
        if self._budget is None:
            return None
        decisions = [
            _leave(decision) if decision.step == "ask" and self._asked_in_this_try(index) else decision
            for index, decision in enumerate(_each(SongTry.decide, self._songs))
        ]
        return self._refusal(decisions)

    def _asked_in_this_try(self, index: int) -> bool:
        intent = self._takes[index]["intent"] if index in self._takes else {}
        return all(intent.get(name) == value for name, value in self._try.stamp.items())

    def _changed(self, decisions: Sequence[Decision]) -> ChangedRequestError:
        errors = {
            index: self._songs[index].changed(decision.n)
            for index, decision in enumerate(decisions)
            if decision.step == "refuse_changed"
        }
        first = next(iter(errors))
        return ChangedRequestError(
            f"{len(errors)} of {len(decisions)} requests changed while their songs are open, the first is "
            f"requests[{first}]; nothing was sent. A song is known by its place in the list. {errors[first]}"
        )

    @functools.cached_property
    def _prepared(self) -> list[PreparedRequest]:
        return prepare_all(self._task.requests)

    @functools.cached_property
    def _budget(self) -> Budget | None:
        return Budget.of(self._task)

    @functools.cached_property
    def _client(self) -> MusicClient:
        return sync_client_of(self._task.conn_id)

    @functools.cached_property
    def _folder(self) -> Folder:
        return self._try.identity.folder(self._task.output_dir or default_output_dir())

    @functools.cached_property
    def _songs(self) -> list[SongTry]:
        terms = Terms.of(self._task)
        return [
            SongTry(prepared, SongRecord(self._folder.url_of(f"song-{index}")), terms, self._try)
            for index, prepared in enumerate(self._prepared)
        ]


def _leave(decision: Decision) -> Decision:
    """Of a song that this round of asking again does not concern."""
    return Decision("deliver", decision.n, decision.why)


def _each(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do the same for all, some at once, and return the results in order."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="music") as pool:
        return list(pool.map(work, items))
