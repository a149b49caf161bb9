# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a batch, song by song: what is ready is landed, and each of the others says how it ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import MusicError, QualityError
from airflow_provider_music.generation import errors
from airflow_provider_music.generation.attempt import land, with_provenance
from airflow_provider_music.generation.batch_manifest import SongOutcome
from airflow_provider_music.generation.spending import settle
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_music.generation.attempt import GenerationOptions
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Take

#: Songs landed at once: hosts answer slowly, one at a time would take minutes.
_AT_ONCE = 8


class Settlement:
    """Lands the songs of a batch.

    :param records: of its songs, in their order.
    :param options: what the task says about each of them.
    :param attempt: which try this is.
    """

    def __init__(self, records: Sequence[SongRecord], options: GenerationOptions, attempt: TaskAttempt) -> None:
        self._records = records
        self._options = options
        self._attempt = attempt
        #: Newest take of each song that has one, as it stood at the end.
        self.takes: dict[int, Take] = {}

    async def outcomes(self) -> list[SongOutcome]:
        """Land what is ready, some at once, and return how each song ended."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(index: int) -> SongOutcome:
            async with slots:
                return await self._settle(index)

        return await asyncio.gather(*(one(index) for index in range(len(self._records))))

    async def _settle(self, index: int) -> SongOutcome:
        record = self._records[index]
        take = await in_thread(record.latest)
        if take is None:
            return SongOutcome(index, "not_submitted")
        try:
            if take.state == "accepted":
                take = await land(record, take, self._options.conn_id, self._attempt)
            self.takes[index] = take
            await in_thread(settle, take)
            if take.state in ("completed", "delivered"):
                how, quality = self._options.provenance, self._options.quality
                result = await in_thread(with_provenance, record, take, self._attempt, how, quality, song_index=index)
                return SongOutcome(index, "completed", take.n, result)
        except QualityError as exc:
            return SongOutcome.without(index, "rejected", take.n, exc)
        except MusicError as exc:
            return SongOutcome.without(index, "pending", take.n, exc)
        return self._without_song(index, take)

    def _without_song(self, index: int, take: Take) -> SongOutcome:
        metadata = self._attempt.metadata
        match take.state:
            case "failed":
                metrics.without_song(take, "failed", metadata)
                return SongOutcome.without(index, "failed", take.n, errors.failed(take))
            case "unknown":
                metrics.without_song(take, "unknown", metadata)
                return SongOutcome.without(index, "unknown", take.n, errors.unknown(take, self._options.on_unknown))
            case "open" | "accepted":
                metrics.timed_out(take.model)
                return SongOutcome.without(index, "pending", take.n, errors.timed_out(take, self._options.timeout))
            case "completed" | "delivered":
                raise AssertionError("unreachable: its song is there")
            case _:
                assert_never(take.state)
