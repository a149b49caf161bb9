# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import asyncio
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from asgiref.sync import SyncToAsync, async_to_sync

import airflow_provider_music
from airflow_provider_music.api import endpoints, poll_transport
from airflow_provider_music.api.client import MusicClient
from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.compat import AirflowNotFoundException, BaseHook
from airflow_provider_music.exceptions import ApiUnreachableError, CredentialsError
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.hooks import clients
from airflow_provider_music.hooks.clients import (
    KEEP_SECONDS,
    client_of,
    close_clients,
    look_up_again,
    settings_of,
    sync_client_of,
    use_poll_transport,
)
from airflow_provider_music.storage.threads import in_thread

PACKAGE = Path(airflow_provider_music.__file__).parent


@pytest.fixture(autouse=True)
def no_clients_of_other_tests(monkeypatch):
    monkeypatch.setattr(clients, "_sync_clients", {})


@pytest.fixture
def look_ups(monkeypatch):
    """Connections by id, and the ids that were looked up."""

    class LookUps(dict):
        def __init__(self):
            super().__init__()
            self.made = []
            self.threads = []

        def look_up(self, conn_id):
            self.made.append(conn_id)
            self.threads.append(threading.current_thread())
            if conn_id not in self:
                raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")
            if isinstance(self[conn_id], Exception):
                raise self[conn_id]
            given = {
                "conn_type": "music",
                "password": "sk-1",
                "host": None,
                "schema": None,
                "port": None,
                "extra": None,
            }
            return SimpleNamespace(**{**given, **self[conn_id]})

    made = LookUps()
    made["music_default"] = {}
    monkeypatch.setattr(BaseHook, "get_connection", made.look_up)
    return made


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(clients, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


async def test_a_hundred_callers_at_once_make_one_look_up_and_share_one_client(look_ups):
    found = await asyncio.gather(*(client_of("music_default") for _ in range(100)))
    assert look_ups.made == ["music_default"]
    assert len({id(client) for client in found}) == 1
    await close_clients()


async def test_the_look_up_does_not_hold_the_loop(look_ups):
    await client_of("music_default")
    assert threading.current_thread() not in look_ups.threads
    await close_clients()


async def test_the_making_of_a_client_does_not_hold_the_loop_either(look_ups, monkeypatch):
    threads = []

    def make(*args):
        threads.append(threading.current_thread())
        return MusicClient(*args)

    monkeypatch.setattr(clients, "MusicClient", make)
    await use_poll_transport()
    client = await client_of("music_default")
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    # It was made elsewhere, and is used here.
    assert client is await client_of("music_default")
    await close_clients()


# One look-up door: a triggerer of Airflow 3.0 and 3.1 ends where a thread unknown to asgiref asks its supervisor


async def test_the_look_up_runs_in_asgirefs_own_thread(look_ups):
    await asyncio.gather(client_of("music_default"), client_of("missing"), return_exceptions=True)
    assert len(look_ups.threads) == 2
    assert set(look_ups.threads) == SyncToAsync.single_thread_executor._threads
    await close_clients()


async def test_a_look_up_can_come_back_into_the_loop_as_a_triggerers_does(look_ups, monkeypatch):
    loops, look_up = [], BaseHook.get_connection

    async def ask_supervisor():
        loops.append(asyncio.get_running_loop())

    def comes_back(conn_id):
        async_to_sync(ask_supervisor)()
        return look_up(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", comes_back)
    await client_of("music_default")
    look_up_again("music_default")
    await client_of("music_default")
    assert loops == [asyncio.get_running_loop()] * 2
    await close_clients()


def test_under_asgirefs_bridge_the_look_up_runs_in_the_thread_that_crossed_it(look_ups):
    async def ask():
        await client_of("music_default")
        await close_clients()

    async_to_sync(ask)()
    assert look_ups.threads == [threading.current_thread()]


def test_on_a_worker_no_look_up_runs_in_a_thread_of_this_package(look_ups):
    async def ask():
        await client_of("music_default")
        # The package's own threads are there by now, and asyncio's.
        await in_thread(str)
        look_up_again("music_default")
        await client_of("music_default")

    run_sync(ask())
    sync_client_of("music_default")
    settings_of("music_default")
    mine = threading.current_thread()
    assert look_ups.threads[2:] == [mine, mine]
    assert set(look_ups.threads[:2]) == SyncToAsync.single_thread_executor._threads


def test_there_is_one_place_that_looks_a_connection_up_and_one_for_the_key_that_signs():
    calls = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node, "attr", None) or getattr(node, "id", None)
            if name in ("get_connection", "get_connection_from_secrets", "aget_connection"):
                calls.setdefault(path.relative_to(PACKAGE).as_posix(), []).append(name)
    assert calls == {"hooks/clients.py": ["get_connection"], "hooks/c2pa.py": ["get_connection"]}


# What free calls go over


async def test_polls_go_over_aiohttp_only_where_it_was_asked_for(look_ups):
    before = await client_of("music_default")
    assert not isinstance(before._free._transport, poll_transport._Mapped)
    await use_poll_transport()
    await use_poll_transport()
    client = await client_of("music_default")
    assert isinstance(client._free._transport, poll_transport._Mapped)
    assert not isinstance(client._paid._transport, poll_transport._Mapped)
    assert await client_of("music_default") is client
    await before.aclose()
    await close_clients()
    plain = await client_of("music_default")
    assert not isinstance(plain._free._transport, poll_transport._Mapped)
    await close_clients()


def test_another_loop_has_to_ask_for_it_itself(look_ups):
    async def client():
        made = await client_of("music_default")
        await close_clients()
        return made

    async def triggerer():
        await use_poll_transport()
        return await client()

    assert isinstance(asyncio.run(triggerer())._free._transport, poll_transport._Mapped)
    assert not isinstance(asyncio.run(client())._free._transport, poll_transport._Mapped)


WORKER = """
import json, sys
from airflow_provider_music.api import endpoints
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.hooks.clients import client_of, use_poll_transport
from airflow_provider_music.hooks.music import MusicHook
before = "aiohttp" in sys.modules

async def work(polls):
    if polls:
        await use_poll_transport()
    client = await client_of("music_default")
    asked = await client.submit({"model": "minimax/music-2.6", "prompt": "a song"}, "id-1")
    await client.call(endpoints.poll(asked.id))
    await client.repeated(endpoints.poll(asked.id)).send()

run_sync(work(polls=False))
MusicHook().get_balance()
worker = "aiohttp" in sys.modules
run_sync(work(polls=True))
print(json.dumps([before, worker, "aiohttp" in sys.modules]))
"""


def test_a_worker_calls_the_api_without_importing_aiohttp(music_sandbox):
    """It takes longer to import than a task's few calls take."""
    connection = {"conn_type": "music", "host": music_sandbox.url, "password": music_sandbox.key}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WORKER],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "AIRFLOW_CONN_MUSIC_DEFAULT": json.dumps(connection)},
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [False, False, True]


