# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A base URL whose host does not exist fails a task within two minutes; an outage of the name service does not."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path

import httpx
import pytest

from airflow_provider_music.api import client as api_client
from airflow_provider_music.api.outcome import is_failed_look_up
from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    GenerationTimeoutError,
    HostUnknownError,
    PartialBatchError,
)
from airflow_provider_music.generation import hosts
from airflow_provider_music.generation.poll import Pace, Polls, poll_until_done
from airflow_provider_music.hooks.clients import close_clients
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor

URL = "https://api.example.invalid"
KEY = "sk-do-not-show-this-key"
DONE = {"id": "gen-1", "status": "completed", "audio_file": {"url": f"{URL}/a.mp3"}}


def no_such_name(request):
    try:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    except OSError as exc:
        raise httpx.ConnectError(str(exc), request=request) from exc


def refused(request):
    raise httpx.ConnectError("[Errno 111] Connection refused", request=request)


class Network:
    """What the API's host does with each request, and what was sent; the last act stays."""

    def __init__(self, *acts):
        self.acts = list(acts)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request.method)
        return (self.acts.pop(0) if len(self.acts) > 1 else self.acts[0])(request)


def says(http, **body):
    return lambda _: httpx.Response(http, json=body)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """No host has answered yet, and none has failed."""
    monkeypatch.setattr(api_client, "_answered", set())
    monkeypatch.setattr(hosts, "_failures", {})
    connection = {"conn_type": "music", "host": URL, "password": KEY}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(connection))


@pytest.fixture
def network():
    switches = []

    def use(*acts):
        there = Network(*acts)
        switches.append(use_transport(httpx.MockTransport(there)))
        switches[-1].__enter__()
        return there

    yield use
    for switch in reversed(switches):
        switch.__exit__(None, None, None)


@pytest.fixture
def song(output_dir):
    def make(**more):
        fields = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}
        return GenerateMusicOperator(task_id="song", output_dir=str(output_dir), **{**fields, **more})

    return make


def assert_names_it(error):
    text = str(error)
    assert URL in text
    assert "'music_default'" in text
    assert "Name or service not known" in text
    assert KEY not in text
    assert re.search(r"Tried for 1\d\d s", text)


