# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music import exceptions
from airflow_provider_music.api import responses
from airflow_provider_music.api.outcome import outcome_of
from airflow_provider_music.api.responses import (
    Generation,
    check,
    check_base_resp,
    check_free,
    generation_of,
    retry_after,
)
from airflow_provider_music.api.usage import Usage, usage_of, usage_of_answer, usage_of_headers

WHAT = "POST /v2/generate/audio"
DOCUMENTED = {
    "message": "{}",
    "path": "/v2/generate/audio",
    "requestId": "r-1",
    "statusCode": "429",
    "timestamp": "2025-03-11T07:13:27.813Z",
}
PROBLEM = {
    "title": "Some",
    "status": 401,
    "message": "{}",
    "instance": "/v2/generate/audio",
    "requestId": "r-1",
    "timestamp": "2026-08-30T00:00:00Z",
    "error": {"name": "SomeException", "message": "{}"},
}
ENVELOPES = {
    "documented": DOCUMENTED,
    "problem": PROBLEM,
    "problem, short": {"title": "No", "status": 1, "message": "{}"},
}
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


def response(status=200, body=None, headers=None, *, content=None):
    data = json.dumps(body).encode() if content is None else content
    return httpx.Response(status, content=data, headers=headers)


def envelope(shape, message):
    return json.loads(json.dumps(shape).replace("{}", message))


def refusal(*args, read=check, **more):
    with pytest.raises(exceptions.MusicError) as caught:
        read(response(*args, **more), WHAT)
    assert str(caught.value).startswith(f"{WHAT}: ")
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_good_answer_is_its_json(status):
    assert check(response(status, {"id": "a", "base_resp": {"status_code": "0"}}), WHAT)["id"] == "a"


@pytest.mark.parametrize("shape", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Body validation error!", exceptions.RequestRejectedError),
        (401, "This request requires a valid API key", exceptions.AuthenticationError),
        (402, "Payment required", exceptions.OutOfCreditsError),
        (403, "You've run out of credits.", exceptions.OutOfCreditsError),
        (403, "You've run out of funds.", exceptions.OutOfCreditsError),
        (403, "Insufficient balance", exceptions.OutOfCreditsError),
        (403, "The key's spending limit is reached", exceptions.OutOfCreditsError),
        (403, "Complete verification at aimlapi.com/app/billing/verification", exceptions.AuthenticationError),
        (403, "The key lacks the scope model:audio", exceptions.AuthenticationError),
        (404, "Not Found", exceptions.ModelUnavailableError),
        (405, "Method Not Allowed", exceptions.RequestRejectedError),
        (409, "Conflict", exceptions.RequestRejectedError),
        (413, "Payload too large", exceptions.RequestRejectedError),
        (422, "Unprocessable", exceptions.RequestRejectedError),
        (429, "Too Many Requests", exceptions.RateLimitedError),
        (500, "Internal server error", exceptions.ServerFailureError),
        (502, "Something wrong with the server", exceptions.UnknownOutcomeError),
        (503, "The model is under maintenance", exceptions.UnknownOutcomeError),
        (504, "Downstream service error.", exceptions.UnknownOutcomeError),
        (501, "Not implemented", exceptions.UnknownOutcomeError),
        (524, "A timeout occurred", exceptions.UnknownOutcomeError),
        (504, "Generation timeout", exceptions.UnknownOutcomeError),
        (500, "generation Timeout after 300 s", exceptions.UnknownOutcomeError),
        (408, "Request timeout", exceptions.UnknownOutcomeError),
        (499, "Client closed request", exceptions.UnknownOutcomeError),
    ],
)
def test_a_refusal_is_sorted_by_its_status_in_the_apis_words(shape, status, message, kind):
    error = refusal(status, envelope(shape, message))
    assert type(error) is kind
    if isinstance(error, exceptions.ApiError):
        assert error.status == status
        assert message in str(error)
        assert error.request_id == shape.get("requestId")


