# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The example of an approval: it leads to the song's page, and only the bytes that were approved are published."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import Environment

import airflow_provider_music
from airflow_provider_music.compat import AirflowFailException
from airflow_provider_music.plugin.listen_link import page_url

FILE = Path(airflow_provider_music.__file__).parents[1] / "dags_examples" / "approved_song.py"
RUN = SimpleNamespace(dag_id="approved_song", run_id="manual__2026-11-28T07:52:40+00:00")
CONTENT = b"ID3 the first version"


@pytest.fixture
def example():
    if not FILE.is_file():
        pytest.skip("an installed package has no examples beside it")
    spec = importlib.util.spec_from_file_location("approved_song_example", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def approved(example, output_dir):
    """What was approved, and its file."""
    song = output_dir / "song.mp3"
    song.write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    lines = [
        {"index": 0, "status": "failed"},
        {
            "index": 1,
            "status": "completed",
            "audio_uri": f"file://{song}",
            "audio": {"format": "mp3", "sha256": sha256},
            "model": "minimax/music-2.6",
            "record_uri": f"file://{output_dir}/completed.json",
        },
    ]
    manifest = output_dir / "manifest-try-1.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)))
    return example.chosen.operator.python_callable(f"file://{manifest}", ti=RUN), song


@pytest.fixture
def publish(example):
    """Publish, and return the file and the event's extra."""

    def run(chosen):
        event = SimpleNamespace(extra={})
        target = example.published.operator.python_callable(chosen, outlet_events={example.APPROVED: event})
        return Path(target.removeprefix("file://")), event.extra

    return run


def test_the_text_leads_to_the_page_of_the_song_and_names_its_bytes(example, approved, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/ours/")
    page = page_url(RUN.dag_id, RUN.run_id, "versions", song=1)
    assert page == (
        "https://airflow.example.org/ours/music/song/approved_song/manual__2026-11-28T07%3A52%3A40%2B00%3A00/versions/-1"
        "?song=1"
    )
    assert "choose" in example.approve.upstream_task_ids
    pulled = {**approved[0], "page": page}
    ti = SimpleNamespace(xcom_pull=lambda task_ids: pulled if task_ids == "choose" else None)
    text = Environment(autoescape=False).from_string(example.approve.body).render(ti=ti)
    assert f"[Listen to it]({page})" in text
    assert f"[the list]({page.partition('?')[0]})" in text
    assert hashlib.sha256(CONTENT).hexdigest() in text


def test_without_a_base_url_the_page_is_a_path_of_airflow_s_own(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    assert page_url("a", "b", "c") == "/music/song/a/b/c/-1"


def test_the_approved_bytes_are_published(approved, publish):
    target, extra = publish(approved[0])
    assert target.read_bytes() == CONTENT
    assert target.parent.name == "approved"
    assert extra["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert extra["audio_uri"] == f"file://{target}"


def test_bytes_that_have_changed_since_the_approval_are_not_published(approved, publish, output_dir):
    chosen, song = approved
    song.write_bytes(CONTENT + b"!")
    with pytest.raises(AirflowFailException, match="is not what was approved"):
        publish(chosen)
    assert not (output_dir / "approved").exists()
