# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Submits a generation: claims take n, sends its POST once, and writes down what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import tenacity

from airflow_provider_music.api.client import host_unknown
from airflow_provider_music.api.outcome import outcome_of
from airflow_provider_music.api.parsing import describe_error
from airflow_provider_music.exceptions import HostUnknownError, RecordError
from airflow_provider_music.generation import hosts, rate_limits, runtime
from airflow_provider_music.generation.poll import backoff
from airflow_provider_music.generation.synchronous import generate_song
from airflow_provider_music.generation.usage_log import new_request_id
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.record.lease import Lease
from airflow_provider_music.record.store import not_writable
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Fact, Take

log = logging.getLogger(__name__)

#: How often a fact about a request that was sent is tried to be written: for about two minutes.
_STORE_TRIES = 8
#: The failed fact of a claim whose process ended before it sent the request.
NEVER_LEFT = {
    "sent": False,
    "abandoned": True,
    "error": "ApiUnreachableError",
    "reason": "the process that had claimed it ended before it sent the request",
}
#: POSTs whose waiter was cancelled: they are paid, so they end, and their song is landed.
_open_posts: set[asyncio.Task[Take | None]] = set()


class DeadlineReached(Exception):  # noqa: N818 - no error: the task's timeout says what it means
    """The deadline came before the request could leave, and nothing was claimed; or while its writer is at work."""


class WaitsForAnother(Exception):  # noqa: N818 - no error: a worker leaves the wait to the triggerer
    """Another task pays for the same request, and this process does not wait for it; nothing was claimed."""


