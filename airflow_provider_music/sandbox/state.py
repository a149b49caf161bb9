# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The state of one sandbox: generations, references, accounts, faults, and what came in."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import string
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_provider_music.sandbox.account import Account, Ledger, LogRow, account_of, key_tag
from airflow_provider_music.sandbox.faults import FaultPlan
from airflow_provider_music.sandbox.models import ServedModels, profile_of, song_of
from airflow_provider_music.sandbox.responses import ApiError, client_request_id, fault_of
from airflow_provider_music.sandbox.songs import SongCache, SongSpec

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request

    from airflow_provider_music.sandbox.models import Lane, ModelProfile
    from airflow_provider_music.sandbox.settings import Settings
    from airflow_provider_music.sandbox.songs import Audio

_QUEUED_SHARE = 0.25
_TOKEN_LETTERS = string.ascii_letters + string.digits


@dataclass
class Generation:
    """One request for a song and what became of it.

    :param created: Unix time of the request.
    :param ready: Unix time at which the song is done.
    :param fails: its outcome is an error, and it is not billed.
    :param duration_ms: like all facts of the file, known once the song is made; its bytes are cached, or made again.
    """

    id: str
    lane: Lane
    model: str
    profile: ModelProfile
    account: Account
    song: SongSpec
    created: float
    ready: float
    client_request_id: str | None = None
    fails: bool = False
    done: bool = False
    duration_ms: int = 0
    size: int = 0
    sha256: str = ""
    bitrate_bps: int = 0
    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    file_name: str = ""

    def status(self, now: float) -> str:
        """Return the status that a poll sees: queued, generating, completed or error."""
        if self.done:
            return "error" if self.fails else "completed"
        share = (now - self.created) / max(self.ready - self.created, 1e-9)
        return "queued" if share < _QUEUED_SHARE else "generating"

    def public(self, now: float) -> dict[str, Any]:
        """Return what the control endpoint says of it."""
        return {
            "id": self.id,
            "lane": self.lane,
            "model": self.model,
            "status": self.status(now),
            "client_request_id": self.client_request_id,
            "sha256": self.sha256 or None,
            "bytes": self.size,
            "duration_ms": self.duration_ms,
            "format": self.song.format,
            "billed": self.done and not self.fails,
            "credits": self.profile.credits if self.done and not self.fails else 0,
            "key": self.account.tag,
            "created": self.created,
            "trace_id": self.trace_id,
        }


