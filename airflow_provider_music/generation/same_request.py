# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What became of the same request of another task: of ``reuse="identical"``, the part that only reads.

By the chain of claims, the record of the task that pays, its lease, and the usage log, in this order.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.api import endpoints
from airflow_provider_music.exceptions import ApiError, ApiUnreachableError, MusicError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.reserved_requests import give_up, logged_requests
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.record.lease import LeaseWatch
from airflow_provider_music.record.reuse import Claim, ReuseChain
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder
from airflow_provider_music.storage.threads import connect_store, in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

#: A claim is followed by its request within seconds. One that is not may be taken over: its task finds that out.
UNUSED_SECONDS = 60.0
#: A task whose request was refused for the moment sends it again within two minutes.
REFUSED_SECONDS = 180.0
#: A song is marked delivered right after it is in place, and landed soon after it is done.
COMPLETED_SECONDS = 60.0
ACCEPTED_SECONDS, USUAL_TIMES = 300.0, 3
#: After the longest generation_timeout no response can come, and its row is in the log, if there is one.
NO_ROW_SECONDS = 3 * 3600.0
_LOG_SECONDS = 20.0
_PIECE = 2**18

Verdict = Literal["pay", "wait", "song", "generation", "unknown"]


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be done about a request.

    :param claim: whose it is by now.
    :param take: of the task that pays, or paid.
    :param audio: of a song to hand out, as its file is now.
    :param generation_id: of a generation that is paid and can be landed.
    """

    verdict: Verdict
    why: str
    claim: Claim | None = None
    take: Take | None = None
    audio: Mapping[str, Any] | None = None
    generation_id: str | None = None


class Watch:
    """Looks again and again at what became of a request."""

    def __init__(self, spec: GenerationSpec) -> None:
        self._spec = spec
        self._reuse = spec.reuse or {}
        self._leases: dict[str, LeaseWatch] = {}
        self._searched_at = float("-inf")

    async def look(self) -> Found:
        """Return what is to be done about it now; nothing is claimed.

        :raises RecordError: the chain or the payer's record cannot be read.
        """
        await connect_store(self._reuse["url"])
        claim = await in_thread(lambda: ReuseChain(self._reuse["url"]).newest())
        if claim is None:
            return Found("pay", "nobody has made this request")
        if claim.n is None:
            own_or_old = claim.key == self._spec.key or claim.age >= UNUSED_SECONDS
            return Found("pay" if own_or_old else "wait", "claimed, and not sent yet", claim)
        await connect_store(claim.record_url)
        take = await in_thread(SongRecord(claim.record_url).read, claim.n)
        found = await self._judged(claim, take)
        if claim.key == self._spec.key and found.verdict in ("wait", "unknown", "generation"):
            # Its own record is the policy's business, which has decided already.
            return Found("pay", "its own request", claim, take)
        return found

    async def _judged(self, claim: Claim, take: Take | None) -> Found:
        if take is None:
            return await self._by_log(claim, None)
        match take.state:
            case "failed":
                failed = take["failed"]
                refused = failed.get("sent") is False and not failed.get("abandoned")
                waits = refused and _age(failed) < REFUSED_SECONDS
                return Found("wait" if waits else "pay", "its request failed, and is not billed", claim, take)
            case "delivered" | "completed" if "completed" in take:
                return await self._song(claim, take)
            case "accepted" | "delivered" | "completed":
                return await self._generation(claim, take)
            case "unknown":
                return Found("unknown", "the response to its request is lost", claim, take)
            case _:
                return await self._open(claim, take)

    async def _song(self, claim: Claim, take: Take) -> Found:
        done = take["completed"]
        if "rejected" in take and take.state == "completed":
            return Found("pay", "its song was rejected for its quality", claim, take)
        if take.state == "completed" and _age(done) < COMPLETED_SECONDS and not self._is_beside(claim):
            return Found("wait", "its song is in place, and not delivered yet", claim, take)
        if _age(done) > self._reuse["age"]:
            return Found("pay", f"its song is older than {self._reuse['age']:g} s", claim, take)
        await connect_store(str(done.get("audio_uri")))
        audio = await in_thread(_verified, take)
        if audio is None:
            return Found("pay", f"{done.get('audio_uri')} is gone, or is not what was delivered", claim, take)
        return Found("song", "delivered already", claim, take, audio)

    async def _generation(self, claim: Claim, take: Take) -> Found:
        """Wait for the song of a generation; where its task seems to be gone, land it here."""
        accepted = take["accepted"]
        if self._is_beside(claim):
            return Found("generation", "paid by this very batch", claim, take, generation_id=take.generation_id)
        if _age(accepted) < max(ACCEPTED_SECONDS, USUAL_TIMES * self._spec.usual_seconds):
            return Found("wait", f"its generation {take.generation_id} is under way", claim, take)
        try:
            client = await client_of(self._spec.conn_id)
            polled = await client.call(endpoints.poll(str(take.generation_id)))
        except MusicError as exc:
            log.warning("Generation %s, which another task submitted, cannot be polled: %s", take.generation_id, exc)
            return Found("wait", f"its generation {take.generation_id} cannot be polled", claim, take)
        if polled.failed:
            return Found("pay", f"its generation {take.generation_id} failed, and is not billed", claim, take)
        return Found("generation", "paid, and not landed by its task", claim, take, generation_id=take.generation_id)

    def _is_beside(self, claim: Claim) -> bool:
        """Whether a song of the same batch pays, which is landed only when nobody of the batch waits any more."""
        return claim.task == self._spec.task and claim.key != self._spec.key

    async def _open(self, claim: Claim, take: Take) -> Found:
        if not take.never_sent:
            # Over several looks: from another machine, only whether the lease still changes counts.
            lease = self._leases.setdefault(take.folder.url, LeaseWatch(take.folder))
            if await in_thread(lease.writer_lives):
                return Found("wait", "its request is open", claim, take)
            take = await in_thread(SongRecord(claim.record_url).refresh, take)
            if take.state != "open":
                return await self._judged(claim, take)
        if take.never_sent or (take.may_be_unsent and await in_thread(give_up, claim.record_url, take)):
            return Found("pay", "its process ended before it sent the request", claim, take)
        return await self._by_log(claim, take)

    async def _by_log(self, claim: Claim, take: Take | None) -> Found:
        """Return what the usage log says of a request whose task says nothing any more."""
        waits = Found("wait", "nobody knows yet what came of its request", claim, take)
        if runtime.monotonic() - self._searched_at < _LOG_SECONDS:
            return waits
        self._searched_at = runtime.monotonic()
        request = (claim.key, int(claim.n or 0))
        try:
            row = (await logged_requests(await client_of(self._spec.conn_id), {request}, claim.age)).get(request)
        except (ApiError, ApiUnreachableError) as exc:
            log.warning("The usage log does not say what came of the request of %s: %s", claim.task, exc)
            return waits
        if row is None:
            late = claim.age >= NO_ROW_SECONDS
            return Found("pay", "its request has no row in the usage log", claim, take) if late else waits
        if row.failed:
            return Found("pay", "its request failed by the usage log, and is not billed", claim, take)
        if row.status != "succeeded":
            return waits
        if self._spec.lane == "queued" and row.inference_id:
            return Found("generation", "paid by the usage log", claim, take, generation_id=row.inference_id)
        return Found("unknown", "its request is billed, and its song is lost", claim, take)


def _verified(take: Take) -> dict[str, Any] | None:
    """Return how a song's file is now, where it is the one that was delivered; blocks."""
    done = take["completed"]
    audio = dict(done.get("audio") or {})
    folder_url, _, name = str(done.get("audio_uri")).rpartition("/")
    folder, digest, size = Folder(folder_url), hashlib.sha256(), 0
    try:
        with folder.open(name) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        tagged = _tagged(folder, name)
    except (OSError, MusicError) as exc:
        log.warning("%s cannot be handed out again: %s", done.get("audio_uri"), exc)
        return None
    if digest.hexdigest() not in (audio.get("sha256"), tagged):
        return None
    return {**audio, "sha256": digest.hexdigest(), "size_bytes": size}


def _tagged(folder: Folder, name: str) -> str | None:
    """Return the hash of a song whose tags were written after it was in place, by its manifest."""
    from airflow_provider_music.provenance.manifest import from_bytes, manifest_name

    content = folder.read(manifest_name(name))
    return str(from_bytes(content)["file"]["sha256"]) if content is not None else None


def _age(fact: Mapping[str, Any]) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(str(fact["written_at"]))).total_seconds()