# Shared clients


async def test_every_connection_has_its_own_client(look_ups):
    look_ups["other"] = {"password": "sk-2"}
    one, other = await asyncio.gather(client_of("music_default"), client_of("other"))
    assert (one.settings.api_key, other.settings.api_key) == ("sk-1", "sk-2")
    assert sorted(look_ups.made) == ["music_default", "other"]
    await close_clients()


def test_every_loop_has_its_own_client(look_ups):
    async def one():
        client = await client_of("music_default")
        assert await client_of("music_default") is client
        await close_clients()
        return client

    assert asyncio.run(one()) is not asyncio.run(one())
    assert len(look_ups.made) == 2


async def test_a_connection_is_looked_up_again_after_some_minutes(look_ups, clock):
    client = await client_of("music_default")
    clock.now += KEEP_SECONDS - 1
    assert await client_of("music_default") is client
    assert len(look_ups.made) == 1
    clock.now += 2
    assert await client_of("music_default") is client
    assert len(look_ups.made) == 2
    clock.now += KEEP_SECONDS - 1
    assert await client_of("music_default") is client
    assert len(look_ups.made) == 2
    await close_clients()


async def test_a_changed_connection_gets_a_new_client_and_the_old_one_goes_on(look_ups, clock):
    old = await client_of("music_default")
    look_ups["music_default"] = {"password": "sk-new"}
    assert await client_of("music_default") is old
    clock.now += KEEP_SECONDS + 1
    new = await client_of("music_default")
    assert new is not old
    assert new.settings.api_key == "sk-new"
    assert not old._paid.is_closed
    await old.aclose()
    await close_clients()


async def test_a_refused_key_is_looked_up_at_once(look_ups, clock):
    old = await client_of("music_default")
    look_up_again("music_default")
    assert await client_of("music_default") is old
    look_ups["music_default"] = {"password": "sk-new"}
    look_up_again("music_default")
    found = await asyncio.gather(*(client_of("music_default") for _ in range(20)))
    assert {client.settings.api_key for client in found} == {"sk-new"}
    assert len(look_ups.made) == 3
    look_up_again("never_looked_up")
    await old.aclose()
    await close_clients()


