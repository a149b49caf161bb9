# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Asks for a song: claims request n, sends its POST once, and writes down how that ended."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import uuid
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.outcome import outcome_of
from airflow_provider_music.api.parsing import describe_error
from airflow_provider_music.exceptions import OutputError, RecordError
from airflow_provider_music.generation import clock, rate_limits
from airflow_provider_music.generation.pace import backoff
from airflow_provider_music.generation.synchronous import make_song
from airflow_provider_music.generation.threads import in_thread
from airflow_provider_music.hooks.clients import async_client_of
from airflow_provider_music.record.lease import Lease

if TYPE_CHECKING:
    from airflow_provider_music.api.client import AsyncMusicClient
    from airflow_provider_music.generation.spec import Order
    from airflow_provider_music.record.store import Fact, SongRecord

log = logging.getLogger(__name__)

#: How long a fact about a request that was made is tried to be written.
_STORE_PATIENCE_SECONDS = 120.0
#: POSTs whose waiter was cancelled: they are paid, so they end, and their song is landed.
_open_posts: set[asyncio.Task[None]] = set()


class Asker:
    """Makes request n of a song.

    :param order: the song.
    :param record: its record.
    """

    def __init__(self, order: Order, record: SongRecord) -> None:
        self._order = order
        self._record = record
        self._lease = Lease(record.take_folder(order.n))

    async def ask(self) -> bool:
        """Send the POST if nobody else did; afterwards the record says how it ended.

        A cancelled caller does not stop an open POST.

        :return: False where the deadline came before the POST could leave; nothing was claimed.
        :raises OutputError: the record cannot be written, so nothing was sent.
        :raises CredentialsError: the connection cannot be used here; nothing was sent.
        """
        # First of all, so that a missing key leaves no claim behind.
        client = await async_client_of(self._order.conn_id)
        places = rate_limits.open_generations(client.settings) if self._order.lane == "synchronous" else None
        if not await self._place(places):
            return False
        try:
            post = await self._claimed_post(client)
        except BaseException:
            _release(places)
            raise
        # Not when this caller ends: cancelled, it leaves the POST open.
        post.add_done_callback(lambda _: _release(places))
        await asyncio.shield(post)
        return True

    async def _place(self, places: asyncio.Semaphore | None) -> bool:
        """Wait for a place among the open generations; False where the deadline comes first."""
        deadline = self._order.deadline
        if places is None:
            return clock.now() < deadline
        if places.locked():
            log.info("Request %d waits for its turn: max_open_generations are under way", self._order.n)
        return await rate_limits.place_before(deadline, places)

    async def _claimed_post(self, client: AsyncMusicClient) -> asyncio.Task[None]:
        """Claim the request and start its POST; where somebody else has it, there is nothing to start."""
        request_id = _new_request_id(self._order)
        if not await self._claim(request_id):
            log.info("Request %d is somebody else's; waiting for its outcome", self._order.n)
            return asyncio.create_task(asyncio.sleep(0))
        post = asyncio.create_task(self._post(client, request_id))
        _open_posts.add(post)
        post.add_done_callback(_open_posts.discard)
        return post

    async def _claim(self, request_id: str) -> bool:
        order = self._order
        intent = {
            **order.stamp,
            "client_request_id": request_id,
            "model": order.model,
            "lane": order.lane,
            "conn_id": order.conn_id,
            "fingerprint": order.fingerprint,
            "resubmission": order.resubmission,
            "audio_format": order.audio_format,
            "sample_rate_hz": order.sample_rate_hz,
            "references": order.references,
        }
        try:
            return await in_thread(lambda: self._record.write(order.n, "intent", **intent))
        except RecordError as exc:
            raise _not_sent(exc) from exc

    async def _post(self, client: AsyncMusicClient, request_id: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._lease.held())
            except OSError as exc:
                # Claimed and never sent: a claim that stayed would have the next try look for an answer.
                with contextlib.suppress(OSError):
                    await in_thread(self._record.take_folder(self._order.n).remove, "intent.json")
                raise _not_sent(exc) from exc
            log.info("Sending request %d for %s as %s", self._order.n, self._order.model, request_id)
            try:
                await self._send(client, request_id)
            except BaseException as exc:
                await self._broke(exc)
                if not isinstance(exc, Exception):
                    raise

    async def _send(self, client: AsyncMusicClient, request_id: str) -> None:
        order = self._order
        if order.lane == "synchronous":
            completed = await make_song(client, order, request_id, self._record.take_folder(order.n))
            await self._write("completed", **completed)
            return
        found = await client.submit(order.body, request_id)
        log.info("Accepted as generation %s", found.id)
        await self._write(
            "accepted",
            generation_id=found.id,
            usage=found.usage.as_dict(),
            trace_id=found.trace_id,
            source="answer",
        )

    async def _broke(self, exc: BaseException) -> None:
        """Write down what a broken request means for the bill; a lost answer has no fact, it is looked for."""
        outcome = outcome_of(exc)
        told = describe_error(exc)
        if isinstance(exc, asyncio.CancelledError):
            told = "the process that held the POST open was stopped"
        if outcome in ("never_left", "not_accepted"):
            log.warning("Not accepted, nothing is owed: %s", told)
            error = type(exc).__name__ if outcome == "not_accepted" else "ApiUnreachableError"
            wait = getattr(exc, "retry_after", None)
            await self._write("failed", sent=False, error=error, reason=told, retry_after=wait)
        elif outcome == "failed":
            log.error("The API says that the request failed; it is not billed: %s", exc)
            await self._write("failed", sent=True, error=type(exc).__name__, reason=str(exc))
        else:
            self._lease.why = told
            log.warning("The answer to request %d is lost; it may be billed: %s", self._order.n, told)

    async def _write(self, fact: Fact, **values: Any) -> None:
        """Write how it ended; a store that is away for a moment must not lose an id that was paid for."""
        give_up = clock.now() + _STORE_PATIENCE_SECONDS
        failures = 0
        while True:
            try:
                return await in_thread(lambda: self._write_now(fact, **values))
            except RecordError as exc:
                failures += 1
                wait = backoff(failures)
                if clock.now() + wait > give_up:
                    raise
                log.warning("%s; trying again in %.0f s", exc, wait)
                await clock.sleep(wait)

    def _write_now(self, fact: Fact, **values: Any) -> None:
        self._record.write(self._order.n, fact, **self._order.stamp, **values)


def _release(places: asyncio.Semaphore | None) -> None:
    if places is not None:
        places.release()


def _not_sent(exc: Exception) -> OutputError:
    return OutputError(
        f"The output folder cannot be written, so nothing was sent: {exc}. "
        "Give an output_dir that workers and triggerer can write."
    )


def _new_request_id(order: Order) -> str:
    """Make the request's own id, 1-128 characters of ``A-Za-z0-9._:-``; it stands in the intent for all to use.

    A part of it is random: two Airflows with one API key run the same DAGs at the same times, and one must
    not find the other's song.
    """
    place = hashlib.sha256(order.record_url.encode()).hexdigest()[:24]
    return f"airflow-music-{place}-{order.n}-{uuid.uuid4().hex[:12]}"
