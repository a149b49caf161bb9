# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What every endpoint shares: reading a request, the response's headers, and both error envelopes."""

from __future__ import annotations

import json
import re
import time
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from airflow_provider_music.sandbox.settings import CREDITS_PER_USD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import Receive

    from airflow_provider_music.sandbox.faults import Fault
    from airflow_provider_music.sandbox.settings import Envelope, Settings

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


class ApiError(HTTPException):
    """An error in the API's own envelope.

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


def timestamp(when: float) -> str:
    """Return a Unix time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def settings_of(request: Request) -> Settings:
    """Return the sandbox's settings."""
    return cast("Settings", request.app.state.settings)


def fault_of(request: Request) -> Fault | None:
    """Return the fault that hits this request."""
    return cast("Fault | None", request.scope.get(FAULT))


def client_request_id(value: str | None) -> str | None:
    """Return a valid ``X-Client-Request-Id``; the API drops an invalid one without a word."""
    return value if value is not None and _CLIENT_REQUEST_ID.fullmatch(value) else None


async def discard_body(receive: Receive) -> None:
    """Read the request's body to its end and forget it."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


async def json_body(request: Request) -> dict[str, Any]:
    """Return the request's JSON object.

    :raises ApiError: 400.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise ApiError(400, details=[{"path": "", "message": "Expected object, received invalid JSON"}]) from None
    if not isinstance(body, dict):
        found = type(body).__name__
        raise ApiError(400, details=[{"path": "", "message": f"Expected object, received {found}"}])
    return body


def usage(credits: int) -> dict[str, Any]:  # noqa: A002 - the API's word
    """Return ``meta.usage``."""
    return {"credits_used": credits, "usd_spent": credits / CREDITS_PER_USD}


def json_response(
    request: Request,
    body: Any,
    *,
    status: int = 200,
    inference_id: str | None = None,
    spent: int | None = None,
) -> Response:
    """Return a JSON response with the API's headers.

    :param body: JSON values, or bytes that are JSON already.
    :param spent: credits that this request cost.
    """
    headers = {"x-request-id": str(uuid.uuid4())}
    if inference_id is not None:
        headers["x-inference-id"] = inference_id
    if spent is not None and settings_of(request).tell_usage:
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


def on_api_error(request: Request, exc: Exception) -> Response:
    """Turn an ``ApiError``, or the framework's own 404 and 405, into a response."""
    error = cast("HTTPException", exc)
    message = error.detail if isinstance(exc, ApiError) else MESSAGES.get(error.status_code, error.detail)
    body, media_type = error_body(
        settings_of(request).envelope,
        error.status_code,
        message,
        request.url.path,
        getattr(exc, "details", None),
    )
    headers = {"x-request-id": body["requestId"], **(error.headers or {})}
    echo = client_request_id(request.headers.get("x-client-request-id"))
    if echo is not None:
        headers["x-client-request-id"] = echo
    return JSONResponse(body, error.status_code, headers, media_type)
