# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The API as its documents show it, in plain httpx: what a workflow engine's user writes first."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import httpx
from told import KEY, LYRICS, MODEL, OUT, POLL_SECONDS, URL, prompt

if TYPE_CHECKING:
    from pathlib import Path

_HEADERS = {"Authorization": f"Bearer {KEY}"}
_PATH = f"{URL}/v2/generate/audio"


def submit(song: str) -> str:
    """Send the paid request, and return the generation's id."""
    body = {"model": MODEL, "prompt": prompt(song), "lyrics": LYRICS}
    response = httpx.post(_PATH, json=body, headers=_HEADERS, timeout=60)
    response.raise_for_status()
    return str(response.json()["id"])


def poll(generation_id: str) -> str | None:
    """Return the song's URL, or None while it is made."""
    response = httpx.get(_PATH, params={"generation_id": generation_id}, headers=_HEADERS, timeout=60)
    response.raise_for_status()
    body = response.json()
    if body["status"] == "error":
        raise RuntimeError(str(body["error"]))
    return str(body["audio_file"]["url"]) if body["status"] == "completed" else None


def wait(generation_id: str) -> str:
    """Poll until the song is there, and return its URL."""
    while (url := poll(generation_id)) is None:
        time.sleep(POLL_SECONDS)
    return url


def download(song: str, url: str) -> str:
    """Land the song; it appears under its name only when it is whole."""
    path = path_of(song)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with httpx.stream("GET", url, timeout=60) as response, part.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            file.write(chunk)
    os.replace(part, path)  # noqa: PTH105
    return str(path)


def path_of(song: str) -> Path:
    """Return where a song lands."""
    return OUT / f"{song}.mp3"
