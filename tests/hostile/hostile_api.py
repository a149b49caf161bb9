# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""An API on loopback that answers each route with a script of raw bytes, and counts what it was asked."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

OK = b"HTTP/1.1 200 OK\r\n"
JSON = b"Content-Type: application/json\r\n"
GENERATION = "gen-0123456789:minimax/music-2.6"
MIB = 2**20

LANES: dict[str, dict[str, Any]] = {
    "queued": {
        "model": "minimax/music-2.6",
        "prompt": "a calm song of the sea",
        "poll_interval": 0.02,
        "audio_setting": {"sample_rate": 16000, "bitrate": 64000, "format": "wav"},
    },
    "synchronous": {
        "model": "music-01",
        "lyrics": "##we row until the end of night##",
        "refer_voice": "vocal-2025082518145625-6XW9wCOF",
        "audio_setting": {"sample_rate": 16000, "bitrate": 64000, "format": "wav"},
    },
}

#: Bytes are sent; a number is a pause in seconds; a script may be endless.
Script = bytes | Iterable[bytes | float] | Callable[[], Iterable[bytes | float]]


def whole(body: bytes | str | object, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """Return an answer with this body; what is neither bytes nor text is sent as JSON."""
    if not isinstance(body, bytes | str):
        body = json.dumps(body)
    sent = body.encode() if isinstance(body, str) else body
    named = [b"Content-Length: %d" % (len(sent) if length is None else length)]
    if not any(header.lower().startswith(b"content-type") for header in headers):
        named.append(b"Content-Type: application/json")
    return b"\r\n".join([b"HTTP/1.1 " + status, *named, *headers, b"", sent])


def synchronous(audio: object, **more: Any) -> dict[str, Any]:
    """Return the answer of a synchronous generation."""
    data = more.pop("data", {"status": 2, "audio": audio})
    return {"data": data, "trace_id": "t", "base_resp": {"status_code": 0, "status_msg": "success"}, **more}


def wave(seconds: float = 2.0, rate: int = 16000) -> bytes:
    """Return a song: a WAV file with samples that are not all the same."""
    count = int(seconds * rate)
    samples = b"".join(struct.pack("<h", (i * 7919) % 20000 - 10000) for i in range(count))
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(samples),
    )
    return head + samples


class HostileApi:
    """Serves the routes of the API; what is not scripted is answered as a good API would.

    :param song: the song that the good answers hold.
    """

    key = "sk-hostile-api-key"

    def __init__(self, song: bytes) -> None:
        self.song = song
        self.requests: list[tuple[str, bytes]] = []
        self.logged = True
        self._scripts: dict[str, list[Script]] = {}
        self._request_ids: list[str] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def sends(self, route: str, *scripts: Script) -> None:
        """Answer a route (generate, submit, poll, logs, song) with one script after another; the last stays."""
        self._scripts[route] = list(scripts)

    def posts(self) -> int:
        """Count the paid requests."""
        return self.asked()["generate"] + self.asked()["submit"]

    def asked(self) -> Counter[str]:
        """Count the requests by route."""
        return Counter(route for route, _ in self.requests)

    def reset(self) -> None:
        """Forget scripts and counts."""
        self.requests.clear()
        self._scripts.clear()
        self._request_ids.clear()
        self.logged = True

    def connection(self, **extra: object) -> str:
        """Return an Airflow connection to it, as ``AIRFLOW_CONN_...`` takes it."""
        return json.dumps({"conn_type": "music", "host": self.url, "password": self.key, "extra": extra})

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            request = _read(connection)
            if not request:
                return
            route, query = _route(request)
            found = re.search(rb"(?i)x-client-request-id: *(\S+)", request)
            if found:
                self._request_ids.append(found[1].decode())
            self.requests.append((route, request))
            for piece in self._script(route, query):
                time.sleep(piece) if isinstance(piece, float) else connection.sendall(piece)

    def _script(self, route: str, query: Mapping[str, list[str]]) -> Iterator[bytes | float]:
        # A good server says that it closes; one that does not has its next request lost by chance.
        closing = self._good(route, query).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        scripts = self._scripts.get(route) or [closing]
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        if isinstance(script, bytes):
            return iter([script])
        return iter(script() if callable(script) else script)

    def _good(self, route: str, query: Mapping[str, list[str]]) -> bytes:
        if route == "submit":
            return whole({"id": GENERATION, "status": "queued"})
        if route == "poll":
            number = query.get("generation_id", [""])[0]
            audio = {"url": f"{self.url}/files/song?Signature=hush"}
            return whole({"id": number, "status": "completed", "audio_file": audio})
        if route == "song":
            return whole(self.song, b"Content-Type: audio/wav")
        if route == "generate":
            return whole(synchronous(self.song.hex()))
        if route == "logs":
            return whole({"data": self._rows(), "pagination": {"has_more": False}})
        return whole({"message": "not found", "statusCode": 404}, status=b"404 Not Found")

    def _rows(self) -> list[dict[str, Any]]:
        if not self.logged:
            return []
        row = {"status": "succeeded", "inference_id": GENERATION, "cost": {"usd": 0.1, "credits": 200_000}}
        return [{**row, "client_request_id": number} for number in self._request_ids]


def _read(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(2**16)
        if not piece:
            return b""
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = re.findall(rb"(?i)content-length: *(\d+)", head)
    missing = int(lengths[0]) - len(body) if lengths else 0
    while missing > 0 and (piece := connection.recv(missing)):
        request += piece
        missing -= len(piece)
    return request


def _route(request: bytes) -> tuple[str, dict[str, list[str]]]:
    method, target, _ = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    parts = urlsplit(target)
    path = unquote(parts.path)
    names = {
        ("POST", "/v2/generate/audio/minimax/generate"): "generate",
        ("POST", "/v2/generate/audio/minimax/upload"): "upload",
        ("POST", "/v2/generate/audio"): "submit",
        ("GET", "/v2/generate/audio"): "poll",
        ("GET", "/v2/logs"): "logs",
        ("GET", "/v2/billing"): "billing",
        ("GET", "/v1/models/deprecations"): "deprecations",
    }
    route = "song" if path.startswith("/files/") else names.get((method, path), path)
    return route, parse_qs(parts.query)
