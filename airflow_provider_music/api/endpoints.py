# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The API's calls as values: what is sent, and how the response is read. Clients only carry them.

Source: aimlapi/api-docs and the live OpenAPI of api.aimlapi.com.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_music.api.bounded_body import json_of, quoted
from airflow_provider_music.api.parsing import id_or_none, number_or_none, text_or_none
from airflow_provider_music.api.responses import Generation, check, check_free, date_of, generation_of
from airflow_provider_music.exceptions import ModelUnavailableError, UnknownGenerationError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airflow_provider_music.api.bounded_body import AnyResponse

T = TypeVar("T")

UPLOAD_PATH = "/v2/generate/audio/minimax/upload"
SYNCHRONOUS_PATH = "/v2/generate/audio/minimax/generate"
QUEUED_PATH = "/v2/generate/audio"
#: Correlates a request with its row in the usage log. It is no idempotency key: sent twice, it bills twice.
CLIENT_REQUEST_ID = "X-Client-Request-Id"
LOG_PAGE = 100


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request and the reader of its response; ``what`` names it in messages."""

    what: str
    method: str
    path: str
    read: Callable[[AnyResponse, str], T]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balance:
    """The account's balance, in ``currency`` (USD)."""

    amount: float | None
    currency: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Ids of an uploaded reference track; the upload's purpose decides which of them there are."""

    voice_id: str | None
    instrumental_id: str | None
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of the usage log. A failed request is billed nothing."""

    status: str
    client_request_id: str | None
    inference_id: str | None
    usd: float | None
    credits: int | None
    created: str | None
    model: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the API says that the request failed."""
        return self.status in ("failed", "error")


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of the usage log, newest first.

    :param at: the API's own time, from its ``Date``: that of its rows.
    """

    rows: tuple[LogRow, ...]
    has_more: bool
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A model that is withdrawn or will be."""

    names: tuple[str, ...]
    status: str
    replaced_by: str | None
    reason: str | None


def billing() -> Call[Balance]:
    """Read the balance: free, and proves the key."""
    return Call("GET /v2/billing", "GET", "/v2/billing", _balance)


def upload(file: Any, filename: str, content_type: str, purpose: str) -> Call[Upload]:
    """Send a reference track as multipart; the file is read in pieces."""
    return Call(
        f"POST {UPLOAD_PATH} of {filename}",
        "POST",
        UPLOAD_PATH,
        _upload,
        {"files": {"file": (filename, file, content_type)}, "data": {"purpose": purpose}},
    )


def submit(body: Mapping[str, Any], client_request_id: str) -> Call[Generation]:
    """Submit a generation of the queued lane. Paid."""
    return Call(
        f"POST {QUEUED_PATH} for {body.get('model')}",
        "POST",
        QUEUED_PATH,
        _submitted,
        {"json": dict(body), "headers": {CLIENT_REQUEST_ID: client_request_id}},
    )


def poll(generation_id: str) -> Call[Generation]:
    """Poll a generation of the queued lane."""

    def read(response: AnyResponse, what: str) -> Generation:
        try:
            found = generation_of(check_free(response, what), response, what)
        except ModelUnavailableError as exc:
            said = str(exc).removeprefix(f"{what}: ").rstrip(".")
            raise UnknownGenerationError(
                f"The API knows no generation {generation_id!r:.100} for this key: {said}. Check the id, that the key "
                "is of the account that submitted it, and the base URL.",
                status=exc.status,
                request_id=exc.request_id,
            ) from exc
        # Some ids carry their model behind a colon, not everywhere.
        if found.id.partition(":")[0] != generation_id.partition(":")[0]:
            raise UnknownOutcomeError(f"{what}: the answer is about another generation, {found.id!r:.100}")
        return found

    return Call(
        f"GET {QUEUED_PATH} of {generation_id}",
        "GET",
        QUEUED_PATH,
        read,
        {"params": {"generation_id": generation_id}},
    )


