# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import httpx
import pytest

from airflow_provider_music import exceptions
from airflow_provider_music.api.envelope import page_words, words_of
from airflow_provider_music.api.outcome import outcome_of
from airflow_provider_music.api.responses import check, check_free, generation_of

WHAT = "POST /v2/generate/audio"
PAGE = b"<html><head><title>403 Forbidden</title><style>p{x:1}</style></head><!-- a --><p>Blocked</p></html>"
SAID = "The lyrics are too long"

ENVELOPES = {
    "message": {"message": SAID},
    "capital": {"Message": SAID},
    "error": {"error": SAID},
    "error.message": {"error": {"message": SAID, "type": "invalid_request_error", "param": None, "code": None}},
    "error.error.message": {"error": {"error": {"message": SAID}}},
    "errors": {"errors": [{"message": SAID}]},
    "detail": {"detail": SAID},
    "detail.message": {"detail": {"status": "invalid", "message": SAID}},
    "detail list": {"detail": [{"loc": ["body", "lyrics"], "msg": SAID, "type": "value_error"}]},
    "msg": {"code": 400, "msg": SAID, "data": None},
    "base_resp": {"base_resp": {"status_code": 2013, "status_msg": SAID}},
    "fault": {"fault": {"faultstring": SAID, "detail": {"errorcode": "x"}}},
    "oauth": {"error": "invalid_request", "error_description": SAID},
    "message list": {"statusCode": 400, "message": [SAID, "prompt is required"]},
    "message object": {"statusCode": 400, "message": {"text": SAID}, "requestId": "r"},
    "list": [{"message": SAID}],
    "data": {"success": False, "data": {"error": {"reason": SAID}}},
    "field": {"lyrics": [SAID]},
    "problem": {"title": "Bad Request", "status": 400, "detail": SAID},
}


def response(status, body, headers=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers=headers)


def refused(status, body, read=check, headers=None):
    with pytest.raises(exceptions.MusicError) as caught:
        read(response(status, body, headers), WHAT)
    told = str(caught.value)
    assert told.isprintable()
    assert len(told) < 600
    return caught.value


@pytest.mark.parametrize("read", [check, check_free])
@pytest.mark.parametrize("status", [400, 403, 404, 422, 429])
@pytest.mark.parametrize("body", ENVELOPES.values(), ids=ENVELOPES)
def test_a_refusal_in_any_envelope_is_quoted_in_its_own_words(body, status, read):
    error = refused(status, body, read)
    assert SAID in str(error)
    assert isinstance(error, exceptions.ApiError)


@pytest.mark.parametrize("status", [502, 503, 504, 520])
@pytest.mark.parametrize("body", ENVELOPES.values(), ids=ENVELOPES)
def test_a_failure_in_any_envelope_is_quoted_and_stays_unknown(body, status):
    error = refused(status, body)
    assert SAID in str(error)
    assert outcome_of(error) == "unknown"


def test_which_field_a_problem_is_about_is_told():
    assert words_of(ENVELOPES["detail list"]) == f"body.lyrics: {SAID}"
    assert words_of(ENVELOPES["detail.message"]) == f"invalid: {SAID}"


def test_a_shape_that_nobody_foresaw_is_quoted_as_it_is():
    assert words_of({"x": {"y": 5}}) == '{"x": {"y": 5}}'
    assert words_of({"code": "MODEL_DISABLED"}) == "MODEL_DISABLED"
    assert words_of(None) is None
    assert words_of({}) is None


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"Invalid lyrics\nprovided", "text/plain", "Invalid lyrics provided"),
        (PAGE, "text/html", "403 Forbidden Blocked"),
    ],
)
def test_text_and_pages_are_quoted_too(content, kind, words):
    assert words in str(refused(400, content, headers={"content-type": kind}))
    assert page_words(content) == words


def test_secrets_in_what_is_quoted_are_taken_out():
    said = "cannot fetch https://u:p@cdn.example/a.mp3?Signature=hush with Bearer tok-123"
    assert "cannot fetch https://cdn.example/a.mp3 with Bearer ***" in str(refused(400, {"error": {"message": said}}))


