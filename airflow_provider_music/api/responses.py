# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the API's responses mean: a generation, its cost, or an error of :mod:`airflow_provider_music.exceptions`.

An error for another HTTP status is a class in that module and a line in ``_REFUSALS`` here. What the class means
for the bill follows from its base class, see :mod:`airflow_provider_music.api.outcome`.

Sources: aimlapi/api-docs (errors-and-messages, music-models), the live OpenAPI, and MiniMax's table of
``base_resp`` codes. Numbers may come as strings, and two error envelopes are in use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.bounded_body import json_of
from airflow_provider_music.api.parsing import id_or_none, number_or_none, one_line, text_or_none
from airflow_provider_music.exceptions import (
    ApiError,
    AuthenticationError,
    ModelUnavailableError,
    OutOfCreditsError,
    RateLimitedError,
    RequestRejectedError,
    ServerFailureError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_music.api.bounded_body import AnyResponse

_DONE = ("completed", "complete", "succeeded", "success")
#: Not "expired": that may be the link, or a song that was made and billed.
_FAILED = ("error", "failed", "canceled", "cancelled", "rejected")
_REDIRECTS = (301, 302, 303, 307, 308)
#: The longest pause that a response can ask of the polls of a triggerer.
_MAX_RETRY_AFTER = 3600.0

_NO_CREDITS = "the account has no credits ({status}): {message} Nothing was generated; top up and clear the task."
#: 4xx statuses that mean something of their own: the error, and its message around the API's own words.
_REFUSALS: Mapping[int, tuple[type[ApiError], str]] = {
    401: (AuthenticationError, "the API refused the key ({status}): {message}"),
    402: (OutOfCreditsError, _NO_CREDITS),
    403: (AuthenticationError, "the account or key may not do this ({status}): {message}"),
    404: (ModelUnavailableError, "not found ({status}): {message}"),
    429: (RateLimitedError, "too many requests ({status}): {message}"),
}
_OTHER_REFUSAL = (RequestRejectedError, "the API refused the request ({status}): {message}")
#: A 403 whose message holds one of these is a 402.
_OUT_OF_CREDITS = ("run out of", "out of credits", "out of funds", "insufficient balance", "spending limit")
#: 4xx statuses of a timeout or a closed connection: the request may have gone through, so they refuse nothing.
_NO_REFUSALS = (408, 499)

#: ``base_resp.status_code`` by the error that it means. Codes not named here are taken for a failed request.
_BASE_RESP: Mapping[int, type[ApiError]] = {
    **dict.fromkeys((1002, 1039, 1041, 2045), RateLimitedError),
    **dict.fromkeys((1000, 1001, 1013, 1024, 1033), ServerFailureError),
    **dict.fromkeys((1004, 2049), AuthenticationError),
    **dict.fromkeys((1008, 1028, 1030, 2056), OutOfCreditsError),
    **dict.fromkeys(
        (1026, 1027, 1042, 1043, 1044, 2013, 20132, 2037, 2038, 2039, 2042, 2048, 2061), RequestRejectedError
    ),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost: credits (2,000,000 are one dollar) and US dollars; None where the API does not say."""

    credits_used: int | None = None
    usd_spent: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"credits_used": self.credits_used, "usd_spent": self.usd_spent}

    def or_else(self, other: Usage) -> Usage:
        """Fill what is None here from another source."""
        return Usage(
            self.credits_used if self.credits_used is not None else other.credits_used,
            self.usd_spent if self.usd_spent is not None else other.usd_spent,
        )


@dataclass(frozen=True, slots=True)
class Generation:
    """A queued generation as the API reports it. ``audio_url`` may be signed and is a secret."""

    id: str
    status: str
    audio_url: str | None = field(default=None, repr=False)
    error: str | None = None
    usage: Usage = field(default_factory=Usage)
    trace_id: str | None = None

    @property
    def done(self) -> bool:
        """Whether the song is there."""
        return self.status in _DONE

    @property
    def failed(self) -> bool:
        """Whether the API gave up on it."""
        return self.status in _FAILED


def check(response: AnyResponse, what: str) -> dict[str, Any]:
    """Return the JSON object of a successful response. The strict reading, for paid POSTs.

    A failure is what the API itself says: 4xx, a non-zero ``base_resp``, or a 500 in its envelope. A gateway in front
    of it can send any other status in the same shape, after the request went through.

    :param what: the call in words, for messages: "POST /v2/generate/audio for minimax/music-2.6".
    :raises ApiError: the API said no, in its own words.
    :raises UnknownOutcomeError: the response does not say what happened: a redirect, 502, 503 or 504 whatever their
        body looks like, a gateway's page, a broken body, "Generation timeout".
    """
    body = json_of(response)
    status = response.status_code
    if response.is_success and isinstance(body, dict):
        if "base_resp" in body:
            check_base_resp(body, what, text_or_none(response.headers.get("x-inference-id")))
        return body
    if 400 <= status < 500 and status not in _NO_REFUSALS:  # noqa: PLR2004 - the HTTP class of refusals
        raise _refusal(status, body, what, response)
    if status == 500 and _is_failure(body):  # noqa: PLR2004 - Internal Server Error
        raise _failure(status, body, what, response)
    if status in _REDIRECTS:
        raise UnknownOutcomeError(_redirected(status, what))
    if status >= 500 and _is_envelope(body):  # noqa: PLR2004 - the HTTP class of failures
        raise UnknownOutcomeError(f"{what}: HTTP {status}, which does not say what became of it: {_message(body)}")
    raise UnknownOutcomeError(f"{what}: {_not_the_apis_own(status, body, response)}")


def check_free(response: AnyResponse, what: str) -> dict[str, Any]:
    """Return the JSON object of a successful response to a call that costs nothing.

    Nothing is owed, so any 5xx in the API's envelope is a failure with its pause, and a redirect that would repeat the
    call is a wrong base URL, which no retry mends.

    :raises ApiError: the API said no.
    :raises UnknownOutcomeError: no usable answer.
    """
    status = response.status_code
    if status in (307, 308):
        raise RequestRejectedError(_redirected(status, what), status=status)
    if status >= 500 and _is_failure(body := json_of(response)):  # noqa: PLR2004 - the HTTP class of failures
        raise _failure(status, body, what, response)
    return check(response, what)


def _redirected(status: int, what: str) -> str:
    return (
        f"{what}: the API redirects ({status}); redirects are not followed, since they could carry the key "
        "elsewhere. Correct the base URL in the connection's host."
    )


def _failure(status: int, body: Any, what: str, response: AnyResponse) -> ServerFailureError:
    """Return the error of a 5xx status in the API's own envelope."""
    return ServerFailureError(
        f"{what}: the API failed with {status}: {_message(body)}",
        status=status,
        request_id=_request_id(body, response),
        retry_after=retry_after(response),
    )


def _is_failure(body: Any) -> bool:
    """Whether this is the API's own envelope, and not of a timeout, after which the song may still come."""
    return _is_envelope(body) and "generation timeout" not in _message(body).lower()


def _refusal(status: int, body: Any, what: str, response: AnyResponse) -> ApiError:
    """Return the error of a 4xx status."""
    message = _message(body) if _is_envelope(body) else _not_the_apis_own(status, body, response)
    error, text = _REFUSALS.get(status, _OTHER_REFUSAL)
    if status == 403 and any(words in message.lower() for words in _OUT_OF_CREDITS):  # noqa: PLR2004 - Forbidden
        error, text = _REFUSALS[402]
    return error(
        f"{what}: {text.format(status=status, message=message)}",
        status=status,
        request_id=_request_id(body, response),
        retry_after=retry_after(response) if issubclass(error, RateLimitedError) else None,
    )


def check_base_resp(body: Mapping[str, Any], what: str, request_id: str | None = None) -> None:
    """Raise what a non-zero ``base_resp.status_code`` means; the HTTP status is usually 200 then."""
    base = body.get("base_resp")
    if not isinstance(base, dict) or "status_code" not in base:
        return
    message = one_line(str(base.get("status_msg") or "no message"))
    number = number_or_none(base.get("status_code"))
    if number == 0:
        return
    if number is None:
        raise UnknownOutcomeError(f"{what}: the API answered base_resp without a number: {message}")
    code = int(number)
    error = _BASE_RESP.get(code, ServerFailureError)
    raise error(
        f"{what}: the API answered base_resp {code}: {message}",
        code=code,
        request_id=request_id or text_or_none(body.get("trace_id")),
    )


def generation_of(body: Mapping[str, Any], response: AnyResponse, what: str) -> Generation:
    """Parse the response of a submit or a poll.

    :raises UnknownOutcomeError: there is no usable id.
    """
    found = id_or_none(body.get("id")) or id_or_none(body.get("generation_id"))
    if found is None:
        raise UnknownOutcomeError(f"{what}: the answer has no usable generation id")
    audio = body.get("audio_file")
    url = audio.get("url") if isinstance(audio, dict) else None
    error = body.get("error")
    return Generation(
        id=found,
        status=one_line(str(body.get("status") or "queued"))[:40].lower(),
        audio_url=url if isinstance(url, str) and url else None,
        error=one_line(_error_text(error)) if error else None,
        usage=usage_of_answer(body, response),
        trace_id=text_or_none(body.get("trace_id")),
    )


def usage_of_answer(body: Mapping[str, Any], response: AnyResponse) -> Usage:
    """Read the cost from the body and, where that does not say it, from the headers."""
    usage = usage_of(body)
    # Headers are read only where they are needed: polls are many, and each look-up walks through all headers.
    return usage if None not in (usage.credits_used, usage.usd_spent) else usage.or_else(usage_of_headers(response))


def usage_of(body: Mapping[str, Any]) -> Usage:
    """Read ``meta.usage``."""
    meta = body.get("meta")
    usage = meta.get("usage") if isinstance(meta, dict) else None
    if not isinstance(usage, dict):
        return Usage()
    return _usage(usage.get("credits_used"), usage.get("usd_spent"))


def usage_of_headers(response: AnyResponse) -> Usage:
    """Read ``x-aimlapi-credits-used`` and ``x-aimlapi-usd-spent``."""
    headers = response.headers
    return _usage(headers.get("x-aimlapi-credits-used"), headers.get("x-aimlapi-usd-spent"))


def _usage(credits_used: Any, usd_spent: Any) -> Usage:
    number = number_or_none(credits_used)
    return Usage(int(number) if number is not None else None, number_or_none(usd_spent))


def retry_after(response: AnyResponse) -> float | None:
    """Seconds that ``Retry-After`` asks to wait, from its number or its date, an hour at most; None without one."""
    raw = response.headers.get("retry-after")
    if raw is None:
        return None
    seconds = number_or_none(raw)
    if seconds is None:
        try:
            when = parsedate_to_datetime(raw)
        except (TypeError, ValueError, OverflowError):
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), _MAX_RETRY_AFTER)


