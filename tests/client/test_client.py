# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The client outside of Airflow: each paid request is sent once, and what breaks says what it means for the bill."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_music
from airflow_provider_music.api import endpoints
from airflow_provider_music.client import AsyncClient, Client, Song
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    AuthenticationError,
    CredentialsError,
    GenerationFailedError,
    GenerationTimeoutError,
    InvalidRequestError,
    MusicError,
    OutputError,
    ServerFailureError,
    UnknownOutcomeError,
)
from airflow_provider_music.hooks.music import MusicHook
from tests.lanes import LANES, ROUTES

REQUEST = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}
REQUESTS = {lane: {name: fields[name] for name in fields if name != "poll_interval"} for lane, fields in LANES.items()}
ROOT = Path(airflow_provider_music.__file__).parent.parent

pytestmark = pytest.mark.usefixtures("quick_clock")


@pytest.fixture
def client(music_sandbox):
    music_sandbox.settings(any_reference=True)
    with Client(music_sandbox.key, music_sandbox.url) as made:
        yield made


@pytest.mark.parametrize("lane", REQUESTS)
def test_a_song_is_submitted_once_and_lies_in_a_folder_of_its_own(client, music_sandbox, output_dir, lane):
    song = client.generate(REQUESTS[lane], to=output_dir)

    assert music_sandbox.posts() == music_sandbox.posts(ROUTES[lane]) == 1
    assert song.path.parent.parent == output_dir
    assert hashlib.sha256(song.read()).hexdigest() == song.audio["sha256"] == music_sandbox.generations()[0]["sha256"]
    assert song.model == REQUESTS[lane]["model"]
    assert song.usage["usd_spent"] > 0
    noted = json.loads((song.path.parent / "request.json").read_text())
    assert noted["client_request_id"] == song.request_id == music_sandbox.generations()[0]["client_request_id"]
    assert "sea" not in json.dumps(noted)


@pytest.mark.parametrize("lane", REQUESTS)
def test_a_song_has_the_name_that_its_request_gives(client, music_sandbox, output_dir, lane):
    song = client.generate({**REQUESTS[lane], "name": "a jingle.mp3"}, to=output_dir)
    assert song.path.name == "a_jingle.mp3"
    assert music_sandbox.posts() == 1


async def test_the_same_with_asyncio(music_sandbox, output_dir):
    async with AsyncClient(music_sandbox.key, music_sandbox.url) as client:
        song = await client.generate(REQUEST, to=output_dir)
        assert (await client.balance()).amount < 100
    assert song.path.is_file()
    assert music_sandbox.posts() == 1


def test_the_steps_one_by_one(client, music_sandbox, output_dir):
    submitted = client.submit(REQUEST)
    found = client.wait(submitted.generation_id)
    song = client.download(submitted.generation_id, to=output_dir)

    assert found.done
    assert client.poll(submitted.generation_id).status == "completed"
    assert song.generation_id == submitted.generation_id
    assert client.find(submitted.request_id).inference_id == submitted.generation_id
    assert music_sandbox.posts() == 1


# What breaks


@pytest.mark.parametrize("lane", REQUESTS)
@pytest.mark.parametrize("fault", ["cut-after", "cut-before", "status=503", "status=302"])
def test_a_lost_response_is_no_second_request_and_names_the_first(client, music_sandbox, output_dir, lane, fault):
    music_sandbox.fault(f"{ROUTES[lane]}:{fault}")
    with pytest.raises(UnknownOutcomeError, match="may have been billed, under X-Client-Request-Id") as caught:
        client.generate(REQUESTS[lane], to=output_dir)

    assert music_sandbox.posts() == 1
    (request_id,) = re.findall(r"X-Client-Request-Id (\S+)", str(caught.value))
    assert f"find({request_id!r})" in str(caught.value)
    assert list(music_sandbox.state()["posts_by_client_request_id"]) in ([request_id], [])


def test_a_lost_response_is_found_and_its_song_fetched_without_paying_again(client, music_sandbox, output_dir):
    music_sandbox.fault("submit:cut-after")
    with pytest.raises(UnknownOutcomeError) as caught:
        client.submit(REQUEST)
    (request_id,) = re.findall(r"X-Client-Request-Id (\S+)", str(caught.value))
    client.wait(music_sandbox.generations()[0]["id"])

    song = client.download(client.find(request_id).inference_id, to=output_dir)

    assert song.path.is_file()
    assert music_sandbox.posts() == 1


def test_an_error_of_the_api_is_raised_as_it_is(client, music_sandbox, output_dir):
    music_sandbox.fault("submit:status=500")
    with pytest.raises(ServerFailureError):
        client.generate(REQUEST, to=output_dir)
    assert music_sandbox.posts() == 1


def test_what_never_left_says_so(output_dir):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client("any-key", nobody) as client, pytest.raises(ApiUnreachableError, match="Nothing was sent"):
            client.generate(REQUEST, to=output_dir)


@pytest.mark.parametrize("wrong", [{"model": None}, {"promt": "x"}, {"prompt": "x" * 5000}])
@pytest.mark.parametrize("method", ["generate", "submit"])
def test_a_request_that_breaks_the_models_limits_is_not_sent(client, music_sandbox, wrong, method):
    with pytest.raises(InvalidRequestError, match="nothing was sent"):
        getattr(client, method)({**REQUEST, **wrong})
    assert music_sandbox.posts() == 0


def test_a_synchronous_model_has_no_id_to_return(client, music_sandbox):
    with pytest.raises(InvalidRequestError, match="use generate"):
        client.submit(REQUESTS["synchronous"])
    assert music_sandbox.posts() == 0


