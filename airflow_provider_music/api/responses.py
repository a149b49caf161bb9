# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What the API's responses mean: a generation, its cost, or an error of :mod:`airflow_provider_music.exceptions`.

An error for another HTTP status is a class in that module and a line in ``_REFUSALS`` here. What the class means
for the bill follows from its base class, see :mod:`airflow_provider_music.api.outcome`.

Sources: aimlapi/api-docs (errors-and-messages, music-models), the live OpenAPI, and MiniMax's table of
``base_resp`` codes. Numbers may come as strings, and two error envelopes are in use.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_music.api.bounded_body import json_of, quoted
from airflow_provider_music.api.envelope import page_words, reason_in, says_no_credits, words_of
from airflow_provider_music.api.parsing import id_or_none, number_or_none, one_line, text_or_none
from airflow_provider_music.api.statuses import audio_url_of, meaning, word_of
from airflow_provider_music.api.usage import Usage, usage_of_answer
from airflow_provider_music.exceptions import (
    ApiError,
    AuthenticationError,
    ModelUnavailableError,
    MusicError,
    OutOfCreditsError,
    RateLimitedError,
    RequestRejectedError,
    ServerFailureError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_music.api.bounded_body import AnyResponse

#: The one failure whose words can be clear: a gateway may send 502, 503 and 504 after the request went through.
_INTERNAL_ERROR = 500
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_KIND = 100
_MAX_SHOWN_ID = 200
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
#: A 403 whose message holds this is a 402, as is any refusal in the words of :func:`says_no_credits`.
_OUT_OF_CREDITS = "run out of"
#: Refusals of what was sent: their words may quote the user's own.
_ABOUT_INPUT = (400, 413, 415, 422)
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
        return meaning(self.status) == "done"

    @property
    def failed(self) -> bool:
        """Whether the API gave up on it."""
        return meaning(self.status) == "failed"

    @property
    def unknown_status(self) -> bool:
        """Whether its status is a word that is not known here; it is taken for "under way"."""
        return meaning(self.status) == "unknown"


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
            request_id = _shown(response, response.headers.get("x-inference-id"))
            check_base_resp(body, what, request_id, functools.partial(quoted, response))
        return body
    if 400 <= status < 500 and status not in _NO_REFUSALS:  # noqa: PLR2004 - the HTTP class of refusals
        raise _refusal(status, body, what, response)
    if status == _INTERNAL_ERROR and _means_no_credits(status, body):
        raise _no_credits(status, body, what, response)
    if status == _INTERNAL_ERROR and _is_failure(body):
        raise _failure(status, body, what, response)
    if status in _REDIRECTS:
        raise UnknownOutcomeError(_redirected(status, what))
    if status >= 500 and _is_envelope(body):  # noqa: PLR2004 - the HTTP class of failures
        raise UnknownOutcomeError(
            f"{what}: HTTP {status}, which does not say what became of it: {_message(body, response)}"
        )
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
    if status > _INTERNAL_ERROR and _is_failure(body := json_of(response)):
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
        f"{what}: the API failed with {status}: {_message(body, response)}",
        status=status,
        request_id=_request_id(body, response),
        retry_after=retry_after(response),
    )


def _is_failure(body: Any) -> bool:
    """Whether this is the API's own envelope, and not of a timeout, after which the song may still come."""
    return _is_envelope(body) and not _is_timeout(body)


def _is_timeout(body: Any) -> bool:
    return "generation timeout" in (words_of(body) or "").lower()


def _refusal(status: int, body: Any, what: str, response: AnyResponse) -> ApiError:
    """Return the error of a 4xx status."""
    if _means_no_credits(status, body):
        return _no_credits(status, body, what, response)
    message = _message(body, response) if isinstance(body, dict) else _not_the_apis_own(status, body, response)
    error, text = _REFUSALS.get(status, _OTHER_REFUSAL)
    return error(
        f"{what}: {text.format(status=status, message=message)}",
        status=status,
        request_id=_request_id(body, response),
        retry_after=retry_after(response) if issubclass(error, RateLimitedError) else None,
    )


def _means_no_credits(status: int, body: Any) -> bool:
    """Whether an error says in clear words that the account is empty: nothing was generated then, in any envelope."""
    if not isinstance(body, dict) or _is_timeout(body):
        return False
    if status == 403 and _OUT_OF_CREDITS in (words_of(body) or "").lower():  # noqa: PLR2004 - Forbidden
        return True
    return says_no_credits(body, outside_quotes=status in _ABOUT_INPUT)


def _no_credits(status: int, body: Any, what: str, response: AnyResponse) -> OutOfCreditsError:
    message = _message(body, response)
    return OutOfCreditsError(
        f"{what}: {_NO_CREDITS.format(status=status, message=message)}",
        status=status,
        request_id=_request_id(body, response),
    )


