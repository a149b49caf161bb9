# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A gigabyte of anything costs a process less than 64 MB over idle, as the kernel counts it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import zlib

import pytest
from hostile_api import GENERATION, JSON, LANES, MIB, OK, HostileApi, wave, whole
from hostile_child import ANSWER

MOST_BYTES = 64 * MIB
GIB = 1024


def body(*pieces, headers=b""):
    return lambda: itertools.chain([OK + JSON + headers + b"\r\n"], *pieces)


def gigabyte(piece):
    return itertools.repeat((piece * (MIB // len(piece) + 1))[:MIB], GIB)


def bomb(head, piece, count=GIB):
    packer = zlib.compressobj(1, wbits=31)
    block = (piece * (MIB // len(piece) + 1))[:MIB]
    packed = b"".join([packer.compress(head), *(packer.compress(block) for _ in range(count)), packer.flush()])
    return whole(packed, b"Content-Encoding: gzip")


AUDIO = b'{"data": {"audio": "'
BODIES = {
    "a gigabyte of hex": body([AUDIO], gigabyte(b"0a"), [b'"}}']),
    "a gigabyte of rows": body([b'{"data": ['], gigabyte(b'{"a": 1},'), [b"1]}"]),
    "a gigabyte of text": body([b'{"a": "'], gigabyte(b"words "), [b'"}']),
    "a gigabyte of white space": body(gigabyte(b" "), [b"{}"]),
    "a gigabyte of white hex": body([AUDIO], gigabyte(b"\\n "), [b'"}}']),
    "a gigabyte of nesting": body(gigabyte(b"[")),
    "a gigabyte of backslashes": body([AUDIO], gigabyte(b"\\")),
    "a bomb of hex": bomb(AUDIO, b"0a"),
    "a bomb of white space": bomb(b"", b" "),
    "a bomb of rows": bomb(b'{"data": [', b'{"a": 1},'),
    "a gigabyte in one header": [OK + b"X: ", *itertools.repeat(b"a" * MIB, 64)],
    "a refusal of a gigabyte": lambda: itertools.chain([b"HTTP/1.1 400 No\r\n\r\n"], gigabyte(b"no ")),
}


class Child:
    """Runs tasks in a process of its own, one after the other."""

    def __init__(self, api, folder):
        self._api, self._folder = api, folder
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "hostile_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
        )

    def run(self, lane, **more):
        limits = {"max_audio_bytes": 100 * MIB, "max_body_seconds": 30, "read_timeout": 10}
        task = {**LANES[lane], "output_dir": str(self._folder / "songs"), **more}
        asked = {"connection": self._api.connection(**limits), "task": task}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
        raise AssertionError("the process ended")

    def close(self):
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def api():
    with HostileApi(wave()) as started:
        yield started


@pytest.fixture(scope="module")
def child(api, tmp_path_factory):
    started = Child(api, tmp_path_factory.mktemp("child"))
    assert started.run("synchronous")["error"] is None
    assert started.run("queued")["error"] is None
    yield started
    started.close()


@pytest.fixture(scope="module", autouse=True)
def table():
    rows = []
    yield rows
    for name, over in rows:
        print(f"{name:<45} {over / MIB:6.1f} MiB over idle")  # noqa: T201 - the figures, with -s


@pytest.mark.parametrize("script", BODIES.values(), ids=BODIES)
def test_a_synchronous_answer_of_a_gigabyte(child, api, script, request, table):
    api.reset()
    api.sends("generate", script)
    ended = child.run("synchronous")
    table.append((f"generate: {request.node.callspec.id}", ended["over_idle"]))
    assert ended["error"].startswith("UnknownOutcomeError"), ended
    assert api.posts() == 1
    assert ended["over_idle"] < MOST_BYTES


@pytest.mark.parametrize("route", ["submit", "poll"])
@pytest.mark.parametrize("name", ["a gigabyte of rows", "a gigabyte of white space", "a bomb of rows"])
def test_a_quick_answer_of_a_gigabyte(child, api, route, name, table):
    api.reset()
    good = whole({"id": GENERATION, "status": "queued"})
    done = whole({"id": GENERATION, "status": "completed", "audio_file": {"url": f"{api.url}/files/song"}})
    api.sends(route, BODIES[name], done if route == "poll" else good)
    ended = child.run("queued")
    table.append((f"{route}: {name}", ended["over_idle"]))
    assert ended["error"] is None, ended
    assert api.posts() == 1
    assert ended["over_idle"] < MOST_BYTES


def test_a_good_song_of_100_megabytes(child, api, table):
    api.reset()
    big = wave(1.0)
    big = big[:40] + (99 * MIB).to_bytes(4, "little") + bytes(99 * MIB)
    api.sends("generate", body([AUDIO], (big[i : i + MIB].hex().encode() for i in range(0, len(big), MIB)), [b'"}}']))
    ended = child.run("synchronous")
    table.append(("generate: a good song of 99 MiB", ended["over_idle"]))
    assert ended["error"] is None, ended
    assert ended["over_idle"] < MOST_BYTES
