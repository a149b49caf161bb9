# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The account of a key: its balance (``/v2/billing``) and its log of requests (``/v2/logs``)."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_music.sandbox.models import catalogue_id
from airflow_provider_music.sandbox.responses import MESSAGES, ApiError, json_response, settings_of, timestamp
from airflow_provider_music.sandbox.settings import CREDITS_PER_USD

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

_TAG_LENGTH = 12
_WINDOW_SECONDS = 60.0
_SECONDS = {"h": 3600.0, "d": 86_400.0}
_WINDOW_DAYS = 92
_MAX_LIMIT, _DEFAULT_LIMIT = 100, 20


def key_tag(key: str) -> str:
    """Return a short hash that stands for a key where the key must not be seen."""
    return hashlib.sha256(key.encode()).hexdigest()[:_TAG_LENGTH]


@dataclass
class Account:
    """A key's money, in credits.

    :param granted: what it started with.
    :param held: price of the running generations.
    :param spent: price of the completed ones.
    """

    tag: str
    granted: int
    held: int = 0
    spent: int = 0
    log_requests: deque[float] = field(default_factory=deque, repr=False)

    @property
    def left(self) -> int:
        """Credits that a new song may cost."""
        return self.granted - self.spent - self.held

    def public(self) -> dict[str, Any]:
        """Return what the control endpoint says of it."""
        return {
            "spent_credits": self.spent,
            "spent_usd": self.spent / CREDITS_PER_USD,
            "held_credits": self.held,
            "left_credits": self.left,
        }

    def may_read_log(self, per_minute: int) -> bool:
        """Count a request for the log; return whether it is within the limit."""
        now = time.monotonic()
        while self.log_requests and self.log_requests[0] <= now - _WINDOW_SECONDS:
            self.log_requests.popleft()
        self.log_requests.append(now)
        return len(self.log_requests) <= per_minute


@dataclass(frozen=True)
class LogRow:
    """One request in the log.

    :param created: Unix time of the request.
    :param visible: Unix time from which the log shows it.
    :param key: tag of the request's key; None is shown to every key.
    """

    created: float
    visible: float
    key: str | None
    model: str
    failed: bool
    credits: int
    inference_id: str
    client_request_id: str | None

    @property
    def status(self) -> str:
        """The row's status, in the log's own words."""
        return "failed" if self.failed else "succeeded"

    def public(self) -> dict[str, Any]:
        """Return the row as ``/v2/logs`` has it."""
        return {
            "created": timestamp(self.created),
            "status": self.status,
            "origin": "api",
            "model": self.model,
            "cost": {"usd": self.credits / CREDITS_PER_USD, "credits": self.credits},
            "tokens": {"input": 0, "output": 0, "total": 0},
            "request_id": None,
            "inference_id": self.inference_id,
            "client_request_id": self.client_request_id,
        }


class Ledger:
    """Accounts by key tag, and the log."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.rows: list[LogRow] = []

    def clear(self) -> None:
        """Forget all accounts and the log."""
        self.accounts.clear()
        self.rows.clear()

    def account(self, key: str, balance_usd: float) -> Account:
        """Return the key's account; a new key starts with this balance."""
        tag = key_tag(key)
        if tag not in self.accounts:
            self.accounts[tag] = Account(tag, round(balance_usd * CREDITS_PER_USD))
        return self.accounts[tag]

    def set_balance(self, usd: float) -> None:
        """Give every key this much from now on, whatever it has spent."""
        for account in self.accounts.values():
            account.granted = round(usd * CREDITS_PER_USD) + account.spent + account.held

    def visible_rows(self, account: Account) -> list[LogRow]:
        """Return the rows that this key sees now, newest first."""
        now = time.time()
        rows = [row for row in self.rows if row.visible <= now and row.key in {None, account.tag}]
        return sorted(rows, key=lambda row: row.created, reverse=True)


def _ledger_of(request: Request) -> Ledger:
    return cast("Ledger", request.app.state.ledger)


def _bearer_key(request: Request) -> str:
    """Return the request's API key, if it is a valid one.

    :raises ApiError: 401.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise ApiError(401, "You provided an empty string instead of valid API key. " + MESSAGES[401])
    keys = settings_of(request).keys
    if keys and key not in keys:
        raise ApiError(401)
    return key


def account_of(request: Request) -> Account:
    """Return the account of the request's key.

    :raises ApiError: 401.
    """
    return _ledger_of(request).account(_bearer_key(request), settings_of(request).balance)


async def billing(request: Request) -> Response:
    """``GET /v2/billing``: what is left, in USD. Running generations are not charged yet."""
    account = account_of(request)
    left = (account.granted - account.spent) / CREDITS_PER_USD
    return json_response(request, {"current_balance": left, "currency": "USD"})


async def logs(request: Request) -> Response:
    """``GET /v2/logs``: one row per request of this key, newest first."""
    account = account_of(request)
    if not account.may_read_log(settings_of(request).logs_per_minute):
        raise ApiError(429)
    query = request.query_params
    start, end = _period(query)
    limit = _whole(query, "limit", _DEFAULT_LIMIT, 1, _MAX_LIMIT)
    offset = _whole(query, "offset", 0, 0, 10**9)
    wanted, states = query.getlist("model"), query.getlist("status")
    rows = [
        row
        for row in _ledger_of(request).visible_rows(account)
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
    return json_response(request, {"data": [row.public() for row in page], "pagination": pagination})


def _is_model(row: LogRow, wanted: list[str]) -> bool:
    own = {row.model, row.model.rpartition("/")[2]}
    return any(name in own or catalogue_id(name) == row.model for name in wanted)


def _whole(query: QueryParams, name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        message = f"Expected a whole number from {least} to {most}, received {text[:40]!r}"
        raise ApiError(400, details=[{"path": name, "message": message}])
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
        raise ApiError(400, details=[{"path": "period", "message": message}]) from None
    if end < start or end - start > _WINDOW_DAYS * 86_400:
        raise ApiError(400, details=[{"path": "period", "message": f"Expected at most {_WINDOW_DAYS} days"}])
    return start, end


def _unix(text: str) -> float:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
