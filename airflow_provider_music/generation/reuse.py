# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``reuse="identical"``: a request that was delivered already is not paid again, whichever task made it.

One task pays; those that make the same request meanwhile wait for its song. Where its process is gone another takes
over: at once where nothing was billed, by the API's own id where a queued song was, and by ``on_unknown`` where nobody
can say. What is handed out becomes a take of the task's own record that cost nothing, so retries and clears find it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.api import endpoints
from airflow_provider_music.exceptions import (
    ApiError,
    ApiUnreachableError,
    GenerationTimeoutError,
    MusicError,
    UnknownOutcomeError,
)
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.folders import default_record_dir
from airflow_provider_music.generation.reservation import BudgetedSubmission
from airflow_provider_music.generation.reserved_requests import give_up, logged_requests
from airflow_provider_music.generation.submit import NEVER_LEFT, WaitsForAnother
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.record.lease import LeaseWatch
from airflow_provider_music.record.reuse import Claim, ReuseChain
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder
from airflow_provider_music.storage.location import location
from airflow_provider_music.storage.sharing import check_shared
from airflow_provider_music.storage.threads import connect_store, in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.generation.attempt import GenerationOptions
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

#: No DAG's records have a folder of that name.
FOLDER = "_reuse"
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
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 20.0
_PIECE = 2**18
_NOTHING = {"credits_used": 0, "usd_spent": 0.0}

Verdict = Literal["pay", "wait", "song", "generation", "unknown"]


@dataclass(frozen=True, slots=True)
class Reuse:
    """Where the requests of an account are claimed, and how old a song may be that is handed out again."""

    url: str
    age: float
    on_unknown: str

    @classmethod
    def of(cls, options: GenerationOptions, settings: MusicSettings) -> Reuse | None:
        """Read it from what a task says; None where each of its songs is one of its own.

        :raises StorageNotSharedError: the folder of the records is on a disk that the task's executor does not share.
        """
        if options.reuse_age is None:
            return None
        root = location(default_record_dir(), "[music] record_dir")
        check_shared(root, options.folders.executor, "[music] record_dir")
        return cls(f"{root.rstrip('/')}/{FOLDER}/{settings.account}", options.reuse_age, options.on_unknown)

    def within(self, spec: GenerationSpec, request: PreparedRequest) -> GenerationSpec:
        """Return a spec that is paid only where the same request was not."""
        from airflow_provider_music.api.request import fingerprint

        key = fingerprint(request, "")
        said = {"url": f"{self.url}/{key[:2]}/{key}", "age": self.age, "on_unknown": self.on_unknown}
        return replace(spec, reuse=said)


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


