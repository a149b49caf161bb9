# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Servers of a few lines on loopback, which misbehave as a test wants, and settings that lead to them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest
from hypothesis import settings

from airflow_provider_music.api import transports
from airflow_provider_music.api.connection import MusicSettings

# A machine that is busy is not a bug: no example is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_TLS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_ENVIRONMENT = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *(*_TLS, "NETRC"),
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No proxy, CA bundle or netrc of the machine that runs the tests."""
    for name in _ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    if any(name in os.environ for name in _TLS):
        transports.ssl_context.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def no_context_of_other_tests():
    """Building a TLS context takes longer than most tests here, so it is done again only where it must."""
    transports.ssl_context.cache_clear()


@pytest.fixture
def settings_for():
    def make(base_url="https://api.example.org", **more):
        given = {"connect_timeout": 2.0, "read_timeout": 5.0, "generation_timeout": 5.0, **more}
        return MusicSettings(conn_id="music_default", base_url=base_url, api_key="sk-secret", **given)

    return make


def http_answer(body=b"{}", status="200 OK", headers=(), *, length=None):
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class RawServer:
    """Hands every request, as bytes, to ``answer(connection, request)``, and counts.

    :param answer: what it does; a connection that it closes stays closed. Bytes are sent as they are.
    :param context: for TLS.
    :param greeting: sent before anything is asked.
    """

    def __init__(self, answer, context=None, greeting=b""):
        self.answer = answer
        self.context = context
        self.greeting = greeting
        self.requests = []
        self.connections = 0
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            connection.sendall(self.greeting)
            while request := self._read(connection):
                self.requests.append(request)
                if callable(self.answer):
                    self.answer(connection, request)
                else:
                    connection.sendall(self.answer)

    @staticmethod
    def _read(connection):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(2**16)
            if not piece:
                return b""
            request += piece
        head, _, body = request.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        missing = int(lengths[0]) - len(body) if lengths else 0
        while missing > 0 and (piece := connection.recv(missing)):
            request += piece
            missing -= len(piece)
        return request


@pytest.fixture
def serve():
    """Start a RawServer; all end with the test."""
    with contextlib.ExitStack() as stack:

        def start(answer, context=None, greeting=b""):
            server = RawServer(answer, context, greeting)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def answer():
    return http_answer


@pytest.fixture
def dripping():
    """What a server does that never ends: a little at a time, each soon enough for a read timeout."""
    over = threading.Event()

    def make(before, piece, pause=0.02):
        def drip(connection, request):
            with contextlib.suppress(OSError):
                connection.sendall(before)
                while not over.wait(pause):
                    connection.sendall(piece)

        return drip

    yield make
    over.set()


@pytest.fixture
def closed_port():
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def black_hole():
    """A port that lets nobody in: its queue of connections is full, so what comes is dropped."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.0)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
