# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What became of the requests that a budget holds reservations for, whose processes have not said so.

The song's record decides, where it is to be seen; then the API's usage log. An amount is given back only where its
request was never sent, failed, or is in no row long after any response could come. A log that does not answer says
nothing: the amount stays reserved.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_music.cost.pricing import usd_of
from airflow_provider_music.exceptions import ApiError, ApiUnreachableError, MusicError
from airflow_provider_music.generation.usage_log import MAX_PAGES, Reach, log_pages, n_of_request, request_id_prefix
from airflow_provider_music.record import lease
from airflow_provider_music.record.lease import LeaseWatch
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.threads import connect_store, in_thread

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_provider_music.api.client import MusicClient
    from airflow_provider_music.api.endpoints import LogRow
    from airflow_provider_music.cost.ledger import Ledger
    from airflow_provider_music.record.take import Fact, Take

log = logging.getLogger(__name__)

#: A reservation is used within seconds. One that is not used by then is taken back; its process, should it live, finds
#: that out before it sends, and reserves anew.
UNUSED_SECONDS = 60.0
#: After the longest generation_timeout (two hours) no response can come, and its row is in the log, if there is one.
NO_ROW_SECONDS = 3 * 3600.0
#: Facts that may hold what a take cost, best first.
_COST_FACTS: tuple[Fact, ...] = ("completed", "unknown", "accepted")
#: As :attr:`airflow_provider_music.record.identity.TaskAttempt.metadata` has them.
_ATTEMPT = ("task", "try_number", "max_tries", "run_started_at", "clear_number", "attempt_id")


@dataclass(frozen=True, slots=True)
class _Open:
    """A reservation that nobody has settled."""

    number: int
    entry: Mapping[str, Any]
    take: Take | None

    @property
    def age(self) -> float:
        written = datetime.fromisoformat(str(self.entry["written_at"]))
        return (datetime.now(UTC) - written).total_seconds()

    @property
    def request(self) -> tuple[str, int]:
        """The key of its song, and its take."""
        key, _, n = str(self.entry["item"]).rpartition("-")
        return key, int(n)


def cost_of(take: Take) -> Decimal | None:
    """Return what a take is known to have cost, None where nobody says."""
    if take.billing == "not_billed":
        return Decimal()
    found = (usd_of(fact.get("usage") or fact) for name in _COST_FACTS if (fact := take.facts.get(name, {})))
    return next((usd for usd in found if usd is not None), None)


async def settle_open(ledger: Ledger, client: MusicClient, own_key: str | None) -> bool:
    """Settle what others left behind; True where anything was.

    :param own_key: of the song that room is needed for; its earlier takes are looked at whatever their age.
    :raises OutputError: the ledger cannot be read or written.
    """
    state = await in_thread(ledger.state)
    settled = 0
    unsaid: list[_Open] = []
    unsent: list[_Open] = []
    for number in state.promised:
        found = _Open(number, await in_thread(ledger.entry, number), None)
        is_own = found.request[0] == own_key
        if found.age < UNUSED_SECONDS and not is_own:
            continue
        if await _is_unused(ledger, found, is_used=number in state.used):
            settled += await _settle(ledger, found, Decimal(), "its request was never sent")
            continue
        found = _Open(number, found.entry, await _take_of(found))
        usd = cost_of(found.take) if found.take is not None else None
        if usd is not None and found.take is not None:
            settled += await _settle(ledger, found, usd, f"by its record: {found.take.state}")
        elif found.age >= UNUSED_SECONDS:
            (unsent if found.take is not None and found.take.may_be_unsent else unsaid).append(found)
    for found in await _without_writer(unsent):
        if found.take is not None and await in_thread(give_up, str(found.entry["record_url"]), found.take):
            settled += await _settle(ledger, found, Decimal(), "its process ended before it sent the request")
    mine = [one for one in unsaid if one.entry.get("account") == client.settings.account]
    return bool(settled + (await _settle_by_log(ledger, client, mine) if mine else 0))


