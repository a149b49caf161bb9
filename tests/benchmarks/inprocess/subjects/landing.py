# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One large song on its way into a store: ours in both lanes, and the few lines that anybody would write."""

from __future__ import annotations

import asyncio
import gc
import time
import uuid
from typing import IO, TYPE_CHECKING, Any, cast

import httpx

from inprocess.meter import forget_peak, peak_bytes, rss_bytes
from inprocess.subjects.opened import PATH, gather
from inprocess.subjects.specs import spec_of

if TYPE_CHECKING:
    from collections.abc import Callable

#: So short that no buffer of the large song is there already.
_WARM_BYTES = 2**14
_HEADERS = {"Authorization": "Bearer bench-key", "Accept-Encoding": "identity"}


def landing(what: str, url: str, target: str, size: int) -> dict[str, Any]:
    """Land a short song first, then one of ``size`` bytes below the URL ``target``, and measure that."""
    land = _WAYS[what]
    land(url, f"{target}/{uuid.uuid4().hex}", _WARM_BYTES)
    gc.collect()
    forget_peak()
    rss, wall, cpu = rss_bytes(), time.perf_counter(), time.process_time()
    land(url, f"{target}/{uuid.uuid4().hex}", size)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "rss": max(0, peak_bytes() - rss)}


def _ours_queued(url: str, target: str, size: int) -> None:
    from airflow_provider_music.generation.fetch import download
    from airflow_provider_music.hooks.clients import settings_of
    from airflow_provider_music.storage.audio_writer import RequestedAudio
    from airflow_provider_music.storage.folder import Folder

    song = f"{url}/song/wav/{size}"
    landed = asyncio.run(download(settings_of("music_bench"), song, Folder(target), RequestedAudio("wav")))
    assert landed.facts.size_bytes == size


def _ours_synchronous(url: str, target: str, size: int) -> None:
    from airflow_provider_music.hooks.clients import close_clients
    from airflow_provider_music.triggers.music import MusicGenerationTrigger

    gather(url, 1, size, "wav")
    spec = spec_of(target, "landing", 0, lane="synchronous", audio_format="wav")

    async def one() -> None:
        trigger = MusicGenerationTrigger(
            conn_id="music_bench", deferred_at=time.time() - 10, spec=spec, deadline=spec["deadline"]
        )
        async for event in trigger.run():
            assert event.payload["status"] == "completed", event.payload
        await close_clients()

    asyncio.run(one())


def _bare_queued(url: str, target: str, size: int) -> None:
    count = 0
    with (
        httpx.Client(headers=_HEADERS, timeout=60.0) as http,
        http.stream("GET", f"{url}/song/wav/{size}") as response,
        _new_file(target) as file,
    ):
        for chunk in response.iter_bytes():
            file.write(chunk)
            count += len(chunk)
    assert count == size


def _bare_synchronous(url: str, target: str, size: int) -> None:
    gather(url, 1, size, "wav")
    body = spec_of(target, "landing", 0, lane="synchronous", audio_format="wav")["body"]

    async def one() -> bytes:
        async with httpx.AsyncClient(headers=_HEADERS, timeout=60.0) as http:
            answer = await http.post(url + PATH, json=body)
            return bytes.fromhex(answer.json()["data"]["audio"])

    with _new_file(target) as file:
        assert file.write(asyncio.run(one())) == size


def _new_file(target: str) -> IO[bytes]:
    from airflow_provider_music.compat import ObjectStoragePath

    path = ObjectStoragePath(target)
    if target.startswith("file://"):
        path.mkdir(parents=True, exist_ok=True)
    return cast("IO[bytes]", (path / "bare").open("wb"))


_WAYS: dict[str, Callable[[str, str, int], None]] = {
    "ours, queued": _ours_queued,
    "ours, synchronous": _ours_synchronous,
    "bare, queued": _bare_queued,
    "bare, synchronous": _bare_synchronous,
}
