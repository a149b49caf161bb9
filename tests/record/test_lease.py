# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from airflow_provider_music.record import lease
from airflow_provider_music.record.lease import Lease, LeaseWatch
from airflow_provider_music.storage.folder import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path))


def written(folder):
    return json.loads(folder.read("post.json"))


async def test_an_owner_lives_while_its_block_runs_and_is_gone_after_it(folder):
    owner, watch = Lease(folder), LeaseWatch(folder)
    async with owner.held():
        assert watch.writer_lives()
        owner.why = "ReadTimeout: nothing came"
    assert not watch.writer_lives()
    assert watch.why() == "ReadTimeout: nothing came"


async def test_an_owner_that_is_cancelled_says_so_at_once(folder):
    async def post():
        async with Lease(folder).held():
            await asyncio.sleep(60)

    task = asyncio.create_task(post())
    while folder.read("post.json") is None:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not LeaseWatch(folder).writer_lives()


def test_a_killed_process_of_this_machine_is_noticed_at_once(folder, tmp_path):
    code = (
        "import asyncio, sys\n"
        "from airflow_provider_music.storage.folder import Folder\n"
        "from airflow_provider_music.record.lease import Lease\n"
        "async def post():\n"
        "    async with Lease(Folder(sys.argv[1])).held():\n"
        "        print('open', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(post())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        while child.stdout.readline().strip() != "open":
            pass
        assert LeaseWatch(folder).writer_lives()
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not LeaseWatch(folder).writer_lives()


def test_a_later_process_of_the_same_number_is_not_the_owner(folder):
    body = {"state": "open", "host": socket.gethostname(), "pid": os.getpid(), "started": "1"}
    folder.replace("post.json", json.dumps(body).encode())

    assert not LeaseWatch(folder).writer_lives()


async def test_an_owner_in_this_process_that_cannot_say_that_it_is_gone_is_gone_all_the_same(folder, monkeypatch):
    replace = Folder.replace

    def full(self, name, content, **more):
        if b'"gone"' in content:
            raise OSError("No space left on device")
        replace(self, name, content, **more)

    monkeypatch.setattr(Folder, "replace", full)
    async with Lease(folder).held():
        assert LeaseWatch(folder).writer_lives()
    assert written(folder)["state"] == "open"
    assert not LeaseWatch(folder).writer_lives()


async def test_a_lease_that_cannot_be_written_is_an_error_and_held_by_nobody(folder, monkeypatch):
    monkeypatch.setattr(Folder, "replace", lambda *_, **__: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        async with Lease(folder).held():
            raise AssertionError("the block ran")
    assert not lease._held


async def test_a_store_that_does_not_answer_for_a_while_says_nothing_new(folder, monkeypatch):
    watch = LeaseWatch(folder)
    async with Lease(folder).held():
        assert watch.writer_lives()
        with monkeypatch.context() as away:
            away.setattr(Folder, "read", lambda *_: (_ for _ in ()).throw(OSError("away")))
            assert watch.writer_lives()
    assert not watch.writer_lives()


def test_an_owner_on_another_machine_lives_while_its_file_changes(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(lease, "SILENCE_SECONDS", 30.0)
    watch = LeaseWatch(folder)
    for beat in range(4):
        folder.replace("post.json", json.dumps({"state": "open", "host": "elsewhere", "beat": beat}).encode())
        assert watch.writer_lives()
        now[0] += 20
    assert watch.writer_lives()
    now[0] += 31
    assert not watch.writer_lives()


def test_a_claim_without_a_lease_is_given_up_after_the_silence(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(lease, "SILENCE_SECONDS", 30.0)
    watch = LeaseWatch(folder)

    assert watch.writer_lives()
    now[0] = 31
    assert not watch.writer_lives()