def logs(period: str, offset: int) -> Call[LogPage]:
    """Read a page of the usage log of the last ``period`` ("24h", "7d"). At most 200 calls a minute."""
    return Call(
        "GET /v2/logs",
        "GET",
        "/v2/logs",
        _log_page,
        {"params": {"period": period, "limit": LOG_PAGE, "offset": offset}},
    )


def deprecations() -> Call[tuple[Deprecation, ...]]:
    """Read which models are withdrawn or will be, and what replaces them; free, no key needed."""
    return Call("GET /v1/models/deprecations", "GET", "/v1/models/deprecations", _deprecations)


def pricing(model: str) -> Call[dict[str, Any] | None]:
    """Read what a model costs: its ``pricing`` block unchanged, or None where it has none. Free, no key needed."""

    def read(response: AnyResponse, what: str) -> dict[str, Any] | None:
        return _pricing(check_free(response, what), model)

    return Call(
        f"GET /v1/models for the price of {model}",
        "GET",
        "/v1/models",
        read,
        {"params": {"id": model, "include": "pricing"}},
    )


def _pricing(body: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    rows = body.get("data")
    for row in rows if isinstance(rows, list) else ():
        # By the name, in case the server ignores the filter: another model's price would be worse than none.
        if isinstance(row, dict) and model in _names(row):
            block = row.get("pricing")
            return block if isinstance(block, dict) else None
    return None


def _balance(response: AnyResponse, what: str) -> Balance:
    body = check_free(response, what)
    return Balance(
        number_or_none(body.get("current_balance")), quoted(response, str(body.get("currency") or "USD"))[:10]
    )


def _upload(response: AnyResponse, what: str) -> Upload:
    body = check_free(response, what)
    return Upload(
        id_or_none(body.get("voice_id")),
        id_or_none(body.get("instrumental_id")),
        quoted(response, text_or_none(body.get("trace_id")) or "") or None,
    )


def _submitted(response: AnyResponse, what: str) -> Generation:
    return generation_of(check(response, what), response, what)


def _log_page(response: AnyResponse, what: str) -> LogPage:
    body = check_free(response, what)
    rows = body.get("data")
    if not isinstance(rows, list):
        raise UnknownOutcomeError(f"{what}: the answer has no rows")
    pagination = body.get("pagination")
    return LogPage(
        tuple(_log_row(row) for row in rows if isinstance(row, dict)),
        bool(isinstance(pagination, dict) and pagination.get("has_more")),
        date_of(response),
    )


def _log_row(row: Mapping[str, Any]) -> LogRow:
    cost = row.get("cost")
    cost = cost if isinstance(cost, dict) else {}
    credits_used = number_or_none(cost.get("credits"))
    return LogRow(
        status=str(row.get("status") or ""),
        client_request_id=text_or_none(row.get("client_request_id")),
        inference_id=id_or_none(row.get("inference_id")),
        usd=number_or_none(cost.get("usd")),
        credits=int(credits_used) if credits_used is not None else None,
        created=text_or_none(row.get("created")),
        model=text_or_none(row.get("model")),
    )


def _deprecations(response: AnyResponse, what: str) -> tuple[Deprecation, ...]:
    rows = json_of(response)
    body = {"data": rows} if response.is_success and isinstance(rows, list) else check_free(response, what)
    lists = [body[key] for key in ("data", "deprecations", "models") if isinstance(body.get(key), list)]
    return tuple(_deprecation(row, response) for row in (lists[0] if lists else ()) if isinstance(row, dict))


def _deprecation(row: Mapping[str, Any], response: AnyResponse) -> Deprecation:
    return Deprecation(
        _names(row),
        quoted(response, str(row.get("status") or "")),
        text_or_none(row.get("replaced_by")),
        quoted(response, str(row.get("reason") or "")) or None,
    )


def _names(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a model's id and aliases."""
    aliases = row.get("aliases")
    names = [row.get("id"), *(aliases if isinstance(aliases, list) else [])]
    return tuple(name for name in names if isinstance(name, str))
