# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Asks for many songs in one task and leaves them in storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_music.operators.checks import check_waiting
from airflow_provider_music.operators.generate import DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_provider_music.record.policy import OnUnknown

OnPartial = Literal["fail", "keep"]


class GenerateMusicBatchOperator(BaseOperator):
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
    :param deferrable: False waits on the worker.
    :return: ``manifest_uri`` (JSON lines, one a song in the list's order: ``index``, ``status``, and what
        :class:`GenerateMusicOperator` returns, or ``error`` and ``message``), ``requested``, ``delivered``,
        ``failed``, ``unknown`` (counts), ``usage`` (sum of the delivered songs); each also under its own XCom key.
    :raises InvalidRequestError: requests break their models' limits; nothing was sent.
    :raises PartialBatchError: songs are missing; says how many are paid, failed and unknown, and the manifest.
    """

    template_fields: Sequence[str] = ("requests", "output_dir", "conn_id")
    template_fields_renderers = {"requests": "json"}  # noqa: RUF012 - Airflow's own form
    ui_color = "#e6dcf5"

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
        self.deferrable = deferrable
        check_waiting(on_unknown=on_unknown, timeout=timeout, poll_interval=poll_interval)
        if on_partial not in get_args(OnPartial):
            raise ValueError(f"on_partial: {on_partial!r}; give 'fail' or 'keep'.")
        if not isinstance(max_in_flight, int) or max_in_flight < 1:
            raise ValueError(f"max_in_flight: {max_in_flight!r}; give a whole number of 1 or more.")

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the requests, go on from what their records say, and wait."""
        from airflow_provider_music.operators.batch_flow import BatchFlow

        return BatchFlow(self, context).start()

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Land what is done and say what is missing."""
        from airflow_provider_music.operators.batch_flow import BatchFlow

        return BatchFlow(self, context).resume(event)

    def on_kill(self) -> None:
        """Say what a kill means for the bill; the API has no cancel."""
        self.log.warning(
            "Killed. The API cannot cancel: songs that it accepted are still made and billed. Their records stay; "
            "clearing this task goes on with them."
        )
