# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The synchronous lane: one POST stays open, and the song that it answers with streams into storage."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from airflow_provider_music.api.bounded_body import DRIP_FACTOR, Decompressor, quoted_without
from airflow_provider_music.api.hex_stream import HexStream, HexStreamError
from airflow_provider_music.api.parsing import number_or_none, text_or_none
from airflow_provider_music.api.responses import check_base_resp
from airflow_provider_music.api.secrecy import masked, masked_json, suppress_logs
from airflow_provider_music.api.usage import usage_of_answer
from airflow_provider_music.exceptions import AudioError, UnknownOutcomeError
from airflow_provider_music.generation import rate_limits
from airflow_provider_music.generation.fetch import download_named_once
from airflow_provider_music.generation.usage_log import LoggedRequest, usage_from_log
from airflow_provider_music.storage.audio_writer import AudioWriter, RequestedAudio
from airflow_provider_music.storage.song_name import DEFAULT_NAME
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.storage.audio_writer import StoredAudio
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

#: Written to storage at once, from a thread: few thread hops, little memory.
_WRITE_BYTES = 2**18
#: Taken of one song before the next one has its turn.
_TURN_BYTES = 2**22
#: A song whose next bytes do not come for so long gives its slot to another.
_PATIENCE_SECONDS = 1.0
_COMPLETE = 2
_PROGRESS_SECONDS = 30.0


async def generate_song(client: MusicClient, spec: GenerationSpec, request_id: str, folder: Folder) -> dict[str, Any]:
    """Submit the request, land the song in ``folder`` and return the values of its ``completed`` fact.

    Whatever breaks is raised as it is, for the table of outcomes to sort.
    """
    log.info(
        "The POST of take %d (%s) stays open; usually ready in about %.0f s", spec.n, spec.model, spec.usual_seconds
    )
    body, submitted_at = HexStream(), datetime.now(UTC)
    requested = RequestedAudio(spec.audio_format, spec.sample_rate_hz, spec.name or DEFAULT_NAME)
    writer = AudioWriter(folder, requested, max_bytes=client.settings.max_audio_bytes, only_copy=True)
    try:
        async with _progress(spec), _answered(client, spec, request_id) as response:
            await _receive(response, client.settings, body, writer, yielding=folder.is_local)
        answer = await _read(body, writer, spec, client.settings.api_key)
        landed = await _land(client, answer, body, writer, folder=folder, requested=requested)
    finally:
        await in_thread(writer.abandon)
    generation_id = text_or_none(response.headers.get("x-inference-id"))
    wanted = LoggedRequest(request_id, submitted_at, generation_id)
    usage = await usage_from_log(client, wanted, usage_of_answer(answer, response))
    return {
        "generation_id": generation_id,
        "model": spec.model,
        "audio_uri": landed.url,
        "audio": landed.as_dict(),
        **landed.marks,
        "usage": usage.as_dict(),
        "trace_id": masked(text_or_none(answer.get("trace_id")) or "", client.settings.api_key) or None,
    }


@contextlib.asynccontextmanager
async def _answered(client: MusicClient, spec: GenerationSpec, request_id: str) -> AsyncIterator[httpx.Response]:
    """Send the POST; yield the good answer, its body unread.

    The timeouts of the line are between two bytes, so headers that drip, or interim answers without end, need a
    bound on the whole. Within it a refusal has its time too: its body, and the look for what replaces the model.
    """
    settings = client.settings
    within = settings.generation_timeout + 3 * settings.connect_timeout + 3 * DRIP_FACTOR * settings.read_timeout
    async with contextlib.AsyncExitStack() as stack:
        try:
            # httpcore would log the answer's headers.
            with suppress_logs():
                async with asyncio.timeout(within):
                    response = await stack.enter_async_context(client.open_generation(spec.body, request_id))
        except TimeoutError as exc:
            raise httpx.ReadTimeout(f"no answer within {within:g} s, though bytes came") from exc
        yield response


@contextlib.asynccontextmanager
async def _progress(spec: GenerationSpec) -> AsyncIterator[None]:
    """Say now and then that the song is still waited for."""

    async def lines() -> None:
        seconds = 0.0
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            seconds += _PROGRESS_SECONDS
            log.info("take %d (%s): generating, %.0f s", spec.n, spec.model, seconds)

    task = asyncio.create_task(lines())
    try:
        yield
    finally:
        task.cancel()


async def _receive(
    response: httpx.Response, settings: MusicSettings, body: HexStream, writer: AudioWriter, *, yielding: bool
) -> None:
    """Take the song into storage. A line that breaks after the song's last byte breaks nothing of it."""
    try:
        async with _incoming(response, settings) as incoming:
            await _stream(incoming, body, writer, yielding=yielding)
    except httpx.TransportError as exc:
        if not body.closed:
            raise
        log.warning("The answer broke off after the song's last byte (%s)", type(exc).__name__)


async def _read(body: HexStream, writer: AudioWriter, spec: GenerationSpec, api_key: str) -> dict[str, Any]:
    """Return the answer beside its song; without its end, what stands before the song: its content decides then.

    :raises ApiError: it says that the generation failed.
    :raises AudioError: it cannot be told whether it did; what came is kept.
    """
    try:
        if body.cut_after_audio:
            log.warning("The end of the answer to take %d is missing; the song in it is whole", spec.n)
            answer = body.finish_at_audio()
        else:
            answer = body.finish()
        answer = dict(masked_json(answer, api_key))
        check_base_resp(answer, f"POST for {spec.model}", quote=lambda text: quoted_without(api_key, text))
    except (HexStreamError, UnknownOutcomeError) as exc:
        if not body.closed:
            raise
        raise await in_thread(writer.reject, f"{str(exc).rstrip('.')}.") from exc
    return answer


