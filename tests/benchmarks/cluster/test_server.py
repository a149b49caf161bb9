# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The server of the polls remembers the longest silence of each wait."""

import json

import pytest

from cluster import server


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def ask(clock):
    app = server.App(lambda: clock[0])

    async def call(path, query=""):
        sent = []

        async def send(message):
            sent.append(message)

        await app({"path": path, "query_string": query.encode()}, None, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    return call


async def test_a_poll_is_answered_as_each_side_expects(ask):
    status, body = await ask("/v2/generate/audio", "generation_id=wait-7")
    assert (status, body["id"], body["status"]) == (200, "wait-7", "generating")
    assert (await ask("/waiting/wait-8"))[0] == 404
    assert (await ask("/_begun"))[1]["waits"] == 2


async def test_a_silence_that_is_not_over_counts_as_it_stands(ask, clock):
    for moment in (0.0, 2.0, 5.0):
        clock[0] = moment
        await ask("/waiting/wait-1")
    clock[0] = 9.0
    told = (await ask("/_seen"))[1]
    assert (told["polls"], told["longest_gap"], told["seconds"]) == (3, 4.0, 9.0)


async def test_a_silence_goes_on_over_two_questions(ask, clock):
    await ask("/waiting/wait-1")
    clock[0] = 3.0
    await ask("/_seen")
    clock[0] = 7.0
    told = (await ask("/_seen"))[1]
    assert (told["polls"], told["longest_gap"]) == (0, 7.0)


async def test_it_knows_when_the_last_wait_began(ask, clock):
    await ask("/_forget")
    for moment, wait in ((1.0, 1), (6.0, 2), (8.0, 1)):
        clock[0] = moment
        await ask(f"/waiting/wait-{wait}")
    assert (await ask("/_begun"))[1] == {"waits": 2, "seconds": 6.0, "pattern": 0}


async def test_the_pattern_of_the_waits_counts_alone(ask):
    await ask("/waiting/wait-of-http")
    assert (await ask("/_begun"))[1] == {"waits": 0, "seconds": 0.0, "pattern": 1}
    assert (await ask("/_seen"))[1]["polls"] == 0
