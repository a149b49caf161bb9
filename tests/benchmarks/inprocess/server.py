# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The API on loopback for thousands of polls and songs of 200 MB, in a process of its own.

The package's sandbox checks, bills and composes; here an answer has to cost as little as it can, so that what is
measured is the client. A generation's id says itself when it is done, so nothing has to be asked for:
``<run>~<number>~<milliseconds since 1970>``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import parse_qs, unquote, urlsplit

from inprocess.limits import many_files
from inprocess.songs import Song, song_of

SLICE_BYTES = 2**18
READY = "ready on "
_JSON = "application/json"


class State:
    """What all connections share."""

    def __init__(self) -> None:
        self.polls: dict[str, int] = {}
        self.lags: dict[str, dict[str, float]] = {}
        self.gathered = 0
        self.gather(1, "wav", 44)

    def gather(self, count: int, audio_format: str, size: int) -> None:
        """From now on songs are held back until so many are asked for, and all end together."""
        self.expected, self.gathered = count, 0
        self.together = asyncio.Event()
        self.song = song_of(audio_format, size)


class Connection(asyncio.Protocol):
    """One client's connection: HTTP/1.1 with keep-alive, Content-Length only."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._buffer = b""
        self._writable = asyncio.Event()
        self._writable.set()
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sending is not None:
            self._sending.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1")
            length = 0
            if not head.startswith("GET"):
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                length = int(headers.get("content-length", 0))
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._request(head.split("\r\n", 1)[0].split(" ")[1], body)

    def _request(self, target: str, body: bytes) -> None:
        if target.startswith("/v2/generate/audio?"):
            done, generation_id = self._poll(target)
            answer = {
                "id": generation_id,
                "status": "completed" if done else "generating",
                "audio_file": {"url": "http://127.0.0.1/song.mp3?Expires=1&Signature=x"} if done else None,
                "error": None,
                "meta": {"usage": {"credits_used": 390000, "usd_spent": 0.195}},
            }
            self._answer(200, json.dumps(answer).encode())
        elif target.startswith("/sensor?"):
            done, _ = self._poll(target)
            self._answer(200 if done else 404, b"{}")
        elif target == "/v2/generate/audio/minimax/generate":
            self._sending = asyncio.create_task(self._song_with_others())
        elif target.startswith("/song/"):
            _, _, audio_format, size = target.split("/")
            self._sending = asyncio.create_task(self._file(song_of(audio_format, int(size))))
        elif target == "/control/gather":
            self._state.gather(**json.loads(body))
            self._answer(200, b"{}")
        elif target.startswith("/control/polls?"):
            run = parse_qs(urlsplit(target).query)["run"][0]
            lags = list(self._state.lags.get(run, {}).values())
            told = {"polls": self._state.polls.get(run, 0), "noticed": len(lags), "lag": max(lags, default=0.0)}
            self._answer(200, json.dumps(told).encode())
        else:
            self._answer(404, b'{"message": "no such path"}')

    def _poll(self, target: str) -> tuple[bool, str]:
        generation_id = unquote(target.partition("generation_id=")[2])
        run, number, due = generation_id.split("~")
        self._state.polls[run] = self._state.polls.get(run, 0) + 1
        lag = time.time() - int(due) / 1000
        if lag >= 0:
            self._state.lags.setdefault(run, {}).setdefault(number, lag)
        return lag >= 0, generation_id

    def _answer(self, status: int, body: bytes) -> None:
        self._transport.write(_head(status, len(body), _JSON) + body)

    async def _song_with_others(self) -> None:
        state = self._state
        song, together = state.song, state.together
        state.gathered += 1
        if state.gathered >= state.expected:
            together.set()
        await together.wait()
        start, end = song.json_around()
        self._transport.write(_head(200, len(start) + 2 * song.size + len(end), _JSON, "x-inference-id: bench") + start)
        await self._pieces(song, hexed=True)
        self._transport.write(end)

    async def _file(self, song: Song) -> None:
        self._transport.write(_head(200, song.size, "application/octet-stream"))
        await self._pieces(song, hexed=False)

    async def _pieces(self, song: Song, *, hexed: bool) -> None:
        for piece in song.pieces(SLICE_BYTES, hexed=hexed):
            await self._writable.wait()
            self._transport.write(piece)


def _head(status: int, length: int, content_type: str, more: str = "") -> bytes:
    reason = "OK" if status == 200 else "Not Found"
    lines = [
        f"HTTP/1.1 {status} {reason}",
        "date: Mon, 02 Nov 2026 10:00:00 GMT",
        f"content-type: {content_type}",
        f"content-length: {length}",
        "x-request-id: 0123456789abcdef",
        *([more] if more else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def serve() -> None:
    """Serve on a free port of loopback until standard input ends, which it does with the parent."""
    many_files()
    state = State()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0, backlog=8192)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(READY + url, flush=True)  # noqa: T201 - the line that the parent waits for
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
