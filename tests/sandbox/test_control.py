# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import httpx
import pytest

from airflow_provider_music.sandbox.server import make_app
from airflow_provider_music.sandbox.settings import Settings
from airflow_provider_music.sandbox.state import State


def test_state_counts_requests_and_posts_per_route(api):
    number = api.submit().json()["id"]
    api.poll(number)
    api.http.get("/v2/billing")
    state = api.sandbox.state()
    assert state["requests"] == {"submit": 1, "poll": 1, "billing": 1}
    assert state["posts"] == {"submit": 1}
    assert (api.sandbox.posts(), api.sandbox.posts("submit"), api.sandbox.posts("generate")) == (1, 1, 0)


def test_faults_are_added_all_or_none_and_can_be_cleared(api):
    with pytest.raises(ValueError, match="nonsense"):
        api.sandbox.fault("submit:cut-after", "submit:nonsense")
    assert api.sandbox.state()["faults"] == []
    api.sandbox.fault("billing:status=500,times=all")
    assert api.http.get("/v2/billing").status_code == 500
    assert api.sandbox.state()["faults"] == [{"spec": "billing:status=500,times=all", "hits": 1}]
    api.sandbox.clear_faults()
    assert api.http.get("/v2/billing").status_code == 200


def test_settings_change_while_it_runs_and_bad_ones_are_named(api):
    api.sandbox.settings(song_seconds=1.0)
    api.song({"model": "minimax/music-2.6", "audio_setting": {"format": "wav"}})
    assert api.sandbox.generations()[0]["duration_ms"] == 1000
    with pytest.raises(ValueError, match="colour"):
        api.sandbox.settings(colour="red")


def test_a_withdrawn_model_can_be_restored(api):
    api.sandbox.withdraw("minimax/music-2.6")
    assert api.submit().status_code == 404
    api.sandbox.settings(restore="minimax/music-2.6")
    assert api.submit().status_code == 200


def test_reset_forgets_all_and_drops_songs_in_the_making(start):
    api = start(delay=60)
    number = api.submit().json()["id"]
    api.sandbox.fault("poll:status=500")
    api.sandbox.reset()
    state = api.sandbox.state()
    assert (state["generations"], state["bill"], state["faults"], state["posts"]) == ([], {}, [], {})
    assert api.poll(number).status_code == 404


def test_finish_lets_the_songs_that_are_being_made_be_done_and_those_of_later_take_their_time(start):
    api = start(delay=600)
    first, second = (api.submit().json()["id"] for _ in range(2))
    assert api.poll(first).json()["status"] != "completed"
    api.sandbox.finish()
    assert [api.finished(number)["status"] for number in (first, second)] == ["completed"] * 2
    assert api.poll(api.submit().json()["id"]).json()["status"] != "completed"


@pytest.mark.parametrize(("client", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.1.2.3", 403), ("somebody", 403)])
async def test_the_controls_answer_on_loopback_only(client, status):
    transport = httpx.ASGITransport(make_app(State(Settings())), client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        assert (await http.get("/_sandbox/state")).status_code == status


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"faults": "x"}', b'{"faults": [1]}'])
def test_a_bad_control_body_is_a_400_with_a_reason(api, body):
    response = api.http.post("/_sandbox/faults", content=body)
    assert response.status_code == 400
    assert response.json()["error"]
