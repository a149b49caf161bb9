# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: each paid request is sent once, and whatever may be repeated is free."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.client import MusicClient, host_unknown
from airflow_provider_music.api.connection import CONN_TYPE, DEFAULT_BASE_URL, MusicSettings
from airflow_provider_music.api.outcome import outcome_of
from airflow_provider_music.api.parsing import describe_error, one_line, seconds_of
from airflow_provider_music.client.values import Model, Song, Submitted
from airflow_provider_music.exceptions import (
    ApiError,
    ApiUnreachableError,
    GenerationFailedError,
    GenerationTimeoutError,
    HostUnknownError,
    InvalidRequestError,
    MusicError,
    OutputError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from airflow_provider_music.api.endpoints import Balance, Call, LogRow
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.storage.folder import Folder

T = TypeVar("T")

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 3600.0
#: How far back :meth:`AsyncClient.find` reads.
_FIND = timedelta(days=1)


class AsyncClient:
    """The client for asyncio. It belongs to the event loop it is first used in; close it with :meth:`aclose`.

    :param key: the API key.
    :param base_url: of the API.
    :param more: extras of the Airflow connection by name, such as ``read_timeout``; see docs/connection.md.
    :raises CredentialsError: no key, or a setting that cannot be; all problems in one message.
    """

    def __init__(self, key: str, base_url: str = DEFAULT_BASE_URL, **more: Any) -> None:
        self._api = MusicClient(settings_of_arguments(key, base_url, more))

    @classmethod
    def over(cls, api: MusicClient) -> Self:
        """Return the one for a client that is shared, as a hook has it."""
        made = cls.__new__(cls)
        made._api = api  # noqa: SLF001 - its own
        # Kept by what it stands for: one each, and both go together.
        kept: Self = vars(api).setdefault("facade", made)
        return kept

    @property
    def settings(self) -> MusicSettings:
        """How the API is reached; the key is left out of its ``repr``."""
        return self._api.settings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._api.aclose()

    async def call(self, call: Call[T]) -> T:
        """Make a free call of :mod:`airflow_provider_music.api.endpoints`; it may be repeated.

        :raises ApiError: the API said no.
        :raises ApiUnreachableError: there was no usable answer.
        """
        return await self._api.call(call)

    async def balance(self) -> Balance:
        """Return what the account holds. Free."""
        return await self.call(endpoints.billing())

    async def models(self) -> list[Model]:
        """Return the catalogue, with what the API says of withdrawn models. Free."""
        from airflow_provider_music.api.models import CATALOGUE

        gone = {name: row for row in await self.call(endpoints.deprecations()) for name in row.names}
        found = []
        for known in CATALOGUE:
            names = (known.id, *known.aliases)
            row = next((gone[name] for name in names if name in gone), None)
            times = (known.usual_seconds, known.max_seconds)
            fields = (tuple(known.required), tuple(known.fields()))
            said = (row.status, row.replaced_by) if row is not None else (None, None)
            found.append(Model(known.id, tuple(known.aliases), known.lane, *times, *fields, *said))
        return found

    async def generate(
        self,
        request: Mapping[str, Any],
        *,
        to: str | os.PathLike[str] = "songs",
        timeout: Any = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - as the operators name it
    ) -> Song:
        """Submit one request, exactly once, wait for the song, and leave it below ``to``. Paid.

        :param request: the fields of one song as :class:`GenerateMusicOperator` takes them: ``model``, ``prompt``, ...
        :param to: folder, or any ``ObjectStoragePath`` URL; the song lies in a folder of its own in it.
        :param timeout: how long to wait for a queued model, as seconds, ``timedelta`` or text; a synchronous one has
            ``generation_timeout``. The API cannot cancel: a song that misses it is paid, and :meth:`wait` waits on.
        :raises InvalidRequestError: the request breaks the model's limits; nothing was sent.
        :raises UnknownOutcomeError: the response is lost; says under which id it may be billed.
        :raises GenerationTimeoutError: it was not done in time; says how to go on.
        """
        seconds, prepared = seconds_of(timeout, "timeout"), _prepared(request)
        request_id = self._new_request_id(prepared)
        # Before anything is paid: the folder takes files, and whatever happens, the request's id is in it.
        folder = await _begun(to, request_id, prepared, self.settings)
        if prepared.lane == "synchronous":
            from airflow_provider_music.generation.synchronous import generate_song

            spec = self._spec(prepared, request_id, folder, seconds)
            with self._sent_once(request_id):
                return _song(await generate_song(self._api, spec, request_id, folder), request_id, prepared.model)
        submitted = await self._submit(prepared, request_id)
        await self.wait(submitted.generation_id, timeout=seconds, usual_seconds=prepared.usual_seconds)
        return await self._download(submitted.generation_id, folder, prepared, request_id)

    async def submit(self, request: Mapping[str, Any]) -> Submitted:
        """Submit one request of a queued model, exactly once, and return as soon as the API accepted it. Paid."""
        prepared = _prepared(request)
        if prepared.lane != "queued":
            raise InvalidRequestError(
                f"model: {prepared.model} answers with the song in one long request, so it has no id to return "
                "before that; use generate."
            )
        return await self._submit(prepared, self._new_request_id(prepared))

    async def poll(self, generation_id: str) -> Generation:
        """Return how a queued generation stands; its ``audio_url`` may be signed and is a secret. Free."""
        return await self.call(endpoints.poll(generation_id))

    async def wait(
        self,
        generation_id: str,
        *,
        timeout: Any = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - as the operators name it
        usual_seconds: float = 60.0,
    ) -> Generation:
        """Poll a generation until it is done, at the pace of the operators. Free.

        :raises GenerationFailedError: the API says that it failed; it is not billed.
        :raises GenerationTimeoutError: it was not done in time; it keeps running, and is billed.
        """
        from airflow_provider_music.generation import errors, runtime
        from airflow_provider_music.generation.poll import Pace, Polls, poll_until_done

        seconds, now, polls = seconds_of(timeout, "timeout"), runtime.now(), Polls()
        times = {"deadline": now + seconds, "submitted_at": now}
        pace = Pace(usual_seconds)
        conn_id = self.settings.conn_id
        found = await poll_until_done(conn_id, generation_id, pace, **times, polls=polls, client=self._api)
        if found is not None and found.failed:
            raise GenerationFailedError(f"Generation {generation_id}: the API says {found.status}: {found.error}")
        if found is None or found.unknown_status:
            odd = found.status if found is not None else None
            raise GenerationTimeoutError(
                f"Generation {generation_id} was not done within {seconds:g} s{errors.said_last(odd)}. "
                f"{errors.known_at_deadline(polls.as_dict(), odd)} The API accepted it and bills it. To go on, free: "
                f"wait({generation_id!r}), then download({generation_id!r})."
            )
        return found

    async def download(self, generation_id: str, *, to: str | os.PathLike[str] = "songs") -> Song:
        """Leave the song of a generation that is done below ``to``, verified. Free."""
        from airflow_provider_music.storage.folder import Folder, safe_name

        return await self._download(generation_id, Folder(str(to)) / safe_name(generation_id), None, None)

    async def find(self, request_id: str) -> LogRow | None:
        """Search the usage log of the last day for a request; None where it has no row (yet). Free.

        A row's ``inference_id`` of a queued model is its generation: ``wait`` and ``download`` take it.
        """
        from airflow_provider_music.generation.usage_log import LoggedRequest, find_row

        return await find_row(self._api, LoggedRequest(request_id, datetime.now(UTC) - _FIND))

    def _new_request_id(self, prepared: PreparedRequest) -> str:
        from airflow_provider_music.api.request import fingerprint
        from airflow_provider_music.generation.usage_log import new_request_id

        return new_request_id(uuid.uuid4().hex[:24], 1, fingerprint(prepared, self.settings.conn_id))

    async def _submit(self, prepared: PreparedRequest, request_id: str) -> Submitted:
        log.info("Submitting to %s, X-Client-Request-Id %s", prepared.model, request_id)
        with self._sent_once(request_id):
            found = await self._api.submit(prepared.body, request_id)
        log.info("Submitted generation %s; usually ready in about %.0f s", found.id, prepared.usual_seconds)
        return Submitted(found.id, prepared.model, request_id, prepared.usual_seconds)

    @contextlib.contextmanager
    def _sent_once(self, request_id: str) -> Iterator[None]:
        """Say of a paid POST that broke what it means for the bill."""
        how = f"X-Client-Request-Id {request_id} (find({request_id!r}) searches the usage log for it)"
        try:
            yield
        except Exception as exc:
            outcome = outcome_of(exc)
            if outcome == "never_left":
                unknown = host_unknown(self.settings, exc)
                error = HostUnknownError if unknown else ApiUnreachableError
                raise error(f"Nothing was sent: {unknown or one_line(describe_error(exc))}.") from exc
            if isinstance(exc, ApiError):
                raise
            if isinstance(exc, MusicError) and not isinstance(exc, UnknownOutcomeError):
                # The song came, and could not be put in place.
                exc.args = (f"{str(exc).rstrip('.')}. The request may be billed, under {how}.",)
                raise
            raise UnknownOutcomeError(
                f"The response is lost: {one_line(describe_error(exc)).rstrip('.')}. The request may have been billed, "
                f"under {how}. Nothing is sent again by itself."
            ) from exc
        except BaseException:
            log.warning("Interrupted: the request may be billed, under %s", how)
            raise

    async def _download(
        self, generation_id: str, folder: Folder, prepared: PreparedRequest | None, request_id: str | None
    ) -> Song:
        from airflow_provider_music.generation.fetch import fetch
        from airflow_provider_music.generation.usage_log import LoggedRequest
        from airflow_provider_music.storage.audio_writer import RequestedAudio

        requested = RequestedAudio()
        if prepared is not None:
            requested = RequestedAudio(prepared.audio_format, prepared.sample_rate_hz, prepared.name or requested.name)
        logged = LoggedRequest.recent(generation_id)
        try:
            values = await fetch(self._api, generation_id, folder, requested, logged=logged)
        except MusicError as exc:
            exc.args = (f"{exc} To go on, free: download({generation_id!r}).",)
            raise
        return _song(values, request_id, prepared.model if prepared is not None else None)

    def _spec(self, prepared: PreparedRequest, request_id: str, folder: Folder, seconds: float) -> Any:
        from airflow_provider_music.generation import runtime
        from airflow_provider_music.generation.spec import GenerationSpec

        return GenerationSpec(
            conn_id=self.settings.conn_id,
            record_url=folder.url,
            n=1,
            lane=prepared.lane,
            body=prepared.body,
            fingerprint="",
            audio_format=prepared.audio_format,
            sample_rate_hz=prepared.sample_rate_hz,
            usual_seconds=prepared.usual_seconds,
            deadline=runtime.now() + seconds,
            poll_interval=None,
            task="client",
            name=prepared.name,
            try_number=1,
            max_tries=0,
            request_id=request_id,
        )


def settings_of_arguments(key: str, base_url: str, more: Mapping[str, Any]) -> MusicSettings:
    """Check settings by the rules of an Airflow connection.

    :raises CredentialsError: one that cannot be.
    """
    given = SimpleNamespace(conn_type=CONN_TYPE, password=key, host=base_url, schema=None, port=None, login=None)
    given.extra = json.dumps(more)
    # No name in a frame that an error goes through: a traceback that shows local variables would show the key.
    del key
    return MusicSettings.from_connection(given, "client")


def _prepared(request: Mapping[str, Any]) -> PreparedRequest:
    from airflow_provider_music.api.request import prepare_one

    prepared = prepare_one(dict(request))
    for note in prepared.notes:
        log.info("%s", note)
    return prepared


async def _begun(
    to: str | os.PathLike[str], request_id: str, prepared: PreparedRequest, settings: MusicSettings
) -> Folder:
    """Make the song's folder, and write down in it which request is about to be sent.

    :raises OutputError: it takes no files; nothing was sent.
    """
    from airflow_provider_music.storage.folder import Folder, safe_name
    from airflow_provider_music.storage.threads import in_thread

    folder = Folder(str(to)) / safe_name(request_id)
    facts = {"client_request_id": request_id, "model": prepared.model, "base_url": settings.base_url}
    content = json.dumps({**facts, "at": datetime.now(UTC).isoformat()}, indent=2).encode()
    try:
        await in_thread(folder.create, "request.json", content)
    except OSError as exc:
        raise OutputError(f"{folder.url} takes no files ({one_line(describe_error(exc))}); nothing was sent.") from exc
    return folder


def _song(values: Mapping[str, Any], request_id: str | None, model: str | None) -> Song:
    names = ("generation_id", "audio_uri", "audio", "usage", "trace_id")
    return Song(**{name: values[name] for name in names}, model=model, request_id=request_id)
