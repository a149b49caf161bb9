# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The controls, ``/_sandbox/...``: look at the state, arm faults, change settings.

They answer on loopback only, need no key, and never say one.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_music.sandbox.catalogue import card_of
from airflow_provider_music.sandbox.faults import FaultSpecError, parse
from airflow_provider_music.sandbox.ledger import LogRow
from airflow_provider_music.sandbox.replies import world_of
from airflow_provider_music.sandbox.routes import CONTROL_PATH
from airflow_provider_music.sandbox.world import Withdrawal, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

_MAX_ROWS = 100_000


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback_only(
    handler: Callable[[World, dict[str, Any]], dict[str, Any]],
) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of a function from the state and a JSON object to a JSON object."""

    async def endpoint(request: Request) -> Response:
        if not _is_loopback(request.client.host if request.client else ""):
            return JSONResponse({"error": "the controls answer on loopback only"}, 403)
        try:
            body = dict(json.loads(await request.body() or b"{}"))
            return JSONResponse(handler(world_of(request), body))
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


def state(world: World, _body: dict[str, Any]) -> dict[str, Any]:
    """Say what came in and what became of it."""
    return world.public_state()


def add_faults(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Arm faults: ``{"faults": ["submit:cut-after", ...]}``; all, or none if one cannot be read."""
    specs = body.get("faults")
    if not isinstance(specs, list) or not all(isinstance(spec, str) for spec in specs):
        raise FaultSpecError('expected {"faults": ["ROUTE:KIND...", ...]}')
    for spec in specs:
        parse(spec)
    for spec in specs:
        world.faults.add(spec)
    return {"faults": [fault.spec for fault in world.faults.faults]}


def clear_faults(world: World, _body: dict[str, Any]) -> dict[str, Any]:
    """Disarm all faults."""
    world.faults.clear()
    return {"faults": []}


def change_settings(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Change settings; ``withdraw`` and ``restore`` name a model, ``replaced_by`` goes with ``withdraw``."""
    changes = dict(body)
    withdraw, restore = changes.pop("withdraw", None), changes.pop("restore", None)
    replaced_by = changes.pop("replaced_by", None)
    for name in (withdraw, restore, replaced_by):
        if name is not None and not isinstance(name, str):
            raise TypeError("withdraw, restore and replaced_by are names of models")
    world.settings.update(changes)
    if "balance" in changes:
        world.ledger.set_balance(changes["balance"])
    if restore is not None:
        world.withdrawn.pop(card_of(restore).name, None)
    if withdraw is not None:
        name = card_of(withdraw).name
        world.withdrawn[name] = Withdrawal(name, replaced_by, time.strftime("%Y-%m-%d"))
    return {"withdrawn": sorted(world.withdrawn)}


def add_rows(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Fill the log with rows of other songs, which every key sees: ``{"count": 250}``."""
    count = body.get("count", 1)
    if not isinstance(count, int) or not 0 <= count <= _MAX_ROWS:
        raise ValueError(f"count is a whole number up to {_MAX_ROWS}")
    now = time.time()
    for _ in range(count):
        inference_id = secrets.token_urlsafe(16)[:21]
        row = LogRow(now, now, None, "minimax/music-2.6", False, 390_000, inference_id, None)  # noqa: FBT003
        world.ledger.rows.append(row)
    return {"rows": len(world.ledger.rows)}


def reset(world: World, _body: dict[str, Any]) -> dict[str, Any]:
    """Forget everything but the settings."""
    world.reset()
    return {}


ROUTES = [
    Route(f"{CONTROL_PATH}/{path}", _loopback_only(handler), methods=[method])
    for method, path, handler in (
        ("GET", "state", state),
        ("POST", "faults", add_faults),
        ("DELETE", "faults", clear_faults),
        ("POST", "settings", change_settings),
        ("POST", "rows", add_rows),
        ("POST", "reset", reset),
    )
]
