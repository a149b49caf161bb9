# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import os
import threading
from types import SimpleNamespace

import httpx
import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.exceptions import ApiUnreachableError, CredentialsError
from airflow_provider_music.hooks import clients
from airflow_provider_music.hooks.clients import (
    KEEP_SECONDS,
    client_of,
    close_clients,
    look_up_again,
    settings_of,
    sync_client_of,
)


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
            self.threads = set()

        def look_up(self, conn_id):
            self.made.append(conn_id)
            self.threads.add(threading.get_ident())
            if conn_id not in self:
                raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")
            if isinstance(self[conn_id], Exception):
                raise self[conn_id]
            given = {"password": "sk-1", "host": None, "schema": None, "port": None, "extra": None}
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
    assert threading.get_ident() not in look_ups.threads
    await close_clients()


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
    await close_clients()
    await close_clients()
    assert client._polls.is_closed
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
