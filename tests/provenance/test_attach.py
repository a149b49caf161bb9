# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_music.exceptions import ManifestError, ProvenanceError
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.provenance import attach_manifest, verify
from airflow_provider_music.provenance import manifest as manifest_module
from airflow_provider_music.provenance.manifest import as_bytes, from_bytes, manifest_of
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import Take
from airflow_provider_music.storage.folder import Folder

NAME = "song.mp3.provenance.json"


class Died(BaseException):
    """The process is gone."""


@pytest.fixture
def calls(mocker):
    """Counts what goes to the store."""
    names = ("read", "size", "create", "open_new", "move")
    return {name: mocker.spy(Folder, name) for name in names}


def test_a_manifest_lies_beside_the_song_and_the_song_stays_as_it_is(folder, landed, mp3, left, hand):
    attached = attach_manifest(folder, landed(), hand.ORIGIN)
    assert attached.url == folder.url_of(NAME)
    assert from_bytes(folder.read(NAME)) == attached.manifest == manifest_of(landed(), hand.ORIGIN)
    assert folder.read(NAME) == as_bytes(attached.manifest)
    assert folder.read("song.mp3") == mp3
    assert left() == ["song.mp3", NAME]
    assert verify(folder.url_of("song.mp3")).ok


def test_without_tags_the_song_is_not_even_read(folder, landed, hand, calls):
    take = landed()
    opened = [calls["size"].call_count, calls["open_new"].call_count]
    attach_manifest(folder, take, hand.ORIGIN)
    assert [calls["size"].call_count, calls["open_new"].call_count] == opened
    assert (calls["read"].call_count, calls["create"].call_count) == (0, 1)


@pytest.mark.parametrize("audio_format", ["mp3", "wav"])
def test_with_tags_the_manifest_says_both_hashes(audio_format, folder, landed, songs, left, hand):
    attached = attach_manifest(folder, landed(audio_format), hand.ORIGIN, embed=True)
    song = folder.read(f"song.{audio_format}")
    assert attached.manifest["as_sent"]["sha256"] == hand.sha256(songs[audio_format])
    assert attached.manifest["as_sent"]["size_bytes"] == len(songs[audio_format])
    assert attached.manifest["file"] == {
        "name": f"song.{audio_format}",
        "sha256": hand.sha256(song),
        "size_bytes": len(song),
        "sound_sha256": hand.sha256(hand.sound_of(song)[0]),
        "tags_embedded": True,
        "tags_note": None,
        "content_credentials": None,
    }
    assert from_bytes(folder.read(f"song.{audio_format}.provenance.json")) == attached.manifest
    assert left() == [f"song.{audio_format}", f"song.{audio_format}.provenance.json"]
    assert verify(folder.url_of(f"song.{audio_format}")).problems == ()


def test_raw_pcm_gets_a_manifest_that_says_why_there_are_no_tags(folder, landed, songs, hand):
    attached = attach_manifest(folder, landed("pcm"), hand.ORIGIN, embed=True)
    assert attached.manifest["file"]["tags_embedded"] is False
    assert attached.manifest["file"]["tags_note"] == "raw PCM holds no tags"
    assert attached.manifest["file"]["sha256"] == hand.sha256(songs["pcm"])
    assert verify(folder.url_of("song.pcm")).ok


@pytest.mark.parametrize("embed", [False, True])
def test_a_second_time_finds_it_and_changes_nothing(embed, folder, landed, hand, calls):
    take = landed()
    first = attach_manifest(folder, take, hand.ORIGIN, embed=embed)
    written = calls["open_new"].call_count
    song, manifest = folder.read("song.mp3"), folder.read(NAME)
    assert attach_manifest(folder, take, hand.ORIGIN, embed=embed) == first
    assert calls["open_new"].call_count == written
    assert (folder.read("song.mp3"), folder.read(NAME)) == (song, manifest)


def test_a_manifest_that_another_version_wrote_stands(folder, landed, hand, monkeypatch):
    monkeypatch.setattr(manifest_module, "__version__", "0.0.1")
    first = attach_manifest(folder, landed(), hand.ORIGIN)
    monkeypatch.setattr(manifest_module, "__version__", "9.9.9")
    assert attach_manifest(folder, landed(), hand.ORIGIN, embed=True) == first
    assert first.manifest["software"]["version"] == "0.0.1"


