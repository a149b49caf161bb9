# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is free: balance, the log of requests, the list of models and of withdrawn ones."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from airflow_provider_music.sandbox.catalogue import card_of, names
from airflow_provider_music.sandbox.ledger import LogRow, timestamp
from airflow_provider_music.sandbox.replies import Refusal, account_of, answer, world_of
from airflow_provider_music.sandbox.settings import CREDITS_PER_USD

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from airflow_provider_music.sandbox.world import World

_SECONDS = {"h": 3600.0, "d": 86_400.0}
_WINDOW_DAYS = 92
_MAX_LIMIT, _DEFAULT_LIMIT = 100, 20


async def billing(request: Request) -> Response:
    """``GET /v2/billing``: what is left, in USD. Songs in the making are not charged yet."""
    account = account_of(request)
    left = (account.granted - account.spent) / CREDITS_PER_USD
    return answer(request, {"current_balance": left, "currency": "USD"})


async def logs(request: Request) -> Response:
    """``GET /v2/logs``: one row per request of this key, newest first."""
    account, world = account_of(request), world_of(request)
    if not account.may_read_log(world.settings.logs_per_minute):
        raise Refusal(429)
    query = request.query_params
    start, end = _period(query)
    limit = _whole(query, "limit", _DEFAULT_LIMIT, 1, _MAX_LIMIT)
    offset = _whole(query, "offset", 0, 0, 10**9)
    wanted, states = query.getlist("model"), query.getlist("status")
    rows = [
        row
        for row in world.ledger.visible_rows(account)
        if start <= row.created <= end
        and (not wanted or _is_model(row, wanted))
        and (not states or row.status in states)
    ]
    page = rows[offset : offset + limit]
    pagination = {
        "limit": limit,
        "offset": offset,
        "total": len(rows),
        "has_more": offset + len(page) < len(rows),
    }
    return answer(request, {"data": [row.public() for row in page], "pagination": pagination})


def _is_model(row: LogRow, wanted: list[str]) -> bool:
    own = {row.model, row.model.rpartition("/")[2]}
    return any(name in own or card_of(name).name == row.model for name in wanted)


def _whole(query: QueryParams, name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        message = f"Expected a whole number from {least} to {most}, received {text[:40]!r}"
        raise Refusal(400, details=[{"path": name, "message": message}])
    return int(text)


def _period(query: QueryParams) -> tuple[float, float]:
    now = time.time()
    try:
        if "period" in query:
            text = query["period"]
            seconds = int(text[:-1]) * _SECONDS[text[-1]]
            start, end = now - seconds, now
        elif "start" in query and "end" in query:
            start, end = (_unix(query[name]) for name in ("start", "end"))
        else:
            start, end = now - 86_400, now
    except (KeyError, ValueError, IndexError, OverflowError):
        message = "Expected 24h, 7d, or start and end"
        raise Refusal(400, details=[{"path": "period", "message": message}]) from None
    if end < start or end - start > _WINDOW_DAYS * 86_400:
        raise Refusal(400, details=[{"path": "period", "message": f"Expected at most {_WINDOW_DAYS} days"}])
    return start, end


def _unix(text: str) -> float:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


async def models(request: Request) -> Response:
    """``GET /v1/models``: what is served; ``id`` picks one (or an alias), ``include=pricing`` adds prices."""
    world, wanted = world_of(request), request.query_params.getlist("id")
    priced = "pricing" in ",".join(request.query_params.getlist("include"))
    data = []
    for name, aliases in names():
        if name in world.withdrawn or (wanted and not {name, *aliases} & set(wanted)):
            continue
        row: dict[str, Any] = {"id": name, "aliases": list(aliases), "type": "audio", "info": {"name": name}}
        if priced:
            block = world.settings.pricing.get(name, _fixed(card_of(name).usd))
            row |= {"pricing": block} if block is not None else {}
        data.append(row)
    return answer(request, {"object": "list", "data": data})


def _fixed(usd: float) -> dict[str, Any]:
    # The documents show this form with tokens, and with seconds; how a whole song is called there is not known.
    unit = {"name": "generation", "measure": "output", "price": usd, "per": 1}
    return {"kind": "fixed", "currency": "USD", "units": [unit]}


async def deprecations(request: Request) -> Response:
    """``GET /v1/models/deprecations``: what is withdrawn, and what replaces it. No key; has an ETag."""
    data = _withdrawn(world_of(request), request.query_params.getlist("status"))
    digest = hashlib.sha1(json.dumps(data).encode(), usedforsecurity=False).digest()
    tag = f'W/"{base64.urlsafe_b64encode(digest).decode().rstrip("=")}"'
    headers = {"etag": tag, "cache-control": "public, max-age=300"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return JSONResponse({"object": "list", "generated_at": timestamp(time.time()), "data": data}, headers=headers)


def _withdrawn(world: World, states: list[str]) -> list[dict[str, Any]]:
    known = {"deprecated", "superseded", "withdrawn"}
    wanted = {state.lower() for text in states for state in text.split(",")} & known
    if wanted and "withdrawn" not in wanted:
        return []
    aliases = dict(names())
    return [
        {
            "id": each.model,
            "aliases": list(aliases.get(each.model, ())),
            "status": "withdrawn",
            "deprecated_at": each.date,
            "shutdown_at": each.date,
            "replaced_by": each.replaced_by,
            "reason": "provider_delisted",
        }
        for each in world.withdrawn.values()
    ]
