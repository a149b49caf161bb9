# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``adopt``: gives the record of a lost answer the id of the generation that was paid for, found in the usage log.

It writes one fact, exclusively, as the package itself does when it finds a lost answer: an id in hand outranks
"unknown", and a clear of the task then waits for that song. It sends no request for a song.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_music.cli.definition import OK, WRONG

if TYPE_CHECKING:
    import argparse

    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.cli.output import Output
    from airflow_provider_music.record.store import SongRecord
    from airflow_provider_music.record.take import Take

_WHY_NOT = {
    "open": "its answer may still come: retry or clear the task, which searches for it",
    "accepted": "it has a generation already, {id}: clear the task, which waits for that song",
    "completed": "its song is in storage: clear the task, which returns it",
    "delivered": "its song was delivered. To wait for another generation use MusicGenerationSensor",
    "failed": "it failed and is not billed. To wait for another generation use MusicGenerationSensor",
}
_ATTEMPT = ("task", "try_number", "max_tries", "run_started_at", "clear_number", "attempt_id")


def run(args: argparse.Namespace, out: Output) -> int:
    """Write the fact, or say why not."""
    from airflow_provider_music.cli.records import record_at

    record, _ = record_at(args.record)
    take = record.latest()
    if take is None:
        out.note(f"There is no record in {record.folder.url}.")
        return WRONG
    refusal = _refusal(take)
    if refusal is None:
        found = _generation(args.conn_id, args.generation_id)
        refusal = _refused_for(found, take, args)
    if refusal is not None:
        out.note(f"Not adopted, nothing was written: {refusal}.")
        return WRONG
    return _adopted(record, take, found, out)


def _refusal(take: Take) -> str | None:
    """Return why a take needs no id, or cannot take one."""
    why = _WHY_NOT.get(take.state)
    if why is not None:
        return f"take {take.n} is {take.state}, {why.format(id=take.generation_id)}"
    if take["intent"].get("lane") != "queued":
        return f"take {take.n} is of {take.model}, whose answer is the song itself; it has no id to wait for"
    return None


def _generation(conn_id: str, generation_id: str) -> Generation:
    from airflow_provider_music.api import endpoints
    from airflow_provider_music.hooks.clients import sync_client_of

    return sync_client_of(conn_id).call(endpoints.poll(generation_id))


def _refused_for(found: Generation, take: Take, args: argparse.Namespace) -> str | None:
    """Return what speaks against a generation: it failed, or it is another request's, by the usage log."""
    if found.failed:
        return f"generation {found.id} failed, so it is not billed: clear the task to submit again"
    tied = _tied(take, args)
    if tied is False:
        return f"the usage log says that generation {found.id} is of another request than take {take.n}"
    if tied is None and not args.yes:
        return (
            f"the usage log does not say (yet) which request generation {found.id} is of; give --yes where you know "
            f"that it is of take {take.n} of {take['intent'].get('task')}"
        )
    return None


def _tied(take: Take, args: argparse.Namespace) -> bool | None:
    """Whether the log's row of the generation carries the take's own request id; None where it does not say."""
    from airflow_provider_music.generation.runtime import run_sync
    from airflow_provider_music.generation.usage_log import LoggedRequest, find_row
    from airflow_provider_music.hooks.clients import client_of

    submitted_at = LoggedRequest.of(take["intent"]).submitted_at

    async def search() -> Any:
        return await find_row(await client_of(args.conn_id), LoggedRequest(None, submitted_at, args.generation_id))

    row, own = run_sync(search()), str(take["intent"].get("client_request_id") or "")
    if row is None or not row.client_request_id or not own:
        return None
    # Of a record that was lost only the beginning is known.
    same = row.client_request_id.startswith(own[:-1]) if own.endswith("*") else row.client_request_id == own
    return bool(same)


def _adopted(record: SongRecord, take: Take, found: Generation, out: Output) -> int:
    intent = take["intent"]
    written = record.write_first(
        take,
        "accepted",
        **{name: intent.get(name) for name in _ATTEMPT},
        generation_id=found.id,
        usage=found.usage.as_dict(),
        trace_id=found.trace_id,
        source="adopted by hand",
    )
    if written is None:
        out.note("Not adopted: another process has written what came of the request in this moment. Look with `show`.")
        return WRONG
    document = {"generation_id": found.id, "status": found.status, "take": take.n, "record": take.folder.url}
    out.show(
        document,
        (),
        (),
        f"Take {take.n} of {intent.get('task')} is generation {found.id} ({found.status}) now.",
        "Clear the task: it waits for that song, and submits nothing.",
    )
    return OK
