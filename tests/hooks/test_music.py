# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import socket

import httpx
import pytest

from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.exceptions import CredentialsError
from airflow_provider_music.get_provider_info import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR
from airflow_provider_music.hooks.clients import close_clients
from airflow_provider_music.hooks.music import MusicHook


@pytest.fixture
def connection(monkeypatch):
    def make(conn_id="music_default", **fields):
        given = {"conn_type": "music", "password": "sk-secret", **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(given))

    return make


def answering(status=200, **more):
    transport = httpx.MockTransport(lambda _: httpx.Response(status, **more))
    return use_transport(transport)


def try_it(conn_id="music_default"):
    good, message = MusicHook(conn_id).test_connection()
    assert isinstance(good, bool)
    assert isinstance(message, str)
    assert "sk-secret" not in message
    return good, message


def test_a_hook_looks_nothing_up_before_it_is_used(mocker):
    look_up = mocker.patch.object(MusicHook, "get_connection")
    assert MusicHook().conn_id == "music_default"
    assert MusicHook(conn_id="other").conn_id == "other"
    assert look_up.call_count == 0


def test_a_good_connection_says_the_balance(music_sandbox):
    music_sandbox.settings(balance=12.5)
    good, message = try_it()
    assert good
    assert message.startswith(f"The key works at {music_sandbox.url}; balance ")
    assert message.endswith(" USD")
    assert music_sandbox.requests("billing") == 1
    assert music_sandbox.posts() == 0


def test_a_wrong_key_is_told_in_the_apis_words(music_sandbox):
    music_sandbox.fault("billing:status=401")
    good, message = try_it()
    assert not good
    assert "401" in message


@pytest.mark.parametrize(
    "fault", ["status=403", "status=500", "status=502,gateway", "cut-before", "junk=html", "junk=deep"]
)
def test_an_api_that_does_not_answer_as_it_should_is_no_good_connection(music_sandbox, fault):
    music_sandbox.fault(f"billing:{fault}")
    good, message = try_it()
    assert not good
    assert "GET /v2/billing" in message


def test_a_missing_connection_is_told():
    good, message = try_it("no_such_connection")
    assert not good
    assert "There is no connection 'no_such_connection'" in message


def test_nobody_there_is_told(connection):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    connection(host=f"http://127.0.0.1:{port}")
    good, message = try_it()
    assert not good
    assert "no answer" in message


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"password": ""}, "no API key"),
        ({"host": "ftp://api.example.org"}, "no http(s)://"),
        ({"extra": {"read_timeout": -1}}, "read_timeout"),
        ({"extra": {"verify": "/dev/null"}}, "CA bundle"),
    ],
)
def test_a_connection_that_cannot_be_used_is_told(connection, fields, told):
    connection(**fields)
    good, message = try_it()
    assert not good
    assert told in message


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_is_told(connection, monkeypatch, name):
    connection(host="https://api.example.org")
    monkeypatch.setenv(name, "gopher://127.0.0.1")
    good, message = try_it()
    assert not good
    assert "HTTPS_PROXY" in message


@pytest.mark.parametrize("body", [{}, {"current_balance": None}, {"ok": True}])
def test_an_answer_without_a_balance_is_somebody_elses(connection, body):
    connection()
    with answering(json=body):
        good, message = try_it()
    assert not good
    assert "is it the AI/ML API?" in message


def test_the_hook_gives_clients_balance_and_generations(connection):
    connection()
    body = {"id": "g-1", "status": "completed", "audio_file": {"url": "https://a"}, "current_balance": 1}
    with answering(json=body):
        hook = MusicHook()
        assert hook.get_settings().base_url == "https://api.aimlapi.com"
        assert hook.get_conn() is hook.get_conn()
        assert hook.get_balance().amount == 1.0
        assert hook.get_generation("g-1").audio_url == "https://a"


async def test_the_hook_gives_an_event_loop_its_client(connection):
    connection()
    with answering(json={}):
        assert await MusicHook().get_async_conn() is await MusicHook().get_async_conn()
        await close_clients()


def test_a_missing_connection_is_an_error_at_the_first_call():
    with pytest.raises(CredentialsError):
        MusicHook("no_such_connection").get_conn()


def test_airflow_2_is_told_the_same_form_as_airflow_3():
    told = MusicHook.get_ui_field_behaviour()
    assert set(told) == {"hidden_fields", "relabeling", "placeholders"}
    assert told["relabeling"] == UI_FIELD_BEHAVIOUR["relabeling"]
    assert told["hidden_fields"] == UI_FIELD_BEHAVIOUR["hidden-fields"]


def test_airflow_2_is_told_the_extra_fields():
    pytest.importorskip("flask_appbuilder")
    wtforms = pytest.importorskip("wtforms")
    made = MusicHook.get_connection_form_widgets()
    assert list(made) == list(CONNECTION_FIELDS)

    form = type("Form", (wtforms.Form,), made)()
    for name, spec in CONNECTION_FIELDS.items():
        assert form[name].label.text == spec["label"]
        assert form[name].description == spec["description"]
        assert (form[name].type == "BooleanField") == (spec["schema"]["type"][0] == "boolean")


def test_airflow_2_shows_the_form_with_its_own_provider_manager():
    pytest.importorskip("flask_appbuilder")
    manager_module = pytest.importorskip("airflow.providers_manager")
    manager = manager_module.ProvidersManager()
    if "music" not in manager.hooks:
        pytest.skip("needs the package installed, with its entry point")
    names = [name.removeprefix("extra__music__") for name in manager.connection_form_widgets if "music" in name]
    assert set(CONNECTION_FIELDS) <= set(names)
