# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Connections looked up once and clients shared: one per process, or per event loop, and connection.

A look-up costs the triggerer's supervisor about 30 ms, one after the other, and a client about 30 ms and
half a megabyte; a thousand waits share one of each.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from asgiref.sync import SyncToAsync, sync_to_async

from airflow_provider_music.api.client import MusicClient, SyncMusicClient
from airflow_provider_music.api.connection import MusicSettings, conn_id_of
from airflow_provider_music.api.connection_slips import unreadable_variable
from airflow_provider_music.api.testing import testing_transport
from airflow_provider_music.compat import AirflowNotFoundException, BaseHook
from airflow_provider_music.exceptions import ApiUnreachableError, CredentialsError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    import httpx

#: A changed connection is noticed after this many seconds; after a refused key at once.
KEEP_SECONDS = 300.0


class _LoopClients:
    """What one event loop shares."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.clients: dict[str, tuple[MusicClient, float, object | None]] = {}
        self.poll_transport: Callable[[MusicSettings], httpx.AsyncBaseTransport] | None = None

    def fresh(self, conn_id: str) -> MusicClient | None:
        """Return the client where its connection need not be looked up again."""
        known = self.clients.get(conn_id)
        return known[0] if known and known[1] > time.monotonic() and known[2] is testing_transport() else None

    def new(self, settings: MusicSettings) -> MusicClient:
        """Make a client; blocks for some tenths of a second where it is the first."""
        return MusicClient(settings, self.poll_transport(settings) if self.poll_transport else None)


_sync_clients: dict[tuple[int, int, str], tuple[SyncMusicClient, object | None]] = {}
_loops: weakref.WeakKeyDictionary[AbstractEventLoop, _LoopClients] = weakref.WeakKeyDictionary()


def _renew_look_up_thread() -> None:
    SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)


# A forked child has asgiref's pool, but not its thread: a look-up would wait for ever.
os.register_at_fork(after_in_child=_renew_look_up_thread)


def settings_of(conn_id: str) -> MusicSettings:
    """Look a connection up and check it; blocks.

    :raises CredentialsError: it is missing or cannot be used.
    """
    # Never a name in a frame that an error goes through: a connection shows its password.
    conn_id = conn_id_of(conn_id)
    return MusicSettings.from_connection(_connection(conn_id), conn_id)


def _connection(conn_id: str) -> Any:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as exc:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        unreadable = unreadable_variable(variable, os.environ.get(variable))
        if unreadable is not None:
            raise CredentialsError(
                f"Connection {conn_id!r} cannot be used; nothing was sent:\n  - {unreadable}"
            ) from exc
        raise CredentialsError(
            f"There is no connection {conn_id!r}; nothing was sent. Create it in the UI (type: music, password: "
            f"the API key), or set {variable} where workers and triggerer see it, for example to "
            '{"conn_type": "music", "password": "<the API key>"}.'
        ) from exc
    except Exception as exc:
        # The secrets backend or the supervisor is away: no verdict on the connection, so the wait continues.
        raise ApiUnreachableError(
            f"Connection {conn_id!r} could not be looked up: {type(exc).__name__}: {exc}"
        ) from exc


def sync_client_of(conn_id: str) -> SyncMusicClient:
    """Client for blocking code in this process and thread."""
    # A forked child must not share its parent's sockets, nor one thread another's event loop.
    key = (os.getpid(), threading.get_ident(), conn_id)
    settings = settings_of(conn_id)
    known = _sync_clients.get(key)
    if known and known[0].settings == settings and known[1] is testing_transport():
        return known[0]
    client = SyncMusicClient(settings)
    _sync_clients[key] = (client, testing_transport())
    return client


async def client_of(conn_id: str) -> MusicClient:
    """Client for the running loop; the connection is looked up in a thread and kept for some minutes."""
    shared = _shared()
    if (fresh := shared.fresh(conn_id)) is not None:
        return fresh
    async with shared.lock:
        if (fresh := shared.fresh(conn_id)) is not None:
            return fresh
        known = shared.clients.get(conn_id)
        # Not from a thread of our own: in a triggerer of Airflow 3.0 and 3.1 a look-up from one ends the process.
        settings = await sync_to_async(settings_of)(conn_id)
        keep_until = time.monotonic() + KEEP_SECONDS
        if known and known[0].settings == settings and known[2] is testing_transport():
            shared.clients[conn_id] = (known[0], keep_until, known[2])
            return known[0]
        # In a thread too: the TLS context would block the loop for some hundredths of a second.
        # The old client is not closed: a wait may be in the middle of a call. It goes with its last user.
        client = await asyncio.to_thread(shared.new, settings)
        shared.clients[conn_id] = (client, keep_until, testing_transport())
        return client


async def use_poll_transport() -> None:
    """Send this loop's free calls over aiohttp's connections: a triggerer's polls are many.

    Not for a worker: its import takes longer than the few calls of a task.
    """
    shared = _shared()
    if shared.poll_transport is None:
        module = await asyncio.to_thread(importlib.import_module, "airflow_provider_music.api.poll_transport")
        # aiohttp itself is imported with the first transport, in a thread as well.
        shared.poll_transport = module.poll_transport
        # Those made before would be kept for as long as their connection does not change.
        shared.clients.clear()


def _shared() -> _LoopClients:
    return _loops.setdefault(asyncio.get_running_loop(), _LoopClients())


def look_up_again(conn_id: str) -> None:
    """Make the next caller in this loop look the connection up: its key was refused."""
    shared = _loops.get(asyncio.get_running_loop())
    if shared and (known := shared.clients.get(conn_id)):
        shared.clients[conn_id] = (known[0], 0.0, known[2])


async def close_clients() -> None:
    """Close this loop's clients; for loops that end, such as a worker's."""
    shared = _loops.pop(asyncio.get_running_loop(), None)
    for client, _, _ in shared.clients.values() if shared else ():
        await client.aclose()