def check_base_resp(
    body: Mapping[str, Any], what: str, request_id: str | None = None, quote: Callable[[str], str] = one_line
) -> None:
    """Raise what a non-zero ``base_resp.status_code`` means; the HTTP status is usually 200 then.

    :param quote: makes its words fit to be shown, see :func:`~airflow_provider_music.api.bounded_body.quoted`.
    """
    base = body.get("base_resp")
    if not isinstance(base, dict) or "status_code" not in base:
        return
    message = quote(str(base.get("status_msg") or "no message"))
    number = number_or_none(base.get("status_code"))
    if number == 0:
        return
    if number is None:
        raise UnknownOutcomeError(f"{what}: the API answered base_resp without a number: {message}")
    code = int(number)
    error = OutOfCreditsError if says_no_credits(base) else _BASE_RESP.get(code, ServerFailureError)
    raise error(
        f"{what}: the API answered base_resp {code}: {message}",
        code=code,
        request_id=request_id or quote(text_or_none(body.get("trace_id")) or "") or None,
    )


def generation_of(body: Mapping[str, Any], response: AnyResponse, what: str) -> Generation:
    """Parse the response of a submit or a poll.

    :raises UnknownOutcomeError: there is no usable id.
    """
    found = id_or_none(body.get("id")) or id_or_none(body.get("generation_id"))
    if found is None:
        raise _without_id(body, response, what)
    status = word_of(one_line(str(body.get("status") or "queued")))
    generation = Generation(
        id=found,
        # A known word is no secret, whatever the key is.
        status=word_of(quoted(response, status)) if meaning(status) == "unknown" else status,
        audio_url=audio_url_of(body),
        usage=usage_of_answer(body, response),
        trace_id=_shown(response, body.get("trace_id")),
    )
    reason = _error_text(body["error"]) if body.get("error") else reason_in(body) if generation.failed else None
    return replace(generation, error=quoted(response, reason)) if reason else generation


def _without_id(body: Mapping[str, Any], response: AnyResponse, what: str) -> MusicError:
    """Return the error of a good status without an id: unknown, unless it says in clear words why there is none."""
    said = words_of({key: body[key] for key in ("error", "errors", "message", "detail", "msg") if key in body})
    if said and _means_no_credits(response.status_code, body):
        return _no_credits(response.status_code, body, what, response)
    words = f": {quoted(response, said)}" if said else ""
    return UnknownOutcomeError(f"{what}: the answer has no usable generation id{words}")


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
        # By the API's own clock, where it says what time it is: this machine's may be another.
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - (date_of(response) or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), _MAX_RETRY_AFTER)


def date_of(response: AnyResponse) -> datetime | None:
    """Return the API's own time, from ``Date``; None where it says none."""
    try:
        said = parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _is_envelope(body: Any) -> bool:
    """Whether an error body is the API's own, of either shape, and not a gateway's."""
    # Gateways answer with problem+json too (RFC 9457: title, status, detail): the API's has a message.
    if not isinstance(body, dict) or "message" not in body:
        return False
    problem = "status" in body and ("title" in body or isinstance(body.get("error"), dict))
    return problem or "statusCode" in body or "requestId" in body


def _message(body: Mapping[str, Any], response: AnyResponse) -> str:
    """Return the words of an error, of any envelope."""
    message, details = body.get("message"), body.get("details") or body.get("errors")
    if isinstance(message, str) and message.strip() and details:
        return quoted(response, f"{message} {json.dumps(details)}")
    return quoted(response, words_of(body) or "no message")


def _error_text(error: Any) -> str:
    if isinstance(error, dict):
        named = [error[key] for key in ("name", "message") if error.get(key)]
        if named and all(isinstance(each, str) for each in named):
            return ": ".join(named)
        return words_of(error) if _has_words(error) else "no message"  # type: ignore[return-value]
    return str(error or "no message")


def _has_words(error: Mapping[str, Any]) -> bool:
    """Whether an error's object says anything beside numbers."""
    return any(isinstance(value, str | dict | list) and value for value in error.values())


def _not_the_apis_own(status: int, body: Any, response: AnyResponse) -> str:
    kind = "JSON of another shape" if body is not None else response.headers.get("content-type", "no content type")
    words = quoted(response, (words_of(body) if body is not None else page_words(response.content)) or "")
    said = f": {words}" if words else ""
    shown = quoted(response, kind)[:_MAX_KIND]
    return f"HTTP {status} with {len(response.content)} bytes ({shown}) that are not the API's own answer{said}"


def _request_id(body: Any, response: AnyResponse) -> str | None:
    own = body.get("requestId") if isinstance(body, dict) else None
    headers = response.headers
    return _shown(response, headers.get("x-inference-id") or own or headers.get("x-request-id"))


def _shown(response: AnyResponse, value: Any) -> str | None:
    """Return an id that is for people only."""
    text = text_or_none(value)
    return quoted(response, text)[:_MAX_SHOWN_ID] if text else None
