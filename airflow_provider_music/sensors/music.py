# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Waits for a song that another task, or another system, asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

DEFAULT_TIMEOUT = 3600.0


class MusicGenerationSensor(BaseSensorOperator):
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
    :param deferrable: False pokes on a worker, in the sensor's ``mode``.
    :return: the same as :class:`GenerateMusicOperator`; each value also under its own XCom key.
    :raises GenerationFailedError: the API says that the generation failed.
    :raises GenerationSensorTimeout: it was not done in time; skips the task under ``soft_fail``.
    """

    template_fields: Sequence[str] = ("generation", "model", "output_dir", "conn_id")
    ui_color = "#f5eedc"

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
        deferrable: bool = True,
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
        self.deferrable = deferrable

    def execute(self, context: Any) -> Any:
        """Look once, then wait in the triggerer; or poke on the worker."""
        from airflow_provider_music.sensors.flow import SensedSong

        if not self.deferrable:
            return super().execute(context)
        song = SensedSong(self, context)
        result = song.look()
        if result is None:
            self.defer(trigger=song.trigger(), method_name="execute_complete")
        return result

    def poke(self, context: Any) -> PokeReturnValue:
        """Look once, on a worker."""
        from airflow_provider_music.sensors.flow import SensedSong

        result = SensedSong(self, context).look()
        return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Land the song, or say why there is none."""
        from airflow_provider_music.sensors.flow import SensedSong

        return SensedSong(self, context).resume(event)
