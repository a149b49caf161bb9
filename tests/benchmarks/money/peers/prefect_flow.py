# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Prefect: one flow a song, tasks with persisted results; a crashed flow run is retried under its own id.

The server is a process of its own, and outlives the flows. A flow run whose process is gone stays "Running" there until
an automation marks it as crashed ("detect zombie flows"); that, and `prefect flow-run retry`, happens here by the
client that both of them use. The paid task has no retries of its own; the free ones have.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import song_api
import told
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry, Crashed


@task(persist_result=True)
def submit(song: str) -> str:
    """The paid request."""
    return song_api.submit(song)


@task(persist_result=True, retries=3, retry_delay_seconds=1)
def wait(generation_id: str) -> str:
    """Polls."""
    return song_api.wait(generation_id)


@task(persist_result=True, retries=3, retry_delay_seconds=1)
def download(song: str, url: str) -> str:
    """Land the song."""
    return song_api.download(song, url)


@flow(persist_result=True)
def make_song(song: str) -> str:
    """Submit, wait, download."""
    return download(song, wait(submit(song)))


def run(song: str) -> str:
    """Run the flow, or retry the run that crashed."""
    known = asyncio.run(_run_of(song))
    if known is None:
        return str(make_song.with_options(flow_run_name=song)(song))
    if known.state.is_completed():
        return str(song_api.path_of(song))
    if known.state.is_failed():
        raise RuntimeError(known.state.message)
    asyncio.run(_mark_for_retry(known))
    return str(run_flow(make_song, flow_run=asyncio.run(_run_of(song)), parameters={"song": song}))


async def _run_of(song: str) -> Any:
    async with get_client() as client:
        found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[song])))
        return found[0] if found else None


async def _mark_for_retry(flow_run: Any) -> None:
    async with get_client() as client:
        await client.set_flow_run_state(flow_run.id, Crashed(), force=True)
        await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)


def main() -> None:
    """Run all side by side."""
    delivered, failed = {}, {}
    with ThreadPoolExecutor(len(told.SONGS)) as pool:
        for song, future in {song: pool.submit(run, song) for song in told.SONGS}.items():
            try:
                delivered[song] = future.result()
            except Exception as error:  # noqa: BLE001 - a flow's own
                failed[song] = f"{type(error).__name__}: {error}"
    told.say(delivered, failed)


if __name__ == "__main__":
    main()
