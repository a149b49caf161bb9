# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import OutputError, PartialBatchError
from airflow_provider_music.provenance import verify
from airflow_provider_music.provenance.attach import ProvenanceOptions, attach_provenance, with_attached
from airflow_provider_music.record.identity import SongIdentity
from airflow_provider_music.record.take import Take
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.storage.folder import Folder


def path_of(result):
    return Path(result["audio_uri"].removeprefix("file://"))


@pytest.fixture
def no_manifest(monkeypatch):
    """The store takes no manifest until this list is empty."""
    create = Folder.create
    broken = [True]

    def create_or_not(self, name, content):
        if broken and name.endswith(".provenance.json"):
            raise OSError(28, "No space left on device")
        return create(self, name, content)

    monkeypatch.setattr(Folder, "create", create_or_not)
    return broken


def test_a_song_has_a_manifest_beside_it(music_sandbox, airflow, song):
    verdict = verify(airflow.run(song())["audio_uri"])

    assert verdict.ok
    assert verdict.manifest["airflow"]["task_id"] == "song"
    assert verdict.manifest["airflow"]["take"] == 1
    assert verdict.manifest["times"]["completed"]


def test_an_embedded_manifest_changes_the_file_and_the_result_says_what_it_is_now(music_sandbox, airflow, song):
    result = airflow.run(song(provenance="tags"))

    data = path_of(result).read_bytes()
    assert result["audio"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert result["audio"]["size_bytes"] == len(data)
    assert result["audio"]["sha256"] != music_sandbox.generations()[0]["sha256"]
    assert verify(result["audio_uri"]).ok


def test_the_old_name_embed_means_tags(music_sandbox, airflow, song):
    result = airflow.run(song(provenance="embed"))
    assert verify(result["audio_uri"]).manifest["file"]["tags_embedded"] is True


def test_none_leaves_nothing(music_sandbox, airflow, song):
    result = airflow.run(song(provenance="none"))
    assert list(path_of(result).parent.glob("*.provenance.json")) == []


@pytest.mark.parametrize("policy", ["manifest", "tags"])
def test_a_manifest_that_cannot_be_written_is_completed_by_a_retry_without_a_post(
    music_sandbox, airflow, song, no_manifest, policy
):
    with pytest.raises(OutputError, match="paid and in place"):
        airflow.run(song(provenance=policy))
    no_manifest.clear()
    airflow.retry()
    result = airflow.run(song(provenance=policy))

    assert verify(result["audio_uri"]).ok
    assert result["audio"]["sha256"] == hashlib.sha256(path_of(result).read_bytes()).hexdigest()
    assert music_sandbox.posts("submit") == 1
    assert result["submissions"] == 1


def test_a_batch_mends_its_manifests_without_a_post_too(music_sandbox, airflow, batch, no_manifest):
    with pytest.raises(PartialBatchError, match="paid and in place"):
        airflow.run(batch(provenance="tags"))
    no_manifest.clear()
    airflow.retry()
    result = airflow.run(batch(provenance="tags"))

    lines = [json.loads(line) for line in Path(result["manifest_uri"].removeprefix("file://")).read_text().splitlines()]
    assert [verify(line["audio_uri"]).manifest["airflow"]["song_index"] for line in lines] == [0, 1, 2]
    for line in lines:
        assert line["audio"]["sha256"] == hashlib.sha256(path_of(line).read_bytes()).hexdigest()
    assert music_sandbox.posts("submit") == 3


@pytest.mark.parametrize("policy", ["manifest", "tags"])
def test_the_sensor_attaches_what_the_submitting_task_knew(
    music_sandbox, airflow, song, output_dir, no_manifest, policy
):
    submitted = airflow.run(song(wait_for_completion=False))
    sensor = {"task_id": "wait", "generation": submitted, "output_dir": str(output_dir), "poll_interval": 0.05}
    with pytest.raises(OutputError, match="paid and in place"):
        airflow.run(MusicGenerationSensor(**sensor, provenance=policy))
    no_manifest.clear()
    airflow.retry()
    result = airflow.run(MusicGenerationSensor(**sensor, provenance=policy))

    verdict = verify(result["audio_uri"])
    assert verdict.ok
    assert verdict.manifest["airflow"]["task_id"] == "wait"
    assert verdict.manifest["request_fingerprint"]
    assert verdict.manifest["times"]["submitted"]
    assert result["audio"]["sha256"] == hashlib.sha256(path_of(result).read_bytes()).hexdigest()


@pytest.mark.parametrize(("policy", "facts"), [("none", {"completed": {}}), ("tags", {}), ("tags", {"accepted": {}})])
def test_without_a_policy_or_a_song_nothing_is_attached_and_the_result_is_what_it_was(folder, left, policy, facts):
    changed = attach_provenance(folder, Take(1, facts), SongIdentity("dag", "run", "song"), ProvenanceOptions(policy))
    result = {"audio": {"sha256": "0" * 64}}
    assert changed == {}
    assert with_attached(result, changed) == result
    assert left() == []


def test_another_word_is_refused_when_the_dag_is_parsed(song):
    with pytest.raises(ValueError, match="give 'manifest', 'tags', 'c2pa' or 'none'"):
        song(provenance="blockchain")
