# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Fetches a song that is ready: polls where it lies, downloads it, and lands it in storage.

The audio's host never sees the key, and its URL is a secret.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import httpx
import tenacity

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.bounded_body import DRIP_FACTOR, PIECE_BYTES, Decompressor
from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.api.secrecy import strip_traceback, suppress_logs
from airflow_provider_music.api.ssrf import check_url
from airflow_provider_music.api.transports import download_client
from airflow_provider_music.api.usage import Usage
from airflow_provider_music.exceptions import (
    ApiError,
    ApiUnreachableError,
    AudioError,
    GenerationFailedError,
    LinkExpiredError,
    MusicError,
    OutputError,
)
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.poll import backoff
from airflow_provider_music.generation.usage_log import usage_from_log
from airflow_provider_music.storage.audio_writer import AudioWriter, RequestedAudio, StoredAudio
from airflow_provider_music.storage.cleanup import remove_abandoned
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.generation.usage_log import LoggedRequest
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

_MAX_REDIRECTS = 3
_GONE = (401, 403, 404, 410)
#: Where a paid song lies is polled this often, for at most that long.
_POLLS = 4
_POLL_SECONDS = 60.0
#: An address that is told once is tried for as long, and this often.
_FETCHES = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
#: When that was last in vain, by base URL.
_gave_up_at: dict[str, float] = {}
_NO_USAGE = {"credits_used": None, "usd_spent": None}
_PAID = "The song is paid for; a retry or a clear fetches it again without paying again."


async def fetch(
    client: MusicClient,
    generation_id: str,
    folder: Folder,
    requested: RequestedAudio,
    *,
    before: Mapping[str, Any] | None = None,
    logged: LoggedRequest | None = None,
) -> dict[str, Any]:
    """Poll once more where the song lies, land it in ``folder``, and return the values of its completed fact.

    :param before: usage and trace id known from the submit's answer; a poll may be silent about them.
    :param logged: the request's row in the usage log, for what neither of them says about the cost.
    :raises GenerationFailedError: the API has changed its mind about the generation.
    :raises AudioError: there is no file, or it is not the audio requested.
    :raises ApiError: the API does not say where the song lies, however often it is polled.
    """
    before = before or {}
    try:
        found, landed = await _locate_and_land(client, generation_id, folder, requested)
    except LinkExpiredError:
        log.warning("The link to generation %s has expired; polling for a fresh one", generation_id)
        try:
            found, landed = await _locate_and_land(client, generation_id, folder, requested)
        except LinkExpiredError as exc:
            exc.args = (f"Generation {generation_id} was polled for a fresh link, which has expired too: {exc}",)
            raise
    known = before.get("usage") or _NO_USAGE
    usage = found.usage.or_else(Usage(known.get("credits_used"), known.get("usd_spent")))
    if logged is not None:
        usage = await usage_from_log(client, logged, usage)
    return {
        "generation_id": generation_id,
        "audio_uri": landed.url,
        "audio": landed.as_dict(),
        **landed.marks,
        "usage": usage.as_dict(),
        "trace_id": found.trace_id or before.get("trace_id"),
    }


async def _locate_and_land(
    client: MusicClient, generation_id: str, folder: Folder, requested: RequestedAudio
) -> tuple[Generation, StoredAudio]:
    found = await _locate(client, generation_id)
    if found.failed:
        raise GenerationFailedError(f"Generation {generation_id}: the API says {found.status}: {found.error}")
    if not found.done or found.audio_url is None:
        raise AudioError(
            f"Generation {generation_id} is {found.status!r}, but the API names no audio file. A retry polls for the "
            "file again and submits nothing."
        )
    try:
        return found, await download(client.settings, found.audio_url, folder, requested)
    except (AudioError, OutputError) as exc:
        raise type(exc)(f"{exc} {_PAID}") from exc