@pytest.mark.parametrize("shape", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize("status", [500, 501, 502, 503, 504])
def test_a_free_call_that_fails_in_the_apis_envelope_has_its_words_and_its_pause(shape, status):
    error = refusal(status, envelope(shape, "Maintenance"), {"retry-after": "7"}, read=check_free)
    assert type(error) is exceptions.ServerFailureError
    assert str(error) == f"{WHAT}: the API failed with {status}: Maintenance"
    assert (error.status, error.retry_after, error.request_id) == (status, 7.0, shape.get("requestId"))


@pytest.mark.parametrize("status", [500, 504])
def test_a_generation_timeout_is_no_failure_for_a_free_call_either(status):
    error = refusal(status, {**DOCUMENTED, "message": "Generation timeout"}, read=check_free)
    assert type(error) is exceptions.UnknownOutcomeError


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_unknown_outcome_has_the_words_that_came_with_it(status):
    told = str(refusal(status, {**DOCUMENTED, "message": "under maintenance"}))
    assert told == f"{WHAT}: HTTP {status}, which does not say what became of it: under maintenance"


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (400, "No.", "the API refused the request (400): No."),
        (401, "No.", "the API refused the key (401): No."),
        (
            402,
            "No.",
            "the account has no credits (402): No. Nothing was generated; top up and clear the task.",
        ),
        (
            403,
            "Out of credits.",
            "the account has no credits (403): Out of credits. Nothing was generated; top up and clear the task.",
        ),
        (403, "No.", "the account or key may not do this (403): No."),
        (404, "{0} {what}", "not found (404): {0} {what}"),
        (418, "No.", "the API refused the request (418): No."),
        (429, "No.", "too many requests (429): No."),
        (500, "No.", "the API failed with 500: No."),
    ],
)
def test_a_refusal_says_what_it_means_before_the_apis_own_words(status, message, told):
    assert str(refusal(status, {**DOCUMENTED, "message": message})) == f"{WHAT}: {told}"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, "failed") for status in (400, 401, 402, 403, 404, 405, 409, 413, 422, 451, 500)),
        (429, "not_accepted"),
        *((status, "unknown") for status in (300, 301, 302, 303, 304, 307, 308, 399, 408, 499)),
        *((status, "unknown") for status in (501, 502, 503, 504, 505, 520, 522, 524, 529, 599)),
    ],
)
def test_what_a_status_means_for_the_bill(status, outcome):
    assert outcome_of(refusal(status, {**DOCUMENTED, "message": "no"})) == outcome


def test_an_error_for_another_status_is_one_line_of_the_table(monkeypatch):
    class NoCoffeeError(exceptions.ApiError):
        pass

    line = {418: (NoCoffeeError, "not allowed here ({status}): {message}")}
    monkeypatch.setattr(responses, "_REFUSALS", responses._REFUSALS | line)
    error = refusal(418, {**DOCUMENTED, "message": "No."})
    assert type(error) is NoCoffeeError
    assert (str(error), error.status) == (f"{WHAT}: not allowed here (418): No.", 418)
    assert outcome_of(error) == "failed"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524])
