# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket
import struct

import httpx
import pytest


def made(api) -> list[dict]:
    return api.sandbox.generations()


def test_a_cut_before_the_bill_leaves_nothing_behind(api):
    api.sandbox.fault("submit:cut-before")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        api.submit()
    assert (made(api), api.sandbox.posts("submit")) == ([], 1)


def test_a_cut_after_the_bill_leaves_a_song_that_the_log_knows(api):
    api.sandbox.fault("submit:cut-after")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        api.submit(X_Client_Request_Id="lost.1")
    row = api.first_row()
    assert row["client_request_id"] == "lost.1"
    assert api.finished(row["inference_id"])["status"] == "completed"
    assert len(made(api)) == 1


def test_a_lost_answer_can_hide_a_failed_song(api):
    api.sandbox.fault("submit:cut-after,failed")
    with pytest.raises(httpx.RemoteProtocolError):
        api.submit(X_Client_Request_Id="lost.2")
    row = api.first_row()
    assert (row["client_request_id"], row["status"]) == ("lost.2", "failed")


def test_a_cut_can_be_a_reset(api):
    api.sandbox.fault("submit:cut-after,reset")
    with pytest.raises(httpx.ReadError, match="reset"):
        api.submit()


def test_the_tcp_connection_itself_ends(api):
    host, port = api.sandbox.url.removeprefix("http://").split(":")
    api.sandbox.fault("billing:cut-before")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"GET /v2/billing HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n")
        assert raw.recv(100) == b""


def test_an_answer_can_break_off_in_its_body(api):
    api.sandbox.fault("submit:cut-body=0.5")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        api.submit()
    assert len(made(api)) == 1


def test_a_download_can_break_off_in_the_middle(api):
    url = api.song()["audio_file"]["url"]
    api.sandbox.fault("download:cut-body=0.25")
    with httpx.stream("GET", url, trust_env=False) as response:
        size = int(response.headers["content-length"])
        pieces = response.iter_raw()
        got = []
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(pieces)
    assert len(b"".join(got)) == int(size * 0.25)
    assert api.fetch(url).content.startswith(b"".join(got))


def test_the_length_can_be_wrong_both_ways(api):
    url = api.song()["audio_file"]["url"]
    whole = api.fetch(url).content
    api.sandbox.fault("download:wrong-length=10", "download:wrong-length=-10")
    with pytest.raises(httpx.RemoteProtocolError):
        api.fetch(url)
    assert api.fetch(url).content == whole[:-10]


def test_a_hang_says_nothing_and_then_ends(api):
    api.sandbox.fault("submit:hang=0.1", "submit:hang=60,billed")
    with pytest.raises(httpx.RemoteProtocolError):
        api.submit()
    assert made(api) == []
    with pytest.raises(httpx.ReadTimeout):
        api.http.post("/v2/generate/audio", json={"model": "minimax/music-2.6"}, timeout=0.3)
    assert len(made(api)) == 1


def test_an_answer_can_be_late_or_slow(api):
    api.sandbox.fault("billing:late=0.05", "billing:slow=2000")
    assert api.http.get("/v2/billing").json()["current_balance"] == 100
    assert api.http.get("/v2/billing").json()["current_balance"] == 100


@pytest.mark.parametrize("envelope", ["problem", "documented"])
def test_a_status_comes_in_the_apis_envelope_and_bills_nothing(start, envelope):
    api = start(envelope=envelope)
    api.sandbox.fault("submit:status=500")
    response = api.submit()
    body = response.json()
    assert response.status_code == 500
    assert str(body.get("statusCode", body.get("status"))) == "500"
    assert made(api) == []


def test_a_gateway_answers_in_html_and_may_have_billed(api):
    api.sandbox.fault("submit:status=502,gateway", "submit:status=504,gateway,billed")
    for status, songs in ((502, 0), (504, 1)):
        response = api.submit()
        assert (response.status_code, len(made(api))) == (status, songs)
        assert response.headers["content-type"] == "text/html"


def test_a_rate_limit_says_when_to_come_back(api):
    api.sandbox.fault("poll:rate-limit=7,times=2")
    number = api.submit().json()["id"]
    for _ in range(2):
        response = api.poll(number)
        assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert api.finished(number)["status"] == "completed"


def test_minimax_can_refuse_with_any_code(api):
    api.sandbox.fault("generate:base-resp=1002")
    response = api.generate(refer_voice="x")
    assert (response.status_code, response.json()["base_resp"]["status_code"]) == (200, 1002)


@pytest.mark.parametrize("kind", ["html", "truncated", "text", "empty", "list", "nan", "deep"])
def test_junk_comes_with_200_after_the_bill(api, kind):
    api.sandbox.fault(f"submit:junk={kind}")
    response = api.submit()
    assert response.status_code == 200
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    assert not isinstance(body, dict) or not isinstance(body["id"], str)
    assert len(made(api)) == 1


@pytest.mark.parametrize("kind", ["huge", "gzip-bomb"])
def test_an_answer_can_be_far_too_big(api, kind):
    api.sandbox.fault(f"billing:{kind}=8")
    response = api.http.get("/v2/billing")
    assert "content-length" not in response.headers
    assert len(response.content) > 8 * 2**20
    assert response.json()["currency"] == "USD"


def test_a_client_that_leaves_a_flood_does_not_hold_the_server(api):
    api.sandbox.fault("billing:huge=2000")
    with httpx.stream("GET", api.sandbox.url + "/v2/billing", trust_env=False) as response:
        next(response.iter_raw())
    assert api.http.get("/v2/billing").status_code == 200


def test_a_redirect_leads_where_it_is_told(api):
    api.sandbox.fault("billing:redirect=http://127.0.0.1:1/x?a=b")
    response = api.http.get("/v2/billing")
    assert (response.status_code, response.headers["location"]) == (302, "http://127.0.0.1:1/x?a=b")


def test_a_poll_can_say_other_things(api):
    number = api.submit().json()["id"]
    good = api.finished(number)["audio_file"]["url"]
    api.sandbox.fault("poll:expired-url", "poll:no-file", "poll:url=http://127.0.0.1:1/x", "poll:status-word=waiting")
    assert api.fetch(api.poll(number).json()["audio_file"]["url"]).status_code == 403
    assert api.poll(number).json()["audio_file"] is None
    assert api.poll(number).json()["audio_file"]["url"] == "http://127.0.0.1:1/x"
    assert api.poll(number).json()["status"] == "waiting"
    assert api.fetch(good).status_code == 200


@pytest.mark.parametrize("kind", ["half", "empty", "html", "header", "other"])
def test_a_download_can_be_something_else(api, kind):
    url = api.song()["audio_file"]["url"]
    whole = api.fetch(url).content
    api.sandbox.fault(f"download:audio={kind}")
    assert api.fetch(url).content != whole
    assert api.fetch(url).content == whole


def test_reset_by_the_client_is_survived(api):
    host, port = api.sandbox.url.removeprefix("http://").split(":")
    raw = socket.create_connection((host, int(port)), timeout=10)
    raw.sendall(b"POST /v2/generate/audio HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    assert api.http.get("/v2/billing").status_code == 200