class Submission:
    """The request of one take.

    :param spec: the generation.
    :param record: its song's record.
    """

    def __init__(self, spec: GenerationSpec, record: SongRecord) -> None:
        self._spec = spec
        self._record = record
        self._lease = Lease(record.take_folder(spec.n))

    async def submit(self) -> Take | None:
        """Send the POST if no other process did, and return the take as it stands afterwards.

        A cancelled caller does not stop an open POST.

        :return: None where another process had claimed the take, and withdrew the claim.
        :raises DeadlineReached: the deadline came before the POST could leave; nothing was claimed.
        :raises OutputError: the record cannot be written, so nothing was sent.
        :raises CredentialsError: the connection cannot be used here; nothing was sent.
        """
        spec = self._spec
        # First of all, so that a missing key leaves no claim behind.
        client = await client_of(spec.conn_id)
        slots = rate_limits.open_generations(client.settings) if spec.lane == "synchronous" else None
        await self._wait_for_slot(slots)
        # One task from the claim on: cancelled between claim and POST, a claim would stay that nobody sends.
        post = asyncio.create_task(self._claim_and_post(client))
        _open_posts.add(post)
        post.add_done_callback(_open_posts.discard)
        # Not when this caller ends: cancelled, it leaves the POST open.
        post.add_done_callback(lambda _: _release(slots))
        return await asyncio.shield(post)

    async def _wait_for_slot(self, slots: asyncio.Semaphore | None) -> None:
        """Wait for a slot among the open generations."""
        deadline = self._spec.deadline
        if slots is None:
            if runtime.now() >= deadline:
                raise DeadlineReached
            return
        if slots.locked():
            log.info("Take %d waits for its turn: max_open_generations are under way", self._spec.n)
        if not await rate_limits.slot_before(deadline, slots):
            raise DeadlineReached

    async def _claim_and_post(self, client: MusicClient) -> Take | None:
        take, request_id = await self._claim()
        if take is None:
            log.info("Take %d is claimed by another process; waiting for what comes of it", self._spec.n)
            return await in_thread(self._record.read, self._spec.n)
        return await self._post(client, take, request_id)

    async def _claim(self) -> tuple[Take | None, str]:
        spec = self._spec
        request_id = spec.request_id or new_request_id(spec.key, spec.n, spec.fingerprint)
        intent = spec.intent(request_id)
        try:
            return await in_thread(lambda: self._record.claim(spec.n, **intent)), request_id
        except RecordError as exc:
            raise not_writable(exc) from exc

    async def _post(self, client: MusicClient, take: Take, request_id: str) -> Take:
        async with contextlib.AsyncExitStack() as stack:
            spec = self._spec
            try:
                await stack.enter_async_context(self._lease.held())
                sent = await self._about_to_send(take)
            except (OSError, RecordError) as exc:
                # Claimed and never sent: a claim that stayed would have the next try look for an answer.
                with contextlib.suppress(OSError):
                    await in_thread(self._record.withdraw, take)
                raise not_writable(exc) from exc
            except asyncio.CancelledError:
                # Said here as well: the fact that it is about to be sent may still come into being in a thread.
                with contextlib.suppress(RecordError):
                    self._record.write(take, "failed", **spec.attempt, **NEVER_LEFT)
                raise
            if sent is None:
                log.warning("Take %d was given up by another process, which took this one for gone: not sent", spec.n)
                return await in_thread(self._record.refresh, take)
            log.info("Submitting take %d to %s, X-Client-Request-Id %s", spec.n, spec.model, request_id)
            try:
                take = await self._send(client, take, request_id)
            except BaseException as exc:
                take = await self._record_failure(client, take, exc)
                if not isinstance(exc, Exception):
                    raise
            self._lease.is_settled = take.state != "open"
            return take

    async def _about_to_send(self, take: Take) -> Take | None:
        """Say that the request is about to leave; None where it must not."""
        attempt = self._spec.attempt
        return await in_thread(lambda: self._record.write_first(take, "sent", **attempt, abandoned=False))

    async def _send(self, client: MusicClient, take: Take, request_id: str) -> Take:
        spec = self._spec
        if spec.lane == "synchronous":
            completed = await generate_song(client, spec, request_id, take.audio_folder)
            return await self._write(take, "completed", **completed)
        found = await client.submit(spec.body, request_id)
        log.info(
            "Submitted generation %s (%s, take %d); usually ready in about %.0f s",
            found.id,
            spec.model,
            spec.n,
            spec.usual_seconds,
        )
        return await self._write(
            take,
            "accepted",
            generation_id=found.id,
            usage=found.usage.as_dict(),
            trace_id=found.trace_id,
            source="answer",
        )

    async def _record_failure(self, client: MusicClient, take: Take, exc: BaseException) -> Take:
        """Write down what a broken request means for the bill; a lost answer has no fact, it is reconciled."""
        outcome = outcome_of(exc)
        reason = describe_error(exc)
        if isinstance(exc, asyncio.CancelledError):
            reason = "the process that held the POST open was stopped"
        if outcome in ("never_left", "not_accepted"):
            log.warning("Take %d was not accepted, nothing is owed: %s", take.n, reason)
            error = type(exc).__name__ if outcome == "not_accepted" else "ApiUnreachableError"
            more: dict[str, Any] = {"retry_after": getattr(exc, "retry_after", None)}
            unknown = host_unknown(client.settings, exc) if outcome == "never_left" else None
            if unknown is not None:
                seconds = hosts.seconds_without_address(client.settings.base_url)
                error, reason = HostUnknownError.__name__, hosts.after(f"Nothing was sent: {unknown}", seconds)
                more["seconds_without_address"] = seconds
            return await self._write(take, "failed", sent=False, error=error, reason=reason, **more)
        if outcome == "failed":
            log.error("The API says that take %d failed; it is not billed: %s", take.n, exc)
            return await self._write(take, "failed", sent=True, error=type(exc).__name__, reason=str(exc))
        self._lease.why = reason
        log.warning("The answer to take %d is lost; it may be billed: %s", take.n, reason)
        return take

    async def _write(self, take: Take, fact: Fact, **values: Any) -> Take:
        """Write what came of it; a store that is away for a moment must not lose an id that was paid for."""
        attempt = self._spec.attempt
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(RecordError),
            stop=tenacity.stop_after_attempt(_STORE_TRIES),
            wait=lambda state: backoff(state.attempt_number),
            sleep=lambda seconds: runtime.sleep(seconds),  # noqa: PLW0108 - looked up at each call, as tests replace it
            before_sleep=tenacity.before_sleep_log(log, logging.WARNING),
            reraise=True,
        )
        return await retrying(in_thread, lambda: self._record.write(take, fact, **attempt, **values))


def _release(slots: asyncio.Semaphore | None) -> None:
    if slots is not None:
        slots.release()