async def _is_unused(ledger: Ledger, found: _Open, *, is_used: bool) -> bool:
    """Whether its request was never sent, and never will be."""
    if is_used:
        return await in_thread(ledger.is_abandoned, found.number)
    if found.age < UNUSED_SECONDS:
        return False
    return await in_thread(lambda: ledger.use(found.number, abandoned=True))


def give_up(record_url: str, take: Take) -> bool:
    """Say in the record of a claimed request that it never left; False where its process was first to send it. Blocks.

    :param take: whose process is gone.
    """
    if take.never_sent:
        return True
    attempt = {name: take["intent"].get(name) for name in _ATTEMPT}
    try:
        return SongRecord(record_url).write_first(take, "sent", **attempt, abandoned=True) is not None
    except MusicError as exc:
        log.warning("Take %d of %s is not given up: %s", take.n, record_url, exc)
        return False


async def _take_of(found: _Open) -> Take | None:
    url = str(found.entry["record_url"])
    try:
        await connect_store(url)
        return await in_thread(SongRecord(url).read, int(found.entry["n"]))
    except MusicError as exc:
        log.warning("The record of a reservation, %s, cannot be read here: %s", url, exc)
        return None


async def _settle_by_log(ledger: Ledger, client: MusicClient, unsaid: Sequence[_Open]) -> int:
    try:
        requests = {found.request for found in unsaid}
        rows = await logged_requests(client, requests, max(found.age for found in unsaid))
    except (ApiError, ApiUnreachableError) as exc:
        log.warning("The usage log does not answer, so %d amounts stay reserved: %s", len(unsaid), exc)
        return 0
    settled = 0
    silent = []
    for found in unsaid:
        row = rows.get(found.request)
        if row is None:
            silent += [found] if found.age >= NO_ROW_SECONDS else []
        elif row.failed:
            settled += await _settle(ledger, found, Decimal(), "the usage log says that it failed")
        elif row.status == "succeeded":
            usd = usd_of({"usd_spent": row.usd, "credits_used": row.credits})
            known = usd if usd is not None else Decimal(str(found.entry["usd"]))
            settled += await _settle(ledger, found, known, "by the usage log")
    for found in await _without_writer(silent):
        settled += await _settle(ledger, found, Decimal(), "no row in the usage log, long after it was reserved")
    return settled


async def logged_requests(
    client: MusicClient, requests: Collection[tuple[str, int]], age: float
) -> dict[tuple[str, int], LogRow]:
    """Return the rows of requests in the usage log.

    :param requests: each by the key of its song, and its take.
    :param age: of the oldest of them, in seconds.
    :raises ApiError: the log says no.
    :raises ApiUnreachableError: it does not answer, or has more rows since then than are read.
    """
    wanted = {(request_id_prefix(key), n): (key, n) for key, n in requests}
    rows: dict[tuple[str, int], LogRow] = {}
    reach = Reach(datetime.now(UTC) - timedelta(seconds=age))
    async for page in log_pages(client, reach, MAX_PAGES, to_the_end=True):
        for row in page:
            named = n_of_request(row.client_request_id or "")
            if named in wanted:
                rows.setdefault(wanted[named], row)
    return rows


async def _without_writer(silent: Sequence[_Open]) -> list[_Open]:
    """Return those whose POST nobody holds open."""
    watches = [(found, LeaseWatch(found.take.folder) if found.take is not None else None) for found in silent]
    alive = [watch for _, watch in watches if watch is not None and await in_thread(watch.writer_lives)]
    if alive:
        # On another machine a lease counts as held until it was seen not to change for so long.
        await asyncio.sleep(lease.SILENCE_SECONDS * 1.1)
    return [found for found, watch in watches if watch is None or not await in_thread(watch.writer_lives)]


async def _settle(ledger: Ledger, found: _Open, usd: Decimal, why: str) -> int:
    log.info("Settled %s: %s USD reserved, %s spent, %s", found.entry["item"], found.entry["usd"], usd, why)
    return await in_thread(ledger.settle, found.number, usd, why)