NO_CREDITS = [
    (429, {"message": "Insufficient balance", "statusCode": 429}),
    (429, {"error": {"message": "You exceeded your current quota, please check your plan and billing details."}}),
    (429, {"error": {"code": "insufficient_quota", "message": "Quota"}}),
    (429, {"message": "Too Many Requests: account balance is insufficient"}),
    (500, {"message": "You've run out of credits", "statusCode": 500}),
    (500, {"error": {"message": "User balance is too low"}}),
    (500, {"error": "insufficient funds"}),
    (500, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    (500, {"detail": {"status": "error", "message": "\u4f59\u989d\u4e0d\u8db3"}}),
    (403, {"code": "INSUFFICIENT_BALANCE"}),
    (403, {"error": {"code": "INSUFFICIENT_BALANCE", "message": "Forbidden"}}),
    (403, {"error": {"type": "insufficient_user_quota", "message": "no"}}),
    (402, {"error": "no"}),
    (402, b"<html>Payment Required</html>"),
    (400, {"error": {"message": "Your credit balance is too low to access the API"}}),
    (401, {"detail": "Not enough credits"}),
    (200, {"error": {"message": "Insufficient balance"}, "success": False}),
    (200, {"base_resp": {"status_code": 9, "status_msg": "insufficient balance"}}),
]


@pytest.mark.parametrize(("status", "body"), NO_CREDITS)
def test_an_empty_account_is_told_in_whatever_words_and_nothing_is_billed(status, body):
    with pytest.raises(exceptions.OutOfCreditsError) as caught:
        answer = response(status, body)
        generation_of(check(answer, WHAT), answer, WHAT)
    assert outcome_of(caught.value) == "failed"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"message": "Too many requests. Upgrade your plan or top up for higher limits."}, "RateLimitedError"),
        (429, {"message": "Rate limit exceeded, quota resets in an hour"}, "RateLimitedError"),
        (500, {"message": "The balance of the mix could not be computed", "statusCode": 500}, "ServerFailureError"),
        (500, {"message": "generation timeout; check your credits", "statusCode": 500}, "UnknownOutcomeError"),
        (500, {"message": "Generation timeout: insufficient balance", "statusCode": 500}, "UnknownOutcomeError"),
        (500, {"error": {"message": "upstream reset"}}, "UnknownOutcomeError"),
        (500, b"insufficient balance", "UnknownOutcomeError"),
        (500, {"error": {"message": "reset"}, "request": {"lyrics": "out of money"}}, "UnknownOutcomeError"),
        (502, {"message": "Insufficient balance", "statusCode": 502}, "UnknownOutcomeError"),
        (503, {"error": {"code": "INSUFFICIENT_BALANCE"}}, "UnknownOutcomeError"),
        (504, {"message": "Insufficient balance", "statusCode": 504}, "UnknownOutcomeError"),
        (408, {"message": "Insufficient balance", "statusCode": 408}, "UnknownOutcomeError"),
        (400, {"message": "lyrics: 'we are out of money' is too short", "statusCode": 400}, "RequestRejectedError"),
        (200, {"message": "queued"}, "UnknownOutcomeError"),
        (200, {"error": "odd"}, "UnknownOutcomeError"),
    ],
)
def test_where_the_words_are_not_clear_nothing_is_taken_for_an_empty_account(status, body, kind):
    with pytest.raises(exceptions.MusicError) as caught:
        answer = response(status, body)
        generation_of(check(answer, WHAT), answer, WHAT)
    assert type(caught.value).__name__ == kind


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"error": {"message": SAID}}},
        {"error": {"code": 5, "detail": SAID}},
        {"message": SAID},
        {"error": None, "reason": SAID},
        {"failure_reason": SAID},
        {"base_resp": {"status_code": 1026, "status_msg": SAID}},
        {"errors": [{"msg": SAID}]},
    ],
)
def test_why_a_generation_failed_is_quoted_wherever_it_stands(said):
    answer = response(200, body := {"id": "a", "status": "failed", **said})
    assert SAID in generation_of(body, answer, WHAT).error


def test_a_generation_that_is_under_way_has_no_reason():
    answer = response(200, body := {"id": "a", "status": "queued", "message": "ok"})
    assert generation_of(body, answer, WHAT).error is None