@pytest.mark.parametrize(
    "content",
    [
        HTML,
        b"",
        b"upstream connect error",
        b'{"message": "Service Unavailable"}',
        b'{"error": "bad gateway"}',
        b'{"title": "Error 502", "status": 502, "detail": "The origin is down", "cloudflare_error": true}',
        b'{"type": "about:blank", "title": "Bad Gateway", "status": 502}',
        b'{"status": 503, "error": "Service Unavailable", "path": "/v2"}',
        b'{"error": {"code": 503, "status": "UNAVAILABLE"}, "status": 503}',
        b"[1]",
        b"null",
        b'"text"',
        b"{",
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("read", [check, check_free])
def test_a_gateways_page_says_nothing_about_the_song(read, status, content):
    error = refusal(status, content=content, headers={"content-type": "text/html"}, read=read)
    assert type(error) is exceptions.UnknownOutcomeError
    assert f"HTTP {status} with {len(content)} bytes" in str(error)


@pytest.mark.parametrize(
    "content", [HTML, b"", b"{", b"[1]", b"null", b"1", b"NaN", b'"ok"', b"\xff\xfe", b"[" * 100_000]
)
def test_a_good_status_with_no_json_object_is_an_unknown_outcome(content):
    assert type(refusal(200, content=content)) is exceptions.UnknownOutcomeError


@pytest.mark.parametrize(
    ("status", "kind"), [(401, exceptions.AuthenticationError), (429, exceptions.RateLimitedError)]
)
def test_a_gateway_may_refuse_too(status, kind):
    assert type(refusal(status, content=HTML, headers={"content-type": "text/html"})) is kind


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_no_redirect_of_a_paid_post_says_what_became_of_it(status):
    error = refusal(status, {**DOCUMENTED, "message": "moved"}, {"location": "https://elsewhere.example"})
    assert type(error) is exceptions.UnknownOutcomeError
    assert ("Correct the base URL" in str(error)) is (status != 304)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, exceptions.UnknownOutcomeError) for status in (301, 302, 303)),
        *((status, exceptions.RequestRejectedError) for status in (307, 308)),
    ],
)
def test_a_redirect_of_a_free_call_names_the_cure(status, kind):
    error = refusal(status, {}, read=check_free)
    assert type(error) is kind
    assert "Correct the base URL" in str(error)


def test_the_apis_details_are_told_and_its_own_id_is_kept():
    body = {**DOCUMENTED, "message": "Body validation error!", "details": [{"path": "prompt", "expected": "string"}]}
    error = refusal(400, body, {"x-inference-id": "g-1", "x-request-id": "x-1"})
    assert '"expected": "string"' in str(error)
    assert error.request_id == "g-1"
    assert refusal(400, {"message": "no", "statusCode": 400}, {"x-request-id": "x-1"}).request_id == "x-1"


def test_what_a_server_says_is_one_printable_line_of_bounded_length():
    said = "first\nsecond\r\x1b[31mred\u2028\x00" + "long " * 10_000
    for status in (400, 401, 403, 404, 429, 500):
        error = refusal(status, {**DOCUMENTED, "message": said})
        assert "first second [31mred long" in str(error)
        assert len(str(error)) < 600
    with pytest.raises(exceptions.ApiError) as caught:
        check(response(200, {"base_resp": {"status_code": 1026, "status_msg": said}}), WHAT)
    assert str(caught.value).isprintable()
    odd = refusal(502, content=HTML, headers={"content-type": "text/html\tx" * 100})
    assert len(str(odd)) < 600


@pytest.mark.parametrize("message", [None, {"a": ["b"]}, ["a"], 5, "", True])
def test_a_message_that_is_no_text_does_no_harm(message):
    assert refusal(400, {"message": message, "statusCode": 400, "title": "Odd"})


BASE_RESP = {
    exceptions.RateLimitedError: (1002, 1039, 1041, 2045),
    exceptions.ServerFailureError: (1000, 1001, 1013, 1024, 1033, 2044, 9999, -1, 1),
    exceptions.AuthenticationError: (1004, 2049),
    exceptions.OutOfCreditsError: (1008, 1028, 1030, 2056),
    exceptions.RequestRejectedError: (
        *(1026, 1027, 1042, 1043, 1044, 2013, 20132, 2037, 2038, 2039, 2042, 2048, 2061),
    ),
}


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in BASE_RESP.items() for code in codes])
@pytest.mark.parametrize("spelt", [int, str, float])
def test_a_base_resp_that_is_not_zero_is_a_failure_by_its_code(kind, code, spelt):
    body = {"base_resp": {"status_code": spelt(code), "status_msg": "why"}, "trace_id": "t-1", "data": {"audio": "ff"}}
    error = refusal(200, body)
    assert type(error) is kind
    assert (error.code, error.request_id) == (code, "t-1")
    assert str(error) == f"{WHAT}: the API answered base_resp {code}: why"


@pytest.mark.parametrize(
    "base", [None, {}, [], "0", 0, {"status_msg": "success"}, {"status_code": 0}, {"status_code": "0"}]
)
def test_no_base_resp_and_zero_are_good(base):
    check_base_resp({"base_resp": base}, WHAT)
    check_base_resp({}, WHAT)


