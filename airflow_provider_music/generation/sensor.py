# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One try of a sensor on a worker: which generation is meant, how it stands, and its song landed."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.parsing import bounded_json, one_line, seconds_of, usable_id
from airflow_provider_music.api.song_name import file_name
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    GenerationFailedError,
    GenerationSensorTimeout,
    HostUnknownError,
    InvalidRequestError,
    OutputError,
    RateLimitedError,
    RecordError,
    ServerFailureError,
    UnknownGenerationError,
    named,
)
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.errors import known_at_deadline, said_last
from airflow_provider_music.generation.fetch import fetch
from airflow_provider_music.generation.poll import Polls, pause_without_address
from airflow_provider_music.generation.quality import QualityOptions, judge_landed
from airflow_provider_music.generation.result import RESULT_KEYS, log_ready
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.usage_log import LoggedRequest
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.provenance.attach import ProvenanceOptions, attach_provenance, with_attached
from airflow_provider_music.record.generation_ref import facts_of_generation, read_generation
from airflow_provider_music.record.take import Take
from airflow_provider_music.storage.audio_writer import RequestedAudio
from airflow_provider_music.storage.folder import Folder, default_output_dir, safe_name
from airflow_provider_music.storage.location import location
from airflow_provider_music.storage.song_name import recorded_name
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.responses import Generation
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
    provenance: ProvenanceOptions
    quality: QualityOptions
    name: str | None = None

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
            provenance=ProvenanceOptions.of(sensor),
            quality=QualityOptions.of(sensor),
            name=file_name(sensor.name),
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
    :param polls: what earlier polls of this try brought.
    :raises InvalidRequestError: ``generation`` names no song.
    """

    def __init__(self, options: SensorOptions, identity: SongIdentity, polls: Polls | None = None) -> None:
        self._options = options
        self._polls = polls if polls is not None else Polls(submitted_elsewhere=True)
        self._input = read_generation(options.generation)
        self._id = self._input.get("generation_id")
        named = isinstance(self._id, str) and usable_id(self._id) and not _LAZY.match(self._id)
        if self._input.get("status") != "completed" and not named:
            raise InvalidRequestError(f"generation: {_why_no_song(options.generation)}", "The sensor")
        self._model = self._input.get("model") or options.model
        self._identity = identity
        root = identity.folder(options.output_dir)
        #: Where the sensor's songs lie, each in a folder of its own.
        self.root_url = root.url
        self._folder = root / f"generation-{safe_name(str(self._id))}"
        self._facts: dict[str, dict[str, Any]] | None = None

    def poll(self) -> dict[str, Any] | None:
        """Return the result if the song is there, None while the generation is under way.

        :raises GenerationFailedError: the API says that it failed.
        :raises ApiError: the API does not know it, or refuses the key.
        """
        self._options.quality.check_installed()
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
            raise self.timed_out(event.get("polls"), event.get("unknown_status"))
        raise named(event.get("error"), str(event.get("message") or f"The wait ended with {status!r}."))

    def timed_out(self, polls: Mapping[str, Any] | None, unknown_status: object = None) -> GenerationSensorTimeout:
        """Make the error of a deadline that passed, see :func:`~.errors.timed_out`."""
        return GenerationSensorTimeout(
            f"Generation {self._id} was not done within {self._options.timeout:g} s{said_last(unknown_status)}. "
            f"{known_at_deadline(polls, unknown_status)} Clear this sensor to wait on, which costs nothing."
        )

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
        return self._with_provenance(self._result_in(content)) if content else None

    def _result_in(self, content: bytes) -> dict[str, Any]:
        try:
            found = bounded_json(content)
            if isinstance(found, dict):
                return found
            reason = "it is no JSON object"
        except ValueError as exc:
            reason = str(exc)
        url = self._folder.url_of(_RESULT)
        raise RecordError(f"{url} is no result of a sensor: {reason}. Remove it; the song is then fetched again, free.")

    async def _poll_and_land(self) -> dict[str, Any] | None:
        found = await self._found(await client_of(self._options.conn_id))
        return await self._land() if found is not None and found.done and found.audio_url else None

    async def _found(self, client: MusicClient) -> Generation | None:
        try:
            found = await self._polled(client)
        except HostUnknownError:
            raise
        except (ApiUnreachableError, RateLimitedError, ServerFailureError) as exc:
            log.warning("The API does not answer now; waiting all the same: %s", exc)
            self._polls.last_error = one_line(f"{type(exc).__name__}: {exc}")
            self._polls.note(None)
            return None
        except UnknownGenerationError as exc:
            where = f"Polled at {client.settings.base_url}, with the key of connection {self._options.conn_id!r}."
            exc.args = (f"{exc} {where}",)
            raise
        self._polls.note(found)
        log.info("generation %s: %s", self._id, found.status)
        if found.failed:
            raise GenerationFailedError(f"Generation {self._id}: the API says {found.status}: {found.error}")
        return found

    async def _polled(self, client: MusicClient) -> Generation:
        """Poll once; a host that has no address is tried for some time, on the worker, before the task fails."""
        failures = 0
        while True:
            try:
                return await client.call(endpoints.poll(str(self._id)))
            except HostUnknownError as exc:
                failures += 1
                pause = pause_without_address(client.settings, exc, failures)
                log.warning("%s Trying again in %.0f s", exc, pause)
                await runtime.sleep(pause)

    async def _land(self) -> dict[str, Any]:
        audio = self._input.get("audio") or {}
        named = self._options.name or recorded_name((await in_thread(self._submitted)).get("intent", {}))
        audio_format = audio.get("format") or self._options.audio_format
        requested = RequestedAudio(audio_format, audio.get("sample_rate_hz"), named)
        client, logged = await client_of(self._options.conn_id), LoggedRequest.recent(str(self._id))
        values = await fetch(client, str(self._id), self._folder, requested, before=self._input, logged=logged)
        values |= {
            "model": self._model,
            "status": "completed",
            "submissions": self._input.get("submissions"),
            "record_uri": self._folder.url_of(_RESULT),
        }
        marks = {key: values[key] for key in ("content_credentials",) if key in values}
        fact = {key: values.get(key) for key in RESULT_KEYS} | marks | {"written_at": datetime.now(UTC).isoformat()}
        try:
            first = self._folder.create(_RESULT, (json.dumps(fact, indent=2) + "\n").encode())
        except OSError as exc:
            raise RecordError(f"{self._folder.url_of(_RESULT)} cannot be written: {exc}") from exc
        if first:
            metrics.landed(self._model, fact["usage"])
        result = self._with_provenance(fact)
        log_ready(result)
        return result

    def _submitted(self) -> dict[str, dict[str, Any]]:
        """Return what the record of the task that submitted it says; empty where that is out of sight."""
        try:
            self._facts = facts_of_generation(self._input) if self._facts is None else self._facts
        except OSError as exc:
            raise RecordError(f"The record {self._input.get('record_uri')} cannot be read: {exc}") from exc
        return self._facts

    def _with_provenance(self, fact: dict[str, Any]) -> dict[str, Any]:
        """Attach the song's provenance and return the result."""
        result = {key: fact.get(key) for key in RESULT_KEYS}
        facts: dict[Any, Any] = {**self._submitted(), "completed": fact}
        take = Take(int(facts.get("intent", {}).get("n", 1)), facts, self._folder)
        figures = judge_landed(take, self._options.quality)
        how = self._options.provenance
        changed = attach_provenance(self._folder, take, self._identity, how, quality=figures)
        return with_attached(result, {**changed, **({"quality": figures} if figures else {})})


