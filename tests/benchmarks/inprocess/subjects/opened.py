# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Synchronous generations that are open at the same time and end together."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from typing import Any

from inprocess.meter import Meter
from inprocess.subjects.specs import spec_of

PATH = "/v2/generate/audio/minimax/generate"
#: So short that no buffer of the large songs is there already.
_WARM_BYTES = 2**14


def ours(run: str, url: str, count: int, size: int, folder: str) -> dict[str, Any]:
    """Our trigger with specs for music-01; every song lands in a folder."""
    from airflow_provider_music.triggers.music import MusicGenerationTrigger

    async def one(name: str, number: int) -> None:
        spec = spec_of(folder, name, number, lane="synchronous", audio_format="mp3")
        trigger = MusicGenerationTrigger(
            conn_id="music_bench", deferred_at=time.time() - 10, spec=spec, deadline=spec["deadline"]
        )
        async for event in trigger.run():
            assert event.payload["status"] == "completed", event.payload

    return asyncio.run(_measured(one, run, url, count, size))


def http_trigger(run: str, url: str, count: int, size: int, folder: str) -> dict[str, Any]:
    """The HTTP provider's trigger with the same POST; the song travels in its event."""
    from airflow.providers.http.triggers.http import HttpTrigger

    async def one(name: str, number: int) -> None:
        body = spec_of("", name, number, lane="synchronous", audio_format="mp3")["body"]
        trigger = HttpTrigger(
            http_conn_id="http_bench",
            endpoint=PATH.removeprefix("/"),
            headers={"Content-Type": "application/json", "Authorization": "Bearer bench-key"},
            data=json.dumps(body),
        )
        async for event in trigger.run():
            assert event.payload["status"] == "success", event.payload["message"]

    return asyncio.run(_measured(one, run, url, count, size))


async def _measured(one: Any, run: str, url: str, count: int, size: int) -> dict[str, Any]:
    gather(url, 1, _WARM_BYTES, "mp3")
    await one(f"{run}-warm", 0)
    gather(url, count, size, "mp3")
    async with Meter() as meter:
        await asyncio.gather(*(one(run, number) for number in range(count)))
    return meter.result


def gather(url: str, count: int, size: int, audio_format: str) -> None:
    """Tell the server how many songs of what size are to end together."""
    body = json.dumps({"count": count, "audio_format": audio_format, "size": size}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(f"{url}/control/gather", body, timeout=30).close()
