# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``reuse="identical"``: a request that was delivered already is not paid again, whichever task made it.

One task pays; those that make the same request meanwhile wait for its song. Where its process is gone another takes
over: at once where nothing was billed, by the API's own id where a queued song was, and by ``on_unknown`` where nobody
can say. What is handed out becomes a take of the task's own record that cost nothing, so retries and clears find it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_music.exceptions import GenerationTimeoutError, UnknownOutcomeError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.folders import default_record_dir
from airflow_provider_music.generation.reservation import BudgetedSubmission
from airflow_provider_music.generation.same_request import Found, Watch
from airflow_provider_music.generation.submit import NEVER_LEFT, WaitsForAnother
from airflow_provider_music.record.reuse import ReuseChain
from airflow_provider_music.storage.location import location
from airflow_provider_music.storage.sharing import check_shared
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from airflow_provider_music.api.connection import MusicSettings
    from airflow_provider_music.api.request import PreparedRequest
    from airflow_provider_music.generation.attempt import GenerationOptions
    from airflow_provider_music.generation.spec import GenerationSpec
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Take

log = logging.getLogger(__name__)

#: No DAG's records have a folder of that name.
FOLDER = "_reuse"
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 20.0
_NOTHING = {"credits_used": 0, "usd_spent": 0.0}


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
