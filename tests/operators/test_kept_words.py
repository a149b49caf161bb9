# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``keep_request``: a song's words beside its audio, and nowhere else."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.storage.folder import Folder

WORDS = "a calm song of the sea"
FILE = "song.request.json"


def kept(output_dir):
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(output_dir.rglob(FILE))}


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_the_words_lie_beside_the_song(lane, deferrable, song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(any_reference=True)
    result = airflow.run(song(lane, keep_request=True, deferrable=deferrable))

    path = Path(result["audio_uri"].removeprefix("file://")).parent / FILE
    found = json.loads(path.read_text())
    intent = json.loads((path.parent / "intent.json").read_text())
    assert found.pop("fingerprint") == intent["fingerprint"]
    if lane == "queued":
        assert found == {"model": "minimax/music-2.6", "prompt": WORDS}
    else:
        assert found == {"model": "music-01", "lyrics": "##we row until the end of night##"}


def test_without_it_no_word_is_in_any_file(song, airflow, music_sandbox, output_dir):
    airflow.run(song())
    assert kept(output_dir) == {}
    assert [path for path in output_dir.rglob("*.json") if WORDS in path.read_text()] == []


def test_they_are_in_no_log_no_result_and_no_fact(song, airflow, music_sandbox, output_dir, caplog):
    caplog.set_level(logging.DEBUG)
    result = airflow.run(song(keep_request=True))

    assert WORDS not in json.dumps([result, airflow.events])
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("airflow_provider_music")]
    assert [line for line in ours if WORDS in line] == []
    assert [path.name for path in output_dir.rglob("*.json") if WORDS in path.read_text()] == [FILE]


def test_each_song_of_a_batch_has_its_own(batch, airflow, music_sandbox, output_dir):
    assert airflow.run(batch(keep_request=True))["delivered"] == 3
    found = {path.parts[-3]: json.loads(path.read_text())["prompt"] for path in output_dir.rglob(FILE)}
    assert found == {f"song-{n}": f"{WORDS}, {word}" for n, word in enumerate(("one", "two", "three"))}


def test_a_clear_leaves_the_former_takes_words(song, airflow, music_sandbox, output_dir):
    airflow.run(song(keep_request=True))
    airflow.clear()
    airflow.run(song(keep_request=True, prompt="a wild song of the hills"))
    assert {take: found["prompt"] for take, found in kept(output_dir).items()} == {
        "take-1": WORDS,
        "take-2": "a wild song of the hills",
    }


def test_a_retry_writes_them_where_they_are_missing_and_pays_once(song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(delay=60)
    with pytest.raises(Exception, match="not done within"):
        airflow.run(song(timeout=0.3))
    airflow.retry()
    with pytest.raises(Exception, match="not done within"):
        airflow.run(song(timeout=0.3, keep_request=True))
    assert list(kept(output_dir)) == ["take-1"]
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize("kind", ["song", "batch"])
def test_a_store_that_does_not_take_them_costs_nothing(kind, request, airflow, music_sandbox, monkeypatch):
    def full(self, name, content, **more):
        if name == FILE:
            raise OSError(28, "No space left on device")
        return replace(self, name, content, **more)

    replace = Folder.replace
    monkeypatch.setattr(Folder, "replace", full)
    with pytest.raises(OutputError, match=r"song\.request\.json: .*No space left.*keep_request=False"):
        airflow.run(request.getfixturevalue(kind)(keep_request=True))
    assert music_sandbox.posts() == 0

    monkeypatch.undo()


def test_words_that_cannot_be_added_stop_no_paid_song(song, airflow, music_sandbox, monkeypatch):
    music_sandbox.settings(delay=2)
    with pytest.raises(Exception, match="not done within"):
        airflow.run(song(timeout=0.3))
    airflow.retry()

    def broken(self, name, content):
        if name == FILE:
            raise OSError(5, "Input/output error")
        return create(self, name, content)

    create = Folder.create
    monkeypatch.setattr(Folder, "create", broken)
    result = airflow.run(song(keep_request=True, timeout=20))
    assert result["status"] == "completed"


def test_a_folder_with_words_and_no_claim_is_a_request_that_was_never_sent(song, airflow, music_sandbox, output_dir):
    airflow.run(song(keep_request=True))
    (words,) = output_dir.rglob(FILE)
    for path in words.parent.iterdir():
        if path != words:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    music_sandbox.reset()
    assert airflow.run(song(keep_request=True, prompt="a wild song of the hills"))["submissions"] == 1
    assert kept(output_dir)["take-1"]["prompt"] == "a wild song of the hills"
