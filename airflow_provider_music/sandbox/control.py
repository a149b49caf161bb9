# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The control endpoints, ``/_sandbox/...``: read the state, arm faults, change settings.

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

from airflow_provider_music.sandbox.account import LogRow
from airflow_provider_music.sandbox.faults import FaultSpecError, parse
from airflow_provider_music.sandbox.settings import CONTROL_PATH
from airflow_provider_music.sandbox.state import state_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from airflow_provider_music.sandbox.state import State

_MAX_ROWS = 100_000


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback_only(
    handler: Callable[[State, dict[str, Any]], dict[str, Any]],
) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of a function from the state and a JSON object to a JSON object."""

    async def endpoint(request: Request) -> Response:
        if not _is_loopback(request.client.host if request.client else ""):
            return JSONResponse({"error": "the controls answer on loopback only"}, 403)
        try:
            body = dict(json.loads(await request.body() or b"{}"))
            return JSONResponse(handler(state_of(request), body))
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


def show_state(state: State, _body: dict[str, Any]) -> dict[str, Any]:
    """Return what came in and what became of it."""
    return state.public_state()


def add_faults(state: State, body: dict[str, Any]) -> dict[str, Any]:
    """Arm faults: ``{"faults": ["submit:cut-after", ...]}``; all, or none if one cannot be read."""
    specs = body.get("faults")
    if not isinstance(specs, list) or not all(isinstance(spec, str) for spec in specs):
        raise FaultSpecError('expected {"faults": ["ROUTE:KIND...", ...]}')
    for spec in specs:
        parse(spec)
    for spec in specs:
        state.faults.add(spec)
    return {"faults": [fault.spec for fault in state.faults.faults]}


def clear_faults(state: State, _body: dict[str, Any]) -> dict[str, Any]:
    """Disarm all faults."""
    state.faults.clear()
    return {"faults": []}


def change_settings(state: State, body: dict[str, Any]) -> dict[str, Any]:
    """Change settings; ``withdraw`` and ``restore`` name a model, ``replaced_by`` goes with ``withdraw``."""
    changes = dict(body)
    withdraw, restore = changes.pop("withdraw", None), changes.pop("restore", None)
    replaced_by = changes.pop("replaced_by", None)
    for name in (withdraw, restore, replaced_by):
        if name is not None and not isinstance(name, str):
            raise TypeError("withdraw, restore and replaced_by are names of models")
    state.settings.update(changes)
    if "balance" in changes:
        state.ledger.set_balance(changes["balance"])
    if restore is not None:
        state.models.restore(restore)
    if withdraw is not None:
        state.models.withdraw(withdraw, replaced_by)
    return {"withdrawn": sorted(state.models.withdrawn)}


def add_rows(state: State, body: dict[str, Any]) -> dict[str, Any]:
    """Fill the log with rows of other songs, which every key sees: ``{"count": 250}``."""
    count = body.get("count", 1)
    if not isinstance(count, int) or not 0 <= count <= _MAX_ROWS:
        raise ValueError(f"count is a whole number up to {_MAX_ROWS}")
    now = time.time()
    for _ in range(count):
        inference_id = secrets.token_urlsafe(16)[:21]
        row = LogRow(now, now, None, "minimax/music-2.6", False, 390_000, inference_id, None)  # noqa: FBT003
        state.ledger.rows.append(row)
    return {"rows": len(state.ledger.rows)}


def finish(state: State, _body: dict[str, Any]) -> dict[str, Any]:
    """Let every song that is being made be done now."""
    state.finish()
    return {}


def reset(state: State, _body: dict[str, Any]) -> dict[str, Any]:
    """Forget everything but the settings."""
    state.reset()
    return {}


ROUTES = [
    Route(f"{CONTROL_PATH}/{path}", _loopback_only(handler), methods=[method])
    for method, path, handler in (
        ("GET", "state", show_state),
        ("POST", "faults", add_faults),
        ("DELETE", "faults", clear_faults),
        ("POST", "settings", change_settings),
        ("POST", "rows", add_rows),
        ("POST", "finish", finish),
        ("POST", "reset", reset),
    )
]
