# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""From a song that is ready to the result that a task returns: landed, recorded, handed on. Runs on workers."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api import endpoints
from airflow_provider_music.api.responses import Usage
from airflow_provider_music.cost import metrics
from airflow_provider_music.exceptions import (
    ApiError,
    ApiUnreachableError,
    AudioError,
    GenerationFailedError,
    LinkExpiredError,
    MusicError,
    OutputError,
)
from airflow_provider_music.generation.download import download
from airflow_provider_music.generation.pace import backoff
from airflow_provider_music.generation.usage_log import usage_from_log_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.responses import Generation
    from airflow_provider_music.generation.usage_log import LoggedRequest
    from airflow_provider_music.record.store import SongRecord, Take
    from airflow_provider_music.storage.audio_writer import RequestedAudio
    from airflow_provider_music.storage.folder import Folder

log = logging.getLogger(__name__)

#: What operators and sensor return, in this order.
RESULT_KEYS = (
    "generation_id",
    "model",
    "status",
    "audio_uri",
    "audio",
    "usage",
    "submissions",
    "trace_id",
    "record_uri",
)
NO_USAGE = {"credits_used": None, "usd_spent": None}
#: Where a paid song lies is asked this often, for at most that long.
_LOOKS = 4
_LOOK_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
#: When that was last in vain, by base URL.
_gave_up_at: dict[str, float] = {}
_PAID = "The song is paid for; a retry or a clear fetches it again without paying again."


def fetch(
    client: MusicClient,
    generation_id: str,
    folder: Folder,
    asked: RequestedAudio,
    *,
    before: Mapping[str, Any] | None = None,
    wanted: LoggedRequest | None = None,
) -> dict[str, Any]:
    """Ask once more where the song lies, land it in ``folder``, and return the values of its completed fact.

    :param before: usage and trace id known from the submit's answer; a poll may be silent about them.
    :param wanted: the request's row in the usage log, for what neither of them says about the cost.
    :raises GenerationFailedError: the API has changed its mind about the generation.
    :raises AudioError: there is no file, or it is not the audio asked for.
    :raises ApiError: the API does not say where the song lies, however often it is asked.
    """
    before = before or {}
    for last_try in (False, True):
        found = _look(client, generation_id)
        if found.failed:
            raise GenerationFailedError(f"Generation {generation_id}: the API says {found.status}: {found.error}")
        if not found.done or found.audio_url is None:
            raise AudioError(
                f"Generation {generation_id} is {found.status!r}, but the API names no audio file. A retry asks for "
                "the file again, not for a new song."
            )
        try:
            landed = download(client.settings, found.audio_url, folder, asked)
        except LinkExpiredError:
            if last_try:
                raise
            log.warning("The link to generation %s has expired; asking for a fresh one", generation_id)
            continue
        except (AudioError, OutputError) as exc:
            raise type(exc)(f"{exc} {_PAID}") from exc
        return {
            "generation_id": generation_id,
            "audio_uri": landed.url,
            "audio": landed.as_dict(),
            "usage": _usage(client, found, before, wanted),
            "trace_id": found.trace_id or before.get("trace_id"),
        }
    raise AssertionError("unreachable: the last try returns or raises")


def _look(client: MusicClient, generation_id: str) -> Generation:
    """Ask where the song lies. One 429 must not cost a try, nor one 401, which ends a task, a paid song."""
    where = client.settings.base_url
    give_up = time.monotonic() + _LOOK_SECONDS
    # A batch's other songs need not wait for what one has waited for in vain.
    looks = 1 if time.monotonic() - _gave_up_at.get(where, -math.inf) < _LOOK_SECONDS else _LOOKS
    failures = 0
    while True:
        try:
            return client.call(endpoints.poll(generation_id))
        except (ApiError, ApiUnreachableError) as exc:
            failures += 1
            pause = backoff(failures, first=_FIRST_PAUSE)
            pause = min(max(pause, getattr(exc, "retry_after", None) or 0.0), _LONGEST_PAUSE)
            if failures >= looks or time.monotonic() + pause > give_up:
                _gave_up_at[where] = time.monotonic()
                exc.args = (f"{str(exc).rstrip('.')}. {_PAID}",)
                raise
            log.warning("%s; asking again in %.0f s", exc, pause)
        time.sleep(pause)


def result_of(record: SongRecord, take: Take) -> dict[str, Any]:
    """Build what the task returns, from the record alone."""
    if "completed" in take:
        fact = take["completed"]
        return _in_order(
            {
                **{key: fact.get(key) for key in RESULT_KEYS},
                "model": fact.get("model") or take["intent"].get("model"),
                "status": "completed",
                "submissions": record.submissions(take.n),
                "record_uri": record.fact_url(take.n, "completed"),
            }
        )
    fact = take["accepted"]
    return _in_order(
        {
            "generation_id": fact["generation_id"],
            "model": take["intent"].get("model"),
            "status": "accepted",
            "audio_uri": None,
            "audio": {
                "format": take["intent"].get("audio_format"),
                "size_bytes": None,
                "duration_ms": None,
                "sample_rate_hz": take["intent"].get("sample_rate_hz"),
                "bitrate_bps": None,
                "sha256": None,
            },
            "usage": fact.get("usage") or NO_USAGE,
            "submissions": record.submissions(take.n),
            "trace_id": fact.get("trace_id"),
            "record_uri": record.fact_url(take.n, "accepted"),
        }
    )


def mark_delivered(record: SongRecord, n: int, stamp: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result and write down that the task did: from here on only a clear makes a new song.

    :raises MusicError: the record does not hold a song.
    """
    take = record.read(n)
    if take is None or not ("completed" in take or "accepted" in take):
        raise MusicError(f"The record in {record.take_folder(n).url} holds no song to deliver.")
    result = result_of(record, take)
    if record.write(n, "delivered", **stamp, status=result["status"]):
        metrics.delivered(take)
    return result


def _usage(
    client: MusicClient, found: Generation, before: Mapping[str, Any], wanted: LoggedRequest | None
) -> dict[str, Any]:
    known = before.get("usage") or NO_USAGE
    told = found.usage.or_else(Usage(known.get("credits_used"), known.get("usd_spent")))
    return (usage_from_log_here(client, wanted, told) if wanted is not None else told).as_dict()


def _in_order(result: Mapping[str, Any]) -> dict[str, Any]:
    return {key: result[key] for key in RESULT_KEYS}