@pytest.mark.parametrize("code", [None, "many", [], {}, True, "nan"])
def test_a_base_resp_without_a_number_says_nothing_about_the_bill(code):
    with pytest.raises(exceptions.UnknownOutcomeError, match="without a number"):
        check_base_resp({"base_resp": {"status_code": code}}, WHAT)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0", 0.0), ("1.5", 1.5), ("-3", 0.0), (" 5 ", 5.0), ("1e9", 3600.0)],
)
def test_retry_after_may_be_seconds(value, seconds):
    assert retry_after(response(429, headers={"retry-after": value})) == seconds


@pytest.mark.parametrize("spelt", [lambda when: format_datetime(when, usegmt=True), format_datetime])
def test_retry_after_may_be_a_date(spelt):
    soon = datetime.now(UTC) + timedelta(minutes=10)
    assert 500 < retry_after(response(429, headers={"retry-after": spelt(soon)})) <= 600
    assert retry_after(response(429, headers={"retry-after": spelt(soon - timedelta(days=1))})) == 0.0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "inf",
        "nan",
        "-inf",
        "Mon, 99 Nov 2026 00:00:00 GMT",
        "Mon, 23 Nov 2026 00:00:00 +99999999999999999999",
    ],
)
def test_a_retry_after_that_says_nothing_is_none(value):
    assert retry_after(response(429, headers={"retry-after": value})) is None
    assert retry_after(response(429)) is None


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_no_retry_after_breaks_the_reading_of_it(value):
    found = retry_after(response(429, headers={"retry-after": value}))
    assert found is None or found >= 0


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_that_no_wait_helps_asks_for_none(status):
    assert refusal(status, {**DOCUMENTED, "message": "no"}, {"retry-after": "9"}).retry_after is None


@pytest.mark.parametrize(("status", "read"), [(429, check), (500, check), (429, check_free), (503, check_free)])
def test_the_wait_that_was_asked_for_is_kept(status, read):
    error = refusal(status, {**DOCUMENTED, "message": "later"}, {"retry-after": "9"}, read=read)
    assert error.retry_after == 9.0


def generation(body, headers=None):
    answer = response(200, body, headers)
    return generation_of(body, answer, WHAT)


def test_a_generation_is_read_whole():
    found = generation(
        {
            "id": "NMDk4_Yh8DjqiZ7Ub_7WB",
            "status": "completed",
            "audio_file": {"url": "https://cdn.example.org/song.mp3?Signature=hush"},
            "error": None,
            "meta": {"usage": {"credits_used": 390000, "usd_spent": 0.195}},
            "trace_id": "t-1",
        }
    )
    assert found.audio_url == "https://cdn.example.org/song.mp3?Signature=hush"
    assert (found.done, found.failed, found.error, found.trace_id) == (True, False, None, "t-1")
    assert found.usage == Usage(390000, 0.195)
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    "shape",
    [
        "60ac7c34-3224-4b14-8e7d-0aa0db708325:minimax-music",
        "60ac7c34-3224-4b14-8e7d-0aa0db708325:minimax/music-2.0",
        "NMDk4_Yh8DjqiZ7Ub_7WB",
        "-_-",
        "a" * 512,
        "../../etc/passwd",
        "a b",
    ],
)
def test_ids_of_all_shapes_are_taken_as_they_are(shape):
    assert generation({"id": shape, "status": "queued"}).id == shape
    assert generation({"generation_id": shape, "status": "queued"}).id == shape
    assert generation({"id": None, "generation_id": shape}).id == shape


def test_an_id_may_be_a_number():
    assert generation({"id": 12345}).id == "12345"


@pytest.mark.parametrize(
    "shape", [None, "", " ", "\n", "a\nb", "a\tb", "a\x00", "\u00e4", "a" * 513, "a" * 10_000, [], {}, True, 1.5]
)
def test_an_id_that_cannot_be_kept_is_an_unknown_outcome(shape):
    with pytest.raises(exceptions.UnknownOutcomeError, match="no usable generation id"):
        generation({"id": shape, "status": "queued"})


