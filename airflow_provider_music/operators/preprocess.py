# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Has a reference track analysed for a cover."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.rendered import sources_of
from airflow_provider_music.api.rights import rights_required
from airflow_provider_music.compat import MULTIPLE_OUTPUTS, BaseOperator
from airflow_provider_music.lineage.mixin import LineageMixin
from airflow_provider_music.operators.base import check_names, check_rights_as_written, check_waiting, rights_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from airflow_provider_music.record.policy import OnUnknown

DEFAULT_TIMEOUT = timedelta(minutes=15)


class PreprocessCoverOperator(LineageMixin, BaseOperator):
    """Have a reference track analysed for a cover; a person may edit the words that were heard.

    The first of two steps: hand ``cover_feature_id`` and the words, edited or not, to ``GenerateMusicOperator`` with
    ``minimax/music-cover`` within 24 hours. Give ``file`` or ``reference_audio_url``. The track has vocals, is 6
    seconds to 6 minutes long and of at most 50 MB. Source: live OpenAPI, POST /v2/generate/audio/preprocess.

    The API does not say what this costs, so it counts as paid: a record is written before the request, and retries,
    lost workers and copies of the task resume from it. Clearing a delivered task submits a new request. It runs on
    the worker, usually for less than a minute.

    :param file: any ``ObjectStoragePath`` or its URL, or a local path; checked, and sent inside the request, which the
        API prefers to a URL that it has to fetch; templated.
    :param reference_audio_url: http or https URL of the track, or a data URI; templated.
    :param conn_id: Airflow connection id; templated.
    :param record_dir: where the record goes, the same in every try, so it is no template; default
        ``[music] record_dir`` or ``[music] output_dir``.
    :param timeout: how long a try waits, as seconds, ``timedelta`` or text (``"10m"``).
    :param on_unknown: what to do when the answer is lost: ``fail`` ends the task without using its retries, and says
        what may have been billed; ``resubmit`` submits again, once a try.
    :param rights: under which licence or consent the track is used, for the disclosure sheets of the songs made from
        it: one line of text or a document's URI; templated.
    :param require_rights: refuse to submit without ``rights``, as ``[music] require_rights`` does for all.
    :return: ``cover_feature_id``, ``formatted_lyrics``, ``structure_result``, ``audio_duration`` (seconds),
        ``expires_at``, ``sha256`` (of ``file``), ``usage``, ``submissions``, ``trace_id``, ``record_uri``; each also
        under its own XCom key.
    :raises InvalidRequestError: neither or both references, or one that the API does not take; ``rights`` are
        required and missing, or can be none; nothing was sent.
    :raises UnknownOutcomeError: the answer is lost; says what may have been billed.
    """

    template_fields: Sequence[str] = ("file", "reference_audio_url", "conn_id", "rights")
    ui_color = "#dcebf5"
    lineage_kind = "preprocess"

    def __init__(
        self,
        *,
        file: str | os.PathLike[str] | None = None,
        reference_audio_url: str | None = None,
        conn_id: str = "music_default",
        record_dir: Any = None,
        timeout: timedelta | float | str = DEFAULT_TIMEOUT,
        on_unknown: OnUnknown = "fail",
        rights: str | None = None,
        require_rights: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", MULTIPLE_OUTPUTS)
        check_names(type(self), kwargs)
        super().__init__(**kwargs)
        self.file = file
        self.reference_audio_url = reference_audio_url
        self.conn_id = conn_id
        self.record_dir = record_dir
        self.timeout = timeout
        self.on_unknown = on_unknown
        self.rights = rights
        self.require_rights = require_rights
        self.rights_source = sources_of(rights)
        check_rights_as_written(self)
        check_waiting(on_unknown=on_unknown, timeout=timeout, poll_interval=None)

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the reference, continue from what the record says, and wait."""
        return self._run_with_lineage(context, lambda: self._preprocess(context))

    def _preprocess(self, context: Any) -> dict[str, Any]:
        from airflow_provider_music.api.connection import conn_id_of
        from airflow_provider_music.api.parsing import seconds_of
        from airflow_provider_music.generation.preprocess import CoverPreprocessing, PreprocessOptions, cover_track
        from airflow_provider_music.record.identity import TaskAttempt
        from airflow_provider_music.storage.sharing import executor_of

        self.conn_id = conn_id_of(self.conn_id)
        options = PreprocessOptions(
            self.conn_id,
            self.record_dir,
            seconds_of(self.timeout),
            self.on_unknown,
            executor_of(self),
            rights_of(self, context),
            rights_required(self.require_rights),
        )
        track = cover_track(self.file, self.reference_audio_url)
        task = CoverPreprocessing(track, options, TaskAttempt.of(context))
        self.lineage_record_url = task.record_url
        return task.run()

    def on_kill(self) -> None:
        """Say what a kill means for the bill; the API has no cancel."""
        self.log.warning("Killed. A request that is open may be billed; its record stays, and a retry resumes it.")