#: How a list of XComs shows where a template renders it as text.
_LAZY = re.compile(r"\[|Lazy\w*Sequence\(")


def _why_no_song(generation: Any) -> str:
    """Say why a value names no generation, and what to give."""
    shown = f"{generation!r:.120}"
    # Compared as text only: a list of XComs would be read to be compared.
    if generation is None or (isinstance(generation, str) and generation in ("", "None")):
        return f"{shown} names no generation: what the sensor is given came out as nothing. See the upstream task."
    if isinstance(generation, str):
        is_list = _LAZY.match(generation.strip()) is not None
    else:
        is_list = isinstance(generation, Sequence | AbstractSet) and not isinstance(generation, bytes)
    if is_list:
        return (
            f"{shown} holds the generations of several tasks, and a sensor waits for one. Map it: "
            "MusicGenerationSensor.partial(task_id=...).expand(generation=...)."
        )
    found = generation.get("generation_id") if isinstance(generation, Mapping) else generation
    if isinstance(found, int | float):
        return f"{found!r:.120} ({type(found).__name__}) is no generation's id; give the id as text."
    if isinstance(generation, Mapping) and "manifest_uri" in generation:
        return f"{shown} is a batch's result; its songs are in storage, and there is nothing to wait for."
    return f"{shown} holds no generation_id; pass what GenerateMusicOperator returned, or the id itself."
