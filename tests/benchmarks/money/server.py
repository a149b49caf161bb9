# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The APIs behind their gates: the sandbox, and a batch API for the one peer that has a lane of its own."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_music.sandbox.fault_middleware import ProtocolWithTransport
from airflow_provider_music.sandbox.server import Server, listen, make_app
from airflow_provider_music.sandbox.settings import CREDITS_PER_USD, Settings
from airflow_provider_music.sandbox.state import State
from money.gate import Calls, Gate

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

_STOP_SECONDS = 10.0
_DELAY = 1.5
_MUSIC = Calls(("POST", "/v2/generate/audio"), ("GET", "/v2/generate/audio"), ("GET", "/moose/.*"))
_BATCH = Calls(("POST", "/v1/batches"), ("GET", "/v1/batches/[^/]+"), ("GET", "/v1/files/[^/]+/content"))
BATCH_USD = 0.195


class Served:
    """An API in a thread of this process, on a free port of 127.0.0.1."""

    gate: Gate

    def __enter__(self) -> Self:
        listener, self.url = listen("127.0.0.1", 0)
        config = uvicorn.Config(
            self.gate,
            http=ProtocolWithTransport,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
        )
        self._server = Server(config)
        serve = self._server.serve(sockets=[listener])
        self._thread = threading.Thread(target=asyncio.run, args=(serve,), name="money-api", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join(_STOP_SECONDS)

    def paid(self) -> list[str]:
        """Return the song of each bill."""
        raise NotImplementedError

    def usd(self) -> float:
        """Return what they cost."""
        raise NotImplementedError

    def is_busy(self) -> bool:
        """Return whether a song is being made that will be billed."""
        return False

    def is_whole(self, song: str, file: Path) -> bool:
        """Return whether a file is, to the byte, what the API made of a song's words."""
        raise NotImplementedError


class MusicApi(Served):
    """The sandbox."""

    def __init__(self, delay: float = _DELAY) -> None:
        self._state = State(Settings(delay=delay, song_seconds=20.0, balance=1000.0))
        self.gate = Gate(make_app(self._state), _MUSIC)

    def paid(self) -> list[str]:
        return [self.gate.song_of(each.id) or "?" for each in self._billed()]

    def is_busy(self) -> bool:
        return any(not each.done for each in list(self._state.generations.values()))

    def usd(self) -> float:
        return sum(each.profile.credits for each in self._billed()) / CREDITS_PER_USD

    def is_whole(self, song: str, file: Path) -> bool:
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        return any(each.sha256 == found and self.gate.song_of(each.id) == song for each in self._billed())

    def _billed(self) -> list[Any]:
        return [each for each in list(self._state.generations.values()) if each.done and not each.fails]


class BatchApi(Served):
    """As much of OpenAI's batch API as its client needs; a batch costs what a song costs, so that rows compare."""

    def __init__(self, delay: float = _DELAY) -> None:
        self._delay = delay
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        routes = [
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{id}/content", self._content, methods=["GET"]),
            Route("/v1/batches", self._create, methods=["POST"]),
            Route("/v1/batches", self._list, methods=["GET"]),
            Route("/v1/batches/{id}", self._get, methods=["GET"]),
        ]
        self.gate = Gate(Starlette(routes=routes), _BATCH)

    def paid(self) -> list[str]:
        return [self.gate.song_of(number) or "?" for number in list(self._batches)]

    def usd(self) -> float:
        return len(self._batches) * BATCH_USD

    def is_whole(self, song: str, file: Path) -> bool:
        return file.is_file() and f"result of {song}" in file.read_text()

    async def _upload(self, request: Request) -> Response:
        form = await request.form()
        number = f"file-{next(self._numbers)}"
        self._files[number] = await form["file"].read()  # type: ignore[union-attr]
        return JSONResponse(_file(number, len(self._files[number])))

    async def _content(self, request: Request) -> Response:
        return Response(self._files[request.path_params["id"]], media_type="application/jsonl")

    async def _create(self, request: Request) -> Response:
        asked = await request.json()
        number = f"batch-{next(self._numbers)}"
        output = f"file-{next(self._numbers)}"
        lines = [json.loads(line) for line in self._files[asked["input_file_id"]].splitlines()]
        song = lines[0]["body"]["messages"][-1]["content"].split()[0]
        self._files[output] = b"".join(json.dumps(_result(line, song)).encode() + b"\n" for line in lines)
        now = int(time.time())
        self._batches[number] = {**_batch(number, asked, now), "output_file_id": output, "_ready": now + self._delay}
        return JSONResponse(self._shown(number))

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self._shown(request.path_params["id"]))

    async def _list(self, request: Request) -> Response:
        shown = [self._shown(number) for number in self._batches]
        return JSONResponse({"object": "list", "data": shown, "has_more": False})

    def _shown(self, number: str) -> dict[str, Any]:
        batch = dict(self._batches[number])
        if time.time() >= batch.pop("_ready"):
            counts = {"total": 1, "completed": 1, "failed": 0}
            return {**batch, "status": "completed", "request_counts": counts}
        return {**batch, "output_file_id": None}


def _file(number: str, size: int) -> dict[str, Any]:
    about = {"id": number, "object": "file", "bytes": size, "created_at": int(time.time())}
    return {**about, "filename": "input.jsonl", "purpose": "batch", "status": "processed"}


def _batch(number: str, asked: dict[str, Any], now: int) -> dict[str, Any]:
    return {
        "id": number,
        "object": "batch",
        "endpoint": asked["endpoint"],
        "input_file_id": asked["input_file_id"],
        "completion_window": asked["completion_window"],
        "metadata": asked.get("metadata"),
        "status": "in_progress",
        "created_at": now,
        "request_counts": {"total": 1, "completed": 0, "failed": 0},
        "errors": None,
        "error_file_id": None,
    }


def _result(line: dict[str, Any], song: str) -> dict[str, Any]:
    # As long as a song's download has to be, so that half of it is more than a buffer.
    content = f"result of {song}" + " la" * 20_000
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 2}}
    response = {"status_code": 200, "request_id": "r-1", "body": body}
    return {"id": "request-1", "custom_id": line["custom_id"], "response": response, "error": None}
