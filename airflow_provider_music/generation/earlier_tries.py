# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What earlier tries of a task did, where its record does not say: it is gone or moved, or their answer is lost.

An earlier try may have paid. Airflow's task state store (3.3 and later) says where it began and which id the API gave;
the usage log has every request that ended, under an id that begins with the song's identity. Both are free. What they
say is written into the record, so the policy decides from it as always.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import tenacity

from airflow_provider_music.exceptions import ApiError, ApiUnreachableError, AuthenticationError, MusicError
from airflow_provider_music.generation import runtime
from airflow_provider_music.generation.poll import backoff
from airflow_provider_music.generation.runtime import run_sync
from airflow_provider_music.generation.usage_log import fact_of_row, find_earlier, request_id_prefix
from airflow_provider_music.hooks.clients import client_of
from airflow_provider_music.record.identity import is_of_try
from airflow_provider_music.record.store import fact_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_music.generation.attempt import SongAttempt
    from airflow_provider_music.generation.usage_log import EarlierRequest
    from airflow_provider_music.record.take import Fact, Take
    from airflow_provider_music.record.task_memory import TaskMemory

log = logging.getLogger(__name__)

_SEARCHES = 4
_SEARCH_SECONDS = 60.0
#: How far back a request is searched for where Airflow does not say when the run began.
_LOOK_BACK = timedelta(days=7)


def moved_record(song: SongAttempt, memory: TaskMemory) -> SongAttempt | None:
    """Return the song with the record that an earlier try wrote elsewhere, if there is one to be seen; blocks."""
    url = memory.recall().get("record_url")
    if not isinstance(url, str) or url == song.folders.record_url:
        return None
    moved = song.with_record(url)
    try:
        there = moved.record.latest() is not None
    except MusicError as exc:
        log.warning("The record of an earlier try, %s, cannot be read: %s", url, exc)
        return None
    if there:
        log.info("The record of an earlier try lies in %s, and is used on", url)
    return moved if there else None


def remembered_take(song: SongAttempt, memory: TaskMemory) -> Take | None:
    """Return the take whose id Airflow remembers, written into this try's record; blocks."""
    known = memory.recall()
    if not known.get("facts") or not isinstance(known.get("n"), int):
        return None
    log.info("No record of an earlier try in %s; Airflow remembers its take %d", song.folders.record_url, known["n"])
    return song.record.adopt(known["n"], known["facts"])


def searched_takes(conn_id: str, songs: Sequence[SongAttempt]) -> list[Take | None]:
    """Search the usage log for songs that have no record, and return what it says of each; blocks.

    Where the log does not answer, each is as good as lost: whether it may be submitted is for ``on_unknown``.
    """
    log.info("No record of an earlier try in %s; searching the usage log", songs[0].folders.record_url)
    try:
        found = run_sync(_found(conn_id, songs, _since(songs[0])))
    except AuthenticationError:
        # The key's own error, which says what to mend; nothing was sent with such a key.
        raise
    except (ApiError, ApiUnreachableError) as exc:
        return [song.record.adopt(1, _unknowable(song, exc)) for song in songs]
    return [_adopted(song, found.get(song.attempt.identity.key)) for song in songs]


def searched_again(conn_id: str, songs: Sequence[SongAttempt], takes: Sequence[Take | None]) -> list[Take | None]:
    """Look once more for the answers that earlier tries gave up; blocks. A log that is silent changes nothing."""
    lost = {
        song.attempt.identity.key: index
        for index, (song, take) in enumerate(zip(songs, takes, strict=True))
        if take is not None and take.state == "unknown" and not is_of_try(take["unknown"], song.attempt.metadata)
    }
    now = list(takes)
    if not lost:
        return now
    log.info("The answer to %d earlier requests is lost; looking at the usage log once more", len(lost))
    try:
        found = run_sync(_found(conn_id, [songs[index] for index in lost.values()], _oldest(now, lost.values())))
    except (ApiError, ApiUnreachableError) as exc:
        log.warning("The usage log does not answer: %s", exc)
        return now
    for key, earlier in found.items():
        song, take = songs[lost[key]], now[lost[key]]
        said = fact_of_row(earlier.row, song.request.lane)
        if take is not None and earlier.n > take.n:
            # The record never had the newest request; its disk was another one.
            now[lost[key]] = _adopted(song, earlier)
        elif take is not None and said is not None and earlier.n == take.n:
            log.info("The usage log has it now: take %d is %s", take.n, said[0])
            now[lost[key]] = song.record.write(take, said[0], **song.attempt.metadata, **said[1])
    return now


def newest_takes(conn_id: str, songs: Sequence[SongAttempt], takes: Sequence[Take | None]) -> list[Take | None]:
    """Return the takes to decide on: the records' newest, or newer ones that tries in between paid elsewhere; blocks.

    A record is stale where the try before this one wrote nothing in it: it may have seen an empty one on another disk.
    Where the log does not answer, such a song is as good as lost.
    """
    stale = {
        song.attempt.identity.key: (index, song, take)
        for index, (song, take) in enumerate(zip(songs, takes, strict=True))
        if take is not None and _may_be_stale(song, take)
    }
    now = list(takes)
    if not stale:
        return now
    log.info("The try before this one left nothing in the records of %d songs; searching the usage log", len(stale))
    try:
        found = run_sync(_found(conn_id, [song for _, song, _ in stale.values()], _since(songs[0])))
    except AuthenticationError:
        raise
    except (ApiError, ApiUnreachableError) as exc:
        for index, song, take in stale.values():
            now[index] = song.record.adopt(take.n + 1, _unknowable(song, exc, take.n + 1))
        return now
    for key, (index, song, take) in stale.items():
        now[index] = _newer(song, take, found.get(key))
    return now


