# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Asks for many songs in one task and leaves them in storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_music.lineage.links import RecordLink
from airflow_provider_music.lineage.mixin import LineageMixin
from airflow_provider_music.operators.arguments import OnUnknownPrice, check_spending, check_waiting
from airflow_provider_music.operators.generate import DEFAULT_TIMEOUT
from airflow_provider_music.provenance.attach import check_provenance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_provider_music.provenance.attach import ProvenancePolicy
    from airflow_provider_music.record.policy import OnUnknown

OnPartial = Literal["fail", "keep"]


class GenerateMusicBatchOperator(LineageMixin, BaseOperator):
    """Ask for many songs, wait for all of them in one trigger, and leave the audio in storage.

    It costs two starts of a worker, however many songs there are. Each song has a record of its own, so a retry
    asks only for what is missing; clearing a task that succeeded makes new takes of all. Waits, checks and what is
    promised about money are those of :class:`GenerateMusicOperator`.

    :param requests: one dict a song, of the fields that :class:`GenerateMusicOperator` takes for one song
        (``model``, default ``music-01``, ``lyrics``, ``prompt``, ..., ``extra_body``); templated. A song is known
        by its place in the list, so a retry has to give the same list.
    :param max_in_flight: songs asked for and not done at any time.
    :param on_partial: what a song without an end in storage (failed, or its answer lost) means when all others are
        done: ``fail`` ends the task with an error, and a retry asks for what failed; ``keep`` succeeds with the songs
        that are there. A song that is still being made, or paid and not fetched yet, is never given up: the task fails.
    :param fail_fast: once a song failed, ask for no further one; those under way are paid, so they are waited for.
    :param output_dir: see :class:`GenerateMusicOperator`.
    :param conn_id: Airflow connection id.
    :param poll_interval: seconds between polls of one song; default is the model's own pace.
    :param timeout: how long a try waits for all of its songs, as seconds or ``timedelta``; an absolute deadline.
    :param on_unknown: see :class:`GenerateMusicOperator`; for each song.
    :param max_usd: refuse, before anything is sent, what could take this task over that many US dollars, with all of
        its songs, tries and takes; templated. An estimate from the prices that the API quotes: the API bills.
    :param on_unknown_price: with ``max_usd``, when a price cannot be told: ``refuse`` or ``allow``.
    :param provenance: see :class:`GenerateMusicOperator`; for each song.
    :param deferrable: False waits on the worker.
    :return: ``manifest_uri`` (JSON lines, one a song in the list's order: ``index``, ``status``, and what
        :class:`GenerateMusicOperator` returns, or ``error`` and ``message``), ``requested``, ``delivered``,
        ``failed``, ``unknown`` (counts), ``usage`` (sum of the delivered songs); each also under its own XCom key.
    :raises InvalidRequestError: requests break their models' limits; nothing was sent.
    :raises OverBudgetError: it could take the task over ``max_usd``; nothing was sent by this try.
    :raises PartialBatchError: songs are missing; says how many are paid, failed and unknown, and the manifest.
    """

    template_fields: Sequence[str] = ("requests", "output_dir", "conn_id", "max_usd")
    template_fields_renderers = {"requests": "json"}  # noqa: RUF012 - Airflow's own form
    ui_color = "#e6dcf5"
    lineage_kind = "batch"
    operator_extra_links = (RecordLink(),)

    def __init__(
        self,
        *,
        requests: Sequence[Mapping[str, Any]] | str,
        max_in_flight: int = 10,
        on_partial: OnPartial = "fail",
        fail_fast: bool = False,
        output_dir: str | None = None,
        conn_id: str = "music_default",
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        on_unknown: OnUnknown = "fail",
        max_usd: float | str | None = None,
        on_unknown_price: OnUnknownPrice = "refuse",
        provenance: ProvenancePolicy = "manifest",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.requests = requests
        self.max_in_flight = max_in_flight
        self.on_partial = on_partial
        self.fail_fast = fail_fast
        self.output_dir = output_dir
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.on_unknown = on_unknown
        self.max_usd = max_usd
        self.on_unknown_price = on_unknown_price
        self.provenance = provenance
        self.deferrable = deferrable
        check_provenance(provenance)
        check_waiting(on_unknown=on_unknown, timeout=timeout, poll_interval=poll_interval)
        check_spending(max_usd, on_unknown_price)
        if on_partial not in get_args(OnPartial):
            raise ValueError(f"on_partial: {on_partial!r}; give 'fail' or 'keep'.")
        if not isinstance(max_in_flight, int) or max_in_flight < 1:
            raise ValueError(f"max_in_flight: {max_in_flight!r}; give a whole number of 1 or more.")

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the requests, go on from what their records say, and wait."""
        from airflow_provider_music.generation.batch import BatchFlow

        return self._run_with_lineage(context, lambda: BatchFlow(self, context).start())

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Land what is done and say what is missing."""
        from airflow_provider_music.generation.batch import BatchFlow

        return self._run_with_lineage(context, lambda: BatchFlow(self, context).resume(event))

    def on_kill(self) -> None:
        """Say what a kill means for the bill; the API has no cancel."""
        self.log.warning(
            "Killed. The API cannot cancel: songs that it accepted are still made and billed. Their records stay; "
            "clearing this task goes on with them."
        )
