# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the process that sent an open POST still lives, so that nobody waits for an answer that cannot come.

``post.json`` beside the facts is no fact: its writer rewrites it while the POST is open. On the same machine and
in the same namespace of process numbers the process itself is checked; from elsewhere, or where that cannot be
known, only whether the file still changes counts, by the reader's own clock, so that two clocks need not agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_music.storage.cleanup import machine_id, process_started
from airflow_provider_music.storage.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_music.storage.folder import Folder

_NAME = "post.json"
BEAT_SECONDS = 5.0
#: Six beats missed; a store or a loop may be slow for some seconds.
SILENCE_SECONDS = 30.0

LeaseState = Literal["open", "gone"]
#: Tokens of the leases that this process holds. A store that is full or away may keep a lease from saying "gone".
_held: set[str] = set()


class Lease:
    """The writer's side: held by the process whose POST is open."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._beat = 0
        self._writing = threading.Lock()
        self._gone = False
        self._token = uuid.uuid4().hex
        #: Why the answer is lost, for whoever reconciles it.
        self.why: str | None = None
        #: A fact says what came of the POST, so nobody reads this file any more.
        self.is_settled = False

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the file fresh while the block runs, and say at its end that nobody has to wait for it.

        Not where a fact says more: see :attr:`is_settled`.
        """
        _held.add(self._token)
        try:
            await self._write("open")
            beats = asyncio.create_task(self._keep_beating())
            try:
                yield
            finally:
                beats.cancel()
                if not self.is_settled:
                    # Not awaited in a thread: a loop that is being torn down takes no new calls, a file write works.
                    with contextlib.suppress(OSError):
                        self._replace("gone")
        finally:
            _held.discard(self._token)

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with contextlib.suppress(OSError):
                await self._write("open")

    async def _write(self, state: LeaseState) -> None:
        await in_thread(self._replace, state)

    def _replace(self, state: LeaseState) -> None:
        # A beat may be under way in a thread when the writer ends: it must not bring the writer back.
        with self._writing:
            if not self._gone:
                self._gone = state == "gone"
                self._write_now(state)

    def _write_now(self, state: LeaseState) -> None:
        self._beat += 1
        pid = os.getpid()
        body = {
            "state": state,
            "machine": machine_id(),
            "pid": pid,
            "started": process_started(pid),
            "token": self._token,
            "beat": self._beat,
            "why": self.why,
        }
        self._folder.replace(_NAME, json.dumps(body).encode(), durable=False)


class LeaseWatch:
    """The reader's side: remembers what it saw."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._seen: bytes | None = None
        self._since = time.monotonic()

    def why(self) -> str:
        """Return what the writer said about losing the answer."""
        body = _parsed(self._seen)
        return str(body.get("why") or "") if body else ""

    def writer_lives(self) -> bool:
        """Whether the writer may still write the answer's facts; blocks."""
        # A store that does not answer says nothing new; for how long, the silence tells.
        content = self._seen
        with contextlib.suppress(OSError):
            content = self._folder.read(_NAME)
        if content != self._seen:
            self._seen, self._since = content, time.monotonic()
        silent = time.monotonic() - self._since > SILENCE_SECONDS
        body = _parsed(content)
        if body is None:
            return not silent
        if body.get("state") == "gone":
            return False
        if body.get("machine") and body["machine"] == machine_id() and body.get("started"):
            if body.get("pid") == os.getpid() and body["started"] == process_started(os.getpid()):
                return body.get("token") in _held
            return process_started(int(body.get("pid") or 0)) == str(body["started"])
        return not silent


def _parsed(content: bytes | None) -> dict[str, Any] | None:
    try:
        body = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
