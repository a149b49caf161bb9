# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Running a sandbox: its application, its server, in a thread of this process or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from airflow_provider_music.sandbox import account, control, models, preprocess, queued, synchronous
from airflow_provider_music.sandbox.client import SandboxControl
from airflow_provider_music.sandbox.fault_middleware import FaultMiddleware, ProtocolWithTransport
from airflow_provider_music.sandbox.responses import on_api_error
from airflow_provider_music.sandbox.settings import ROUTES, Settings
from airflow_provider_music.sandbox.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

_STOP_SECONDS = 10.0
_TICK_SECONDS = 0.1  # uvicorn counts ten ticks to a second
READY = "sandbox ready on "
_HANDLERS = {
    "upload": synchronous.upload,
    "generate": synchronous.generate,
    "preprocess": preprocess.preprocess,
    "submit": queued.submit,
    "poll": queued.poll,
    "download": queued.download,
    "billing": account.billing,
    "logs": account.logs,
    "models": models.list_models,
    "deprecations": models.deprecations,
}


def make_app(state: State) -> Starlette:
    """Return the API over this state, as an ASGI application."""
    routes = []
    for name, (method, path) in ROUTES.items():
        suffix = "/{name:path}" if name == "download" else ""
        routes.append(Route(path + suffix, _HANDLERS[name], methods=[method]))
    app = Starlette(
        routes=[*routes, *control.ROUTES],
        middleware=[Middleware(FaultMiddleware, state=state)],
        exception_handlers={HTTPException: on_api_error},
    )
    app.state.sandbox = state
    app.state.settings, app.state.ledger, app.state.models = state.settings, state.ledger, state.models
    return app


class Server(uvicorn.Server):
    """uvicorn's server, but stopping is quick: it cuts every connection and waits for no request."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._wake: Callable[[], object] = lambda: None

    async def main_loop(self) -> None:
        """Tick as uvicorn does, until told to stop."""
        stop, loop, ticks = asyncio.Event(), asyncio.get_running_loop(), 0
        self._wake = lambda: loop.call_soon_threadsafe(stop.set)
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut the connections and end the requests."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)

    def stop(self) -> None:
        """Stop soon; from any thread."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # it has stopped already
            self._wake()


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Return a listening socket, on a free port if ``port`` is 0, and its base URL."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off; without, every response takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


def make_server(state: State, *, log_level: str = "error") -> Server:
    """Return a server of this state, ready to be given a listening socket."""
    config = uvicorn.Config(
        make_app(state),
        http=ProtocolWithTransport,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    return Server(config)


class Sandbox(SandboxControl):
    """A sandbox in a thread of this process, on a free port of 127.0.0.1.

        with Sandbox(delay=0) as sandbox:
            httpx.get(sandbox.url + "/v2/billing", headers={"Authorization": f"Bearer {sandbox.key}"})

    :param settings: by name, as in ``Settings``; songs take no time unless ``delay`` says so.
    """

    def __init__(self, *, port: int = 0, faults: Sequence[str] = (), **settings: Any) -> None:
        super().__init__("")
        self._port = port
        self._state = State(Settings(**{"delay": 0.0, "song_seconds": 2.0, **settings}))
        self.key = (self._state.settings.keys or (self.key,))[0]
        for spec in faults:
            self._state.faults.add(spec)

    def start(self) -> Self:
        """Start to serve; returns once the port answers."""
        listener, self.url = listen("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self._server = make_server(self._state)
        self._thread = threading.Thread(target=self._run, args=(listener,), name="music-sandbox", daemon=True)
        self._thread.start()
        return self

    def _run(self, listener: socket.socket) -> None:
        asyncio.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        self._state.resume()
        await self._server.serve(sockets=[listener])

    def stop(self) -> None:
        """Stop at once, cutting every open connection. ``start`` goes on with the same state and port."""
        self._server.stop()
        self._thread.join(_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @staticmethod
    def spawn(*options: str, key: str = "sandbox-key") -> SpawnedSandbox:
        """Start a sandbox as a process of its own, with command line options as ``"--delay", "5"``."""
        return SpawnedSandbox(*options, key=key)


class SpawnedSandbox(SandboxControl):
    """A sandbox in a process of its own; ``process`` is there to be killed."""

    def __init__(self, *options: str, key: str = "sandbox-key") -> None:
        command = [sys.executable, "-m", "airflow_provider_music.sandbox", "--port", "0", *options]
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        super().__init__(self._url(), key)

    def _url(self) -> str:
        assert self.process.stdout is not None  # noqa: S101 - we asked for a pipe
        line = self.process.stdout.readline().strip()
        if not line.startswith(READY):
            self.stop()
            raise RuntimeError(f"the sandbox did not start: {line or 'no output'}")
        return line.removeprefix(READY)

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.process.kill()
        self.process.wait(_STOP_SECONDS)

    def stop(self) -> None:
        """Ask the process to end, and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
