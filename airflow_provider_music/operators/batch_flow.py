# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a task for many songs does on a worker, before and after the wait."""

from __future__ import annotations

import collections
import functools
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_music.exceptions import ChangedRequestError, GenerationTimeoutError, MusicError
from airflow_provider_music.hooks.clients import sync_client_of
from airflow_provider_music.operators import batch_ends, ends
from airflow_provider_music.operators.batch_ends import SongEnd
from airflow_provider_music.operators.batch_requests import prepare_all
from airflow_provider_music.operators.song import SongTry, Terms, TryOfTask, land
from airflow_provider_music.record.policy import Decision
from airflow_provider_music.record.song import SongRecord
from airflow_provider_music.storage.folder import default_output_dir
from airflow_provider_music.waiting import clock
from airflow_provider_music.waiting.batch import forget_plan, write_plan
from airflow_provider_music.waiting.deliver import result_of
from airflow_provider_music.waiting.inline import run_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.operators.batch import GenerateMusicBatchOperator
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

    def start(self) -> dict[str, Any]:
        """Check the requests and go on from what the records say."""
        for note, count in collections.Counter(note for one in self._prepared for note in one.notes).items():
            log.warning("%s (%d of %d requests)", note, count, len(self._prepared))
        # Before the records, so that a missing key is told as such and leaves nothing behind.
        _ = self._client
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
                return self._follow([one if one.resubmission else _leave(one) for one in decisions])
        return self._finish(event)

    def _follow(self, decisions: Sequence[Decision]) -> dict[str, Any]:
        steps = collections.Counter(decision.step for decision in decisions)
        log.info("Batch of %d: %s. Records: %s", len(decisions), dict(steps), self._folder.url)
        if steps["refuse_changed"]:
            raise self._changed(decisions)
        orders = [
            song.order(decision)
            for song, decision in zip(self._songs, decisions, strict=True)
            if decision.step in ("ask", "attach", "find")
        ]
        if not orders:
            return self._finish({})
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

    def _finish(self, event: dict[str, Any]) -> dict[str, Any]:
        """Land what is done, write the manifest, and return the counts or raise what is missing."""
        all_ends = _each(self._end, range(len(self._songs)))
        manifest_uri = batch_ends.write_manifest(self._folder, self._try.try_number, all_ends)
        # Under fail_fast what was not asked for is as good as failed; at a deadline it is still to come.
        stopped = bool((event.get("counts") or {}).get("not_asked"))
        kept = ("failed", "unknown", "not_asked") if stopped else ("failed", "unknown")
        lost = [end for end in all_ends if end.status != "completed"]
        if lost and (self._task.on_partial == "fail" or any(end.status not in kept for end in lost)):
            raise batch_ends.missing(all_ends, manifest_uri, event.get("message") if event.get("error") else None)
        done = [end for end in all_ends if end.status == "completed"]
        _each(self._hand_on, done)
        log.info("Delivering %d of %d songs: %s", len(done), len(all_ends), manifest_uri)
        return batch_ends.result_of(all_ends, manifest_uri)

    def _end(self, index: int) -> SongEnd:
        record = self._songs[index].record
        take = record.latest()
        if take is None:
            return SongEnd(index, "not_asked")
        n = take.n
        try:
            if "accepted" in take and not {"completed", "delivered", "failed"} & take.facts.keys():
                land(record, n, self._client, self._try)
                take = record.read(n) or take
        except MusicError as exc:
            return SongEnd.without(index, "pending", n, exc)
        if "completed" in take:
            return SongEnd(index, "completed", n, result_of(record, take))
        if "failed" in take:
            return SongEnd.without(index, "failed", n, ends.failed(record, n))
        if "unknown" in take:
            return SongEnd.without(index, "unknown", n, ends.unknown(record, n, self._task.on_unknown))
        late: GenerationTimeoutError = ends.timed_out(record, n, self._task.timeout)
        return SongEnd.without(index, "pending", n, late)

    def _hand_on(self, end: SongEnd) -> None:
        self._songs[end.index].record.write(end.n, "delivered", **self._try.stamp, status="completed")

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