class _Incoming:
    """A body as it comes in, decoded, in pieces of bounded size; waiting for a piece can be put off.

    :param until: the event loop's time at which the body has to be there.
    """

    def __init__(self, response: httpx.Response, settings: MusicSettings) -> None:
        self._settings = settings
        self._until = asyncio.get_running_loop().time() + settings.max_body_seconds
        self._pieces = _plain(response)
        self._next: asyncio.Task[bytes | None] | None = None

    async def arrives(self, within: float) -> bool:
        """Whether the next piece, or the end, is there within so many seconds."""
        if self._next is None:
            self._next = asyncio.create_task(self._piece())
        return bool((await asyncio.wait({self._next}, timeout=within))[0])

    async def take(self) -> bytes | None:
        """Return the next piece; None is the end.

        :raises httpx.ReadTimeout: the body takes longer than the connection allows.
        """
        left = self._until - asyncio.get_running_loop().time()
        if left <= 0 or not await self.arrives(left) or self._next is None:
            seconds = f"{self._settings.max_body_seconds:g} s"
            raise httpx.ReadTimeout(
                f"the answer did not come whole within the connection's max_body_seconds, {seconds}"
            )
        piece = self._next.result()
        self._next = None
        return piece

    async def close(self) -> None:
        """Read no more."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait({self._next})
            if not self._next.cancelled():
                # Retrieved, so that asyncio does not log an exception that nobody retrieved.
                self._next.exception()
        await self._pieces.aclose()

    async def _piece(self) -> bytes | None:
        return await anext(self._pieces, None)


@contextlib.asynccontextmanager
async def _incoming(response: httpx.Response, settings: MusicSettings) -> AsyncIterator[_Incoming]:
    incoming = _Incoming(response, settings)
    try:
        yield incoming
    finally:
        await incoming.close()


async def _plain(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield the body in small pieces, also where it comes compressed: some proxies do that unasked."""
    inflater = Decompressor(response.headers)
    async for chunk in response.aiter_raw():
        for piece in inflater.pieces(chunk):
            yield piece
    try:
        inflater.end()
    except httpx.DecodingError as exc:
        # As a body that is not compressed would say it.
        raise httpx.RemoteProtocolError(str(exc)) from exc


async def _stream(incoming: _Incoming, body: HexStream, writer: AudioWriter, *, yielding: bool) -> None:
    """Take the song from the network into storage, a few songs at once.

    A song that waits for its next bytes takes no slot.

    :param yielding: let another song have the slot after every few megabytes, so that no sender waits so long for its
        next byte to be taken that a gateway cuts the line. Not where the store keeps a block of the song in memory.
    """
    piece = await incoming.take()
    while piece is not None:
        async with rate_limits.bodies():
            piece = await _some(incoming, piece, body, writer, yielding=yielding)
        if piece == b"":
            piece = await incoming.take()


async def _some(
    incoming: _Incoming, piece: bytes | None, body: HexStream, writer: AudioWriter, *, yielding: bool
) -> bytes | None:
    """Take a turn's worth, from ``piece`` on; return nothing where more is to come, and None at the end."""
    taken, pending = 0, bytearray()
    try:
        while piece is not None:
            taken += len(piece)
            pending += body.feed(piece)
            if body.broken is not None:
                piece = None
                break
            if len(pending) >= _WRITE_BYTES:
                whole, pending = pending, bytearray()
                await in_thread(writer.write, whole)
            if yielding and (taken >= _TURN_BYTES or not await incoming.arrives(_PATIENCE_SECONDS)):
                piece = b""
                break
            piece = await incoming.take()
    except httpx.TransportError:
        # The line may have broken after the song's last byte.
        if pending:
            await in_thread(writer.write, pending)
        raise
    if pending:
        await in_thread(writer.write, pending)
    return piece


async def _land(
    client: MusicClient,
    answer: Mapping[str, Any],
    body: HexStream,
    writer: AudioWriter,
    *,
    folder: Folder,
    requested: RequestedAudio,
) -> StoredAudio:
    info = answer.get("extra_info")
    info = info if isinstance(info, dict) else {}
    channels = number_or_none(info.get("music_channel"))
    if body.text is not None:
        return await download_named_once(client.settings, body.text, folder, requested, channels=_count(channels))
    data = answer.get("data")
    status = number_or_none(data.get("status")) if isinstance(data, dict) else None
    size = number_or_none(info.get("audio_size") or info.get("music_size"))
    if status is not None and status != _COMPLETE and size != writer.size:
        part = f"The API sent a part of the song (data.status {status:g}, {writer.size} bytes)."
        raise await in_thread(writer.reject, part)
    if writer.size == 0:
        raise AudioError("The API answered without audio.")
    return await in_thread(writer.finish, channels=_count(channels))


def _count(value: float | None) -> int | None:
    return int(value) if value and 1 <= value <= 8 else None  # noqa: PLR2004 - no song has more channels