@pytest.mark.parametrize(
    ("status", "done", "failed"),
    [
        ("queued", False, False),
        ("generating", False, False),
        ("waiting", False, False),
        ("anything new", False, False),
        ("completed", True, False),
        ("COMPLETED", True, False),
        ("complete", True, False),
        ("succeeded", True, False),
        ("error", False, True),
        ("failed", False, True),
        ("canceled", False, True),
        ("Cancelled", False, True),
        ("rejected", False, True),
        ("Expired", False, False),
        (None, False, False),
        ("", False, False),
        (7, False, False),
        ({"a": "completed"}, False, False),
        ("x\ny" * 100, False, False),
    ],
)
def test_a_status_is_done_failed_or_still_under_way(status, done, failed):
    found = generation({"id": "a", "status": status})
    assert (found.done, found.failed) == (done, failed)
    assert found.status.isprintable()
    assert 0 < len(found.status) <= 40


@pytest.mark.parametrize("audio", [None, {}, [], "", "fffb", {"url": None}, {"url": ""}, {"url": 5}, {"url": []}])
def test_a_completed_generation_may_come_without_its_file(audio):
    assert generation({"id": "a", "status": "completed", "audio_file": audio}).audio_url is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"name": "Refused", "message": "bad words"}, "Refused: bad words"),
        ({"message": "bad words"}, "bad words"),
        ({"code": 5}, "no message"),
        ("bad\nwords", "bad words"),
        (["bad"], "['bad']"),
        (None, None),
        ({}, None),
    ],
)
def test_what_went_wrong_is_told_in_one_line(error, told):
    assert generation({"id": "a", "status": "error", "error": error}).error == told


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"credits_used": "390000", "usd_spent": "0.195"}, Usage(390000, 0.195)),
        ({"credits_used": 390000.0}, Usage(390000, None)),
        ({"credits_used": None, "usd_spent": float("nan")}, Usage()),
        ({"credits_used": "many", "usd_spent": True}, Usage()),
        ({"credits_used": 1e308}, Usage(int(1e308), None)),
        ([], Usage()),
        (None, Usage()),
        ("free", Usage()),
    ],
)
def test_a_price_may_come_as_text_or_not_at_all(usage, expected):
    assert usage_of({"meta": {"usage": usage}}) == expected
    assert usage_of({}) == usage_of({"meta": None}) == usage_of({"meta": []}) == Usage()


def test_the_price_in_the_headers_fills_what_the_body_does_not_say():
    headers = {"x-aimlapi-credits-used": "390000", "x-aimlapi-usd-spent": "0.195"}
    answer = httpx.Response(200, headers=headers)
    assert usage_of_headers(answer) == Usage(390000, 0.195)
    assert usage_of_answer({"meta": {"usage": {"credits_used": 1}}}, answer) == Usage(1, 0.195)
    assert Usage(0, 0.0).or_else(Usage(1, 1.0)) == Usage(0, 0.0)
    assert Usage(1).as_dict() == {"credits_used": 1, "usd_spent": None}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        *("id", "generation_id", "status", "audio_file", "error", "meta", "trace_id", "base_resp", "message"),
        *("statusCode", "requestId", "title", "details"),
    ]
)


@given(
    st.sampled_from([200, 201, 302, 307, 400, 401, 403, 404, 429, 500, 503, 504]),
    st.dictionaries(FIELDS, JSON),
    st.sampled_from([check, check_free]),
)
def test_whatever_json_comes_is_a_generation_or_an_error_of_ours(status, body, read):
    answer = response(status, body)
    try:
        found = generation_of(read(answer, WHAT), answer, WHAT)
    except exceptions.MusicError as exc:
        found = exc
    assert isinstance(found, Generation | exceptions.MusicError)
    assert str(found).isprintable()
    if read is check and status in (302, 307, 503, 504):
        assert outcome_of(found) == "unknown"
