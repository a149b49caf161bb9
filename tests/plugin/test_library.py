# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The library: filters, pages that follow each other without a gap, and sums."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_music.plugin import library
from airflow_provider_music.plugin.costs import costs
from airflow_provider_music.plugin.library import Filters, read_page

DAY = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
DAGS = {"heard", "many"}


def tasks(**filters):
    return [row.task_id for row in read_page(DAGS, Filters(**filters)).rows]


@pytest.fixture
def three(tables):
    """Songs of three days, the last of another DAG."""
    for n, dag_id in enumerate(("heard", "heard", "many")):
        tables.song(f"ID3 {n}".encode(), task_id=f"song{n}", dag_id=dag_id, when=DAY + timedelta(days=n))


def test_the_newest_is_the_first(three):
    assert tasks() == ["song2", "song1", "song0"]


def test_a_dag_a_day_and_a_model_choose(three, tables):
    key = tables.task(task_id="other", run_id="b")
    uri = [("record_uri", "file:///x/take-1/completed.json"), ("model", "stable-audio")]
    tables.xcoms(key, uri, DAY + timedelta(days=9))
    assert tasks(dag="many") == ["song2"]
    assert tasks(since="2026-11-29", until="2026-11-29") == ["song1"]
    assert tasks(until="2026-11-28") == ["song0"]
    assert tasks(model="stable-audio") == ["other"]
    assert tasks(model="minimax/music-2.6", dag="heard") == ["song1", "song0"]
    assert tasks(dag="nobody's") == []


def test_a_song_is_found_by_its_hash_and_by_its_generation(three, tables):
    song = tables.song(b"ID3 the one", task_id="one")
    assert tasks(q=song["result"]["audio"]["sha256"].upper()) == ["one"]
    assert tasks(q=song["result"]["generation_id"]) == ["one"]
    assert tasks(q="f" * 64) == tasks(q="%") == tasks(q='"') == []


def test_pages_follow_each_other_without_a_gap_or_a_song_twice(tables, monkeypatch):
    monkeypatch.setattr(library, "PAGE", 7)
    for n in range(30):
        # Several at the very same moment, as mapped tasks are.
        tables.song(f"ID3 {n}".encode(), task_id="song", map_index=n, when=DAY + timedelta(seconds=n // 5))
    seen, after = [], ""
    while True:
        page = read_page(DAGS, Filters(after=after))
        seen += [row.map_index for row in page.rows]
        if page.after is None:
            break
        after = page.after
    assert sorted(seen) == list(range(30))
    assert seen == sorted(seen, key=lambda n: (-(n // 5), -n))


@pytest.mark.parametrize("after", ["x", "eyJhIjoxfQ==", "W10=", "!" * 50])
def test_a_place_that_is_none_is_the_first_page(three, after):
    assert tasks(after=after) == ["song2", "song1", "song0"]


def test_xcoms_of_other_tasks_that_have_our_keys_are_no_songs(three, tables):
    key = tables.task(task_id="foreign")
    tables.xcoms(key, [("record_uri", "https://example.org/record"), ("return_value", [1, 2])])
    assert "foreign" not in tasks()


def test_odd_values_in_xcoms_break_no_page(reader, tables):
    for n, value in enumerate(
        (None, 7, "text", [], {"audio": "x", "usage": 3, "model": ["m"]}, {"audio": {"size_bytes": "x"}})
    ):
        key = tables.task(task_id=f"odd{n}")
        tables.xcoms(key, [("record_uri", "file:///x/take-1/completed.json"), ("return_value", value)])
    page = reader.get("/music/")
    assert page.status_code == 200
    assert page.text.count('data-label="Task"') == 6
    assert reader.get("/music/costs").status_code == 200


def test_songs_that_are_made_and_that_failed_have_lists_of_their_own(tables):
    tables.task(task_id="waits", state="deferred")
    tables.task(task_id="failed", state="failed", operator="GenerateMusicBatchOperator")
    tables.task(task_id="foreign", state="deferred", operator="HttpSensor")
    tables.task(task_id="secret", dag_id="secret", state="deferred")
    assert tasks(state="waiting") == ["waits"]
    assert tasks(state="failed") == ["failed"]
    assert tasks() == []


def test_costs_are_summed_by_dag_and_model(tables):
    for n in range(3):
        tables.song(b"ID3", task_id=f"a{n}", usd=0.25)
    tables.song(b"ID3", task_id="b", dag_id="many", usd=1.0)
    tables.song(b"ID3", task_id="c", dag_id="many", usd=None)
    tables.song(b"ID3", task_id="d", dag_id="secret", usd=9.0)
    tables.song(b"ID3", task_id="e", usd=9.0, when=DAY - timedelta(days=40))
    found = costs(DAGS, Filters(since="2026-11-01"))
    assert [(row.dag_id, row.model, row.songs, row.usd) for row in found.rows] == [
        ("many", "minimax/music-2.6", 2, 1.0),
        ("heard", "minimax/music-2.6", 3, 0.75),
    ]
    assert found.usd == 1.75
    assert costs(DAGS, Filters(since="2026-11-01", dag="heard")).usd == 0.75
    assert costs(DAGS, Filters(since="2026-11-01", dag="secret")).rows == ()


def test_a_generation_that_a_sensor_returned_too_counts_once(tables):
    song = tables.song(b"ID3", usd=0.5)
    key = tables.task(task_id="wait", operator="MusicGenerationSensor")
    tables.xcoms(key, [("record_uri", "file:///x/generation-1/completed.json"), ("return_value", song["result"])])
    found = costs(DAGS, Filters(since="2026-11-01"))
    assert (found.rows[0].songs, found.usd) == (1, 0.5)


def test_a_batch_counts_its_songs(tables):
    key = tables.task(dag_id="many")
    result = {
        "manifest_uri": "file:///x/manifest-try-1.jsonl",
        "delivered": 12,
        "requested": 13,
        "usage": {"usd_spent": 3.0},
    }
    tables.xcoms(key, [("return_value", result), ("manifest_uri", result["manifest_uri"])])
    (row,) = costs(DAGS, Filters(since="2026-11-01")).rows
    assert (row.model, row.songs, row.usd) == ("batches", 12, 3.0)
    assert read_page(DAGS, Filters()).rows[0].model == "12 of 13 songs"


@pytest.mark.parametrize("query", ["since=20", "since=2026-13-45", "since=x", "until=2026-02-31"])
def test_half_a_date_chooses_nothing(reader, three, query):
    page = reader.get(f"/music/?{query}")
    assert page.status_code == 200
    assert page.text.count('data-label="Task"') == 3


def test_a_filter_stays_in_the_form_as_text(reader):
    page = reader.get("/music/", params={"model": '"><script>alert(1)</script>', "dag": "<b>"}).text
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_next_page_keeps_the_filters(reader, tables, monkeypatch):
    monkeypatch.setattr(library, "PAGE", 2)
    for n in range(5):
        tables.song(b"ID3", map_index=n, when=DAY + timedelta(seconds=n))
    page = reader.get("/music/", params={"dag": "heard", "since": "2026-11-01"}).text
    (link,) = re.findall(r'rel="next" href="([^"]+)"', page)
    assert "dag=heard" in link
    assert "since=2026-11-01" in link
    again = reader.get(link.replace("&amp;", "&")).text
    assert re.findall(r"/song/(\d)\"", again) == ["2", "1"]
