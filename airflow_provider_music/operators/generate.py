# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Generates a song and leaves it in storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.fields import REQUEST_FIELDS
from airflow_provider_music.api.plain import check_plain_request, is_mapped
from airflow_provider_music.lineage.links import RecordLink, SongLink
from airflow_provider_music.operators.base import GenerationOperator, for_retry_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_music.generation.task import Defer, GenerationTask


class GenerateMusicOperator(GenerationOperator):
    """Submit a generation, wait for it without holding a worker slot, and leave the audio in storage.

    Every song is paid once: a record beside the audio is written before the paid request, and retries,
    lost workers and lost triggerers resume from it. Clearing a delivered task makes a new take.

    The request fields are checked against the model's own limits before anything is sent; which model takes
    which is in the README. All are templated. Source of fields and limits: docs.aimlapi.com, music models.
    The parameters of :class:`~airflow_provider_music.operators.base.GenerationOperator` are taken too.

    :param model: model id, such as ``minimax/music-2.6``.
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
    :param extra_body: merged into the request untouched, for fields that are newer than this package; ``model`` and
        ``stream`` are refused.
    :param wait_for_completion: False returns once the API has accepted the request (queued models). A synchronous
        model has no id to return before the song is there, so it is waited for all the same.
    :return: ``generation_id``, ``model``, ``status``, ``audio_uri``, ``audio``, ``usage``, ``submissions``,
        ``trace_id``, ``record_uri``; each also under its own XCom key.
    :raises InvalidRequestError: the request breaks the model's limits; nothing was sent. Where it is written out,
        without templates, the import of the DAG file says so.
    :raises OverBudgetError: it could take the task over ``max_usd``; nothing was sent.
    :raises UnknownOutcomeError: the answer is lost; says what may have been billed.
    """

    template_fields: Sequence[str] = ("model", *REQUEST_FIELDS, "extra_body", "output_dir", "conn_id", "max_usd")
    template_fields_renderers = {"audio_setting": "json", "extra_body": "json"}  # noqa: RUF012 - Airflow's own form
    lineage_kind = "song"
    operator_extra_links = (SongLink(), RecordLink())

    def __init__(
        self,
        *,
        model: str,
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
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        arguments = locals()
        super().__init__(**kwargs)
        for name in REQUEST_FIELDS:
            setattr(self, name, arguments[name])
        self.model = model
        self.extra_body = extra_body
        self.wait_for_completion = wait_for_completion
        self._note_templates()
        if not is_mapped(self):
            check_plain_request(
                {"model": model, **{name: arguments[name] for name in REQUEST_FIELDS}, "extra_body": extra_body}
            )

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the request, continue from what the record says, and wait."""
        return self._run(context, lambda task: task.start(), first=True)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Resume when the wait is over."""
        return self._run(context, lambda task: task.resume(event))

    def _run(
        self, context: Any, half: Callable[[GenerationTask], dict[str, Any] | Defer], *, first: bool = False
    ) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            if first:
                self._check_rendered(context)
            return self._returned_or_deferred(context, half)

        with for_retry_policy(self):
            return self._run_with_lineage(context, work)

    def _returned_or_deferred(
        self, context: Any, half: Callable[[GenerationTask], dict[str, Any] | Defer]
    ) -> dict[str, Any]:
        from airflow_provider_music.generation.attempt import GenerationOptions
        from airflow_provider_music.generation.task import Defer, GenerationTask
        from airflow_provider_music.record.identity import TaskAttempt
        from airflow_provider_music.record.task_memory import TaskMemory

        self._use_conn_id()
        fields = {name: getattr(self, name) for name in REQUEST_FIELDS}
        request = {"model": self.model, "fields": fields, "extra_body": self.extra_body}
        options, attempt = GenerationOptions.of(self, context), TaskAttempt.of(context)
        task = GenerationTask(options, request, attempt, TaskMemory.of(context))
        try:
            result = half(task)
        finally:
            self.lineage_record_url = task.record_url
        if isinstance(result, Defer):
            from airflow_provider_music.triggers.music import MusicGenerationTrigger

            self.defer(trigger=MusicGenerationTrigger.for_spec(result.spec), method_name="execute_complete")
        self.lineage_takes = [task.delivered] if task.delivered is not None else []
        return result