class State:
    """All that a sandbox knows. Only the server's event loop touches it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = FaultPlan()
        self.ledger = Ledger()
        self.models = ServedModels()
        self.songs = SongCache()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._start_afresh()

    def _start_afresh(self) -> None:
        self.generations: dict[str, Generation] = {}
        self._due: dict[str, asyncio.Event] = {}
        self.files: dict[str, Generation] = {}
        self.references: dict[str, str] = {}
        self.requests: Counter[str] = Counter()
        self.posts: Counter[str] = Counter()
        self.posts_by_client_request_id: dict[str, Counter[str]] = {}
        self.file_route_keys: set[str] = set()
        self.file_route_authorizations = 0
        self.signing_key = secrets.token_bytes(32)

    def reset(self) -> None:
        """Forget everything but the settings; running generations are dropped."""
        for task in self._tasks:
            task.cancel()
        for part in (self.faults, self.ledger, self.models):
            part.clear()
        self._start_afresh()

    def resume(self) -> None:
        """Resume the generations that were running when the server stopped."""
        for generation in self.generations.values():
            if not generation.done:
                self.spawn(self.make(generation))

    def spawn(self, job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a job that outlives its request."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def count(self, route: str, method: str, client_request_id: str | None) -> None:
        """Note a request that came in."""
        self.requests[route] += 1
        if method == "POST":
            self.posts[route] += 1
            if client_request_id is not None:
                self.posts_by_client_request_id.setdefault(client_request_id, Counter())[route] += 1

    def new_reference(self, kind: Literal["vocal", "instrumental"]) -> str:
        """Give out a reference id, as ``vocal-2025082518145625-6XW9wCOF``."""
        stamp = time.strftime("%Y%m%d%H%M%S") + f"{secrets.randbelow(100):02}"
        reference = f"{kind}-{stamp}-{_token(8)}"
        self.references[reference] = kind
        return reference

    def new_features(self) -> str:
        """Give out the id of an analysed track."""
        features = secrets.token_hex(16)
        self.references[features] = "features"
        return features

    def open(
        self,
        model: str,
        lane: Lane,
        account: Account,
        song: SongSpec,
        *,
        client_request_id: str | None,
        fails: bool,
    ) -> Generation:
        """Hold the price of a song and set the time at which it is done."""
        now, profile = time.time(), profile_of(model)
        number = str(uuid.uuid4()) if lane == "synchronous" else _generation_id(profile)
        generation = Generation(
            number, lane, model, profile, account, song, now, now + self.settings.delay, client_request_id, fails
        )
        generation.file_name = f"prod%2Ftts-{time.strftime('%Y%m%d%H%M%S')}-{_token(16)}.{song.format}"
        self.generations[number] = generation
        self.files[generation.file_name] = generation
        account.held += profile.credits
        return generation

    async def make(self, generation: Generation) -> Audio | None:
        """Make the song, wait until its time is up, then charge it; None if it fails."""
        audio = None if generation.fails else await self.songs.get(generation.song)
        await self._until_ready(generation)
        if audio is not None:
            generation.duration_ms, generation.size = audio.duration_ms, len(audio.data)
            generation.sha256, generation.bitrate_bps = audio.sha256, audio.bitrate_bps
        self._settle(generation)
        return audio

    async def _until_ready(self, generation: Generation) -> None:
        due = self._due[generation.id] = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(due.wait(), max(0.0, generation.ready - time.time()))
        del self._due[generation.id]

    def finish(self) -> None:
        """Let every song that is being made be done now."""
        now = time.time()
        for generation in self.generations.values():
            generation.ready = min(generation.ready, now)
        for due in self._due.values():
            due.set()

    def _settle(self, generation: Generation) -> None:
        account, price = generation.account, generation.profile.credits
        account.held -= price
        generation.done = True
        if not generation.fails:
            account.spent += price
        self.ledger.rows.append(
            LogRow(
                created=generation.created,
                visible=time.time() + self.settings.log_lag,
                key=account.tag,
                model=generation.profile.name,
                failed=generation.fails,
                credits=0 if generation.fails else price,
                inference_id=generation.id,
                client_request_id=generation.client_request_id,
            )
        )

    def public_state(self) -> dict[str, Any]:
        """Return what the control endpoint says; no key, only short hashes."""
        now = time.time()
        return {
            "requests": dict(self.requests),
            "posts": dict(self.posts),
            "posts_by_client_request_id": {
                name: dict(routes) for name, routes in self.posts_by_client_request_id.items()
            },
            "generations": [generation.public(now) for generation in self.generations.values()],
            "references": dict(self.references),
            "bill": {account.tag: account.public() for account in self.ledger.accounts.values()},
            "file_route": {
                "authorizations": self.file_route_authorizations,
                "keys": sorted(self.file_route_keys),
            },
            "withdrawn": sorted(self.models.withdrawn),
            "faults": [{"spec": fault.spec, "hits": fault.hits} for fault in self.faults.faults],
        }

    def note_file_authorization(self, value: str) -> None:
        """Note that a request for a file carried a key."""
        self.file_route_authorizations += 1
        self.file_route_keys.add(key_tag(value.removeprefix("Bearer ").strip()))


def _token(length: int) -> str:
    return "".join(secrets.choice(_TOKEN_LETTERS) for _ in range(length))


def _generation_id(profile: ModelProfile) -> str:
    if profile.id_style == "nanoid":
        return secrets.token_urlsafe(16)[:21]
    # An id of lyria2 names the model without its vendor, the others' name it in full.
    return f"{uuid.uuid4()}:{profile.name.removeprefix('google/')}"


def state_of(request: Request) -> State:
    """Return the sandbox's state."""
    return cast("State", request.app.state.sandbox)


def open_generation(request: Request, body: dict[str, Any], lane: Lane) -> Generation:
    """Hold the price of a checked body and open its generation.

    :raises ApiError: 403 if the key's balance is used up.
    """
    state, account, model = state_of(request), account_of(request), body["model"]
    if account.left < profile_of(model).credits:
        raise ApiError(403)
    fault = fault_of(request)
    return state.open(
        model,
        lane,
        account,
        song_of(model, body, state.settings),
        client_request_id=client_request_id(request.headers.get("x-client-request-id")),
        fails=fault is not None and fault.fails,
    )