def _is_envelope(body: Any) -> bool:
    """Whether an error body is the API's own, of either shape, and not a gateway's."""
    # Gateways answer with problem+json too (RFC 9457: title, status, detail): the API's has a message.
    if not isinstance(body, dict) or "message" not in body:
        return False
    problem = "status" in body and ("title" in body or isinstance(body.get("error"), dict))
    return problem or "statusCode" in body or "requestId" in body


def _message(body: Any) -> str:
    message = body.get("message") or body.get("title") or _error_text(body.get("error"))
    details = body.get("details") or body.get("errors")
    text = f"{message} {json.dumps(details)}" if details else str(message)
    return one_line(text)


def _error_text(error: Any) -> str:
    if isinstance(error, dict):
        return ": ".join(str(error[key]) for key in ("name", "message") if error.get(key)) or "no message"
    return str(error or "no message")


def _not_the_apis_own(status: int, body: Any, response: AnyResponse) -> str:
    kind = "JSON of another shape" if body is not None else response.headers.get("content-type", "no content type")
    return f"HTTP {status} with {len(response.content)} bytes ({one_line(kind)}) that are not the API's own answer"


def _request_id(body: Any, response: AnyResponse) -> str | None:
    own = body.get("requestId") if isinstance(body, dict) else None
    headers = response.headers
    return text_or_none(headers.get("x-inference-id") or own or headers.get("x-request-id"))
