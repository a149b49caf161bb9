# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""How often a song is polled and how soon its end is noticed, by a clock that jumps: no second is waited."""

from __future__ import annotations

import asyncio
import random
import statistics
from typing import Any

import httpx

_START = 1_800_000_000.0
_FIXED_SECONDS = 10.0


class _Clock:
    """Time that goes on only by what is slept."""

    def __init__(self) -> None:
        self.time = _START

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


class _Api:
    """Answers polls; the song is done at ``done``."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self.done = 0.0
        self.polls = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.polls += 1
        done = self._clock.now() >= self.done
        audio = {"url": "https://cdn.example/song.mp3"} if done else None
        status = "completed" if done else "generating"
        body = {"id": request.url.params["generation_id"], "status": status, "audio_file": audio}
        return httpx.Response(200, json=body)


def pacing(model: str, shares: list[float], songs: int) -> dict[str, Any]:
    """Mean polls a song, and mean and worst seconds from done to noticed, per share of the model's usual time."""
    from airflow_provider_music.api.models import find

    known = find(model)
    assert known is not None
    random.seed(20261102)
    return {
        "usual": known.usual_seconds,
        "ours": asyncio.run(_paced(known.usual_seconds, shares, songs, None)),
        "fixed": asyncio.run(_paced(known.usual_seconds, shares, songs, _FIXED_SECONDS)),
    }


async def _paced(usual: float, shares: list[float], songs: int, fixed: float | None) -> list[dict[str, float]]:
    from airflow_provider_music.api.testing import use_transport
    from airflow_provider_music.generation import runtime as clock
    from airflow_provider_music.generation.state_machine import watch_generation

    simulated = _Clock()
    api = _Api(simulated)
    clock.now = clock.monotonic = simulated.now
    clock.sleep = simulated.sleep  # type: ignore[assignment]
    rows = []
    with use_transport(httpx.MockTransport(api.answer)):
        for share in shares:
            polls, late = [], []
            for number in range(songs):
                begun = simulated.now()
                # No song ends to the second: spread over one interval of the slower side.
                api.polls, api.done = 0, begun + usual * share + _FIXED_SECONDS * number / songs
                event = await watch_generation(
                    "music_bench",
                    f"pace-{number}",
                    usual_seconds=usual,
                    poll_interval=fixed,
                    deadline=begun + 100 * usual,
                    submitted_at=begun,
                )
                assert event["status"] == "ready", event
                polls.append(api.polls)
                late.append(simulated.now() - api.done)
            rows.append({"polls": statistics.mean(polls), "late": statistics.mean(late), "worst": max(late)})
    return rows
