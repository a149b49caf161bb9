# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The synchronous lane: one POST stays open, and the song that it answers with streams into storage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.answers import (
    check_base_resp,
    number_or_none,
    text_or_none,
    usage_of,
    usage_of_headers,
)
from airflow_provider_music.api.song_body import SongBody
from airflow_provider_music.exceptions import AudioError
from airflow_provider_music.storage.download import download
from airflow_provider_music.storage.landing import AskedAudio, Landing
from airflow_provider_music.waiting import limits
from airflow_provider_music.waiting.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

    from airflow_provider_music.api.client import AsyncMusicClient
    from airflow_provider_music.storage.folder import Folder
    from airflow_provider_music.storage.landing import LandedAudio
    from airflow_provider_music.waiting.order import Order

log = logging.getLogger(__name__)

#: Written to storage at once, from a thread: few thread hops, little memory.
_WRITE_BYTES = 2**18
_READ_BYTES = 2**16
#: Taken of one song before the next one has its turn.
_TURN_BYTES = 2**22
_COMPLETE = 2


async def make_song(client: AsyncMusicClient, order: Order, request_id: str, folder: Folder) -> dict[str, Any]:
    """Ask for the song, land it in ``folder`` and return the values of its ``completed`` fact.

    Whatever breaks is raised as it is, for the table of outcomes to sort.
    """
    body = SongBody()
    asked = AskedAudio(order.asked_format, order.sample_rate_hz)
    landing = Landing(folder, asked, max_bytes=client.settings.max_audio_bytes)
    try:
        async with client.open_generation(order.body, request_id) as response:
            await _stream(response, body, landing, yielding=folder.is_local)
        answer = body.finish()
        check_base_resp(answer, f"POST for {order.model}")
        landed = await _land(client, answer, body, landing, folder=folder, asked=asked)
    finally:
        await in_thread(landing.abandon)
    usage = usage_of(answer).or_else(usage_of_headers(response))
    return {
        "generation_id": text_or_none(response.headers.get("x-inference-id")),
        "model": order.model,
        "audio_uri": landed.url,
        "audio": landed.as_dict(),
        "usage": usage.as_dict(),
        "trace_id": text_or_none(answer.get("trace_id")),
    }


async def _stream(response: httpx.Response, body: SongBody, landing: Landing, *, yielding: bool) -> None:
    """Take the song from the network into storage, a few songs at once.

    :param yielding: let another song go on after every few megabytes, so that no sender waits so long for its
        next byte to be taken that a gateway cuts the line. Not where the store keeps a block of the song in memory.
    """
    chunks = aiter(response.aiter_bytes(_READ_BYTES))
    more = True
    while more:
        async with limits.bodies():
            more = await _some(chunks, body, landing, _TURN_BYTES if yielding else None)


async def _some(chunks: AsyncIterator[bytes], body: SongBody, landing: Landing, limit: int | None) -> bool:
    """Take about ``limit`` bytes; False at the end."""
    taken, pending = 0, bytearray()
    more = False
    async for chunk in chunks:
        taken += len(chunk)
        pending += body.feed(chunk)
        if len(pending) >= _WRITE_BYTES:
            piece, pending = bytes(pending), bytearray()
            await in_thread(landing.write, piece)
        if limit is not None and taken >= limit:
            more = True
            break
    if pending:
        await in_thread(landing.write, bytes(pending))
    return more


async def _land(
    client: AsyncMusicClient,
    answer: Mapping[str, Any],
    body: SongBody,
    landing: Landing,
    *,
    folder: Folder,
    asked: AskedAudio,
) -> LandedAudio:
    info = answer.get("extra_info")
    info = info if isinstance(info, dict) else {}
    channels = number_or_none(info.get("music_channel"))
    if body.text is not None:
        return await in_thread(download, client.settings, body.text, folder, asked, channels=_count(channels))
    data = answer.get("data")
    status = number_or_none(data.get("status")) if isinstance(data, dict) else None
    size = number_or_none(info.get("audio_size") or info.get("music_size"))
    if status is not None and status != _COMPLETE and size != landing.size:
        raise AudioError(f"The API sent a part of the song (data.status {status:g}, {landing.size} bytes).")
    if landing.size == 0:
        raise AudioError("The API answered without audio.")
    return await in_thread(landing.finish, channels=_count(channels))


def _count(value: float | None) -> int | None:
    return int(value) if value and 1 <= value <= 8 else None  # noqa: PLR2004 - no song has more channels
