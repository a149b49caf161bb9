# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What every answer has in common: headers, both error envelopes, and who is asking."""

from __future__ import annotations

import json
import re
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from airflow_provider_music.sandbox.ledger import Account, timestamp
from airflow_provider_music.sandbox.settings import CREDITS_PER_USD, Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from airflow_provider_music.sandbox.faults import Fault
    from airflow_provider_music.sandbox.world import World

FAULT = "sandbox.fault"
_CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
MESSAGES = {
    400: "Body validation error!",
    401: "This request requires a valid API key. You can create one on the billing page of your account.",
    403: "You've run out of credits. Please top up your balance or update your payment method to continue.",
    404: "The requested resource was not found. Check the path and the method, and that the model is served.",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Something wrong with the server. Try again in a few minutes.",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Generation timeout",
}


class Refusal(HTTPException):
    """The API says no.

    :param details: what is wrong with the body, one entry per problem.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        details: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message or MESSAGES.get(status, HTTPStatus(status).phrase), headers)
        self.details = details


def world_of(request: Request) -> World:
    """Return the sandbox's state."""
    return cast("World", request.app.state.world)


def fault_of(request: Request) -> Fault | None:
    """Return the fault that hits this request."""
    return cast("Fault | None", request.scope.get(FAULT))


def client_request_id(value: str | None) -> str | None:
    """Return a valid ``X-Client-Request-Id``; the API drops an invalid one without a word."""
    return value if value is not None and _CLIENT_REQUEST_ID.fullmatch(value) else None


def bearer_key(request: Request) -> str:
    """Return the request's API key, if it is a valid one.

    :raises Refusal: 401.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Refusal(401, "You provided an empty string instead of valid API key. " + MESSAGES[401])
    keys = world_of(request).settings.keys
    if keys and key not in keys:
        raise Refusal(401)
    return key


def account_of(request: Request) -> Account:
    """Return the account of the request's key.

    :raises Refusal: 401.
    """
    world = world_of(request)
    return world.ledger.account(bearer_key(request), world.settings.balance)


async def json_body(request: Request) -> dict[str, Any]:
    """Return the request's JSON object.

    :raises Refusal: 400.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refusal(400, details=[{"path": "", "message": "Expected object, received invalid JSON"}]) from None
    if not isinstance(body, dict):
        found = type(body).__name__
        raise Refusal(400, details=[{"path": "", "message": f"Expected object, received {found}"}])
    return body


def usage(credits: int) -> dict[str, Any]:  # noqa: A002 - the API's word
    """Return ``meta.usage``."""
    return {"credits_used": credits, "usd_spent": credits / CREDITS_PER_USD}


def answer(
    request: Request,
    body: Any,
    *,
    status: int = 200,
    inference_id: str | None = None,
    spent: int | None = None,
) -> Response:
    """Return a JSON answer with the API's headers.

    :param body: JSON values, or bytes that are JSON already.
    :param spent: credits that this request cost.
    """
    headers = {"x-request-id": str(uuid.uuid4())}
    if inference_id is not None:
        headers["x-inference-id"] = inference_id
    if spent is not None and world_of(request).settings.tell_usage:
        headers["x-aimlapi-credits-used"] = str(spent)
        headers["x-aimlapi-usd-spent"] = f"{spent / CREDITS_PER_USD:g}"
    echo = client_request_id(request.headers.get("x-client-request-id"))
    if echo is not None:
        headers["x-client-request-id"] = echo
    if isinstance(body, bytes):
        return Response(body, status, headers, "application/json")
    return JSONResponse(body, status, headers)


def error_body(
    envelope: Envelope, status: int, message: str, path: str, details: list[dict[str, Any]] | None = None
) -> tuple[dict[str, Any], str]:
    """Return an error in the API's envelope, and its media type."""
    request_id, now = str(uuid.uuid4()), timestamp(time.time())
    extra: dict[str, Any] = {"details": details} if details else {}
    if envelope == "documented":
        return {
            "message": message,
            "path": path,
            "requestId": request_id,
            "statusCode": str(status),  # a string, as in the documents
            "timestamp": now,
            **extra,
        }, "application/json"
    title = HTTPStatus(status).phrase
    return {
        "title": title,
        "status": status,
        "message": message,
        "instance": path,
        "requestId": request_id,
        "timestamp": now,
        "error": {"name": title.replace(" ", "") + "Exception", "message": message},
        **extra,
    }, "application/problem+json"


def on_refusal(request: Request, exc: Exception) -> Response:
    """Turn a refusal, or the framework's own 404 and 405, into an answer."""
    refusal = cast("HTTPException", exc)
    message = refusal.detail if isinstance(exc, Refusal) else MESSAGES.get(refusal.status_code, refusal.detail)
    body, media_type = error_body(
        world_of(request).settings.envelope,
        refusal.status_code,
        message,
        request.url.path,
        getattr(exc, "details", None),
    )
    headers = {"x-request-id": body["requestId"], **(refusal.headers or {})}
    echo = client_request_id(request.headers.get("x-client-request-id"))
    if echo is not None:
        headers["x-client-request-id"] = echo
    return JSONResponse(body, refusal.status_code, headers, media_type)
