# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the generations of a batch, so many in flight, and says in the log how far they are.

Their specs lie in a plan file beside the songs: Airflow keeps the trigger's arguments in its database, and a hundred
requests do not belong there.
"""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import MusicError, RecordError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.spec import GenerationSpec
from airflow_provider_music.generation.state_machine import run_generation
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


def write_plan(folder: Folder, specs: Sequence[GenerationSpec]) -> str:
    """Write the specs and return the plan's URL; blocks.

    :raises RecordError: the store does not take it, so nothing was sent.
    """
    name = f"plan-{uuid.uuid4().hex}.json"
    content = json.dumps({"specs": [spec.as_dict() for spec in specs]})
    try:
        folder.create(name, content.encode())
    except OSError as exc:
        raise RecordError(f"{folder.url_of(name)} cannot be written, so nothing was sent: {exc}") from exc
    return folder.url_of(name)


def read_plan(url: str) -> list[GenerationSpec]:
    """Read it; blocks.

    :raises RecordError: it is not there, or cannot be read.
    """
    folder, _, name = url.rpartition("/")
    try:
        content = Folder(folder).read(name)
    except OSError as exc:
        raise RecordError(f"The plan {url} cannot be read: {exc}") from exc
    if content is None:
        raise RecordError(f"The plan {url} is gone; clear the task, which resumes from the songs' records.")
    return [GenerationSpec.from_dict(spec) for spec in json.loads(content)["specs"]]


def remove_plan(url: str) -> None:
    """Remove it; one that stays does no harm."""
    folder, _, name = url.rpartition("/")
    try:
        Folder(folder).remove(name)
    except OSError as exc:
        log.warning("The plan %s stays behind: %s", url, exc)


async def run_batch(plan_url: str, *, max_in_flight: int, fail_fast: bool) -> dict[str, Any]:
    """Run every generation of a plan to its end and return the event: counts, never the songs themselves.

    :param max_in_flight: generations submitted and not done at any time.
    :param fail_fast: submit no further request once one ended without a song; those under way are paid and waited for.
    """
    try:
        await connect_store(plan_url)
        specs = await in_thread(read_plan, plan_url)
    except MusicError as exc:
        return {"status": "error", "plan_url": plan_url, "error": type(exc).__name__, "message": str(exc)}
    progress = _Progress(len(specs))
    waiting = iter(specs)
    async with asyncio.TaskGroup() as group:
        for _ in range(min(max_in_flight, len(specs))):
            group.create_task(_run_next(waiting, progress, fail_fast=fail_fast))
    return {"status": "done", "plan_url": plan_url, "counts": dict(progress.counts), "message": progress.message}


async def _run_next(specs: Iterator[GenerationSpec], progress: _Progress, *, fail_fast: bool) -> None:
    for spec in specs:
        if fail_fast and progress.without_song:
            progress.add({"status": "not_submitted"})
            continue
        progress.add(await _one(spec))


async def _one(spec: GenerationSpec) -> dict[str, Any]:
    try:
        return await run_generation(spec)
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

    @property
    def without_song(self) -> int:
        return sum(self.counts[status] for status in _WITHOUT_SONG)

    def add(self, event: dict[str, Any]) -> None:
        self.counts[str(event["status"])] += 1
        if event["status"] in _WITHOUT_SONG and self.message is None and event.get("message"):
            self.message = str(event["message"])[:_MAX_MESSAGE]
        ended = sum(self.counts.values())
        if ended == self._total or runtime.monotonic() - self._logged_at >= _PROGRESS_SECONDS:
            self._logged_at = runtime.monotonic()
            log.info("%d of %d songs have ended: %s", ended, self._total, _spelled(self.counts.items()))


def _spelled(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts))