@pytest.mark.parametrize("at", ["move", "create"])
@pytest.mark.parametrize("upgraded", [False, True])
def test_one_who_dies_with_half_of_it_done_is_followed_by_one_who_ends_it(
    at, upgraded, folder, landed, left, hand, monkeypatch
):
    take = landed()
    with pytest.MonkeyPatch.context() as patch:

        def die(*_, **__):
            raise Died

        patch.setattr(Folder, at, die)
        with pytest.raises(Died):
            attach_manifest(folder, take, hand.ORIGIN, embed=True)
    assert hand.sha256(folder.read("song.mp3")) == take["completed"]["audio"]["sha256"]
    assert left() == (["song.mp3", NAME] if at == "move" else ["song.mp3"])
    if at == "move":
        assert verify(folder.url_of("song.mp3")).problems == (
            "the song is as the API sent it, without the tags that the manifest promises",
            "its tags are missing",
        )
    promised = folder.read(NAME)
    if upgraded:
        monkeypatch.setattr(manifest_module, "__version__", "9.9.9")
    attach_manifest(folder, take, hand.ORIGIN, embed=True)
    assert promised in (None, folder.read(NAME))
    assert verify(folder.url_of("song.mp3")).ok
    assert left() == ["song.mp3", NAME]


def test_a_promise_of_another_mutagen_gives_its_place_where_nobody_has_its_file(folder, landed, left, hand, caplog):
    take = landed()
    promised = attach_manifest(folder, take, hand.ORIGIN, embed=True).manifest
    landed()
    other = {**promised, "file": {**promised["file"], "sha256": "0" * 64, "size_bytes": 7}}
    folder.replace(NAME, as_bytes(other))
    assert attach_manifest(folder, take, hand.ORIGIN, embed=True).manifest == promised
    assert "promises a file that was never put in place" in caplog.text
    assert verify(folder.url_of("song.mp3")).ok
    assert left() == ["song.mp3", NAME]


def test_a_promised_file_that_is_there_still_is_put_in_place_as_it_is(folder, landed, left, hand):
    take = landed()
    promised = attach_manifest(folder, take, hand.ORIGIN, embed=True)
    folder.move("song.mp3", ".song.part-of-one-who-died")
    landed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_provider_music.provenance.embedding.embed_in", lambda *_: pytest.fail("made anew"))
        assert attach_manifest(folder, take, hand.ORIGIN, embed=True) == promised
    assert verify(folder.url_of("song.mp3")).ok
    assert left() == ["song.mp3", NAME]


def test_a_manifest_that_was_lost_is_written_again_from_the_same_record(folder, landed, hand):
    take = landed()
    first = attach_manifest(folder, take, hand.ORIGIN, embed=True)
    folder.remove(NAME)
    assert attach_manifest(folder, take, hand.ORIGIN, embed=True) == first
    assert verify(folder.url_of("song.mp3")).ok


@pytest.mark.parametrize("embed", [False, True])
def test_many_at_once_write_one_manifest(embed, folder, landed, left, hand):
    take = landed("wav")
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: attach_manifest(folder, take, hand.ORIGIN, embed=embed), range(8)))
    assert all(one == done[0] for one in done)
    assert left() == ["song.wav", "song.wav.provenance.json"]
    assert verify(folder.url_of("song.wav")).ok


def test_a_manifest_of_another_song_is_not_changed(folder, landed, mp3, left, hand):
    other = as_bytes(manifest_of(hand.take_of(b"another song"), hand.ORIGIN))
    folder.create(NAME, other)
    for embed in (False, True):
        with pytest.raises(ProvenanceError, match="is of another song; move it away"):
            attach_manifest(folder, landed(), hand.ORIGIN, embed=embed)
    assert (folder.read(NAME), folder.read("song.mp3")) == (other, mp3)
    assert left() == ["song.mp3", NAME]


def test_a_manifest_that_appears_meanwhile_and_says_something_else_stops_the_tags(folder, landed, mp3, hand, mocker):
    take = landed()
    fresh = manifest_of(take, hand.ORIGIN)
    other = as_bytes({**fresh, "file": {**fresh["file"], "sha256": "0" * 64, "tags_embedded": True}})
    create = Folder.create
    mocker.patch.object(
        Folder, "create", lambda self, name, content: create(self, name, other) and create(self, name, content)
    )
    with pytest.raises(ProvenanceError, match="says something else of the file"):
        attach_manifest(folder, take, hand.ORIGIN, embed=True)
    assert folder.read("song.mp3") == mp3
    assert folder.read(NAME) == other


