# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import httpx
import pytest

from airflow_provider_music import exceptions
from airflow_provider_music.api import endpoints
from airflow_provider_music.api.endpoints import Balance, Deprecation, LogRow


def read(call, body, status=200):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return call.read(httpx.Response(status, content=content), call.what)


def sent(call):
    with httpx.Client(base_url="https://api.example.org") as http:
        return http.build_request(call.method, call.path, **call.arguments)


@pytest.mark.parametrize(
    ("call", "method", "url"),
    [
        (endpoints.billing(), "GET", "/v2/billing"),
        (endpoints.deprecations(), "GET", "/v1/models/deprecations"),
        (endpoints.pricing("google/lyria2"), "GET", "/v1/models?id=google%2Flyria2&include=pricing"),
        (endpoints.logs("24h", 200), "GET", "/v2/logs?period=24h&limit=100&offset=200"),
        (endpoints.submit({"model": "m"}, "id-1"), "POST", "/v2/generate/audio"),
        (
            endpoints.upload(io.BytesIO(b"a"), "reference.mp3", "audio/mpeg", "song"),
            "POST",
            "/v2/generate/audio/minimax/upload",
        ),
    ],
    ids=lambda value: getattr(value, "what", None),
)
def test_every_call_goes_where_the_contract_says(call, method, url):
    request = sent(call)
    assert (request.method, str(request.url)) == (method, f"https://api.example.org{url}")


@pytest.mark.parametrize("generation_id", ["a:minimax/music-2.0", "NMDk4_Yh8", "a&b=c d#e?f", "../x", "100%"])
def test_a_poll_spells_any_id_so_that_it_arrives_whole(generation_id):
    url = sent(endpoints.poll(generation_id)).url
    assert url.path == "/v2/generate/audio"
    assert dict(url.params) == {"generation_id": generation_id}
    assert url.fragment == ""


def test_a_submit_is_json_with_the_requests_own_id():
    request = sent(endpoints.submit({"model": "minimax/music-2.6", "prompt": "\u00e4"}, "id-1"))
    assert json.loads(request.content) == {"model": "minimax/music-2.6", "prompt": "\u00e4"}
    assert request.headers["x-client-request-id"] == "id-1"
    assert request.headers["content-type"] == "application/json"


def test_an_upload_is_multipart_with_its_length_said():
    request = sent(endpoints.upload(io.BytesIO(b"sound"), "reference.wav", "audio/wav", "voice"))
    body = request.read()
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert int(request.headers["content-length"]) == len(body)
    assert b'name="purpose"\r\n\r\nvoice\r\n' in body
    assert b'name="file"; filename="reference.wav"\r\nContent-Type: audio/wav\r\n\r\nsound\r\n' in body


@pytest.mark.parametrize(
    ("body", "balance"),
    [
        ({"current_balance": 12.5, "currency": "USD"}, Balance(12.5, "USD")),
        ({"current_balance": "12.5"}, Balance(12.5, "USD")),
        ({"current_balance": None, "currency": None}, Balance(None, "USD")),
        ({"current_balance": float("nan")}, Balance(None, "USD")),
        ({}, Balance(None, "USD")),
    ],
)
def test_a_balance_may_be_a_text_or_missing(body, balance):
    assert read(endpoints.billing(), body) == balance


@pytest.fixture
def upload():
    return endpoints.upload(io.BytesIO(b""), "reference.mp3", "audio/mpeg", "song")


def test_an_upload_answers_with_ids(upload):
    body = {
        "voice_id": "vocal-2025082518145625-6XW9wCOF",
        "instrumental_id": "instrumental-2025082518145625-vCCEiiES",
        "trace_id": "04fb",
        "base_resp": {"status_code": 0, "status_msg": "success"},
    }
    found = read(upload, body)
    assert (found.voice_id, found.instrumental_id) == (body["voice_id"], body["instrumental_id"])
    assert found.trace_id == "04fb"


@pytest.mark.parametrize("value", [None, "", [], "a\nb", "a" * 1000])
def test_an_upload_id_that_cannot_be_kept_is_none_and_never_a_part_of_it(upload, value):
    found = read(upload, {"voice_id": value, "base_resp": {"status_code": 0}})
    assert (found.voice_id, found.instrumental_id) == (None, None)


def test_an_upload_that_the_model_refuses_is_an_error(upload):
    with pytest.raises(exceptions.RequestRejectedError, match="voice duration"):
        read(upload, {"base_resp": {"status_code": 2037, "status_msg": "voice duration too short"}})


ROW = {
    "created": "2026-11-01T00:00:00Z",
    "status": "succeeded",
    "cost": {"usd": "0.195", "credits": 390000},
    "inference_id": "g:minimax/music-2.6",
    "client_request_id": "id-1",
}


