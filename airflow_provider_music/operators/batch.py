# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Generates many songs in one task and leaves them in storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_music.api.plain import check_plain_batch, is_mapped
from airflow_provider_music.lineage.links import RecordLink
from airflow_provider_music.operators.base import GenerationOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_music.generation.batch import DeferBatch, GenerationBatch

OnPartial = Literal["fail", "keep"]


class GenerateMusicBatchOperator(GenerationOperator):
    """Submit many generations, wait for all of them in one trigger, and leave the audio in storage.

    It costs two starts of a worker, however many songs there are. Each song has a record of its own, so a retry
    submits only what is missing; clearing a task that succeeded makes new takes of all. Waits, checks and what is
    promised about money are those of :class:`GenerateMusicOperator`. The parameters of
    :class:`~airflow_provider_music.operators.base.GenerationOperator` are taken too.

    :param requests: one dict a song, of the fields that :class:`GenerateMusicOperator` takes for one song
        (``model``, ``lyrics``, ``prompt``, ..., ``extra_body``, ``name``, ``rights``), or one of the classes of
        :mod:`airflow_provider_music.requests`; templated. A song is known by its place in the list, so a retry has
        to give the same list.
    :param max_in_flight: generations submitted and not done at any time.
    :param on_partial: what a song without an end in storage (failed, or its answer lost) means when all others are
        done: ``fail`` ends the task with an error, and a retry submits what failed; ``keep`` succeeds with the songs
        that are there. A generation that is under way, or paid and not fetched yet, is never given up: the task fails.
    :param check_balance: before the first request of a try, compare what the account holds with what the songs can
        cost, and refuse what it cannot pay. False submits as many as it pays for.
    :param fail_fast: once a song failed, submit no further one; those under way are paid, so they are waited for.
    :return: ``manifest_uri`` (JSON lines, one a song in the list's order: ``index``, ``status``, and what
        :class:`GenerateMusicOperator` returns, or ``error`` and ``message``), ``requested``, ``delivered``,
        ``failed``, ``unknown`` (counts), ``usage`` (sum of the delivered songs); each also under its own XCom key.
    :raises InvalidRequestError: requests break their models' limits; nothing was sent.
    :raises OverBudgetError: it could take the task over ``max_usd``; nothing was sent by this try.
    :raises BudgetExceededError: the shared budget that it names has no room for what is left to submit.
    :raises OutOfCreditsError: the account cannot pay for what is left to submit; nothing was sent by this try.
    :raises PartialBatchError: songs are missing; says how many are paid, failed and unknown, and the manifest.
    """

    template_fields: Sequence[str] = ("requests", "output_dir", "conn_id", "max_usd", "budget", "rights")
    template_fields_renderers = {"requests": "json"}  # noqa: RUF012 - Airflow's own form
    lineage_kind = "batch"
    operator_extra_links = (RecordLink(),)

    def __init__(
        self,
        *,
        requests: Sequence[Mapping[str, Any]] | str,
        max_in_flight: int = 10,
        on_partial: OnPartial = "fail",
        fail_fast: bool = False,
        check_balance: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = requests
        self.max_in_flight = max_in_flight
        self.on_partial = on_partial
        self.fail_fast = fail_fast
        self.check_balance = check_balance
        if on_partial not in get_args(OnPartial):
            raise ValueError(f"on_partial: {on_partial!r}; give 'fail' or 'keep'.")
        if not isinstance(max_in_flight, int) or max_in_flight < 1:
            raise ValueError(f"max_in_flight: {max_in_flight!r}; give a whole number of 1 or more.")
        self._note_templates()
        self._check_as_written()

    def _check_as_written(self) -> None:
        """Check the requests as the DAG file has them."""
        if not is_mapped(self):
            check_plain_batch(self.requests)

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the requests, continue from what their records say, and wait."""
        return self._run(context, lambda batch: batch.start(), first=True)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Land what is done and say what is missing."""
        return self._run(context, lambda batch: batch.resume(event))

    def _returned_or_deferred(
        self, context: Any, half: Callable[[GenerationBatch], dict[str, Any] | DeferBatch]
    ) -> dict[str, Any]:
        from airflow_provider_music.generation.attempt import GenerationOptions
        from airflow_provider_music.generation.batch import BatchOptions, DeferBatch, GenerationBatch
        from airflow_provider_music.record.identity import TaskAttempt
        from airflow_provider_music.record.task_memory import TaskMemory

        self._use_conn_id()
        options = BatchOptions(self.max_in_flight, self.on_partial, self.fail_fast, self.check_balance)
        attempt, memory = TaskAttempt.of(context), TaskMemory.of(context)
        batch = GenerationBatch(GenerationOptions.of(self, context), options, self.requests, attempt, memory)
        try:
            result = half(batch)
        finally:
            self.lineage_record_url = batch.record_url
        if isinstance(result, DeferBatch):
            from airflow_provider_music.triggers.music import MusicBatchTrigger

            self.defer(trigger=MusicBatchTrigger.for_plan(result), method_name="execute_complete")
        self.lineage_takes = [take for _, take in batch.delivered]
        self.lineage_songs = [(song, take["intent"].get("fingerprint")) for song, take in batch.delivered]
        return result
