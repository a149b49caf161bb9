# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Waits for a song that another task, or another system, asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_music.lineage.links import RecordLink, SongLink
from airflow_provider_music.lineage.mixin import LineageMixin
from airflow_provider_music.provenance.attach import check_provenance
from airflow_provider_music.sensors.begin import BeginsInTriggerer, TriggererArguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_provider_music.generation.sensor import SensedSong
    from airflow_provider_music.provenance.attach import ProvenancePolicy

DEFAULT_TIMEOUT = 3600.0


class MusicGenerationSensor(LineageMixin, BaseSensorOperator):
    """Wait for a queued generation without holding a worker slot, and leave its audio in storage.

    It costs nothing: asking how a song stands is free, and a retry or a clear finds the same song.

    :param generation: what :class:`GenerateMusicOperator` returned, or the bare id of a generation that
        anyone asked for with the same account; templated.
    :param model: of a bare id, if known: it sets the pace of the polls.
    :param audio_format: of a bare id, if known: ``mp3``, ``wav`` or ``pcm``; raw PCM cannot be told by its content.
    :param output_dir: where the song goes, see :class:`GenerateMusicOperator`; templated.
    :param conn_id: Airflow connection id; templated.
    :param poll_interval: seconds between polls; default is the model's own pace.
    :param timeout: seconds until the sensor gives up; an absolute deadline that no restart extends.
    :param provenance: what says where the song came from: ``manifest`` leaves a JSON file beside it, ``embed`` writes
        the same into the song's own tags too, ``none`` leaves nothing. See :mod:`airflow_provider_music.provenance`.
    :param deferrable: False pokes on a worker, in the sensor's ``mode``.
    :param start_from_trigger: begin in the triggerer, so that a wait starts one worker and not two. None: where
        nothing is lost by it, see :mod:`airflow_provider_music.sensors.begin`. False: never. True: also where
        Airflow then passes over pool slots and ``max_active_tis_...``, or counts the wait against
        ``execution_timeout``; never where it cannot work, as for mapped sensors.
    :return: the same as :class:`GenerateMusicOperator`; each value also under its own XCom key.
    :raises GenerationFailedError: the API says that the generation failed.
    :raises GenerationSensorTimeout: it was not done in time; skips the task under ``soft_fail``.
    """

    template_fields: Sequence[str] = ("generation", "model", "output_dir", "conn_id")
    ui_color = "#f5eedc"
    lineage_kind = "sensor"
    operator_extra_links = (SongLink(), RecordLink())
    start_from_trigger = BeginsInTriggerer()
    start_trigger_args = TriggererArguments()

    def __init__(
        self,
        *,
        generation: Mapping[str, Any] | str,
        model: str | None = None,
        audio_format: str | None = None,
        output_dir: str | None = None,
        conn_id: str = "music_default",
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        provenance: ProvenancePolicy = "manifest",
        deferrable: bool = True,
        start_from_trigger: bool | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        if poll_interval is not None:
            kwargs.setdefault("poke_interval", poll_interval)
        super().__init__(timeout=timeout, **kwargs)
        self.generation = generation
        self.model = model
        self.audio_format = audio_format
        self.output_dir = output_dir
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.provenance = provenance
        self.deferrable = deferrable
        check_provenance(provenance)
        self.start_from_trigger = start_from_trigger

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Begin to map the sensor; what is mapped begins on a worker, and Airflow is not told otherwise."""
        begun = super().partial(**kwargs)
        begun.kwargs.pop("start_from_trigger", None)
        return begun

    def execute(self, context: Any) -> Any:
        """Look once, then wait in the triggerer; or poke on the worker."""
        from airflow_provider_music.generation.sensor import SensedSong

        if not self.deferrable:
            return self._run_with_lineage(context, lambda: super(MusicGenerationSensor, self).execute(context))
        return self._run_with_lineage(context, lambda: self._look_then_wait(SensedSong(self, context)))

    def poke(self, context: Any) -> PokeReturnValue:
        """Look once, on a worker."""
        from airflow_provider_music.generation.sensor import SensedSong

        result = SensedSong(self, context).look()
        return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Land the song, or say why there is none; or begin, where the triggerer left that to a worker."""
        return self._run_with_lineage(context, lambda: self._resume(context, event))

    def _resume(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        from airflow_provider_music.generation.sensor import SensedSong

        song = SensedSong(self, context)
        if song.is_of(event):
            return song.resume(event)
        # Airflow writes the log of a task's second trigger over that of its first.
        self.log.info("Begun on a worker: %s", event.get("reason") or "the wait was for another song")
        return self._look_then_wait(song)

    def _look_then_wait(self, song: SensedSong) -> dict[str, Any]:
        result = song.look()
        if result is None:
            self.defer(trigger=song.trigger(), method_name="execute_complete")
        return result