def _may_be_stale(song: SongAttempt, take: Take) -> bool:
    leads_to_the_next = take.state in ("failed", "delivered") or take.may_be_unsent
    missed = take.last_touched_by < song.attempt.try_number - 1
    return leads_to_the_next and missed and song.decide(take).step in ("submit", "reconcile")


def _newer(song: SongAttempt, take: Take, earlier: EarlierRequest | None) -> Take | None:
    """Return the take after the record's newest that the log's row is of, or the record's where it is its own row."""
    own = song.record.read(earlier.n) if earlier is not None else None
    if earlier is None or (own and own["intent"].get("client_request_id") == earlier.row.client_request_id):
        return take
    return _adopted(song, replace(earlier, n=max(earlier.n, take.n + 1)))


async def _found(conn_id: str, songs: Sequence[SongAttempt], since: datetime) -> dict[str, EarlierRequest]:
    client = await client_of(conn_id)
    keys = [song.attempt.identity.key for song in songs]
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(
            lambda exc: isinstance(exc, ApiError | ApiUnreachableError) and not isinstance(exc, AuthenticationError)
        ),
        stop=tenacity.stop_after_attempt(_SEARCHES) | tenacity.stop_after_delay(_SEARCH_SECONDS),
        wait=lambda state: backoff(state.attempt_number),
        sleep=lambda seconds: runtime.sleep(seconds),  # noqa: PLW0108 - looked up at each call, as tests replace it
        before_sleep=tenacity.before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    return await retrying(find_earlier, client, keys, since)


def _since(song: SongAttempt) -> datetime:
    """Return from when on earlier tries of this run can have submitted: a run that was cleared began before."""
    attempt = song.attempt
    if attempt.run_started_at and attempt.clear_number == 0:
        return datetime.fromisoformat(attempt.run_started_at)
    return datetime.now(UTC) - _LOOK_BACK


def _oldest(takes: Sequence[Take | None], indexes: Iterable[int]) -> datetime:
    written = (datetime.fromisoformat(str(take["intent"]["written_at"])) for i in indexes if (take := takes[i]))
    return min(written)


def _adopted(song: SongAttempt, earlier: EarlierRequest | None) -> Take | None:
    """Write down what the log says of a song's newest request; None where it has none."""
    if earlier is None:
        return None
    row = earlier.row
    facts: dict[Fact, Mapping[str, Any]] = {"intent": _intent(song, earlier)}
    said = fact_of_row(row, song.request.lane)
    if said is not None:
        facts[said[0]] = _fact(song, earlier.n, said[0], **said[1])
    elif song.request.lane == "synchronous":
        reason = "the record of an earlier try is gone, and the usage log says that its request succeeded"
        billed = {"billed": True, "usd_spent": row.usd, "credits_used": row.credits}
        facts["unknown"] = _fact(song, earlier.n, "unknown", reason=reason, **billed)
    log.info("The usage log has request %s of an earlier try: %s", row.client_request_id, row.status)
    return song.record.adopt(earlier.n, facts)


def _unknowable(song: SongAttempt, exc: Exception, n: int = 1) -> dict[Fact, Mapping[str, Any]]:
    """Make the facts of a request that an earlier try may have made, and nobody can say."""
    reason = (
        f"no record of an earlier try is in {song.folders.record_url}, and the usage log does not answer ({exc}). "
        "Three ways out: bring that folder back (a mount, a former output_dir) and clear the task; or, where the log "
        "shows an inference_id under such a request id, wait for it with the sensor; or clear the task as it is"
    )
    unknown = _fact(song, n, "unknown", reason=reason, billed=None)
    # From when on a later try has to search for it: the request may be much older than this fact.
    written = {"written_at": _since(song).isoformat(), "client_request_id": f"{_prefix(song)}*"}
    intent = _fact(song, n, "intent", **_request_of(song, n), **written)
    return {"intent": intent, "unknown": unknown}


def _intent(song: SongAttempt, earlier: EarlierRequest) -> dict[str, Any]:
    same = song.fingerprint.startswith(earlier.fingerprint)
    values = {
        **_request_of(song, earlier.n),
        "fingerprint": song.fingerprint if same else earlier.fingerprint,
        "client_request_id": earlier.row.client_request_id,
        "written_at": _moment(earlier.row.created),
        "source": "usage log",
    }
    return _fact(song, earlier.n, "intent", **values)


def _request_of(song: SongAttempt, n: int) -> dict[str, Any]:
    request = song.request
    return {
        "identity": song.attempt.identity.key,
        "audio_url": f"{song.folders.audio_url}/take-{n}",
        "model": request.body.get("model"),
        "lane": request.lane,
        "conn_id": song.conn_id,
        "fingerprint": song.fingerprint,
        "audio_format": request.audio_format,
        "sample_rate_hz": request.sample_rate_hz,
        **({"name": request.name} if request.name else {}),
        "disclosure": song.disclosure,
    }


def _fact(song: SongAttempt, n: int, fact: Fact, **values: Any) -> dict[str, Any]:
    return fact_body(fact, n, {**song.attempt.metadata, **values})


def _prefix(song: SongAttempt) -> str:
    return request_id_prefix(song.attempt.identity.key)


def _moment(created: str | None) -> str:
    try:
        found = datetime.fromisoformat(str(created))
    except ValueError:
        return datetime.now(UTC).isoformat()
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
