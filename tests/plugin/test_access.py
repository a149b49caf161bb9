# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Who gets in: nobody without a session, nobody without the right to read the DAG, and nothing by another way."""

from __future__ import annotations

import pytest

HTML = {"accept": "text/html"}
OF_A_SONG = ("", "/state", "/take/1/audio", "/take/1/waveform", "/take/1/verify")


def ask(client, method, url, **more):
    return client.request(method, url, follow_redirects=False, **more)


def method_of(what):
    return "POST" if what.endswith("verify") else "GET"


@pytest.mark.parametrize("what", OF_A_SONG)
def test_a_song_needs_a_session_and_the_right_to_read_its_dag(as_user, tables, what):
    url = tables.path(tables.song(), what)
    assert [ask(as_user(user), method_of(what), url).status_code for user in (None, "stranger", "reader", "x")] == [
        *(401, 403, 200, 403),
    ]


@pytest.mark.parametrize("url", ["/music/", "/music/costs", "/music/static/song.js", "/music/nothing/is/here"])
def test_nothing_else_is_there_without_a_session(as_user, url):
    assert as_user(None).get(url).status_code in (401, 404)
    assert as_user("reader").get(url).status_code == (404 if "nothing" in url else 200)


def test_every_route_needs_a_session(as_user):
    from fastapi.routing import APIRoute

    from airflow_provider_music.plugin.app import app
    from airflow_provider_music.plugin.server import get_user

    routes = app().routes
    assert all(isinstance(route, APIRoute) for route in routes)
    assert all(get_user in [each.call for each in route.dependant.dependencies] for route in routes)


def test_only_verify_is_no_get(as_user):
    from airflow_provider_music.plugin.app import app

    others = [route.path for route in app().routes if route.methods != {"GET"}]
    assert [path.rpartition("/")[2] for path in others] == ["verify"]


def test_the_auth_manager_is_asked_for_xcoms_and_task_instances_of_this_very_dag(reader, tables, auth_manager):
    reader.get(tables.path(tables.song(), "/take/1/audio"))
    assert set(auth_manager.asked) == {("GET", "TASK_INSTANCE", "heard"), ("GET", "XCOM", "heard")}


def test_a_dag_in_the_query_changes_nothing(reader, tables):
    url = tables.path(tables.song(dag_id="secret"))
    assert reader.get(url, params={"dag_id": "heard"}).status_code == 403


def test_a_person_without_a_session_is_led_to_the_sign_in(as_user, tables):
    url = tables.path(tables.song())
    page = as_user(None).get(url, headers=HTML)
    assert page.status_code == 401
    assert 'action="/api/v2/auth/login"' in page.text
    assert "/music/song/heard/manual__2026-11-28" in page.text.partition('name="next"')[2]


def test_a_script_without_a_session_gets_json(as_user, tables):
    answer = as_user(None).get(tables.path(tables.song(), "/state"))
    assert answer.json() == {"detail": "Not authenticated"}


def test_a_post_from_another_site_is_refused(reader, tables):
    url = tables.path(tables.song(), "/take/1/verify")
    assert reader.post(url, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert reader.post(url, headers={"sec-fetch-site": "same-site"}).status_code == 403
    assert reader.post(url, headers={"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("user", [None, "stranger", "reader"])
@pytest.mark.parametrize("what", ["", "/take/1/audio", "/take/9/audio"])
def test_every_response_carries_the_headers_that_keep_others_out(as_user, tables, user, what):
    headers = as_user(user).get(tables.path(tables.song(), what)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


def test_a_fault_of_ours_carries_them_too(as_user, tables, monkeypatch):
    monkeypatch.setattr("airflow_provider_music.plugin.pages.song_page", lambda *_: 1 / 0)
    answer = as_user("reader").get(tables.path(tables.song()), headers=HTML)
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "division" not in answer.text


def test_the_library_holds_the_songs_of_readable_dags_only(as_user, tables):
    tables.song()
    tables.song(dag_id="secret", task_id="hidden")
    assert "hidden" not in (page := as_user("reader").get("/music/").text)
    assert "/music/song/heard/" in page
    assert "No songs here" in as_user("stranger").get("/music/").text


@pytest.mark.parametrize("filters", [{"dag": "secret"}, {"q": "gen-hidden"}, {"after": "eyJhIjoxfQ=="}])
def test_no_filter_shows_a_song_of_another_dag(reader, tables, filters):
    key = tables.task(dag_id="secret", task_id="hidden")
    tables.xcoms(key, [("record_uri", "file:///a/take-1/completed.json"), ("generation_id", "gen-hidden")])
    tables.task(dag_id="secret", task_id="hidden_too", run_id="b", state="failed")
    for state in ("ready", "waiting", "failed"):
        assert "hidden" not in reader.get("/music/", params={**filters, "state": state}).text.replace("gen-hidden", "")
    assert "hidden" not in reader.get("/music/costs", params=filters).text
