# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a POST and a beat of its lease may come together; "gone" is the last word all the same."""

from __future__ import annotations

import asyncio
import threading

import pytest

from airflow_provider_music.record import lease as lease_module
from airflow_provider_music.record.lease import Lease, LeaseWatch
from airflow_provider_music.storage.folder import Folder


async def test_a_beat_that_is_under_way_at_the_end_does_not_bring_the_owner_back(tmp_path, monkeypatch):
    monkeypatch.setattr(lease_module, "BEAT_SECONDS", 0.02)
    replace, writing, go_on = Folder.replace, threading.Event(), threading.Event()

    def slow(folder, name, content, **more):
        # The beats' writes are slow, from the second one on: the first says that the POST is open.
        if b'"open"' in content and b'"beat": 1,' not in content:
            writing.set()
            go_on.wait(0.5)
        replace(folder, name, content, **more)

    monkeypatch.setattr(Folder, "replace", slow)
    folder = Folder(str(tmp_path))
    async with Lease(folder).held():
        await asyncio.to_thread(writing.wait, 10)
    go_on.set()
    for _ in range(50):
        await asyncio.sleep(0.02)
    assert not LeaseWatch(folder).writer_lives()


@pytest.mark.parametrize("state", [b"", b"[]", b"null", b'{"state": ["gone"], "pid": "x", "machine": 5}', b"\xff"])
def test_a_lease_of_any_content_is_read_without_breaking(tmp_path, state):
    (tmp_path / "post.json").write_bytes(state)
    assert LeaseWatch(Folder(str(tmp_path))).writer_lives() is True
