# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Waits for a generation that another task, or another system, submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.parsing import seconds_of
from airflow_provider_music.audio.quality_limits import check_quality
from airflow_provider_music.compat import MULTIPLE_OUTPUTS, AirflowSensorTimeout, BaseSensorOperator, PokeReturnValue
from airflow_provider_music.lineage.links import RecordLink, SongLink
from airflow_provider_music.lineage.mixin import LineageMixin
from airflow_provider_music.provenance.attach import check_provenance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_provider_music.audio.quality_limits import QualityPolicy
    from airflow_provider_music.generation.poll import Polls
    from airflow_provider_music.generation.sensor import SensedGeneration
    from airflow_provider_music.provenance.attach import ProvenancePolicy

DEFAULT_TIMEOUT = 3600.0


class MusicGenerationSensor(LineageMixin, BaseSensorOperator):
    """Wait for a queued generation without holding a worker slot, and leave its audio in storage.

    It costs nothing: polling a generation is free, and a retry or a clear finds the same song.

    :param generation: what :class:`GenerateMusicOperator` returned, or the bare id of a generation that
        anyone submitted with the same account; templated.
    :param model: of a bare id, if known: it sets the pace of the polls.
    :param audio_format: of a bare id, if known: ``mp3``, ``wav`` or ``pcm``; raw PCM cannot be told by its content.
    :param output_dir: where the song goes, see :class:`GenerateMusicOperator`; templated.
    :param conn_id: Airflow connection id; templated.
    :param poll_interval: seconds between polls; default is the model's own pace.
    :param timeout: seconds until the sensor gives up; an absolute deadline that no restart extends.
    :param provenance: what says where the song came from: ``manifest`` leaves a JSON file beside it, ``tags`` writes
        the same into the song's own tags too, ``c2pa`` signs Content Credentials on top (extra ``c2pa``), ``none``
        leaves nothing. ``embed`` is the old name of ``tags``. See :mod:`airflow_provider_music.provenance`.
    :param c2pa_conn_id: Airflow connection of type ``c2pa``, whose certificate and key sign.
    :param quality: what is measured of a song once it is in place (extra ``quality``): ``measure`` reports the figures,
        ``warn`` logs broken limits, ``fail`` ends the task over one and keeps the song, ``none`` measures nothing.
    :param name: of the song's files, as of :class:`GenerateMusicOperator`; templated. Default: the name that its record
        has, where the task that submitted it gave one.
    :param quality_limits: in place of defaults, ``{"min_loudness_lufs": -20, "min_channels": None}``.
    :param deferrable: False pokes on a worker, in the sensor's ``mode``.
    :return: the same as :class:`GenerateMusicOperator`; each value also under its own XCom key.
    :raises GenerationFailedError: the API says that the generation failed.
    :raises GenerationSensorTimeout: it was not done in time; skips the task under ``soft_fail``.
    """

    template_fields: Sequence[str] = ("generation", "model", "output_dir", "conn_id", "name")
    ui_color = "#f5eedc"
    lineage_kind = "sensor"
    operator_extra_links = (SongLink(), RecordLink())
    _polls: Polls | None = None

    def __init__(
        self,
        *,
        generation: Mapping[str, Any] | str,
        model: str | None = None,
        audio_format: str | None = None,
        output_dir: str | None = None,
        conn_id: str = "music_default",
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = DEFAULT_TIMEOUT,
        provenance: ProvenancePolicy = "manifest",
        c2pa_conn_id: str = "c2pa_default",
        quality: QualityPolicy = "none",
        quality_limits: Mapping[str, float | None] | None = None,
        name: str | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", MULTIPLE_OUTPUTS)
        if poll_interval is not None:
            kwargs.setdefault("poke_interval", poll_interval)
        if isinstance(interval := kwargs.get("poke_interval"), str):
            kwargs["poke_interval"] = seconds_of(interval, "poll_interval")
        # Airflow's own sensor takes no text.
        super().__init__(timeout=seconds_of(timeout, "timeout"), **kwargs)
        self.generation = generation
        self.model = model
        self.audio_format = audio_format
        self.output_dir = output_dir
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.provenance = provenance
        self.c2pa_conn_id = c2pa_conn_id
        self.quality = quality
        self.quality_limits = quality_limits
        self.name = name
        self.deferrable = deferrable
        check_provenance(provenance)
        check_quality(quality, quality_limits)

    def execute(self, context: Any) -> Any:
        """Poll once, then wait in the triggerer; or poke on the worker."""
        if not self.deferrable:
            return self._run_with_lineage(context, lambda: self._poke_until_done(context))
        return self._run_with_lineage(context, lambda: self._poll_or_defer(context))

    def poke(self, context: Any) -> PokeReturnValue:
        """Poll once, on a worker."""
        result = self._generation(context).poll()
        return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Land the song, or say why there is none."""
        return self._run_with_lineage(context, lambda: self._generation(context).resume(event))

    def _poke_until_done(self, context: Any) -> Any:
        from airflow_provider_music.generation.poll import Polls

        self._polls = Polls(submitted_elsewhere=True)
        try:
            return super().execute(context)
        except AirflowSensorTimeout as exc:
            # Airflow's own says nothing of the generation.
            raise self._generation(context).timed_out(self._polls.as_dict()) from exc

    def _poll_or_defer(self, context: Any) -> dict[str, Any]:
        generation = self._generation(context)
        result = generation.poll()
        if result is None:
            from airflow_provider_music.triggers.music import MusicGenerationTrigger

            trigger = MusicGenerationTrigger.for_watch(generation.watch(), self.conn_id)
            self.defer(trigger=trigger, method_name="execute_complete")
        return result

    def _generation(self, context: Any) -> SensedGeneration:
        from airflow_provider_music.generation.sensor import SensedGeneration, SensorOptions
        from airflow_provider_music.record.identity import SongIdentity

        generation = SensedGeneration(SensorOptions.of(self), SongIdentity.of(context["ti"]), self._polls)
        self.lineage_record_url = generation.root_url
        return generation
