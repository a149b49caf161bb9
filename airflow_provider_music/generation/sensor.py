# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the sensor does on a worker: tell which song is meant, look at it, land it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import usable_id
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    GenerationFailedError,
    GenerationSensorTimeout,
    InvalidRequestError,
    OutputError,
    RateLimitedError,
    RecordError,
    ServerFailureError,
    named,
)
from airflow_provider_music.generation import clock
from airflow_provider_music.generation.fetch import RESULT_KEYS, fetch
from airflow_provider_music.generation.sensed import read_generation, usual_seconds
from airflow_provider_music.generation.usage_log import LoggedRequest
from airflow_provider_music.hooks.clients import sync_client_of
from airflow_provider_music.lineage.facts import asked_facts
from airflow_provider_music.provenance.attach import attach_provenance, with_attached
from airflow_provider_music.record.store import SongIdentity, Take
from airflow_provider_music.storage.audio_writer import RequestedAudio
from airflow_provider_music.storage.folder import Folder, default_output_dir, safe_name

if TYPE_CHECKING:
    from airflow_provider_music.sensors.music import MusicGenerationSensor
    from airflow_provider_music.triggers.music import MusicGenerationTrigger

log = logging.getLogger(__name__)

_RESULT = "completed.json"


class SensedSong:
    """The song that a sensor waits for.

    :param sensor: the sensor, its templates rendered.
    :param context: Airflow's context of the running task instance.
    :raises InvalidRequestError: ``generation`` names no song.
    """

    def __init__(self, sensor: MusicGenerationSensor, context: Any) -> None:
        self._sensor = sensor
        self._given = given = read_generation(sensor.generation)
        self._id = given.get("generation_id")
        if given.get("status") != "completed" and not (isinstance(self._id, str) and usable_id(self._id)):
            raise InvalidRequestError(
                f"generation: {sensor.generation!r:.120} holds no generation_id; pass what GenerateMusicOperator "
                "returned, or the id itself.",
                "The sensor",
            )
        self._model = given.get("model") or sensor.model
        ti = context["ti"]
        self._identity = identity = SongIdentity(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        self._folder = (
            identity.folder(sensor.output_dir or default_output_dir()) / f"generation-{safe_name(str(self._id))}"
        )

    def look(self) -> dict[str, Any] | None:
        """Return the result if the song is there, None if it is still being made.

        :raises GenerationFailedError: the API says that it failed.
        :raises ApiError: the API does not know it, or refuses the key.
        """
        known = self._landed_before()
        if known is not None:
            return known
        try:
            found = sync_client_of(self._sensor.conn_id).call(endpoints.poll(str(self._id)))
        except (ApiUnreachableError, RateLimitedError, ServerFailureError) as exc:
            log.warning("The API does not answer now; the wait goes on: %s", exc)
            return None
        log.info("Generation %s is %s", self._id, found.status)
        if found.failed:
            raise GenerationFailedError(f"Generation {self._id}: the API says {found.status}: {found.error}")
        return self._land() if found.done and found.audio_url else None

    def trigger(self) -> MusicGenerationTrigger:
        """Make the wait for the triggerer."""
        from airflow_provider_music.triggers.music import MusicGenerationTrigger

        sensor, interval = self._sensor, self._sensor.poll_interval
        return MusicGenerationTrigger(
            conn_id=sensor.conn_id,
            generation_id=self._id,
            usual_seconds=usual_seconds(self._model),
            poll_interval=clock.seconds_of(interval) if interval is not None else None,
            deadline=clock.now() + float(sensor.timeout),
            asked_at=clock.now(),
        )

    def is_of(self, event: dict[str, Any]) -> bool:
        """Tell whether an event says how the wait for this very song ended; if not, a worker has to look."""
        return event["status"] != "look" and event.get("generation_id") == self._id

    def resume(self, event: dict[str, Any]) -> dict[str, Any]:
        """Go on from how the wait ended."""
        status = event["status"]
        if status == "ready":
            return self._landed_before() or self._land()
        if status == "failed":
            raise GenerationFailedError(f"Generation {self._id}: {event.get('message')}")
        if status == "timeout":
            raise GenerationSensorTimeout(
                f"Generation {self._id} was not done within {self._sensor.timeout:g} s. The API goes on making it; "
                "clear this sensor to wait on, which costs nothing."
            )
        raise named(event.get("error"), str(event.get("message") or f"The wait ended with {status!r}."))

    def _landed_before(self) -> dict[str, Any] | None:
        """Return the result that exists already: the operator's own, or that of an earlier try."""
        given = self._given
        if given.get("status") == "completed" and given.get("audio_uri"):
            folder, _, name = str(given["audio_uri"]).rpartition("/")
            try:
                size = Folder(folder).size(name)
            except OSError as exc:
                raise OutputError(f"{given['audio_uri']} cannot be looked at: {exc}") from exc
            if size is None:
                raise OutputError(f"{given['audio_uri']} is no longer there; its task has to be cleared.")
            return {key: given.get(key) for key in RESULT_KEYS}
        try:
            content = self._folder.read(_RESULT)
        except OSError as exc:
            raise RecordError(f"{self._folder.url_of(_RESULT)} cannot be read: {exc}") from exc
        return self._kept(json.loads(content)) if content else None

    def _land(self) -> dict[str, Any]:
        audio = self._given.get("audio") or {}
        asked = RequestedAudio(audio.get("format") or self._sensor.audio_format, audio.get("sample_rate_hz"))
        client, wanted = sync_client_of(self._sensor.conn_id), LoggedRequest.recent(str(self._id))
        values = fetch(client, str(self._id), self._folder, asked, before=self._given, wanted=wanted)
        values |= {
            "model": self._model,
            "status": "completed",
            "submissions": self._given.get("submissions"),
            "record_uri": self._folder.url_of(_RESULT),
        }
        fact = {key: values.get(key) for key in RESULT_KEYS} | {"written_at": datetime.now(UTC).isoformat()}
        try:
            first = self._folder.create(_RESULT, (json.dumps(fact, indent=2) + "\n").encode())
        except OSError as exc:
            raise RecordError(f"{self._folder.url_of(_RESULT)} cannot be written: {exc}") from exc
        if first:
            metrics.landed(self._model, fact["usage"])
        return self._kept(fact)

    def _kept(self, fact: dict[str, Any]) -> dict[str, Any]:
        """Keep the song's provenance and return the result."""
        result = {key: fact.get(key) for key in RESULT_KEYS}
        try:
            facts = {**asked_facts(self._given), "completed": fact}
        except OSError as exc:
            raise RecordError(f"The record {self._given.get('record_uri')} cannot be read: {exc}") from exc
        take = Take(int(facts.get("intent", {}).get("n", 1)), facts)
        return with_attached(result, attach_provenance(self._folder, take, self._identity, self._sensor.provenance))
