# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from airflow_provider_music.record import lease
from airflow_provider_music.record.lease import Lease, LeaseWatch
from airflow_provider_music.storage.cleanup import machine_id
from airflow_provider_music.storage.folder import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path))


@pytest.fixture
def still_clock(monkeypatch):
    """A clock that stands still until a test moves it, and the silence of a real lease."""
    now = [0.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(lease, "SILENCE_SECONDS", 30.0)
    return now


HOLD_A_LEASE = """
import asyncio, sys
from airflow_provider_music.storage.folder import Folder
from airflow_provider_music.record.lease import Lease

async def post():
    async with Lease(Folder(sys.argv[1])).held():
        print("open", flush=True)
        await asyncio.sleep(60)

asyncio.run(post())
"""


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
    command = [sys.executable, "-c", HOLD_A_LEASE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        while child.stdout.readline().strip() != "open":
            pass
        assert LeaseWatch(folder).writer_lives()
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not LeaseWatch(folder).writer_lives()


def test_a_later_process_of_the_same_number_is_not_the_owner(folder):
    body = {"state": "open", "machine": machine_id(), "pid": os.getpid(), "started": "1"}
    folder.replace("post.json", json.dumps(body).encode())

    assert not LeaseWatch(folder).writer_lives()


def test_of_a_process_in_another_container_of_the_same_host_name_only_the_silence_tells(folder, still_clock):
    """Host networking: both containers have the machine's host name, and each has a process of this number."""
    body = {"state": "open", "machine": "0123abcd", "host": socket.gethostname(), "pid": os.getpid(), "started": "1"}
    folder.replace("post.json", json.dumps(body).encode())
    watch = LeaseWatch(folder)

    assert watch.writer_lives()
    still_clock[0] += 31
    assert not watch.writer_lives()


def test_where_the_machine_cannot_be_known_only_the_silence_tells(folder, still_clock, monkeypatch):
    monkeypatch.setattr(lease, "machine_id", lambda: None)
    body = {"state": "open", "machine": None, "pid": os.getpid(), "started": "1"}
    folder.replace("post.json", json.dumps(body).encode())
    watch = LeaseWatch(folder)

    assert watch.writer_lives()
    still_clock[0] += 31
    assert not watch.writer_lives()


def test_a_killed_process_is_noticed_at_once_though_the_host_has_another_name_by_now(folder, monkeypatch):
    body = {"state": "open", "machine": machine_id(), "host": "before", "pid": os.getpid(), "started": "1"}
    folder.replace("post.json", json.dumps(body).encode())
    monkeypatch.setattr(socket, "gethostname", lambda: "after")
    assert not LeaseWatch(folder).writer_lives()


def test_a_process_in_a_pid_namespace_of_its_own_lives_though_its_number_is_anothers_here(folder, tmp_path):
    within = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*within, "true"], check=False).returncode:
        pytest.skip("this machine makes no PID namespaces")
    command = [*within, sys.executable, "-c", HOLD_A_LEASE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        while child.stdout.readline().strip() != "open":
            pass
        number, lives = written(folder)["pid"], LeaseWatch(folder).writer_lives()
        child.kill()
    # Process 1 there is another than process 1 here, and both are on one host.
    assert (number, lives) == (1, True)


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


def test_an_owner_on_another_machine_lives_while_its_file_changes(folder, still_clock):
    now = still_clock
    watch = LeaseWatch(folder)
    for beat in range(4):
        folder.replace("post.json", json.dumps({"state": "open", "machine": "elsewhere", "beat": beat}).encode())
        assert watch.writer_lives()
        now[0] += 20
    assert watch.writer_lives()
    now[0] += 31
    assert not watch.writer_lives()


def test_a_claim_without_a_lease_is_given_up_after_the_silence(folder, still_clock):
    now = still_clock
    watch = LeaseWatch(folder)

    assert watch.writer_lives()
    now[0] = 31
    assert not watch.writer_lives()
