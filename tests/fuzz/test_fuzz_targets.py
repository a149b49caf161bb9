# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The targets of ``make fuzz`` without its engine: the seeds, what was found before, and hypothesis."""

from __future__ import annotations

import json

import pytest
from fuzz_seeds import SEEDS
from fuzz_targets import TARGETS, Found, song_body
from hypothesis import given, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["error", "completed", "1e999", "NaN", "a:b", "\ud800", "x" * 5000, "\x1b[31m\n"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("id", "status", "data", "audio", "audio_file", "url", "error", "message", "statusCode"),
                    *("base_resp", "status_code", "status_msg", "meta", "usage", "usd_spent", "cost", "usd"),
                    *("credits", "pagination", "details", "title", "requestId", "name", "pricing", "aliases"),
                    *("current_balance", "currency", "voice_id", "trace_id", "created", "inference_id"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
HEADS = st.builds(
    lambda which, status, lines: bytes([which, status]) + b"\n".join(lines) + b"\n\n",
    st.integers(0, 6),
    st.integers(0, 20),
    st.lists(st.binary(min_size=1, max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=3),
)


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, seeds in SEEDS.items() for seed in seeds])
def test_a_seed_finds_nothing(name, seed):
    TARGETS[name](seed)
    for end in range(0, len(seed), max(1, len(seed) // 40)):
        TARGETS[name](seed[:end])


@pytest.mark.parametrize("name", list(TARGETS))
@given(st.data())
def test_bytes_find_nothing(name, data):
    seed = data.draw(st.sampled_from(SEEDS[name]))
    at = data.draw(st.integers(0, len(seed)))
    TARGETS[name](seed[:at] + data.draw(st.binary(max_size=20)) + seed[at + data.draw(st.integers(0, 20)) :])


@given(HEADS, JSON)
@settings(max_examples=300)
def test_answers_of_any_json_find_nothing(head, body):
    TARGETS["answers"](head + json.dumps(body).encode())


@given(JSON)
def test_base_resp_of_any_json_finds_nothing(body):
    TARGETS["base_resp"](json.dumps(body).encode())


@given(
    st.text(max_size=30).map(lambda text: text.replace("\n", "")),
    st.text(max_size=40).map(lambda text: text.replace("\n", "")),
    st.sampled_from(["", "http", "https", "ftp"]),
    st.integers(0, 99999),
    JSON,
)
def test_connections_of_any_words_find_nothing(password, host, schema, port, extra):
    lines = [password, host, schema, str(port), json.dumps(extra)]
    TARGETS["settings"]("\n".join(lines).encode("utf-8", "replace"))


def test_a_target_does_find_what_it_is_there_for(monkeypatch):
    feed = TARGETS["song_body"].__globals__["HexStream"].feed
    monkeypatch.setattr(
        "airflow_provider_music.api.hex_stream.HexStream.feed", lambda body, chunk: feed(body, chunk)[:-1]
    )
    with pytest.raises(Found):
        song_body(SEEDS["song_body"][1])