class ClaimedSubmission(BudgetedSubmission):
    """The request of one take, sent only where no other task's song can be handed out in its place.

    :param waits: whether it waits for another task, or raises WaitsForAnother.
    """

    def __init__(self, spec: GenerationSpec, record: SongRecord, *, waits: bool = True) -> None:
        super().__init__(spec, record)
        self._watch = Watch(spec)
        self._waits = waits

    async def submit(self) -> Take | None:
        """Send the POST if it has to be, and return the take, its own or one that costs nothing.

        Beside what a submission raises:

        :raises UnknownOutcomeError: another task's request may have been billed, and ``on_unknown`` does not allow
            another one.
        :raises GenerationTimeoutError: another task's song was not there at the deadline.
        """
        pause, said = _FIRST_PAUSE, ""
        while True:
            found = await self._watch.look()
            if found.verdict in ("song", "generation"):
                return await self.take_up(found)
            if found.verdict == "unknown" and (self._spec.reuse or {}).get("on_unknown") != "resubmit":
                raise _unknown(found)
            if found.verdict != "wait":
                if await self._claimed(found):
                    log.info("This task pays for the request: %s", found.why)
                    return await super().submit()
                continue
            if not self._waits:
                raise WaitsForAnother(found.why)
            if found.why != said:
                said = found.why
                log.info("%s pays for the same request; waiting: %s", found.claim and found.claim.task, found.why)
            if not await runtime.sleep_until(self._spec.deadline, pause):
                raise _timed_out(found)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def take_up(self, found: Found) -> Take | None:
        """Write down as a take of this task what another one paid for, and return it."""
        intent = self._intent_of(found)
        take = await in_thread(lambda: self._record.claim(self._spec.n, **intent))
        if take is None:
            return await in_thread(self._record.read, self._spec.n)
        log.info("Nothing is sent: the song of %s is handed out again", found.claim and found.claim.task)
        if found.audio is None:
            accepted = {"generation_id": found.generation_id, "usage": _NOTHING, "trace_id": None, "source": "reused"}
            return await self._write(take, "accepted", **accepted)
        done = found.take["completed"] if found.take is not None else {}
        values = {"generation_id": done.get("generation_id"), "model": done.get("model") or self._spec.model}
        said = {"audio_uri": done.get("audio_uri"), "audio": dict(found.audio), "usage": _NOTHING, "trace_id": None}
        return await self._write(take, "completed", **values, **said, source="reused", reused=intent["reused"])

    def _intent_of(self, found: Found) -> dict[str, Any]:
        claim, take = found.claim, found.take
        done = take.facts.get("completed", {}) if take is not None else {}
        reused = {
            "task": claim.task if claim is not None else None,
            "record_uri": f"{claim.record_url}/take-{claim.n}" if claim is not None else None,
            "generation_id": done.get("generation_id") or found.generation_id,
            "completed_at": done.get("written_at"),
        }
        intent = {**self._spec.intent(""), "client_request_id": None, "reused": reused}
        intent.pop("budget", None)
        if take is not None and done.get("audio_uri"):
            # It is not copied, so its files keep their name.
            intent["audio_url"], name = str(done["audio_uri"]).rpartition("/")[0], take["intent"].get("name")
            intent = {
                **{key: value for key, value in intent.items() if key != "name"},
                **({"name": name} if name else {}),
            }
        return intent

    async def _claimed(self, found: Found) -> bool:
        spec, claim = self._spec, found.claim
        if claim is not None and claim.key == spec.key:
            return True
        chain, after = ReuseChain((spec.reuse or {})["url"]), claim.newest if claim is not None else 0
        own = {"key": spec.key, "record_url": spec.record_url, "task": spec.task}
        return await in_thread(lambda: chain.claim(after, **own))

    async def _about_to_send(self, take: Take) -> Take | None:
        spec = self._spec
        chain = ReuseChain((spec.reuse or {})["url"])
        if await in_thread(chain.send, spec.key, spec.n):
            return await super()._about_to_send(take)
        reason = "another task took over, which took this one for gone; its song is waited for"
        await self._write(take, "failed", **{**NEVER_LEFT, "reason": reason})
        return None


async def take_up_at_once(spec: GenerationSpec, record: SongRecord) -> Take | None:
    """Return what another task paid for as a take of this one, None where there is nothing to hand out now."""
    found = await Watch(spec).look()
    return await ClaimedSubmission(spec, record).take_up(found) if found.verdict in ("song", "generation") else None


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


def _whose(found: Found) -> str:
    return f"{found.claim.task} (take {found.claim.n}, {found.claim.record_url})" if found.claim is not None else "?"


def _unknown(found: Found) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"The same request was submitted by {_whose(found)}, and {found.why}: it may have been billed. Nothing was "
        "sent by this task. To continue: clear that task, which submits a new request, and then this one; or give this "
        "one on_unknown='resubmit', or no reuse, and clear it (a second bill)."
    )


def _timed_out(found: Found) -> GenerationTimeoutError:
    return GenerationTimeoutError(
        f"The same request is paid for by {_whose(found)}, whose song was not there within the timeout: {found.why}. "
        "Nothing was sent by this task. A retry waits on for that song."
    )
