# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of a sensor on a worker: which generation is meant, how it stands, and its song landed."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import seconds_of, usable_id
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
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.errors import said_last
from airflow_provider_music.generation.fetch import fetch
from airflow_provider_music.generation.result import RESULT_KEYS, log_ready
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.usage_log import LoggedRequest
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.provenance.attach import attach_provenance, with_attached
from airflow_provider_music.record.generation_ref import facts_of_generation, read_generation
from airflow_provider_music.record.take import Take
from airflow_provider_music.storage.audio_writer import RequestedAudio
from airflow_provider_music.storage.folder import Folder, default_output_dir, safe_name
from airflow_provider_music.storage.location import location

if TYPE_CHECKING:
    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.provenance.attach import ProvenancePolicy
    from airflow_provider_music.record.identity import SongIdentity

log = logging.getLogger(__name__)

_RESULT = "completed.json"


@dataclass(frozen=True, slots=True)
class SensorOptions:
    """What a sensor says, its templates rendered; times in seconds.

    The parameters of :class:`~airflow_provider_music.sensors.music.MusicGenerationSensor` of the same names.
    """

    generation: Any
    model: str | None
    audio_format: str | None
    output_dir: str
    conn_id: str
    poll_interval: float | None
    timeout: float
    provenance: ProvenancePolicy

    @classmethod
    def of(cls, sensor: Any) -> SensorOptions:
        """Read them from a sensor."""
        interval = sensor.poll_interval
        return cls(
            generation=sensor.generation,
            model=sensor.model,
            audio_format=sensor.audio_format,
            output_dir=default_output_dir() if sensor.output_dir is None else location(sensor.output_dir, "output_dir"),
            conn_id=sensor.conn_id,
            poll_interval=seconds_of(interval) if interval is not None else None,
            timeout=float(sensor.timeout),
            provenance=sensor.provenance,
        )


@dataclass(frozen=True, slots=True)
class Watch:
    """The sensor has to wait: what a trigger is to do; times in seconds, moments in seconds since 1970."""

    generation_id: str
    usual_seconds: float
    poll_interval: float | None
    deadline: float
    submitted_at: float


