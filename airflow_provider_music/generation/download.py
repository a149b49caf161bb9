# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Fetches a song from the host that the API names. That host never sees the key, and its URL is a secret."""

from __future__ import annotations

import logging
import time
import zlib
from typing import TYPE_CHECKING

import httpx

from airflow_provider_music.api.parsing import number_or_none
from airflow_provider_music.api.secrecy import bare
from airflow_provider_music.api.ssrf import check_url
from airflow_provider_music.api.transports import download_client, quiet
from airflow_provider_music.exceptions import ApiUnreachableError, AudioError, MusicError
from airflow_provider_music.storage.audio_writer import AudioWriter, RequestedAudio, StoredAudio
from airflow_provider_music.storage.cleanup import remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

_MAX_REDIRECTS = 3
_PIECE_BYTES = 2**18
_GONE = (401, 403, 404, 410)


class LinkExpiredError(ApiUnreachableError):
    """The host does not give the song out under this URL (any more); a fresh poll may name another."""


def download(
    settings: MusicSettings, url: str, folder: Folder, asked: RequestedAudio, *, channels: int | None = None
) -> StoredAudio:
    """Stream a song into ``folder``; blocks.

    :param channels: of raw PCM, where known.
    :raises LinkExpiredError: 401, 403, 404 or 410.
    :raises ApiUnreachableError: the host did not answer, or not to the end.
    :raises AudioHostError: the URL, or a redirect, leads where this connection may not fetch from.
    :raises AudioError: what came is not the audio asked for.
    :raises OutputError: the store does not take it.
    """
    failed: MusicError
    try:
        return _download(settings, url, folder, asked, channels=channels)
    except MusicError as exc:
        failed = bare(exc)
    url = "hidden"
    raise failed


def _download(
    settings: MusicSettings, url: str, folder: Folder, asked: RequestedAudio, *, channels: int | None
) -> StoredAudio:
    until = time.monotonic() + settings.max_body_seconds
    with download_client(settings) as http:
        for _ in range(_MAX_REDIRECTS + 1):
            target = check_url(settings, url)
            try:
                with quiet(), http.stream("GET", target) as response:
                    if response.has_redirect_location:
                        url = str(target.join(response.headers["location"]))
                        continue
                    return _land(response, settings, folder, asked, channels=channels, until=until)
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                raise _did_not_come(target.host, exc, until, settings) from exc
    raise ApiUnreachableError(f"The song's host redirects more than {_MAX_REDIRECTS} times.")


def _did_not_come(host: str, exc: Exception, until: float, settings: MusicSettings) -> ApiUnreachableError:
    paid = "It is paid for; a retry fetches it again."
    if time.monotonic() < until:
        return ApiUnreachableError(f"The song did not come whole from {host} ({type(exc).__name__}). {paid}")
    return ApiUnreachableError(
        f"The song did not come whole from {host} within the {settings.max_body_seconds:g} s that the connection's "
        f"max_body_seconds allows. {paid} Raise max_body_seconds where the line is that slow."
    )


def _raw_pieces(response: httpx.Response, until: float) -> Iterator[bytes]:
    """Return the body as it came, in pieces worth writing; a drip is noticed at every byte of it."""
    pending = bytearray()
    for chunk in response.iter_raw():
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the time for the whole download is over")
        pending += chunk
        if len(pending) >= _PIECE_BYTES:
            yield bytes(pending)
            pending.clear()
    yield bytes(pending)


def _pieces(response: httpx.Response, until: float) -> Iterator[bytes]:
    """Return the body in pieces of bounded size, also where it comes compressed, which was not asked for."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        yield from _raw_pieces(response, until)
        return
    if encoding not in ("gzip", "deflate"):
        raise AudioError("The song came in a content encoding that was not asked for and is not known here.")
    decoder = zlib.decompressobj(wbits=47)
    try:
        for piece in _raw_pieces(response, until):
            rest = piece
            while rest and not decoder.eof:
                yield decoder.decompress(rest, _PIECE_BYTES)
                rest = decoder.unconsumed_tail
            if rest or decoder.unused_data:
                # The decoder would keep it all: an endless tail is memory without end.
                raise httpx.DecodingError("more follows the end of the compressed body")
        yield decoder.flush()
    except zlib.error as exc:
        raise httpx.DecodingError(str(exc)) from exc
    if not decoder.eof:
        raise httpx.ReadError("the compressed body ends early")


def _land(
    response: httpx.Response,
    settings: MusicSettings,
    folder: Folder,
    asked: RequestedAudio,
    *,
    channels: int | None,
    until: float,
) -> StoredAudio:
    host = response.request.url.host
    if response.status_code in _GONE:
        raise LinkExpiredError(f"{host} answered {response.status_code} for the song: the link has expired.")
    if response.status_code != httpx.codes.OK:
        raise ApiUnreachableError(f"{host} answered {response.status_code} for the song.")
    announced = number_or_none(response.headers.get("content-length"))
    if response.headers.get("content-encoding", "identity") != "identity":
        announced = None
    # First of all: what a killed try left may be what the disk is full of.
    remove_abandoned(folder)
    with AudioWriter(folder, asked, max_bytes=settings.max_audio_bytes) as landing:
        for chunk in _pieces(response, until):
            landing.write(chunk)
        landed = landing.finish(expected_bytes=int(announced) if announced is not None else None, channels=channels)
    log.info("Landed %d bytes of %s as %s", landed.facts.size_bytes, landed.facts.format, landed.url)
    return landed