def test_a_folder_that_takes_no_files_is_said_before_anything_is_paid(client, music_sandbox, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="nothing was sent"):
        client.generate(REQUEST, to=tmp_path / "file")
    assert music_sandbox.posts() == 0


def test_a_song_that_misses_its_deadline_says_how_to_go_on(client, music_sandbox, output_dir):
    music_sandbox.settings(delay=3600)
    with pytest.raises(GenerationTimeoutError, match=r"not done within 600 s.*To go on, free: wait\("):
        client.generate(REQUEST, to=output_dir, timeout="10m")
    assert music_sandbox.posts() == 1


def test_a_generation_that_failed_is_not_billed(client, music_sandbox, output_dir):
    music_sandbox.fault("submit:error")
    with pytest.raises(GenerationFailedError):
        client.generate(REQUEST, to=output_dir)
    assert music_sandbox.posts() == 1


def test_a_download_that_broke_is_gone_on_with_by_its_id(client, music_sandbox, output_dir):
    music_sandbox.fault("download:cut-body=0.5,times=20")
    with pytest.raises(MusicError, match=r"To go on, free: download\('[^']+'\)") as caught:
        client.generate(REQUEST, to=output_dir)
    music_sandbox.clear_faults()
    (generation_id,) = re.findall(r"download\('([^']+)'\)", str(caught.value))

    assert client.download(generation_id, to=output_dir).path.is_file()
    assert music_sandbox.posts() == 1


def test_a_refused_key_is_said_at_once(client, music_sandbox):
    submitted = client.submit(REQUEST)
    music_sandbox.fault("poll:status=401,times=100")
    with pytest.raises(AuthenticationError):
        client.wait(submitted.generation_id)


def test_settings_that_cannot_be_are_named_and_the_key_is_not():
    with pytest.raises(CredentialsError, match="read_timout") as caught:
        Client("sk-secret value", "ftp://x", read_timout=3)
    assert "sk-secret" not in str(caught.value)
    assert "sk-fine" not in repr(Client("sk-fine").settings)


async def test_the_blocking_client_says_what_to_use_where_a_loop_runs(music_sandbox):
    with pytest.raises(RuntimeError, match="AsyncClient in place of Client"):
        Client(music_sandbox.key, music_sandbox.url).balance()


# What it knows


def test_models_and_what_the_api_says_of_them(client, music_sandbox):
    music_sandbox.withdraw("stable-audio", replaced_by="minimax/music-2.6")
    models = {model.id: model for model in client.models()}

    assert models["stable-audio"].status == "withdrawn"
    assert models["stable-audio"].replaced_by == "minimax/music-2.6"
    assert models["minimax/music-2.6"].status is None
    assert "prompt" in models["minimax/music-2.6"].fields
    assert client.balance().amount == 100


# What a hook hands out


def test_a_hook_hands_out_the_same_client(music_sandbox, output_dir):
    client = MusicHook().get_conn()
    song = client.generate(REQUEST, to=output_dir)

    assert isinstance(client, Client)
    assert client.call(endpoints.billing()).amount < 100
    assert client.settings.conn_id == "music_default"
    assert song.path.is_file()
    assert music_sandbox.posts() == 1
    client.close()


async def test_a_hook_hands_out_the_same_client_for_asyncio(music_sandbox, output_dir):
    client = await MusicHook().get_async_conn()
    song = await client.generate(REQUEST, to=output_dir)

    assert isinstance(client, AsyncClient)
    assert song.path.is_file()
    await client.aclose()


# In a notebook


def test_a_song_shows_a_player_and_no_address_of_the_api(client, music_sandbox, output_dir):
    shown = client.generate(REQUEST, to=output_dir)._repr_html_()

    assert '<audio controls preload="metadata" src="data:audio/mpeg;base64,' in shown
    assert music_sandbox.url not in shown
    assert "http" not in shown


def song_of(tmp_path, **audio):
    file = tmp_path / "a <b> & song.mp3"
    file.write_bytes(b"ID3")
    known = {"format": "mp3", "size_bytes": 3, "duration_ms": 1000}
    return Song("id", f"file://{file}", {**known, **audio}, {"usd_spent": None}, model="<script>")


def test_what_is_not_ours_is_shown_as_text(tmp_path):
    shown = song_of(tmp_path)._repr_html_()
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "data:audio/mpeg;base64,SUQz" in shown


@pytest.mark.parametrize("audio", [{"size_bytes": 10 * 2**20 + 1}, {"format": "pcm"}, {"size_bytes": None}])
def test_a_large_song_and_raw_samples_have_no_player(tmp_path, audio):
    shown = song_of(tmp_path, **audio)._repr_html_()
    assert "<audio" not in shown
    assert "<figcaption>" in shown


def test_a_file_that_is_gone_has_no_player(tmp_path):
    song = song_of(tmp_path)
    song.path.unlink()
    assert "<audio" not in song._repr_html_()
    with pytest.raises(FileNotFoundError):
        song.read()


# Outside of Airflow


def test_it_needs_no_database_and_no_connection(music_sandbox, tmp_path):
    home = tmp_path / "airflow"
    program = f"""
from airflow_provider_music.client import Client
with Client({music_sandbox.key!r}, {music_sandbox.url!r}) as client:
    print(client.generate({REQUEST!r}, to={str(tmp_path / "songs")!r}).path)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {"PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_file()
    assert not list(tmp_path.rglob("*.db"))
    assert music_sandbox.posts() == 1
