# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the generations of a batch, so many in flight, and says in the log how far they are.

What is planned lies in a file beside the songs' records: Airflow keeps the trigger's arguments in its database, and a
hundred requests do not belong there. Its hash is there, and whose connection and folder it is about, so whoever
can write the file cannot redirect a song. It is removed at the end of the try, with the lyrics in it.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import BudgetExceededError, MusicError, RecordError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.spec import GenerationSpec
from airflow_provider_music.generation.state_machine import run_generation
from airflow_provider_music.record.carried import not_shared
from airflow_provider_music.storage.folder import Folder
from airflow_provider_music.storage.threads import connect_store, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

log = logging.getLogger(__name__)

#: A line of progress at most this often.
_PROGRESS_SECONDS = 10.0
#: Ends without a song: under fail_fast nothing more is submitted after one of them.
_WITHOUT_SONG = ("failed", "unknown", "error")
_MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class PlanRef:
    """Which plan is meant, as trigger and event hold it.

    :param url: of its file; its folder is the record of the batch.
    :param sha256: of its content, hex; None in triggers of an older version.
    :param conn_id: Airflow connection id of all of its songs; None as before.
    """

    url: str
    sha256: str | None = None
    conn_id: str | None = None

    @property
    def record_url(self) -> str:
        """Folder of the batch's records."""
        return self.url.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a try of a batch is to do: the spec of every song in the list's order.

    :param follow: places of those that are to be run; the others are done, or left out.
    :param refusal: why songs were left out, where the budget or the account did not allow them.
    :param refused_by: the error that says so.
    """

    specs: Sequence[GenerationSpec]
    follow: Sequence[int]
    refusal: str | None = None
    refused_by: str | None = None

    def write(self, conn_id: str) -> PlanRef:
        """Write it and return which it is; blocks.

        :raises RecordError: the store does not take it, so nothing was sent.
        """
        folder = Folder(self.specs[0].record_url.rpartition("/")[0])
        specs = [spec.as_dict() for spec in self.specs]
        refused = {"refusal": self.refusal, "refused_by": self.refused_by}
        content = json.dumps({"specs": specs, "follow": list(self.follow), **refused}).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        name = f"plan-{sha256[:16]}.json"
        try:
            folder.create(name, content)
        except OSError as exc:
            raise RecordError(f"{folder.url_of(name)} cannot be written, so nothing was sent: {exc}") from exc
        return PlanRef(folder.url_of(name), sha256, conn_id)

    @classmethod
    def read(cls, ref: PlanRef) -> BatchPlan:
        """Read it; blocks.

        :raises StorageNotSharedError: it is not to be seen here.
        :raises RecordError: it cannot be read, or is another one than was written.
        """
        folder, _, name = ref.url.rpartition("/")
        try:
            content = Folder(folder).read(name)
        except OSError as exc:
            raise RecordError(f"The plan {ref.url} cannot be read: {exc}") from exc
        if content is None:
            raise not_shared(f"the plan {ref.url}; where it was removed: clear the task, which resumes the songs")
        if ref.sha256 is not None and hashlib.sha256(content).hexdigest() != ref.sha256:
            raise RecordError(f"The plan {ref.url} is not the one that the task wrote: it was edited. Nothing is sent.")
        try:
            plan = json.loads(content)
        except (ValueError, RecursionError) as exc:
            raise RecordError(f"The plan {ref.url} is no JSON: it was cut short or edited. Nothing is sent.") from exc
        specs = [GenerationSpec.from_dict(spec) for spec in plan["specs"]]
        if ref.conn_id is not None:
            specs = [
                replace(spec, conn_id=ref.conn_id, record_url=f"{ref.record_url}/song-{index}")
                for index, spec in enumerate(specs)
            ]
        return cls(specs, plan.get("follow", range(len(specs))), plan.get("refusal"), plan.get("refused_by"))


def remove_plan(url: str) -> None:
    """Remove it; one that stays does no harm."""
    folder, _, name = url.rpartition("/")
    try:
        Folder(folder).remove(name)
    except OSError as exc:
        log.warning("The plan %s stays behind: %s", url, exc)


def remove_plans(folder: Folder, names: Iterable[str]) -> None:
    """Remove the plans among the names of what lies in a batch's folder; blocks."""
    for name in names:
        if name.startswith("plan-"):
            remove_plan(folder.url_of(name))


async def run_batch(ref: PlanRef, *, max_in_flight: int, fail_fast: bool) -> dict[str, Any]:
    """Run every generation of a plan to its end and return the event: counts, never the songs themselves.

    :param max_in_flight: generations submitted and not done at any time.
    :param fail_fast: submit no further request once one ended without a song; those under way are paid and waited for.
    """
    named = {"plan_url": ref.url, "plan_sha256": ref.sha256}
    try:
        await connect_store(ref.url)
        plan = await in_thread(BatchPlan.read, ref)
    except MusicError as exc:
        return {"status": "error", **named, "error": type(exc).__name__, "message": str(exc)}
    specs = [plan.specs[index] for index in plan.follow]
    progress = _Progress(len(specs))
    waiting = iter(specs)
    async with asyncio.TaskGroup() as group:
        for _ in range(min(max_in_flight, len(specs))):
            group.create_task(_run_next(waiting, progress, fail_fast=fail_fast))
    ended = {"counts": dict(progress.counts), "message": progress.message, "refusal": progress.refusal}
    return {"status": "done", **named, **ended}


async def _run_next(specs: Iterator[GenerationSpec], progress: _Progress, *, fail_fast: bool) -> None:
    for spec in specs:
        if progress.refusal is not None or (fail_fast and progress.without_song):
            progress.add({"status": "not_submitted"})
            continue
        progress.add(await _one(spec))


async def _one(spec: GenerationSpec) -> dict[str, Any]:
    try:
        # This process saw the plan, so it sees the records beside it.
        return await run_generation(spec, sees_record=True)
    except Exception as exc:
        # One song's surprise must not end the wait for the others, which are paid.
        log.exception("The wait for %s broke", spec.record_url)
        return {"status": "error", "message": f"{type(exc).__name__}: {exc}"}


class _Progress:
    def __init__(self, total: int) -> None:
        self._total = total
        self._logged_at = runtime.monotonic()
        self.counts: collections.Counter[str] = collections.Counter()
        #: Of the first song that broke.
        self.message: str | None = None
        #: Why a shared budget, which others took from meanwhile, has no room for more.
        self.refusal: str | None = None

    @property
    def without_song(self) -> int:
        return sum(self.counts[status] for status in _WITHOUT_SONG)

    def add(self, event: dict[str, Any]) -> None:
        if event.get("error") == BudgetExceededError.__name__:
            self.refusal, event = str(event.get("message")), {"status": "not_submitted"}
        self.counts[str(event["status"])] += 1
        if event["status"] in _WITHOUT_SONG and self.message is None and event.get("message"):
            self.message = str(event["message"])[:_MAX_MESSAGE]
        ended = sum(self.counts.values())
        if ended == self._total or runtime.monotonic() - self._logged_at >= _PROGRESS_SECONDS:
            self._logged_at = runtime.monotonic()
            log.info("%d of %d songs have ended: %s", ended, self._total, _spelled(self.counts.items()))


def _spelled(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts))