class SensedGeneration:
    """The generation that a sensor waits for.

    :param options: what the sensor says.
    :param identity: the sensor's own task instance, below which the song is landed.
    :raises InvalidRequestError: ``generation`` names no song.
    """

    def __init__(self, options: SensorOptions, identity: SongIdentity) -> None:
        self._options = options
        self._input = read_generation(options.generation)
        self._id = self._input.get("generation_id")
        if self._input.get("status") != "completed" and not (isinstance(self._id, str) and usable_id(self._id)):
            raise InvalidRequestError(
                f"generation: {options.generation!r:.120} holds no generation_id; pass what GenerateMusicOperator "
                "returned, or the id itself.",
                "The sensor",
            )
        self._model = self._input.get("model") or options.model
        self._identity = identity
        root = identity.folder(options.output_dir)
        #: Where the sensor's songs lie, each in a folder of its own.
        self.root_url = root.url
        self._folder = root / f"generation-{safe_name(str(self._id))}"

    def poll(self) -> dict[str, Any] | None:
        """Return the result if the song is there, None while the generation is under way.

        :raises GenerationFailedError: the API says that it failed.
        :raises ApiError: the API does not know it, or refuses the key.
        """
        known = self._landed_before()
        return known if known is not None else run_sync(self._poll_and_land())

    def watch(self) -> Watch:
        """Return what a trigger has to wait for; the deadline counts from now."""
        # Only the first half of a sensor needs it: the catalogue's import is most of what this costs.
        from airflow_provider_music.api.models import usual_seconds

        options = self._options
        return Watch(
            generation_id=str(self._id),
            usual_seconds=usual_seconds(self._model),
            poll_interval=options.poll_interval,
            deadline=runtime.now() + options.timeout,
            submitted_at=runtime.now(),
        )

    def resume(self, event: dict[str, Any]) -> dict[str, Any]:
        """Continue from how the wait ended."""
        status = event["status"]
        if status == "ready":
            return self._landed_before() or run_sync(self._land())
        if status == "failed":
            raise GenerationFailedError(f"Generation {self._id}: {event.get('message')}")
        if status == "timeout":
            raise GenerationSensorTimeout(
                f"Generation {self._id} was not done within {self._options.timeout:g} s"
                f"{said_last(event.get('unknown_status'))}. The generation keeps running; "
                "clear this sensor to wait on, which costs nothing."
            )
        raise named(event.get("error"), str(event.get("message") or f"The wait ended with {status!r}."))

    def _landed_before(self) -> dict[str, Any] | None:
        """Return the result that exists already: the operator's own, or that of an earlier try."""
        known = self._input
        if known.get("status") == "completed" and known.get("audio_uri"):
            folder, _, name = str(known["audio_uri"]).rpartition("/")
            try:
                size = Folder(folder).size(name)
            except OSError as exc:
                raise OutputError(f"{known['audio_uri']} cannot be read: {exc}") from exc
            if size is None:
                raise OutputError(f"{known['audio_uri']} is no longer there; its task has to be cleared.")
            return {key: known.get(key) for key in RESULT_KEYS}
        try:
            content = self._folder.read(_RESULT)
        except OSError as exc:
            raise RecordError(f"{self._folder.url_of(_RESULT)} cannot be read: {exc}") from exc
        return self._with_provenance(json.loads(content)) if content else None

    async def _poll_and_land(self) -> dict[str, Any] | None:
        client = await client_of(self._options.conn_id)
        found = await self._found(client)
        return await self._land() if found is not None and found.done and found.audio_url else None

    async def _found(self, client: MusicClient) -> Generation | None:
        try:
            found = await client.call(endpoints.poll(str(self._id)))
        except (ApiUnreachableError, RateLimitedError, ServerFailureError) as exc:
            log.warning("The API does not answer now; waiting all the same: %s", exc)
            return None
        log.info("generation %s: %s", self._id, found.status)
        if found.failed:
            raise GenerationFailedError(f"Generation {self._id}: the API says {found.status}: {found.error}")
        return found

    async def _land(self) -> dict[str, Any]:
        audio = self._input.get("audio") or {}
        requested = RequestedAudio(audio.get("format") or self._options.audio_format, audio.get("sample_rate_hz"))
        client, logged = await client_of(self._options.conn_id), LoggedRequest.recent(str(self._id))
        values = await fetch(client, str(self._id), self._folder, requested, before=self._input, logged=logged)
        values |= {
            "model": self._model,
            "status": "completed",
            "submissions": self._input.get("submissions"),
            "record_uri": self._folder.url_of(_RESULT),
        }
        fact = {key: values.get(key) for key in RESULT_KEYS} | {"written_at": datetime.now(UTC).isoformat()}
        try:
            first = self._folder.create(_RESULT, (json.dumps(fact, indent=2) + "\n").encode())
        except OSError as exc:
            raise RecordError(f"{self._folder.url_of(_RESULT)} cannot be written: {exc}") from exc
        if first:
            metrics.landed(self._model, fact["usage"])
        result = self._with_provenance(fact)
        log_ready(result)
        return result

    def _with_provenance(self, fact: dict[str, Any]) -> dict[str, Any]:
        """Attach the song's provenance and return the result."""
        result = {key: fact.get(key) for key in RESULT_KEYS}
        try:
            facts: dict[Any, Any] = {**facts_of_generation(self._input), "completed": fact}
        except OSError as exc:
            raise RecordError(f"The record {self._input.get('record_uri')} cannot be read: {exc}") from exc
        take = Take(int(facts.get("intent", {}).get("n", 1)), facts, self._folder)
        return with_attached(result, attach_provenance(self._folder, take, self._identity, self._options.provenance))
