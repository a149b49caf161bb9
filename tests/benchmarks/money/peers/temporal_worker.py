# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Temporal: one workflow a song; the server is a process of its own, and hands a dead worker's activities to the next.

The paid activity is capped by MaximumAttempts, as Temporal's "Fixed Count of Retries" advises for paid calls:
MONEY_ATTEMPTS of them. The free ones have the default policy.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import song_api
    import told

_QUEUE = "songs"
_PAID = RetryPolicy(maximum_attempts=int(os.environ.get("MONEY_ATTEMPTS", "3")))


@activity.defn
def submit(song: str) -> str:
    """The paid request."""
    return song_api.submit(song)


@activity.defn
def poll(generation_id: str) -> str | None:
    """One poll."""
    return song_api.poll(generation_id)


@activity.defn
def download(song: str, url: str) -> str:
    """Land the song."""
    return song_api.download(song, url)


@workflow.defn
class MakeSong:
    """Submit, wait, download; the server keeps each activity's result."""

    @workflow.run
    async def run(self, song: str) -> str:
        soon = timedelta(seconds=10)
        generation_id = await workflow.execute_activity(submit, song, start_to_close_timeout=soon, retry_policy=_PAID)
        while True:
            url = await workflow.execute_activity(poll, generation_id, start_to_close_timeout=soon)
            if url is not None:
                break
            await asyncio.sleep(told.POLL_SECONDS)
        return await workflow.execute_activity(download, args=[song, url], start_to_close_timeout=soon)


async def main() -> None:
    """Work, and start what has not begun."""
    client = await Client.connect(os.environ["MONEY_TEMPORAL"])
    activities = [submit, poll, download]
    delivered, failed = {}, {}
    with ThreadPoolExecutor(100) as pool:
        async with Worker(
            client, task_queue=_QUEUE, workflows=[MakeSong], activities=activities, activity_executor=pool
        ):
            results = await asyncio.gather(*(_result(client, song) for song in told.SONGS), return_exceptions=True)
    for song, result in zip(told.SONGS, results, strict=True):
        if isinstance(result, WorkflowFailureError):
            failed[song] = f"{result.cause}: {getattr(result.cause, 'cause', '')}"
        elif isinstance(result, BaseException):
            raise result
        else:
            delivered[song] = result
    told.say(delivered, failed)


async def _result(client: Client, song: str) -> str:
    try:
        handle = await client.start_workflow(
            MakeSong.run,
            song,
            id=song,
            task_queue=_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
    except WorkflowAlreadyStartedError:  # it has ended
        handle = client.get_workflow_handle_for(MakeSong.run, song)
    return str(await handle.result())


if __name__ == "__main__":
    asyncio.run(main())
