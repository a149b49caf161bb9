# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Asks for a song and leaves it in storage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.lineage.links import RecordLink, SongLink
from airflow_provider_music.lineage.mixin import LineageMixin
from airflow_provider_music.operators.arguments import OnUnknownPrice, check_spending, check_waiting
from airflow_provider_music.provenance.attach import check_provenance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_music.provenance.attach import ProvenancePolicy
    from airflow_provider_music.record.policy import OnUnknown

DEFAULT_TIMEOUT = timedelta(hours=1)


class GenerateMusicOperator(LineageMixin, BaseOperator):
    """Ask for a song, wait for it without holding a worker slot, and leave the audio in storage.

    Every song is asked for once: a record beside the audio is written before the paid request, and retries,
    lost workers and lost triggerers go on from it. Clearing a delivered task makes a new take.

    The request fields are checked against the model's own limits before anything is sent; which model takes
    which is in the README. All are templated. Source of fields and limits: docs.aimlapi.com, music models.

    :param model: model id, such as ``music-01`` or ``minimax/music-2.6``.
    :param lyrics: words to sing; ``##`` at start and end of music-01's lyrics adds accompaniment.
    :param prompt: style and mood in words.
    :param refer_voice: ``voice_id`` from :class:`UploadReferenceOperator` (music-01).
    :param refer_instrumental: ``instrumental_id`` from :class:`UploadReferenceOperator` (music-01).
    :param reference_audio_url: URL of a reference track, for models that fetch it themselves.
    :param audio_setting: ``{"sample_rate": Hz, "bitrate": bit/s, "format": "mp3" | "wav" | "pcm"}``.
    :param lyrics_optimizer: let the model write or mend the lyrics (minimax/music-2.6).
    :param is_instrumental: no vocals (minimax/music-2.6).
    :param negative_prompt: what to leave out (google/lyria2).
    :param seed: of the model's random numbers, 0 or more (google/lyria2).
    :param seconds_start: where the song starts, seconds (stable-audio).
    :param seconds_total: length, seconds (stable-audio).
    :param steps: denoising steps (stable-audio).
    :param music_length_ms: length, milliseconds (elevenlabs/eleven_music).
    :param cover_feature_id: of a preprocessed reference, valid 24 h (minimax/music-cover).
    :param duration: length, seconds (test/dummy-audio).
    :param extra_body: merged into the request untouched, for fields that are newer than this package.
    :param output_dir: where the song and its record go, any ``ObjectStoragePath`` URL or a folder that workers
        and triggerer share; default ``[music] output_dir``.
    :param conn_id: Airflow connection id.
    :param poll_interval: seconds between polls; default is the model's own pace.
    :param timeout: how long a try waits for the song, as seconds or ``timedelta``; an absolute deadline that
        no restart extends. The API cannot cancel: a song that misses it is paid, and a retry goes on waiting.
    :param wait_for_completion: False returns once the API has accepted the song (queued models).
    :param on_unknown: when the answer to the paid request is lost for good: ``fail`` ends the task and says how
        to go on; ``resubmit`` asks again, at most once per try, and may pay twice.
    :param max_usd: refuse, before anything is sent, what could take this task over that many US dollars, with all of
        its tries and takes; templated. An estimate from the prices that the API quotes: the API bills.
    :param on_unknown_price: with ``max_usd``, when a price cannot be told: ``refuse`` or ``allow``.
    :param provenance: what says where the song came from: ``manifest`` leaves a JSON file beside it, ``embed`` writes
        the same into the song's own tags too, ``none`` leaves nothing. See :mod:`airflow_provider_music.provenance`.
    :param deferrable: False waits on the worker.
    :return: ``generation_id``, ``model``, ``status``, ``audio_uri``, ``audio``, ``usage``, ``submissions``,
        ``trace_id``, ``record_uri``; each also under its own XCom key.
    :raises InvalidRequestError: the request breaks the model's limits; nothing was sent.
    :raises OverBudgetError: it could take the task over ``max_usd``; nothing was sent.
    :raises UnknownOutcomeError: the answer is lost; says what may have been billed.
    """

    template_fields: Sequence[str] = ("model", *REQUEST_FIELDS, "extra_body", "output_dir", "conn_id", "max_usd")
    template_fields_renderers = {"audio_setting": "json", "extra_body": "json"}  # noqa: RUF012 - Airflow's own form
    ui_color = "#e6dcf5"
    lineage_kind = "song"
    operator_extra_links = (SongLink(), RecordLink())

    def __init__(
        self,
        *,
        model: str = "music-01",
        lyrics: str | None = None,
        prompt: str | None = None,
        refer_voice: str | None = None,
        refer_instrumental: str | None = None,
        reference_audio_url: str | None = None,
        audio_setting: Mapping[str, Any] | str | None = None,
        lyrics_optimizer: bool | str | None = None,
        is_instrumental: bool | str | None = None,
        negative_prompt: str | None = None,
        seed: int | str | None = None,
        seconds_start: int | str | None = None,
        seconds_total: int | str | None = None,
        steps: int | str | None = None,
        music_length_ms: int | str | None = None,
        cover_feature_id: str | None = None,
        duration: int | str | None = None,
        extra_body: Mapping[str, Any] | str | None = None,
        output_dir: str | None = None,
        conn_id: str = "music_default",
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        wait_for_completion: bool = True,
        on_unknown: OnUnknown = "fail",
        max_usd: float | str | None = None,
        on_unknown_price: OnUnknownPrice = "refuse",
        provenance: ProvenancePolicy = "manifest",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.model = model
        self.lyrics = lyrics
        self.prompt = prompt
        self.refer_voice = refer_voice
        self.refer_instrumental = refer_instrumental
        self.reference_audio_url = reference_audio_url
        self.audio_setting = audio_setting
        self.lyrics_optimizer = lyrics_optimizer
        self.is_instrumental = is_instrumental
        self.negative_prompt = negative_prompt
        self.seed = seed
        self.seconds_start = seconds_start
        self.seconds_total = seconds_total
        self.steps = steps
        self.music_length_ms = music_length_ms
        self.cover_feature_id = cover_feature_id
        self.duration = duration
        self.extra_body = extra_body
        self.output_dir = output_dir
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.wait_for_completion = wait_for_completion
        self.on_unknown = on_unknown
        self.max_usd = max_usd
        self.on_unknown_price = on_unknown_price
        self.provenance = provenance
        self.deferrable = deferrable
        check_provenance(provenance)
        check_waiting(on_unknown=on_unknown, timeout=timeout, poll_interval=poll_interval)
        check_spending(max_usd, on_unknown_price)

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the request, go on from what the record says, and wait."""
        from airflow_provider_music.generation.task import SongFlow

        return self._run_with_lineage(context, lambda: SongFlow(self, context).start())

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Go on when the wait is over."""
        from airflow_provider_music.generation.task import SongFlow

        return self._run_with_lineage(context, lambda: SongFlow(self, context).resume(event))

    def on_kill(self) -> None:
        """Say what a kill means for the bill; the API has no cancel."""
        self.log.warning(
            "Killed. The API cannot cancel: a song that it accepted is still made and billed. Its record stays; "
            "clearing this task goes on with it."
        )
