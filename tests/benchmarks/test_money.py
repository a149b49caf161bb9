# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The gate of the money benchmark stops each song where it says, and the table counts what is paid."""

from __future__ import annotations

import threading
import time
import xml.etree.ElementTree as ET

import httpx
import pytest
from money.contenders import CONTENDERS, PEERS, ROOT
from money.picture import draw
from money.points import Point, counts
from money.report import Result, by_point, table
from money.rounds import Round
from money.server import BatchApi, MusicApi

_HEADERS = {"Authorization": "Bearer a-key"}
_BODY = {"model": "minimax/music-2.6", "prompt": "song-001 calm piano", "lyrics": "a street at night, rain"}
_PATH = "/v2/generate/audio"


@pytest.fixture
def api():
    with MusicApi(delay=0.2) as served:
        served.gate.killed = threading.Event()
        served.gate.kill = served.gate.killed.set
        yield served


def submit(api):
    return httpx.post(api.url + _PATH, json=_BODY, headers=_HEADERS, trust_env=False, timeout=20)


def song_url(api, number):
    while True:
        params = {"generation_id": number}
        body = httpx.get(api.url + _PATH, params=params, headers=_HEADERS, trust_env=False).json()
        if body["status"] == "completed":
            return body["audio_file"]["url"]
        time.sleep(0.1)


def test_the_points_share_out_the_songs():
    assert sum(counts(100).values()) == 100
    assert counts(10)[Point.LOST] == counts(10)[Point.CUT] == 1
    with pytest.raises(ValueError, match="multiple of 10"):
        counts(15)


def test_before_sending_nothing_reaches_the_api(api):
    api.gate.arm(Point.BEFORE, ["song-001"])
    with pytest.raises(httpx.TransportError):
        submit(api)
    assert api.gate.killed.is_set()
    assert (sum(api.gate.posts.values()), api.paid()) == (0, [])
    assert submit(api).status_code == 200  # once only


def test_after_acceptance_the_response_comes_and_the_process_is_stopped_before(api):
    order = []
    api.gate.stop, api.gate.kill = (lambda: order.append("stop")), (lambda: order.append("kill"))
    api.gate.arm(Point.ACCEPTED, ["song-001"])
    assert submit(api).json()["id"]
    assert api.gate.done.wait(5)
    assert order == ["stop", "kill"]


@pytest.mark.parametrize("point", [Point.LOST, Point.CUT])
def test_a_lost_answer_is_billed(api, point):
    api.gate.arm(point, ["song-001"])
    with pytest.raises(httpx.TransportError):
        submit(api)
    assert api.gate.killed.is_set() == (point is Point.LOST)
    assert api.gate.done.is_set()
    while api.is_busy():
        time.sleep(0.1)
    assert (api.paid(), api.gate.posts["song-001"], api.usd()) == (["song-001"], 1, 0.195)


def test_the_first_poll_of_each_song_can_be_stopped(api):
    api.gate.arm(Point.POLLING, ["song-001"])
    number = submit(api).json()["id"]
    with pytest.raises(httpx.TransportError):
        song_url(api, number)
    assert api.gate.killed.is_set()
    assert song_url(api, number)


def test_half_of_a_song_can_come_and_then_all_of_it(api, tmp_path):
    api.gate.arm(Point.DOWNLOADING, ["song-001"])
    url = song_url(api, submit(api).json()["id"])
    with pytest.raises(httpx.TransportError):
        httpx.get(url, trust_env=False)
    assert api.gate.killed.is_set()
    file = tmp_path / "song.mp3"
    file.write_bytes(httpx.get(url, trust_env=False).content)
    assert api.is_whole("song-001", file)
    assert not api.is_whole("song-002", file)
    file.write_bytes(file.read_bytes()[:-1])
    assert not api.is_whole("song-001", file)


def test_a_song_is_known_by_its_batch_as_by_its_file(tmp_path):
    with BatchApi(delay=0.2) as api, httpx.Client(base_url=api.url, trust_env=False) as client:
        line = '{"custom_id": "c-0", "body": {"messages": [{"content": "song-007 words"}]}}'
        number = client.post("/v1/files", files={"file": ("in.jsonl", line)}).json()["id"]
        body = {"input_file_id": number, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = client.post("/v1/batches", json=body).json()["id"]
        while (found := client.get(f"/v1/batches/{batch}").json())["status"] != "completed":
            time.sleep(0.1)
        output = client.get(f"/v1/files/{found['output_file_id']}/content").text
        assert (api.paid(), sum(api.gate.posts.values())) == (["song-007"], 1)
    (tmp_path / "out").write_text(output)
    assert api.is_whole("song-007", tmp_path / "out")


def test_the_table_says_what_is_lost_and_what_is_left_to_a_person():
    left = {f"song-{n}": "unknown" for n in range(2)}
    careful = Result("careful", rounds={Point.BEFORE: Round(2, 0, 0, 0.0, 0, left, after=(2, 2))}, retold="clear")
    careless = Result("careless", rounds={Point.BEFORE: Round(2, 4, 4, 0.78, 2)})
    absent = Result("absent", broken="could not be installed")
    lines = table([careful, careless, absent]).splitlines()[2:]
    assert lines[0] == "| careful | 0 | 0.00 | 0 | 0 | 2 songs: clear; which brings 2 songs for 2 bills |"
    assert lines[1].startswith("| careless | 4 | 0.78 | 2 | 2 | 2 songs paid twice")
    assert lines[2].endswith("not measured: could not be installed |")
    assert "| careless | 4 / 2 |" in by_point([careless, absent])


def test_the_picture_is_an_svg_with_a_bar_a_contender(tmp_path):
    draw([Result("a & b", rounds={Point.BEFORE: Round(2, 4, 4, 0.78, 2)})], tmp_path / "p.svg", "two < three")
    words = [each.text for each in ET.parse(tmp_path / "p.svg").iter() if each.text]
    assert "a & b" in words
    assert "0.78 USD, 2 songs" in words


@pytest.mark.parametrize("name", CONTENDERS)
def test_each_contender_has_its_program_and_its_pins(name):
    contender = CONTENDERS[name]
    assert (PEERS / contender.program).is_file()
    if contender.pins:
        pins = (ROOT / "requirements" / f"bench-money-{contender.pins}.txt").read_text()
        assert all(f"\n{package}==" in pins for package in contender.packages if package != "apache-airflow")
        assert "//" not in pins
