# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

KEYED = ["/v2/billing", "/v2/logs?period=24h", "/v2/generate/audio?generation_id=x"]


def balance(api) -> float:
    return api.http.get("/v2/billing").json()["current_balance"]


@pytest.mark.parametrize("path", KEYED)
@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Bearer wrong"])
def test_a_missing_or_wrong_key_is_a_401(start, path, header):
    api = start(keys=("right",))
    assert api.http.get(path).status_code != 401
    del api.http.headers["Authorization"]
    response = api.http.get(path, headers={} if header is None else {"Authorization": header})
    assert response.status_code == 401
    assert "valid API key" in response.json()["message"]


def test_a_song_is_charged_when_it_is_done(start):
    api = start(delay=0.5, balance=1)
    number = api.submit().json()["id"]
    assert balance(api) == 1
    api.finished(number)
    assert balance(api) == pytest.approx(0.805)


def test_a_bill_is_kept_per_key(api):
    api.song()
    assert api.http.get("/v2/billing", headers={"Authorization": "Bearer other"}).json()["current_balance"] == 100
    spent = sorted(bill["spent_credits"] for bill in api.sandbox.state()["bill"].values())
    assert spent == [0, 390_000]


def test_an_empty_balance_is_a_403_and_songs_in_the_making_count(start):
    api = start(delay=30, balance=0.3)
    assert api.submit().status_code == 200
    response = api.submit()
    assert response.status_code == 403
    assert response.json()["message"].startswith("You've run out of credits")
    api.sandbox.settings(balance=5)
    assert api.submit().status_code == 200


def test_a_failed_song_costs_nothing_and_its_row_says_so(api):
    api.sandbox.fault("submit:error")
    failed = api.song()
    assert (failed["status"], failed["error"]["name"]) == ("error", "GenerationError")
    assert balance(api) == 100
    (row,) = api.rows()["data"]
    assert (row["status"], row["cost"]) == ("failed", {"usd": 0, "credits": 0})


def test_a_row_maps_the_request_id_to_the_generation(api):
    number = api.submit(X_Client_Request_Id="dag:run:task.1").json()["id"]
    api.finished(number)
    (row,) = api.rows()["data"]
    assert (row["client_request_id"], row["inference_id"]) == ("dag:run:task.1", number)
    assert row["cost"] == {"usd": 0.195, "credits": 390_000}
    assert api.sandbox.state()["posts_by_client_request_id"] == {"dag:run:task.1": {"submit": 1}}


@pytest.mark.parametrize("bad", ["a b", "x" * 129, "a/b", "ü".encode().decode("latin-1")])
def test_an_invalid_request_id_is_dropped_without_a_word(api, bad):
    response = api.http.post(
        "/v2/generate/audio",
        json={"model": "minimax/music-2.6"},
        headers={"X-Client-Request-Id": bad.encode("latin-1")},
    )
    assert response.status_code == 200
    assert "x-client-request-id" not in response.headers
    api.finished(response.json()["id"])
    assert api.rows()["data"][0]["client_request_id"] is None


def test_a_row_comes_only_when_the_song_is_done_and_its_lag_is_over(start):
    api = start(delay=0.3, log_lag=0.3)
    number = api.submit().json()["id"]
    assert api.rows()["data"] == []
    api.finished(number)
    assert api.rows()["data"] == []
    assert api.first_row()["inference_id"] == number


def test_the_log_comes_in_pages_newest_first(api):
    mine = api.submit().json()["id"]
    api.finished(mine)
    api.sandbox.fill_log(rows=230)
    seen, offset = [], 0
    while True:
        page = api.rows(limit=100, offset=offset)
        seen += page["data"]
        offset += len(page["data"])
        if not page["pagination"]["has_more"]:
            break
    assert len(seen) == 231 == page["pagination"]["total"]
    assert seen[-1]["inference_id"] == mine
    assert [row["created"] for row in seen] == sorted((row["created"] for row in seen), reverse=True)


def test_the_log_can_be_filtered(api):
    api.song()
    api.sandbox.fault("submit:error")
    api.song({"model": "lyria2", "prompt": "a calm song"})
    assert len(api.rows(model="google/lyria2")["data"]) == 1
    assert len(api.rows(model="music-2.6")["data"]) == 1
    assert len(api.rows(status="failed")["data"]) == 1
    assert len(api.rows(status=["failed", "succeeded"])["data"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"offset": -1},
        {"period": "soon"},
        {"period": "93d"},
        {"period": "1e9999d"},
        {"start": "2026-01-01", "end": "2026-09-01"},
    ],
)
def test_a_wrong_query_of_the_log_is_a_400(api, query):
    assert api.http.get("/v2/logs", params=query).status_code == 400


def test_the_log_takes_so_many_requests_a_minute(start):
    api = start(logs_per_minute=3)
    assert [api.http.get("/v2/logs").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_answers_can_be_silent_about_the_cost_which_the_log_says_all_the_same(api):
    api.sandbox.settings(tell_usage=False)
    answer = api.submit()
    assert "meta" not in answer.json()
    assert not any("usd" in name or "credits" in name for name in answer.headers)
    api.finished(answer.json()["id"])
    assert api.first_row()["cost"] == {"usd": 0.195, "credits": 390_000}


def test_a_path_that_the_api_does_not_have_is_a_404_in_its_envelope(api):
    response = api.http.get("/v2/nothing")
    assert (response.status_code, response.json()["instance"]) == (404, "/v2/nothing")
    assert api.http.delete("/v2/billing").status_code == 405
