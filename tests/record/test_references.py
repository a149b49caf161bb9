# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.record import references
from airflow_provider_music.storage.folder import Folder

SHA = "a" * 64


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setattr("airflow_provider_music.storage.folder.default_output_dir", lambda: str(tmp_path))
    references._fact.cache_clear()
    return tmp_path


def test_the_file_behind_an_id_is_found_again(here):
    references.remember(("vocal-1", None), purpose="voice", file="s3://c@b/ref.mp3?sig=1", sha256=SHA)

    assert references.references_of({"refer_voice": "vocal-1"}) == [{"id": "vocal-1", "sha256": SHA}]
    fact = json.loads((here / "references" / "vocal-1.json").read_text())
    assert fact["file"] == "s3://c@b/ref.mp3"
    assert set(fact) == {"id", "purpose", "file", "sha256", "uploaded_at"}


def test_an_id_that_was_not_uploaded_here_has_no_hash():
    assert references.references_of({"refer_voice": "vocal-9"}) == [{"id": "vocal-9", "sha256": None}]


def test_an_id_that_is_remembered_later_is_found_then():
    references.references_of({"refer_voice": "vocal-2"})
    references.remember(["vocal-2"], purpose="voice", file="/ref.mp3", sha256=SHA)
    assert references.references_of({"refer_voice": "vocal-2"})[0]["sha256"] == SHA


def test_a_request_without_references_names_none():
    assert references.references_of({"prompt": "a song"}) is None


def test_an_id_is_never_a_path(here):
    references.remember(["../../etc/x"], purpose="voice", file="/ref.mp3", sha256=SHA)
    assert len(list((here / "references").iterdir())) == 1


@pytest.mark.parametrize("broken", ["replace", "read"])
def test_a_broken_store_is_no_error(monkeypatch, broken):
    monkeypatch.setattr(Folder, broken, lambda *_, **__: 1 / 0)
    references.remember(["vocal-3"], purpose="voice", file="/ref.mp3", sha256=SHA)
    assert references.references_of({"refer_voice": "vocal-3"}) == [{"id": "vocal-3", "sha256": None}]


def test_the_intent_names_the_references_of_its_request(music_sandbox, airflow, output_dir):
    references.remember(["vocal-4"], purpose="voice", file="/ref.mp3", sha256=SHA)
    music_sandbox.settings(any_reference=True)

    airflow.run(
        GenerateMusicOperator(
            task_id="song",
            model="music-01",
            lyrics="##we row##",
            refer_voice="vocal-4",
            output_dir=str(output_dir),
            poll_interval=0.05,
        )
    )

    (intent,) = output_dir.rglob("intent.json")
    assert json.loads(intent.read_text())["references"] == [{"id": "vocal-4", "sha256": SHA}]
    (manifest,) = output_dir.rglob("*.provenance.json")
    assert json.loads(manifest.read_text())["references"] == [{"id": "vocal-4", "sha256": SHA}]
