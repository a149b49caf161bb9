# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The client of the API, for any event loop, and a blocking facade of it. It only carries :class:`~.endpoints.Call`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode

import httpx

from airflow_provider_music.api import endpoints, transports
from airflow_provider_music.api.bounded_body import DRIP_FACTOR, buffered
from airflow_provider_music.api.outcome import is_failed_look_up
from airflow_provider_music.api.parsing import describe_error, one_line
from airflow_provider_music.api.responses import check
from airflow_provider_music.api.secrecy import suppress_logs
from airflow_provider_music.api.testing import testing_transport
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    HostUnknownError,
    ModelUnavailableError,
    MusicError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping

    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.api.endpoints import Call, Deprecation
    from airflow_provider_music.api.responses import Generation

T = TypeVar("T")
R = TypeVar("R")


class MusicClient:
    """Asyncio client of the API: free calls, which may be repeated, and paid POSTs, each sent once.

    It belongs to the event loop it was made in.

    :param settings: the connection, checked.
    :param transport: what free calls are sent over; None is httpx's own.
    """

    def __init__(self, settings: MusicSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self._transport = testing_transport() or transport
        self._free = transports.free_client(settings, transport)

    @functools.cached_property
    def _paid(self) -> httpx.AsyncClient:
        return transports.paid_client(self.settings)

    async def call(self, call: Call[T]) -> T:
        """Make a free call; it may be repeated.

        :raises ApiError: the API said no.
        :raises ApiUnreachableError: there was no usable answer.
        """
        with _free_of_charge(call, self.settings):
            return await self._send(self._free, call)

    def repeated(self, call: Call[T]) -> Repeated[T]:
        """Prepare a free call that will be made many times, such as the polls of one wait."""
        polls, transport = self._free, self._transport
        if transport is None:
            return Repeated(self, call, functools.partial(self._send, polls, call))
        # One URL parsed, where the client's own way merges and parses three.
        query = urlencode(call.arguments.get("params", {}))
        url = f"{self.settings.base_url}{call.path}?{query}"
        request = httpx.Request(
            call.method, url, headers=polls.headers, extensions={"timeout": polls.timeout.as_dict()}
        )
        # Past httpx's client: what it does for each request (key, redirects, cookies) is done once here, or never.
        send = functools.partial(transport.handle_async_request, transports.with_key(self.settings, request))
        return Repeated(self, call, lambda: self._exchange(send, call))

    async def submit(self, body: Mapping[str, Any], client_request_id: str) -> Generation:
        """Ask for a song of the queued lane: paid, sent once, never resent by any layer below.

        What breaks is raised as it is, for :func:`~airflow_provider_music.api.outcome.outcome_of` to sort.
        """
        call = endpoints.submit(body, client_request_id)
        try:
            return await self._send(self._paid, call)
        except ModelUnavailableError as exc:
            raise await self._with_replacement(exc, str(body.get("model"))) from exc

    async def send_paid(self, call: Call[T]) -> T:
        """Make a call that may be billed: sent once, on a connection of its own, never resent by any layer below.

        What breaks is raised as it is, as of :meth:`submit`.
        """
        return await self._send(self._paid, call)

    @contextlib.asynccontextmanager
    async def open_generation(self, body: Mapping[str, Any], client_request_id: str) -> AsyncIterator[httpx.Response]:
        """Ask for a song of the synchronous lane: paid, sent once; yields the good answer, its body unread."""
        what = f"POST {endpoints.SYNCHRONOUS_PATH} for {body.get('model')}"
        timeout = httpx.Timeout(self.settings.generation_timeout, connect=self.settings.connect_timeout)
        headers = {endpoints.CLIENT_REQUEST_ID: client_request_id}
        async with self._paid.stream(
            "POST", endpoints.SYNCHRONOUS_PATH, json=dict(body), headers=headers, timeout=timeout
        ) as response:
            _answered.add(self.settings.base_url)
            if not response.is_success:
                try:
                    check(await buffered(response, self.settings), what)
                except ModelUnavailableError as exc:
                    raise await self._with_replacement(exc, str(body.get("model"))) from exc
            yield response

    async def aclose(self) -> None:
        """Close its connections."""
        await self._free.aclose()
        if "_paid" in vars(self):
            await self._paid.aclose()

    async def _send(self, http: httpx.AsyncClient, call: Call[T]) -> T:
        request = http.build_request(call.method, call.path, **call.arguments)
        return await self._exchange(functools.partial(http.send, request, stream=True), call)

    async def _exchange(self, send: Callable[[], Awaitable[httpx.Response]], call: Call[T]) -> T:
        # Read timeouts are between two bytes: a server that drips its headers needs a bound on the whole.
        within = self.settings.connect_timeout + (DRIP_FACTOR + 1) * self.settings.read_timeout
        if "files" in call.arguments:
            # A reference track may be a hundred megabytes on a slow line.
            within += self.settings.max_body_seconds
        if "timeout" in call.arguments:
            within += self.settings.generation_timeout
        try:
            async with asyncio.timeout(within):
                with suppress_logs():
                    response = await send()
                    _answered.add(self.settings.base_url)
                    try:
                        return call.read(await buffered(response, self.settings), call.what)
                    finally:
                        await response.aclose()
        except TimeoutError as exc:
            raise httpx.ReadTimeout(f"no whole answer within {within:g} s") from exc

    async def _with_replacement(self, exc: ModelUnavailableError, model: str) -> ModelUnavailableError:
        try:
            gone = await self.call(endpoints.deprecations())
        except MusicError:
            return exc
        return _replaced(exc, model, gone)


class Repeated(Generic[T]):
    """A free call whose request is built once: building it takes a fifth of a poll's CPU.

    :param client: who makes the call.
    :param send: makes it.
    """

    def __init__(self, client: MusicClient, call: Call[T], send: Callable[[], Awaitable[T]]) -> None:
        self.client = client
        self._call = call
        self._send = send

    async def send(self) -> T:
        """Make the call.

        :raises ApiError: the API said no.
        :raises ApiUnreachableError: there was no usable answer.
        """
        with _free_of_charge(self._call, self.client.settings):
            return await self._send()


class SyncMusicClient:
    """Blocking facade of :class:`MusicClient`, for code without an event loop. Free calls only.

    It keeps an event loop of its own, and belongs to the thread it was made in.

    :param settings: the connection, checked.
    """

    def __init__(self, settings: MusicSettings) -> None:
        self.settings = settings
        # A factory, or the loop would become the thread's own, which belongs to whoever runs this code.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)

    @functools.cached_property
    def _client(self) -> MusicClient:
        return MusicClient(self.settings)

    def call(self, call: Call[T]) -> T:
        """Make a free call; blocks.

        :raises ApiError: the API said no.
        :raises ApiUnreachableError: there was no usable answer.
        :raises RuntimeError: an event loop runs in this thread; use ``MusicHook.get_async_conn()`` there.
        """
        return self._run(lambda: self._client.call(call))

    def run(self, work: Callable[[MusicClient], Coroutine[Any, Any, R]]) -> R:
        """Run a coroutine with the client that this is a facade of; blocks.

        :raises RuntimeError: as of :meth:`call`.
        """
        return self._run(lambda: work(self._client))

    def close(self) -> None:
        """Close its connections and its event loop; not inside a running one either."""
        if "_client" in vars(self):
            self._run(self._client.aclose)
            del self._client
        self._runner.close()

    def _run(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        # Before there is a coroutine, which nobody would await.
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the way to know without an exception
            raise RuntimeError(
                "An event loop runs in this thread; use MusicHook.get_async_conn() here, or AsyncClient in place of "
                "Client, and await its methods."
            )
        return self._runner.run(work())


#: Base URLs that answered in this process, whatever they said.
_answered: set[str] = set()


def has_answered(settings: MusicSettings) -> bool:
    """Whether the API's host has answered in this process: its name is right, then."""
    return settings.base_url in _answered


def host_unknown(settings: MusicSettings, exc: BaseException) -> str | None:
    """Say that the API's host has no address, where that is why a call broke and it never answered in this process."""
    if has_answered(settings) or not is_failed_look_up(exc):
        return None
    return (
        f"{settings.base_url}, the base URL of connection {settings.conn_id!r}, has no address "
        f"({one_line(describe_error(exc))}). Check the connection's host, and the name service of this machine"
    )


@contextlib.contextmanager
def _free_of_charge(call: Call[Any], settings: MusicSettings) -> Any:
    """For calls that cost nothing, "no answer" is one thing, whatever broke, but for a host that does not exist."""
    try:
        yield
    except httpx.HTTPError as exc:
        if (unknown := host_unknown(settings, exc)) is not None:
            raise HostUnknownError(f"{call.what}: {unknown}.") from exc
        raise ApiUnreachableError(f"{call.what}: no answer ({one_line(describe_error(exc))})") from exc
    except UnknownOutcomeError as exc:
        raise ApiUnreachableError(str(exc)) from exc


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
    # Only here: the catalogue's import is most of what a client would cost.
    from airflow_provider_music.api.models import find, nearest_model

    near = nearest_model(model) if find(model) is None else None
    meant = f" Was {near!r} meant?" if near else ""
    return ModelUnavailableError(
        f"{exc} The model {model!r} is not among the API's withdrawn ones: check its name and the base URL.{meant}",
        status=exc.status,
        request_id=exc.request_id,
    )