async def _locate(client: MusicClient, generation_id: str) -> Generation:
    """Poll where the song lies. One 429 must not cost a try, nor one 401, which ends a task, a paid song."""
    where = client.settings.base_url
    # A circuit breaker: a batch's other songs need not wait for what one has waited for in vain.
    polls = 1 if time.monotonic() - _gave_up_at.get(where, -math.inf) < _POLL_SECONDS else _POLLS
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type((ApiError, ApiUnreachableError)),
        stop=tenacity.stop_after_attempt(polls) | tenacity.stop_after_delay(_POLL_SECONDS),
        wait=_pause,
        sleep=lambda seconds: runtime.sleep(seconds),  # noqa: PLW0108 - looked up at each call, as tests replace it
        before_sleep=tenacity.before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    try:
        return await retrying(client.call, endpoints.poll(generation_id))
    except (ApiError, ApiUnreachableError) as exc:
        _gave_up_at[where] = time.monotonic()
        exc.args = (f"{str(exc).rstrip('.')}. {_PAID}",)
        raise


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    pause = backoff(state.attempt_number, first=_FIRST_PAUSE)
    return min(max(pause, getattr(error, "retry_after", None) or 0.0), _LONGEST_PAUSE)


async def download_named_once(
    settings: MusicSettings, url: str, folder: Folder, requested: RequestedAudio, *, channels: int | None = None
) -> StoredAudio:
    """Fetch a paid song whose URL no poll names again, with the patience of any free GET.

    :raises MusicError: as :func:`download` does, after the last try.
    """
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(ApiUnreachableError),
        stop=tenacity.stop_after_attempt(_FETCHES) | tenacity.stop_after_delay(_POLL_SECONDS),
        wait=_pause,
        sleep=lambda seconds: runtime.sleep(seconds),  # noqa: PLW0108 - looked up at each call, as tests replace it
        before_sleep=_log_failed_fetch,
        reraise=True,
    )
    failed: MusicError
    try:
        return await retrying(download, settings, url, folder, requested, channels=channels, only_copy=True)
    except MusicError as exc:
        # The URL is in the frames of its traceback.
        failed = strip_traceback(exc)
    url = "hidden"
    if isinstance(failed, ApiUnreachableError):
        failed.args = (
            f"The API named an address in place of the song, and the song could not be fetched from there: {failed}",
        )
    raise failed


def _log_failed_fetch(state: tenacity.RetryCallState) -> None:
    # Not tenacity's own line: that names the call.
    error = state.outcome.exception() if state.outcome else None
    log.warning("%s Trying again in %.0f s", error, state.upcoming_sleep)


async def download(
    settings: MusicSettings,
    url: str,
    folder: Folder,
    requested: RequestedAudio,
    *,
    channels: int | None = None,
    only_copy: bool = False,
) -> StoredAudio:
    """Stream a song into ``folder``.

    :param channels: of raw PCM, where known.
    :param only_copy: no poll names the URL again.
    :raises LinkExpiredError: 401, 403, 404 or 410.
    :raises ApiUnreachableError: the host did not answer, or not to the end.
    :raises AudioHostError: the URL, or a redirect, leads where this connection may not fetch from.
    :raises AudioError: what came is not the audio requested.
    :raises OutputError: the store does not take it.
    """
    failed: MusicError
    try:
        return await _download(settings, url, folder, requested, channels=channels, only_copy=only_copy)
    except MusicError as exc:
        failed = strip_traceback(exc)
    url = "hidden"
    raise failed


async def _download(
    settings: MusicSettings,
    url: str,
    folder: Folder,
    requested: RequestedAudio,
    *,
    channels: int | None,
    only_copy: bool,
) -> StoredAudio:
    until = asyncio.get_running_loop().time() + settings.max_body_seconds
    for _ in range(_MAX_REDIRECTS + 1):
        target = await check_url(settings, url)
        try:
            async with download_client(settings, target) as http:
                with suppress_logs():
                    response = await _head(http, target, settings, until)
                    try:
                        if response.has_redirect_location:
                            url = str(target.join(response.headers["location"]))
                            continue
                        landing = AudioWriter(
                            folder, requested, max_bytes=settings.max_audio_bytes, only_copy=only_copy
                        )
                        _check_status(response, only_copy=only_copy)
                        return await _land(response, landing, folder, channels=channels, until=until)
                    finally:
                        await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            raise _did_not_come(target.host, exc, settings, only_copy=only_copy) from exc
    raise ApiUnreachableError(f"The song's host redirects more than {_MAX_REDIRECTS} times. {_paid(only_copy)}")