def test_a_page_of_the_log_is_read_row_by_row():
    page = read(endpoints.logs("24h", 0), {"data": [ROW, 5, None], "pagination": {"has_more": True}})
    row = LogRow("succeeded", "id-1", "g:minimax/music-2.6", 0.195, 390000, "2026-11-01T00:00:00Z")
    assert (page.rows, page.has_more) == ((row,), True)


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("Sat, 28 Nov 2026 08:00:00 GMT", datetime(2026, 11, 28, 8, tzinfo=UTC)),
        ("Sat, 28 Nov 2026 08:00:00 -0000", datetime(2026, 11, 28, 8, tzinfo=UTC)),
        *((bad, None) for bad in ("", "now", "Sat, 99 Nov 2026 08:00:00 GMT", "1764316800")),
    ],
)
def test_a_page_of_the_log_says_when_it_was_by_the_apis_clock(said, at):
    call = endpoints.logs("24h", 0)
    response = httpx.Response(200, headers={"date": said}, content=b'{"data": []}')
    assert call.read(response, call.what).at == at
    assert read(call, {"data": []}).at is None


@pytest.mark.parametrize("pagination", [None, {}, [], {"has_more": False}, {"has_more": None}])
def test_a_log_that_names_no_next_page_ends(pagination):
    assert read(endpoints.logs("24h", 0), {"data": [], "pagination": pagination}).has_more is False


def test_a_row_of_the_log_may_be_bare_and_its_ids_are_never_cut():
    (row,) = read(endpoints.logs("24h", 0), {"data": [{}]}).rows
    assert row == LogRow("", None, None, None, None, None)
    (row,) = read(endpoints.logs("24h", 0), {"data": [{**ROW, "inference_id": "a" * 300, "cost": None}]}).rows
    assert (row.inference_id, row.usd, row.credits) == ("a" * 300, None, None)
    (row,) = read(endpoints.logs("24h", 0), {"data": [{**ROW, "inference_id": "a" * 1000}]}).rows
    assert row.inference_id is None


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, []])
def test_a_log_without_rows_is_no_answer_and_not_an_empty_log(body):
    with pytest.raises(exceptions.UnknownOutcomeError):
        read(endpoints.logs("24h", 0), body)


GONE = {
    "id": "music-01",
    "aliases": ["minimax/music-01", 5],
    "status": "withdrawn",
    "replaced_by": "minimax/music-2.6",
    "reason": "gone\nfor good",
}


@pytest.mark.parametrize(
    "wrap", [lambda rows: rows, *(lambda rows, k=k: {k: rows} for k in ("data", "deprecations", "models"))]
)
def test_the_list_of_withdrawn_models_comes_bare_or_wrapped(wrap):
    (row,) = read(endpoints.deprecations(), wrap([GONE, None]))
    assert row == Deprecation(("music-01", "minimax/music-01"), "withdrawn", "minimax/music-2.6", "gone for good")


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": "x"}, []])
def test_a_list_of_withdrawn_models_may_be_empty(body):
    assert read(endpoints.deprecations(), body) == ()


@pytest.mark.parametrize(("body", "status"), [(b"[", 200), (b"<html>", 200), (b"[]", 502), (b"[1", 500)])
def test_a_broken_list_of_withdrawn_models_is_an_error_of_ours(body, status):
    with pytest.raises(exceptions.MusicError):
        read(endpoints.deprecations(), body, status)


def test_a_withdrawn_model_may_be_told_with_gaps():
    rows = read(endpoints.deprecations(), [{}, {"id": None, "aliases": "x", "reason": None, "replaced_by": "a\nb"}])
    assert rows == (Deprecation((), "", None, None),) * 2


PRICED = {"id": "google/lyria2", "aliases": ["lyria2"], "pricing": {"kind": "variable"}}


@pytest.mark.parametrize("name", ["google/lyria2", "lyria2"])
def test_a_models_price_is_found_by_its_id_and_its_aliases(name):
    others = [None, {}, {"id": "lyria", "pricing": {"kind": "other"}}, {"id": ["lyria2"], "aliases": 5}]
    assert read(endpoints.pricing(name), {"data": [*others, PRICED]}) == {"kind": "variable"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": "x"},
        {"data": []},
        {"data": [{"id": "other", "pricing": {"kind": "fixed"}}]},
        {"data": [{"id": "lyria2"}]},
        {"data": [{"id": "lyria2", "pricing": None}]},
        {"data": [{"id": "lyria2", "pricing": [1]}]},
    ],
)
def test_a_price_that_is_not_told_of_this_very_model_is_none(body):
    assert read(endpoints.pricing("lyria2"), body) is None


@pytest.mark.parametrize(("body", "status"), [(b"[", 200), (b"[]", 200), (b"<html>", 200), ({}, 502), ({}, 404)])
def test_a_broken_answer_about_prices_is_an_error_of_ours(body, status):
    with pytest.raises(exceptions.MusicError):
        read(endpoints.pricing("lyria2"), body, status)
