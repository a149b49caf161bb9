# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A server for waits that never end: it answers polls at once and remembers when each wait polled.

Run as a program; it prints its address. `GET /v2/generate/audio?generation_id=ID` says "generating", as the music
API does; `GET /waiting/ID` says 404, which is what HttpSensor takes for "not yet". `GET /_seen` tells what came
since the last `GET /_seen`; `GET /_begun` how many waits have polled since `GET /_forget`, after how long the latest
of them began, and how often the wait polled whose rows were copied for them.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import uvicorn

from airflow_provider_music.sandbox.server import READY, listen


@dataclass
class Seen:
    """Polls by wait; times are of the monotonic clock."""

    clock: Callable[[], float] = time.monotonic
    since: float = field(init=False)
    forgot: float = field(init=False)
    begun_after: float = 0.0
    pattern: int = 0
    polls: int = 0
    last: dict[str, float] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin now."""
        self.since = self.forgot = self.clock()

    def note(self, wait: str) -> None:
        """One poll came; the pattern of all waits, which has no number, counts alone."""
        if not wait.rpartition("-")[2].isdigit():
            self.pattern += 1
            return
        now = self.clock()
        self.polls += 1
        if wait not in self.last:
            self.begun_after = now - self.forgot
        self._gap(wait, now)
        self.last[wait] = now

    def tell(self) -> dict[str, float]:
        """Say what came since the last time, and begin anew; a gap that is still open counts as it stands."""
        now = self.clock()
        for wait in self.last:
            self._gap(wait, now)
        told = {
            "seconds": now - self.since,
            "polls": self.polls,
            "longest_gap": max(self.longest.values(), default=0.0),
        }
        self.since, self.polls, self.longest = now, 0, {}
        return told

    def _gap(self, wait: str, now: float) -> None:
        if wait in self.last:
            self.longest[wait] = max(self.longest.get(wait, 0.0), now - self.last[wait])


class App:
    """The server as an ASGI application."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.seen = Seen(clock)

    async def __call__(self, scope, receive, send) -> None:
        """Answer one request."""
        path = scope["path"]
        status, body = 200, {}
        if path == "/_seen":
            body = self.seen.tell()
        elif path == "/_begun":
            body = {"waits": len(self.seen.last), "seconds": self.seen.begun_after, "pattern": self.seen.pattern}
        elif path == "/_forget":
            self.seen = Seen(self._clock)
        elif path.startswith("/waiting/"):
            self.seen.note(path.rpartition("/")[2])
            status, body = 404, {"error": "not yet"}
        else:
            wait = parse_qs(scope["query_string"].decode())["generation_id"][0]
            self.seen.note(wait)
            body = {"id": wait, "status": "generating", "audio_file": None, "error": None}
        content = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def main() -> None:
    """Serve until ended."""
    listener, url = listen("127.0.0.1", 0)
    config = uvicorn.Config(App(), lifespan="off", log_config=None, log_level="error", access_log=False)
    print(READY + url, flush=True)  # noqa: T201 - the line that the benchmark waits for
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