def test_a_damaged_manifest_is_said_and_not_written_over(folder, landed, hand):
    folder.create(NAME, b"{")
    with pytest.raises(ManifestError, match=rf"{NAME}: the manifest is no JSON .* move it away"):
        attach_manifest(folder, landed(), hand.ORIGIN)
    assert folder.read(NAME) == b"{"


@pytest.mark.parametrize("call", ["read", "create"])
@pytest.mark.parametrize("embed", [False, True])
def test_a_store_that_is_down_is_an_error_and_never_nothing_there(call, embed, folder, landed, mp3, hand):
    take = landed()
    if (call, embed) == ("read", False):
        # Read only where another manifest is there.
        folder.create(NAME, b"{}")
    with pytest.MonkeyPatch.context() as patch:

        def down(*_, **__):
            raise OSError("the store is down")

        patch.setattr(Folder, call, down)
        with pytest.raises(ProvenanceError, match="the store is down"):
            attach_manifest(folder, take, hand.ORIGIN, embed=embed)
    assert folder.read("song.mp3") == mp3


def test_a_song_that_cannot_be_checked_is_an_error(folder, landed, hand, mocker):
    take = landed()
    attach_manifest(folder, take, hand.ORIGIN, embed=True)
    mocker.patch.object(Folder, "size", side_effect=OSError("the store is down"))
    with pytest.raises(ProvenanceError, match="cannot be checked: the store is down"):
        attach_manifest(folder, take, hand.ORIGIN, embed=True)


def test_a_sensors_song_has_no_intent_and_gets_its_manifest_all_the_same(folder, landed, hand):
    completed = landed()["completed"]
    take = Take(1, {"completed": {name: completed[name] for name in ("audio_uri", "audio", "model", "generation_id")}})
    attached = attach_manifest(folder, take, hand.ORIGIN, embed=True)
    assert attached.manifest["airflow"]["take"] is None
    assert verify(folder.url_of("song.mp3")).ok


@pytest.mark.parametrize("embed", [False, True])
def test_in_a_bucket_too(embed, bucket, landed, hand):
    take = landed("wav", into=bucket)
    first = attach_manifest(bucket, take, hand.ORIGIN, embed=embed)
    assert attach_manifest(bucket, take, hand.ORIGIN, embed=embed) == first
    assert first.url == bucket.url_of("song.wav.provenance.json")
    found = verify(bucket.url_of("song.wav"))
    assert found.ok
    assert found.manifest == first.manifest


# What the operators leave behind


def operator(output_dir, model):
    fields = {
        "music-01": {"lyrics": "##we row until the end of night##", "refer_voice": "vocal-1"},
        "minimax/music-2.6": {"prompt": "a calm song of the sea", "poll_interval": 0.05},
    }
    return GenerateMusicOperator(task_id="song", model=model, output_dir=str(output_dir), **fields[model])


@pytest.mark.parametrize("model", ["music-01", "minimax/music-2.6"])
def test_what_the_record_of_either_lane_says_is_in_the_manifest_without_a_word_of_the_request(
    model, music_sandbox, airflow, output_dir
):
    music_sandbox.settings(any_reference=True)
    result = airflow.run(operator(output_dir, model))
    record = SongRecord(result["record_uri"].rpartition("/take-")[0])
    origin = {"dag_id": "dag", "run_id": airflow.run_id, "task_id": "song", "map_index": -1}
    attached = attach_manifest(record.take_folder(1), record.read(1), origin, embed=True)

    written = attached.manifest
    assert written["as_sent"] == result["audio"]
    assert written["generation_id"] == result["generation_id"]
    assert written["cost"] == {"credits": result["usage"]["credits_used"], "usd": result["usage"]["usd_spent"]}
    assert written["cost"]["usd"] > 0
    assert written["model"] == model
    assert written["airflow"] == {**origin, "map_index": None, "song_index": None, "take": 1}
    assert len(written["request_fingerprint"]) == 64
    assert written["times"]["submitted"] < written["times"]["completed"]
    assert (written["times"]["accepted"] is None) == (model == "music-01")
    everything = json.dumps(written) + Folder(attached.url.rpartition("/")[0]).read("song.mp3").decode("latin-1")
    for word in ("we row", "calm", "any-key", "signature", "127.0.0.1"):
        assert word not in everything
    assert verify(result["audio_uri"]).ok
