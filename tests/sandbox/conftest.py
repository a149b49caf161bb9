# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from airflow_provider_music.sandbox import Sandbox
from airflow_provider_music.sandbox.songs import SongSpec, make

SUBMIT = "/v2/generate/audio"
UPLOAD = "/v2/generate/audio/minimax/upload"
GENERATE = "/v2/generate/audio/minimax/generate"
SONG = {"model": "minimax/music-2.6", "prompt": "a calm piano song"}
LYRICS = {"model": "music-01", "lyrics": "##the river sleeps\nbelow the hill##"}


class Api:
    """A plain client of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(
            base_url=sandbox.url,
            headers={"Authorization": f"Bearer {sandbox.key}"},
            trust_env=False,
            verify=False,  # reading the certificates takes longer than most of these tests
            timeout=20,
        )

    def submit(self, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(SUBMIT, json=body or SONG, headers=named)

    def poll(self, number: str) -> httpx.Response:
        return self.http.get(SUBMIT, params={"generation_id": number})

    def finished(self, number: str) -> dict[str, Any]:
        while (body := self.poll(number).json())["status"] in {"queued", "generating"}:
            time.sleep(0.005)
        return body

    def song(self, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self.finished(self.submit(body).json()["id"])

    def fetch(self, url: str, **headers: str) -> httpx.Response:
        return httpx.get(url, headers=headers, trust_env=False, verify=False)

    def upload(self, content: bytes, purpose: str = "song", name: str = "x.bin") -> httpx.Response:
        return self.http.post(UPLOAD, files={"file": (name, content)}, data={"purpose": purpose})

    def generate(self, **body: Any) -> httpx.Response:
        return self.http.post(GENERATE, json={**LYRICS, **body})

    def first_row(self) -> dict[str, Any]:
        """Wait for the log's first row, well below the log's limit of requests."""
        while not (rows := self.rows()["data"]):
            time.sleep(0.02)
        return rows[0]

    def rows(self, **query: Any) -> dict[str, Any]:
        response = self.http.get("/v2/logs", params={"period": "24h", **query})
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def api(sandbox):
    client = Api(sandbox)
    yield client
    client.http.close()


@pytest.fixture
def start():
    """Start sandboxes with settings of their own."""
    running: list[Any] = []

    def begin(**settings: Any) -> Api:
        client = Api(Sandbox(**settings).start())
        running.append(client)
        return client

    yield begin
    for client in running:
        client.http.close()
        client.sandbox.stop()


@pytest.fixture(scope="session")
def track():
    """Return a reference track of so many seconds."""

    def make_track(seconds: float, audio_format: str = "wav") -> bytes:
        return make(SongSpec("la la la", "reference", seconds, 16000, 32000, audio_format)).data

    return make_track
