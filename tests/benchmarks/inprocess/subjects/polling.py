# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Many waits for queued songs in one event loop: ours, the HTTP provider's, and loops without any of that."""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inprocess.meter import Meter

if TYPE_CHECKING:
    import httpx

_HOUR = 3600.0


@dataclass
class Waits:
    """One run: so many songs, all done at the same time, polled for at the same interval.

    :param run: name that the server counts polls by.
    :param interval: seconds between polls.
    :param song_seconds: from the start until all songs are done.
    :param folder: where records are written.
    :param done_at: when all songs are done, seconds since 1970; 0: ``song_seconds`` after the start.
    """

    run: str
    url: str
    interval: float
    song_seconds: float
    folder: str
    conn_id: str = "music_bench"
    done_at: float = 0.0
    due: float = 0.0

    def generation_id(self, number: int) -> str:
        return f"{self.run}~{number}~{int(self.due * 1000)}"


Wait = Callable[[int], Awaitable[None]]


def polling(contender: str, count: int, *, warm: bool, over: float, **load: Any) -> dict[str, Any]:
    """Run ``count`` waits of one contender; ``load`` is what :class:`Waits` takes.

    :param warm: make one wait before measuring, so that imports and the client are not counted.
    :param over: seconds in which the waits begin, one after the other; 0 is as fast as they can.
    """
    waits = Waits(**load)
    return asyncio.run(_measured(CONTENDERS[contender](waits), waits, count, warm=warm, over=over))


async def _measured(wait: Wait, waits: Waits, count: int, *, warm: bool, over: float) -> dict[str, Any]:
    if warm:
        await _one_before(wait, waits)
    meter = Meter()
    _begin(wait, waits, count, meter.before_seconds + over + waits.song_seconds)
    async with meter:
        await _all(wait, count, over)
    return meter.result


async def _one_before(wait: Wait, waits: Waits) -> None:
    run, interval = waits.run, waits.interval
    waits.run, waits.interval = "warm", 0.01
    _begin(wait, waits, 1, 0.0)
    await wait(0)
    waits.run, waits.interval = run, interval


def _begin(wait: Wait, waits: Waits, count: int, seconds: float) -> None:
    """The songs are submitted now; a contender may write what has to be there before its waits begin."""
    waits.due = waits.done_at if waits.done_at and waits.run != "warm" else time.time() + seconds
    getattr(wait, "prepare", lambda _: None)(count)


async def _all(wait: Wait, count: int, over: float) -> None:
    began, tasks = time.monotonic(), []
    for number in range(count):
        # At the fastest as Airflow's triggerer starts triggers: one in each turn of the loop.
        await asyncio.sleep(max(0.0, began + over * number / count - time.monotonic()))
        tasks.append(asyncio.create_task(wait(number)))
    await asyncio.gather(*tasks)


def profiled(contender: str, count: int, *, warm: bool, lines: int, **load: Any) -> dict[str, Any]:
    """Run waits under cProfile; returns its two tables as text."""
    waits = Waits(**load)
    wait = CONTENDERS[contender](waits)
    profile = cProfile.Profile()

    async def work() -> None:
        if warm:
            await _one_before(wait, waits)
        _begin(wait, waits, count, waits.interval + waits.song_seconds)
        profile.enable()
        await _all(wait, count, waits.interval)
        profile.disable()

    asyncio.run(work())
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text)
    for order in ("tottime", "cumulative"):
        stats.sort_stats(order).print_stats(lines)
    return {"text": text.getvalue()}


def bare_aiohttp(waits: Waits) -> Wait:
    """The loop that anybody would write, over aiohttp's connections."""
    from httpx_aiohttp import AiohttpTransport

    return _bare(waits, AiohttpTransport)


def bare_httpx(waits: Waits) -> Wait:
    """The same over httpx's own connections."""
    return _bare(waits, lambda: None)


def _bare(waits: Waits, transport: Callable[[], Any]) -> Wait:
    import logging

    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    clients: list[httpx.AsyncClient] = []

    async def wait(number: int) -> None:
        if not clients:
            headers = {"Authorization": "Bearer bench-key"}
            clients.append(httpx.AsyncClient(transport=transport(), base_url=waits.url, headers=headers, timeout=60.0))
        client, generation_id = clients[0], waits.generation_id(number)
        while True:
            response = await client.get("/v2/generate/audio", params={"generation_id": generation_id})
            if response.json()["status"] == "completed":
                return
            await asyncio.sleep(waits.interval)

    return wait


def http_sensor(waits: Waits) -> Wait:
    """The HTTP provider's deferrable sensor."""
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    async def wait(number: int) -> None:
        endpoint = f"sensor?generation_id={waits.generation_id(number)}"
        trigger = HttpSensorTrigger(endpoint=endpoint, http_conn_id="http_bench", poke_interval=waits.interval)
        async for event in trigger.run():
            assert event.payload is True
            return

    return wait


def ours(waits: Waits) -> Wait:
    """Our trigger with a bare generation's id, as the sensor makes it."""
    from airflow_provider_music.triggers.music import MusicGenerationTrigger

    async def wait(number: int) -> None:
        now = time.time()
        trigger = MusicGenerationTrigger(
            conn_id=waits.conn_id,
            deferred_at=now - 10 if waits.run == "warm" else now,
            generation_id=waits.generation_id(number),
            poll_interval=waits.interval,
            deadline=now + _HOUR,
        )
        await _until_ready(trigger)

    return wait


def ours_recorded(waits: Waits) -> Wait:
    """Our trigger with the spec of a song that is accepted and recorded, as GenerateMusicOperator makes it."""
    from airflow_provider_music.triggers.music import MusicGenerationTrigger
    from inprocess.subjects.specs import record_accepted, spec_of

    class Recorded:
        def prepare(self, count: int) -> None:
            record_accepted(waits.folder, waits.run, [waits.generation_id(number) for number in range(count)])

        async def __call__(self, number: int) -> None:
            now = time.time()
            spec = spec_of(waits.folder, waits.run, number, lane="queued", poll_interval=waits.interval)
            spec["conn_id"] = waits.conn_id
            trigger = MusicGenerationTrigger(
                conn_id=waits.conn_id,
                deferred_at=now - 10 if waits.run == "warm" else now,
                spec=spec,
                deadline=now + _HOUR,
            )
            await _until_ready(trigger)

    return Recorded()


async def _until_ready(trigger: Any) -> None:
    async for event in trigger.run():
        assert event.payload["status"] == "ready", event.payload


CONTENDERS: dict[str, Callable[[Waits], Wait]] = {
    "bare": bare_aiohttp,
    "bare httpx": bare_httpx,
    "HttpSensorTrigger": http_sensor,
    "ours": ours,
    "ours, recorded": ours_recorded,
}