async def test_a_failed_look_up_is_not_kept(look_ups):
    with pytest.raises(CredentialsError):
        await client_of("late")
    look_ups["late"] = {}
    assert (await client_of("late")).settings.conn_id == "late"
    await close_clients()


async def test_closing_closes_and_forgets(look_ups):
    client = await client_of("music_default")
    assert not client._paid.is_closed
    await close_clients()
    await close_clients()
    assert client._free.is_closed
    assert client._paid.is_closed
    assert await client_of("music_default") is not client
    await close_clients()


async def test_no_client_is_kept_across_the_borders_of_use_transport(look_ups):
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    outside = await client_of("music_default")
    blocking = sync_client_of("music_default")
    with use_transport(transport):
        inside = await client_of("music_default")
        assert await client_of("music_default") is inside
        assert inside is not outside
        assert sync_client_of("music_default") is sync_client_of("music_default") is not blocking
    assert await client_of("music_default") is not inside
    assert sync_client_of("music_default") is not None
    await outside.aclose()
    await close_clients()


def test_blocking_code_shares_one_client_until_the_connection_changes(look_ups):
    client = sync_client_of("music_default")
    assert sync_client_of("music_default") is client
    look_ups["music_default"] = {"password": "sk-new"}
    assert sync_client_of("music_default").settings.api_key == "sk-new"


def test_threads_use_their_clients_at_once_each_with_a_loop_of_its_own(look_ups):
    together, loops = threading.Barrier(4, timeout=5.0), []

    async def answer(_):
        together.wait()
        loops.append(asyncio.get_running_loop())
        return httpx.Response(200, json={"current_balance": 3.0})

    def ask(_):
        return [sync_client_of("music_default").call(endpoints.billing()).amount for _ in range(2)]

    with use_transport(httpx.MockTransport(answer)), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [[3.0, 3.0]] * 4
    assert len(set(loops)) == 4


async def test_blocking_code_in_a_running_loop_is_told_what_to_use(look_ups):
    with pytest.raises(RuntimeError, match=r"use MusicHook\.get_async_conn\(\) here"):
        sync_client_of("music_default").call(endpoints.billing())


def test_neither_threads_nor_forked_processes_share_a_client(look_ups, monkeypatch):
    mine = sync_client_of("music_default")
    theirs = []
    thread = threading.Thread(target=lambda: theirs.append(sync_client_of("music_default")))
    thread.start()
    thread.join()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert len({id(mine), id(theirs[0]), id(sync_client_of("music_default"))}) == 3


def test_a_missing_connection_is_said_with_the_way_to_make_it(look_ups):
    with pytest.raises(CredentialsError) as caught:
        settings_of("my_music")
    told = str(caught.value)
    assert "There is no connection 'my_music'; nothing was sent." in told
    example = told[told.index("{") : told.rindex("}") + 1]
    assert "AIRFLOW_CONN_MY_MUSIC" in told
    assert json.loads(example)["conn_type"] == "music"


@pytest.mark.parametrize("exc", [RuntimeError("supervisor away"), OSError("vault down"), ValueError("odd")])
def test_a_look_up_that_breaks_says_nothing_about_the_connection(look_ups, exc):
    look_ups["music_default"] = exc
    with pytest.raises(ApiUnreachableError, match="could not be looked up"):
        settings_of("music_default")


def test_a_connection_that_cannot_be_used_is_no_look_up_that_broke(look_ups):
    look_ups["music_default"] = {"password": ""}
    with pytest.raises(CredentialsError, match="no API key"):
        settings_of("music_default")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("music://:sk/abc@", "percent-encoded there (music://:sk%2Fabc@ for sk/abc)"),
        ("music://:sk#abc@", "percent-encoded"),
        ("music://:sk?abc@", "percent-encoded"),
        ("music://:mykey", "cannot be read as a URI"),
        ('{"conn_type": "music", ', "no JSON object"),
    ],
)
def test_a_variable_that_cannot_be_read_is_no_missing_connection(value, told, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ODD", value)
    with pytest.raises(CredentialsError) as caught:
        settings_of("odd")
    said = str(caught.value)
    assert "AIRFLOW_CONN_ODD is set" in said
    assert told in said
    assert "mykey" not in said
    assert "There is no connection" not in said