async def _head(http: httpx.AsyncClient, target: httpx.URL, settings: MusicSettings, until: float) -> httpx.Response:
    """Send the request and return the response, its body unread.

    Read timeouts are between two bytes: headers that drip, and interim responses (1xx) without end, need a bound on
    the whole, and a shorter one than the body's.
    """
    loop = asyncio.get_running_loop()
    within = settings.connect_timeout + (DRIP_FACTOR + 1) * settings.read_timeout
    try:
        async with asyncio.timeout_at(min(until, loop.time() + within)):
            return await http.send(http.build_request("GET", target), stream=True)
    except TimeoutError as exc:
        if loop.time() >= until:
            raise
        raise httpx.ReadTimeout(f"no whole head within {within:g} s") from exc


def _paid(only_copy: bool) -> str:  # noqa: FBT001 - as download() names it
    if only_copy:
        return "It is paid for, and its address is not known any more."
    return "It is paid for; a retry fetches it again."


def _did_not_come(host: str, exc: Exception, settings: MusicSettings, *, only_copy: bool) -> ApiUnreachableError:
    paid = _paid(only_copy)
    if not isinstance(exc, TimeoutError):
        return ApiUnreachableError(f"The song did not come whole from {host} ({type(exc).__name__}). {paid}")
    return ApiUnreachableError(
        f"The song did not come whole from {host} within the {settings.max_body_seconds:g} s that the connection's "
        f"max_body_seconds allows. {paid} Raise max_body_seconds where the line is that slow."
    )


def _check_status(response: httpx.Response, *, only_copy: bool) -> None:
    host, status, paid = response.request.url.host, response.status_code, _paid(only_copy)
    if status in _GONE:
        raise LinkExpiredError(f"{host} answered {status} for the song: the link has expired. {paid}")
    if status != httpx.codes.OK:
        raise ApiUnreachableError(f"{host} answered {status} for the song. {paid}")


async def _land(
    response: httpx.Response, writer: AudioWriter, folder: Folder, *, channels: int | None, until: float
) -> StoredAudio:
    announced = number_or_none(response.headers.get("content-length"))
    if response.headers.get("content-encoding", "identity") != "identity":
        announced = None
    try:
        decompressor = Decompressor(response.headers)
    except httpx.DecodingError as exc:
        raise AudioError("The song came in a content encoding that was not asked for and is not known here.") from exc
    # First of all: what a killed try left may be what the disk is full of.
    await in_thread(remove_abandoned, folder)
    try:
        async for piece in _raw_pieces(response, until):
            await in_thread(_write, writer, decompressor, piece)
        decompressor.end()
        expected = int(announced) if announced is not None else None
        landed = await in_thread(writer.finish, expected_bytes=expected, channels=channels)
    finally:
        await in_thread(writer.abandon)
    return landed


def _write(writer: AudioWriter, decompressor: Decompressor, piece: bytes) -> None:
    for plain in decompressor.pieces(piece):
        writer.write(plain)


async def _raw_pieces(response: httpx.Response, until: float) -> AsyncIterator[bytes]:
    """Yield the body as it came, in pieces worth writing; a drip is noticed at every byte of it."""
    chunks, pending = response.aiter_raw(), bytearray()
    while True:
        async with asyncio.timeout_at(until):
            chunk = await anext(chunks, None)
        if chunk is None:
            break
        pending += chunk
        if len(pending) >= PIECE_BYTES:
            yield bytes(pending)
            pending.clear()
    yield bytes(pending)
