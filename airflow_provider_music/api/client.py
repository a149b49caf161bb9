# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The two clients: blocking for workers, asyncio for the triggerer. Both only carry :class:`~.endpoints.Call`."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from airflow_provider_music.api import endpoints, transports
from airflow_provider_music.api.answers import check
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    ModelUnavailableError,
    MusicError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from airflow_provider_music.api.answers import Generation
    from airflow_provider_music.api.endpoints import Call, Deprecation
    from airflow_provider_music.api.settings import MusicSettings

T = TypeVar("T")

#: No answer but a song is larger; a catalogue of all models was about half a megabyte.
MAX_ANSWER_BYTES = 4 * 2**20
#: A whole quick answer may take this many read timeouts, so that a slow drip ends.
_DRIP_FACTOR = 3


class MusicClient:
    """Blocking client, for workers. Free calls only; each may be repeated.

    :param settings: the connection, checked.
    """

    def __init__(self, settings: MusicSettings) -> None:
        self.settings = settings
        self._http = transports.sync_client(settings)

    def call(self, call: Call[T]) -> T:
        """Make a free call.

        :raises ApiError: the API said no.
        :raises ApiUnreachableError: there was no usable answer.
        """
        with _free(call):
            return self._send(call)

    def _send(self, call: Call[T]) -> T:
        with transports.quiet(), self._http.stream(call.method, call.path, **call.arguments) as response:
            answer = _Answer(response, self.settings)
            for chunk in response.iter_raw():
                answer.add(chunk)
        return call.read(answer.whole(), call.what)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


class AsyncMusicClient:
    """Asyncio client: polls over aiohttp's connections, paid POSTs over httpx's own.

    It belongs to the event loop it was made in.

    :param settings: the connection, checked.
    """

    def __init__(self, settings: MusicSettings) -> None:
        self.settings = settings
        self._polls = transports.poll_client(settings)
        self._paid = transports.paid_client(settings)

    async def call(self, call: Call[T]) -> T:
        """Make a free call; it may be repeated.

        :raises ApiError: the API said no.
        :raises ApiUnreachableError: there was no usable answer.
        """
        with _free(call):
            return await self._send(self._polls, call)

    async def submit(self, body: Mapping[str, Any], client_request_id: str) -> Generation:
        """Ask for a song of the queued lane: paid, sent once, never resent by any layer below.

        What breaks is raised as it is, for :func:`~airflow_provider_music.api.outcome.outcome_of` to sort.
        """
        call = endpoints.submit(body, client_request_id)
        try:
            return await self._send(self._paid, call)
        except ModelUnavailableError as exc:
            raise await self._with_replacement(exc, str(body.get("model"))) from exc

    @contextlib.asynccontextmanager
    async def open_generation(self, body: Mapping[str, Any], client_request_id: str) -> AsyncIterator[httpx.Response]:
        """Ask for a song of the synchronous lane: paid, sent once; yields the good answer, its body unread."""
        what = f"POST {endpoints.SYNCHRONOUS_PATH} for {body.get('model')}"
        timeout = httpx.Timeout(self.settings.generation_timeout, connect=self.settings.connect_timeout)
        headers = {endpoints.CLIENT_REQUEST_ID: client_request_id}
        async with self._paid.stream(
            "POST", endpoints.SYNCHRONOUS_PATH, json=dict(body), headers=headers, timeout=timeout
        ) as response:
            if not response.is_success:
                try:
                    check(await self._whole(response), what)
                except ModelUnavailableError as exc:
                    raise await self._with_replacement(exc, str(body.get("model"))) from exc
            yield response

    async def aclose(self) -> None:
        """Close its connections."""
        await self._polls.aclose()
        await self._paid.aclose()

    async def _send(self, http: httpx.AsyncClient, call: Call[T]) -> T:
        # Read timeouts are between two bytes: a server that drips its headers needs a bound on the whole.
        within = self.settings.connect_timeout + (_DRIP_FACTOR + 1) * self.settings.read_timeout
        try:
            async with asyncio.timeout(within):
                with transports.quiet():
                    async with http.stream(call.method, call.path, **call.arguments) as response:
                        return call.read(await self._whole(response), call.what)
        except TimeoutError as exc:
            raise httpx.ReadTimeout(f"no whole answer within {within:g} s") from exc

    async def _whole(self, response: httpx.Response) -> httpx.Response:
        answer = _Answer(response, self.settings)
        async for chunk in response.aiter_raw():
            answer.add(chunk)
        return answer.whole()

    async def _with_replacement(self, exc: ModelUnavailableError, model: str) -> ModelUnavailableError:
        try:
            gone = await self.call(endpoints.deprecations())
        except MusicError:
            return exc
        return _replaced(exc, model, gone)


@contextlib.contextmanager
def _free(call: Call[Any]) -> Any:
    """For calls that cost nothing, "no answer" is one thing, whatever broke."""
    try:
        yield
    except httpx.HTTPError as exc:
        raise ApiUnreachableError(f"{call.what}: no answer ({type(exc).__name__}: {exc})") from exc
    except UnknownOutcomeError as exc:
        raise ApiUnreachableError(str(exc)) from exc


class _Answer:
    """Collects a body within bounds of size and time."""

    def __init__(self, response: httpx.Response, settings: MusicSettings) -> None:
        self._response = response
        self._chunks = bytearray()
        self._until = time.monotonic() + _DRIP_FACTOR * settings.read_timeout

    def add(self, chunk: bytes) -> None:
        self._chunks += chunk
        if len(self._chunks) > MAX_ANSWER_BYTES:
            raise httpx.ReadError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > self._until:
            raise httpx.ReadTimeout("the answer comes too slowly")

    def whole(self) -> httpx.Response:
        headers = [
            (name, value)
            for name, value in self._response.headers.multi_items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx.Response(
            self._response.status_code,
            headers=headers,
            content=self._decoded(),
            request=self._response.request,
        )

    def _decoded(self) -> bytes:
        encoding = self._response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return bytes(self._chunks)
        if encoding not in ("gzip", "deflate"):
            raise httpx.DecodingError(f"the answer is encoded as {encoding!r}, which was not asked for")
        # Asked for plain, some proxies compress all the same; the bound holds for what comes out.
        decoder = zlib.decompressobj(wbits=47)
        try:
            content = decoder.decompress(bytes(self._chunks), MAX_ANSWER_BYTES)
        except zlib.error as exc:
            raise httpx.DecodingError(str(exc)) from exc
        if decoder.unconsumed_tail or (content and not decoder.eof and len(content) >= MAX_ANSWER_BYTES):
            raise httpx.DecodingError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        return content


def _replaced(exc: ModelUnavailableError, model: str, gone: Iterable[Deprecation]) -> ModelUnavailableError:
    for row in gone:
        if model in row.names:
            instead = f" Use {row.replaced_by!r} instead." if row.replaced_by else ""
            reason = f" Reason: {row.reason}." if row.reason else ""
            return ModelUnavailableError(
                f"The API has withdrawn the model {model!r} ({row.status}).{reason}{instead} Nothing was generated.",
                status=exc.status,
                request_id=exc.request_id,
            )
    return ModelUnavailableError(
        f"{exc} The model {model!r} is not among the API's withdrawn ones: check its name and the base URL.",
        status=exc.status,
        request_id=exc.request_id,
    )