@pytest.mark.parametrize(
    "fields",
    [{}, {"model": "music-01", "lyrics": "##la##", "prompt": None, "refer_voice": "vocal-1"}],
    ids=["queued", "synchronous"],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_paid_request_to_a_host_that_does_not_exist_fails_within_two_minutes(
    fields, deferrable, song, airflow, network, clocks, output_dir
):
    there, begun = network(no_such_name), clocks.elapsed
    with pytest.raises(HostUnknownError, match=r"is not billed; a retry submits again\. Nothing was sent") as caught:
        airflow.run(song(**fields, deferrable=deferrable))
    assert clocks.elapsed - begun == pytest.approx(hosts.UNKNOWN_HOST_SECONDS)
    assert_names_it(caught.value)
    assert 5 <= len(there.requests) <= 15
    facts = [json.loads(path.read_text()) for path in Path(output_dir).rglob("failed.json")]
    assert len(facts) == len(there.requests)
    assert {(fact["sent"], fact["error"]) for fact in facts} == {(False, "HostUnknownError")}


def test_a_host_that_appears_in_time_costs_one_song(song, airflow, network, clocks):
    there = network(no_such_name, no_such_name, says(201, id="gen-1", status="queued"))
    result = airflow.run(song(wait_for_completion=False))
    assert result["generation_id"] == "gen-1"
    assert there.requests == ["POST"] * 3


def test_the_next_try_has_two_minutes_of_its_own(song, airflow, network, clocks):
    network(no_such_name)
    with pytest.raises(HostUnknownError):
        airflow.run(song())
    clocks.elapsed += 300
    clocks.wall += 300
    airflow.retry()
    begun = clocks.elapsed
    with pytest.raises(HostUnknownError):
        airflow.run(song())
    assert clocks.elapsed - begun == pytest.approx(hosts.UNKNOWN_HOST_SECONDS)


def test_once_the_host_has_answered_a_failed_look_up_is_waited_through(song, airflow, network, clocks):
    there = network(says(429, message="slow down"), *[no_such_name] * 12, says(201, id="gen-1", status="queued"))
    begun = clocks.elapsed
    assert airflow.run(song(wait_for_completion=False))["generation_id"] == "gen-1"
    assert clocks.elapsed - begun > 2 * hosts.UNKNOWN_HOST_SECONDS
    assert there.requests == ["POST"] * 14


def test_a_refused_connection_is_no_host_that_does_not_exist(song, airflow, network, clocks):
    network(refused)
    begun = clocks.elapsed
    with pytest.raises(ApiUnreachableError) as caught:
        airflow.run(song(timeout=600))
    assert not isinstance(caught.value, HostUnknownError)
    assert clocks.elapsed - begun > 2 * hosts.UNKNOWN_HOST_SECONDS


def test_a_batch_fails_as_soon_as_one_song_and_its_later_songs_wait_no_more(airflow, network, clocks, output_dir):
    network(no_such_name)
    begun = clocks.elapsed
    task = GenerateMusicBatchOperator(
        task_id="songs",
        requests=[{"model": "minimax/music-2.6", "prompt": f"a calm song, {n}"} for n in range(6)],
        max_in_flight=2,
        output_dir=str(output_dir),
    )
    with pytest.raises(PartialBatchError, match=URL):
        airflow.run(task)
    assert clocks.elapsed - begun < 3 * hosts.UNKNOWN_HOST_SECONDS


def test_a_paid_batch_whose_polls_find_no_host_waits_on_as_well(airflow, network, clocks, output_dir, monkeypatch):
    def act(request):
        if request.method == "GET":
            return no_such_name(request)
        return httpx.Response(201, json={"id": f"gen-{len(there.requests)}", "status": "queued"})

    there = network(act)
    # The POSTs and the polls may be sent by two processes.
    monkeypatch.setattr(api_client, "_answered", type("Never", (set,), {"add": lambda self, _: None})())
    task = GenerateMusicBatchOperator(
        task_id="songs",
        requests=[{"model": "minimax/music-2.6", "prompt": f"a calm song, {n}"} for n in range(2)],
        output_dir=str(output_dir),
    )
    begun = clocks.elapsed
    with pytest.raises(PartialBatchError, match="2 pending") as caught:
        airflow.run(task)
    assert clocks.elapsed - begun > 2 * hosts.UNKNOWN_HOST_SECONDS
    assert "keeps running" not in str(caught.value)
    assert there.requests.count("POST") == 2


def wait(network, clocks, *acts, polls=None, interval=None):
    there = network(*acts)

    async def waited():
        try:
            times = {"deadline": clocks.wall + 3600, "submitted_at": clocks.wall}
            return await poll_until_done("music_default", "gen-1", Pace(60, interval), polls=polls, **times)
        finally:
            await close_clients()

    begun = clocks.elapsed
    try:
        return asyncio.run(waited()), there, clocks.elapsed - begun
    except HostUnknownError as exc:
        return exc, there, clocks.elapsed - begun


@pytest.mark.parametrize("interval", [None, 5.0, 90.0])
def test_polls_of_a_host_that_does_not_exist_stop_within_two_minutes_of_the_first(interval, network, clocks):
    polls = Polls(submitted_elsewhere=True)
    error, there, seconds = wait(network, clocks, no_such_name, polls=polls, interval=interval)
    assert_names_it(error)
    assert seconds <= hosts.UNKNOWN_HOST_SECONDS + (interval or 5.0) * 1.1
    assert set(there.requests) == {"GET"}


def test_polls_wait_through_an_outage_of_the_name_service(network, clocks):
    acts = [says(200, id="gen-1", status="queued"), *[no_such_name] * 20, says(200, **DONE)]
    found, _, seconds = wait(network, clocks, *acts)
    assert found.done
    assert seconds > hosts.UNKNOWN_HOST_SECONDS


def test_a_paid_song_is_waited_for_also_by_a_process_that_the_host_has_not_answered(
    song, airflow, network, clocks, monkeypatch
):
    """A triggerer that starts while the name service is away must not fail every song that waits in it."""
    there = network(says(201, id="gen-1", status="queued"), no_such_name)
    task = song(deferrable=False)
    # The POST and the polls of a queued song are often sent by two processes.
    monkeypatch.setattr(api_client, "_answered", type("Never", (set,), {"add": lambda self, _: None})())
    begun = clocks.elapsed
    with pytest.raises(GenerationTimeoutError, match=r"has no address.*Whether it is under way, done or failed"):
        airflow.run(task)
    assert clocks.elapsed - begun > 2 * hosts.UNKNOWN_HOST_SECONDS
    assert there.requests.count("POST") == 1


@pytest.mark.parametrize("more", [{}, {"poll_interval": 600}, {"deferrable": False}])
def test_a_sensor_of_a_host_that_does_not_exist_fails_within_two_minutes(more, airflow, network, clocks, output_dir):
    network(no_such_name)
    begun = clocks.elapsed
    with pytest.raises(HostUnknownError) as caught:
        airflow.run(MusicGenerationSensor(task_id="wait", generation="gen-1", output_dir=str(output_dir), **more))
    assert clocks.elapsed - begun == pytest.approx(hosts.UNKNOWN_HOST_SECONDS)
    assert_names_it(caught.value)
    assert airflow.deferrals == []


def test_a_deadline_that_comes_first_counts(song, airflow, network, clocks):
    network(no_such_name)
    begun = clocks.elapsed
    with pytest.raises((HostUnknownError, GenerationTimeoutError)):
        airflow.run(song(timeout=20))
    assert clocks.elapsed - begun <= 20


def test_a_name_that_nobody_can_look_up_is_one_too():
    error = httpx.NetworkError("no")
    error.__cause__ = UnicodeError("label empty or too long")
    assert is_failed_look_up(error)
    assert not is_failed_look_up(httpx.ConnectError("refused"))


def test_what_is_known_at_a_deadline_counts_the_polls_that_brought_nothing(network, clocks):
    polls = Polls()
    wait(network, clocks, says(200, id="gen-1", status="generating"), refused, polls=polls)
    known = polls.as_dict()
    assert known["last_status"] == "generating"
    assert known["failures"] == known["made"] - 1
    assert known["silent_seconds"] > 3000
    assert "Connection refused" in known["last_error"]
