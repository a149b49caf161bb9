# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Generates a song and leaves it in storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_music.api.fields import REQUEST_FIELDS, SONG_KEYS
from airflow_provider_music.api.plain import check_plain_request, is_mapped, seed_problem
from airflow_provider_music.api.templated import parse_templated
from airflow_provider_music.exceptions import InvalidRequestError
from airflow_provider_music.lineage.links import RecordLink, SongLink
from airflow_provider_music.operators.base import GenerationOperator
from airflow_provider_music.operators.whole_request import named_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_music.compat import XComArg
    from airflow_provider_music.generation.attempt import GenerationOptions
    from airflow_provider_music.generation.batch import DeferBatch
    from airflow_provider_music.generation.task import Defer
    from airflow_provider_music.record.identity import TaskAttempt
    from airflow_provider_music.record.task_memory import TaskMemory

Keep = Literal["best"]
#: Each take is a bill; a larger number is a slip, or a batch.
MOST_TAKES = 10


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
    :param request: the whole request as one value, in place of ``model`` and the fields above: a dict of them, or one
        of the classes of :mod:`airflow_provider_music.requests`, whose fields an editor completes.
    :param takes: how many songs of the request to make, 1 to 10, each paid; the best is delivered, the others are kept
        beside it. Above 1 each is measured (extra ``quality``), and ``max_usd`` is for all of them together.
    :param keep: which is delivered, of takes above 1: ``best``, the one that keeps ``quality_limits``, or is nearest.
    :param name: of the song's files, without an ending, such as ``"{{ ds }}-jingle"``; ``song`` where none is given.
    :param wait_for_completion: False returns once the API has accepted the request (queued models). A synchronous
        model has no id to return before the song is there, so it is waited for all the same.
    :return: ``generation_id``, ``model``, ``status``, ``audio_uri``, ``audio``, ``usage``, ``submissions``,
        ``trace_id``, ``record_uri``, with takes above 1 also ``takes``; each also under its own XCom key.
    :raises InvalidRequestError: the request breaks the model's limits; nothing was sent. Where it is written out,
        without templates, the import of the DAG file says so.
    :raises OverBudgetError: it could take the task over ``max_usd``; nothing was sent.
    :raises BudgetExceededError: the shared budget that it names has no room for it; nothing was sent.
    :raises UnknownOutcomeError: the answer is lost; says what may have been billed.
    :raises QualityError: under ``quality="fail"`` no song keeps its limits; names the nearest.
    """

    template_fields: Sequence[str] = (
        *("model", *REQUEST_FIELDS, "extra_body", "request", "name"),
        *("output_dir", "conn_id", "max_usd", "budget", "rights"),
    )
    template_fields_renderers = {  # noqa: RUF012 - Airflow's own form
        "audio_setting": "json",
        "extra_body": "json",
        "request": "json",
    }
    lineage_kind = "song"
    operator_extra_links = (SongLink(), RecordLink())
    model: str | None
    #: Whether this half of a try is one of several takes.
    _of_several = False

    def __init__(
        self,
        *,
        model: str | None = None,
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
        request: Mapping[str, Any] | XComArg | str | None = None,
        takes: int = 1,
        keep: Keep = "best",
        name: str | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        arguments = locals()
        super().__init__(**kwargs)
        for key in SONG_KEYS:
            setattr(self, key, arguments[key])
        self.request = request
        self.takes = takes
        self.keep = keep
        self.name = name
        self.wait_for_completion = wait_for_completion
        if self.reuse is not None and not wait_for_completion:
            raise ValueError("reuse and wait_for_completion=False: what is not waited for cannot be handed out again.")
        self._take_written_request()
        self._note_templates()
        self._check_takes()
        self._check_as_written()

    def _take_written_request(self) -> None:
        """Take the fields of a request that the DAG file has whole: each is templated and checked by its own name."""
        if self.request is None:
            return
        beside = [name for name in SONG_KEYS if getattr(self, name) is not None]
        if beside:
            raise ValueError(f"request and {', '.join(beside)}: both given; put all fields of the song into request.")
        if isinstance(self.request, Mapping) and not is_mapped(self):
            self._take_fields(named_fields(self.request, "request"))
            self.request = None

    def _take_fields(self, request: Mapping[str, Any]) -> None:
        for name in SONG_KEYS:
            setattr(self, name, request.get(name))
        named = request.get("name")
        if request.get("rights") is not None:
            # A request's own ones stand in place of the task's.
            self.rights = request["rights"]
        if named is not None and self.name not in (None, named):
            raise InvalidRequestError(f"name: {self.name!r:.60} beside the request, {named!r:.60} in it; give it once.")
        self.name = self.name if named is None else named

    def _check_takes(self) -> None:
        """Refuse what cannot be made several times, or compared."""
        if not isinstance(self.takes, int) or isinstance(self.takes, bool) or not 1 <= self.takes <= MOST_TAKES:
            raise ValueError(f"takes: {self.takes!r}; give a whole number from 1 to {MOST_TAKES}.")
        if self.keep not in get_args(Keep):
            raise ValueError(f"keep: {self.keep!r}; give 'best'.")
        if self.takes == 1:
            return
        if not self.wait_for_completion:
            raise ValueError(
                f"takes={self.takes} with wait_for_completion=False: the songs are compared, so they are waited for."
            )
        if self.reuse is not None:
            raise ValueError(
                f"takes={self.takes} with reuse: of equal requests reuse makes one song; give one of both."
            )
        if getattr(self, "seed", None) is not None:
            raise InvalidRequestError(seed_problem(self.takes))

    def _check_as_written(self) -> None:
        """Check the request as the DAG file has it."""
        if self.request is not None or is_mapped(self):
            return
        if self.model is None:
            raise InvalidRequestError("model: not given; name the model, or give a request that does.")
        check_plain_request(self._own_fields())

    def _own_fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*SONG_KEYS, "name")}

    def _begin(self, context: Any) -> None:
        super()._begin(context)
        if self.request is not None:
            # Of a template, an XCom or a mapped task: known since now.
            self._take_fields(named_fields(parse_templated(self.request, dict), "request"))

    def _whole_request(self) -> Any:
        """Return the request as it is to be sent; it is checked where it is needed."""
        if self.request is None:
            return self._own_fields()
        request = parse_templated(self.request, dict)
        named = self.name is not None and isinstance(request, Mapping)
        return {**request, "name": self.name} if named else request

    def execute(self, context: Any) -> dict[str, Any]:
        """Check the request, continue from what the record says, and wait."""
        self._of_several = self.takes > 1
        return self._run(context, lambda task: task.start(), first=True)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Resume when the wait is over."""
        # As the wait was begun, whatever the DAG says now.
        self._of_several = "plan_url" in event
        return self._run(context, lambda task: task.resume(event))

    def _returned_or_deferred(self, context: Any, half: Callable[[Any], Any]) -> dict[str, Any]:
        from airflow_provider_music.generation.attempt import GenerationOptions
        from airflow_provider_music.record.identity import TaskAttempt
        from airflow_provider_music.record.task_memory import TaskMemory

        self._use_conn_id()
        options, attempt = GenerationOptions.of(self, context), TaskAttempt.of(context)
        memory = TaskMemory.of(context)
        if self._of_several:
            return self._best_of_takes(options, attempt, memory, half)
        from airflow_provider_music.generation.task import Defer, GenerationTask

        task = GenerationTask(options, self._whole_request(), attempt, memory)
        try:
            result: dict[str, Any] | Defer = half(task)
        finally:
            self.lineage_record_url = task.record_url
        if isinstance(result, Defer):
            from airflow_provider_music.triggers.music import MusicGenerationTrigger

            self.defer(trigger=MusicGenerationTrigger.for_spec(result.spec), method_name="execute_complete")
        self.lineage_takes = [task.delivered] if task.delivered is not None else []
        return result

    def _best_of_takes(
        self,
        options: GenerationOptions,
        attempt: TaskAttempt,
        memory: TaskMemory,
        half: Callable[[Any], dict[str, Any] | DeferBatch],
    ) -> dict[str, Any]:
        """Do one half of a try of several takes, which are a batch of equal requests."""
        from airflow_provider_music.generation.batch import DeferBatch
        from airflow_provider_music.generation.takes import GenerationTakes

        takes = GenerationTakes(options, self._whole_request(), self.takes, attempt, memory)
        try:
            result = half(takes)
        finally:
            self.lineage_record_url = takes.record_url
        if isinstance(result, DeferBatch):
            from airflow_provider_music.triggers.music import MusicBatchTrigger

            self.defer(trigger=MusicBatchTrigger.for_plan(result), method_name="execute_complete")
        self.lineage_takes = [take for _, take in takes.delivered]
        return result
