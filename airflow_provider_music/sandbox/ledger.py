# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A bill per key, and the log of requests (``/v2/logs``)."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_music.sandbox.settings import CREDITS_PER_USD

_TAG_LENGTH = 12
_WINDOW_SECONDS = 60.0


def key_tag(key: str) -> str:
    """Return a short hash that stands for a key where the key must not be seen."""
    return hashlib.sha256(key.encode()).hexdigest()[:_TAG_LENGTH]


def timestamp(when: float) -> str:
    """Return a Unix time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Account:
    """A key's money, in credits.

    :param granted: what it started with.
    :param held: price of the songs in the making.
    :param spent: price of the songs that are done.
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
    :param key: tag of the key that asked; None is shown to every key.
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
