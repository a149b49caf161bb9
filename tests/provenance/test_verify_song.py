# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.exceptions import OutputError
from airflow_provider_music.provenance import attach_manifest, verify, verify_all
from airflow_provider_music.provenance.tags import texts_of
from airflow_provider_music.storage.folder import Folder


@pytest.fixture
def attached(folder, landed, hand):
    """A song with its manifest and tags; returns its path."""

    def attach(audio_format="mp3", *, embed=True):
        attach_manifest(folder, landed(audio_format), hand.ORIGIN, embed=embed)
        return Path(folder.key(f"song.{audio_format}"))

    return attach


def manifest_path(path):
    return path.with_name(path.name + ".provenance.json")


def changed(path, **values):
    """Write another manifest; part.name names a value in a part."""
    found = json.loads(manifest_path(path).read_bytes())
    for name, value in values.items():
        part, _, inner = name.rpartition("__")
        (found[part] if part else found)[inner] = value
    manifest_path(path).write_text(json.dumps(found))


def retag(path, name, text):
    """As another program would."""
    from mutagen.id3 import TXXX
    from mutagen.mp3 import MP3
    from mutagen.wave import WAVE

    file = MP3(path) if path.suffix == ".mp3" else WAVE(path)
    if text is None:
        file.tags.delall(f"TXXX:{name}")
    else:
        file.tags.setall(f"TXXX:{name}", [TXXX(encoding=3, desc=name, text=[text])])
    file.save()


@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize("audio_format", ["mp3", "wav", "pcm"])
def test_a_song_that_is_what_it_says_is_ok(audio_format, embed, attached):
    path = attached(audio_format, embed=embed)
    found = verify(path)
    assert found.ok
    assert found.problems == ()
    assert found.url == f"file://{path}"
    assert found.manifest == json.loads(manifest_path(path).read_bytes())


def test_a_song_is_found_however_it_is_named(attached, monkeypatch):
    path = attached()
    monkeypatch.chdir(path.parent)
    names = [str(path), f"file://{path}", path.name, f"./{path.name}", manifest_path(path), manifest_path(path).name]
    assert {verify(name).url for name in names} == {f"file://{path}"}
    assert all(verify(name).ok for name in names)


def test_a_song_that_was_copied_away_with_its_manifest_under_another_name_is_still_the_one(attached, tmp_path):
    path, other = attached(), tmp_path / "archive" / "ballad (final).mp3"
    other.parent.mkdir()
    path.rename(other)
    manifest_path(path).rename(manifest_path(other))
    assert verify(other).ok


def test_one_byte_that_differs_is_reported(attached, hand):
    for audio_format in ("mp3", "wav", "pcm"):
        path = attached(audio_format)
        data = bytearray(path.read_bytes())
        expected = hand.sha256(data)
        # Of the sound: a WAV has its tags behind it.
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert verify(path).problems == (
            f"sha256 is {hand.sha256(data)} ({len(data)} bytes), the manifest says {expected}",
        )


def test_a_song_that_was_cut_is_reported_with_both_sizes(attached):
    path = attached()
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    (problem,) = verify(path).problems
    assert f"({len(data) - 100} bytes)" in problem
    assert problem.endswith(f"({len(data)} bytes)")


def test_a_song_without_its_manifest_is_reported(attached):
    path = attached("pcm")
    manifest_path(path).unlink()
    found = verify(path)
    assert found.problems == ("the manifest song.pcm.provenance.json is missing",)
    assert found.manifest is None


def test_tags_alone_prove_nothing(attached):
    path = attached("wav")
    manifest_path(path).unlink()
    assert verify(path).problems == (
        "the manifest song.wav.provenance.json is missing",
        "its own tags hold one, which nothing stands against",
    )


def test_a_manifest_without_its_song_is_reported(attached):
    path = attached()
    path.unlink()
    assert verify(path).problems == ("the song song.mp3 is missing",)
    assert verify(manifest_path(path)).problems == ("the song song.mp3 is missing",)


def test_what_is_not_there_at_all_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there, nor is its manifest"):
        verify(tmp_path / "song.mp3")
    with pytest.raises(OutputError, match="Install the provider of its scheme"):
        verify("nosuchstore://bucket/song.mp3")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the manifest is no JSON (0 bytes)"),
        (b"<html>", "the manifest is no JSON (6 bytes)"),
        (b"[]", "the manifest is no JSON object"),
        (b'{"schema": 2}', "the manifest's schema is 2, known here is 1"),
        (b" " * (2**20 + 1), "the manifest is too long for one (1048577 bytes)"),
    ],
)
def test_a_manifest_that_is_none_is_reported(content, says, attached):
    path = attached("pcm")
    manifest_path(path).write_bytes(content)
    assert verify(path).problems == (says,)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "the manifest's digitalSourceType is missing"),
        (
            "trainedAlgorithmicMedia",
            "the manifest's digitalSourceType is 'trainedAlgorithmicMedia', not http://cv.iptc",
        ),
        (5, "the manifest's digitalSourceType is 5, not"),
    ],
)
def test_a_source_type_that_is_not_iptcs_is_reported(source, says, attached):
    path = attached(embed=False)
    changed(path, digitalSourceType=source)
    (problem,) = verify(path).problems
    assert problem.startswith(says)


def test_a_manifest_of_another_file_is_reported(attached, mp3):
    path = attached(embed=False)
    other = path.with_name("other.mp3")
    other.write_bytes(mp3[:-1])
    manifest_path(other).write_bytes(manifest_path(path).read_bytes())
    (problem,) = verify(other).problems
    assert problem.startswith("the manifest is of another file ('song.mp3'): sha256 is ")


def test_a_manifest_that_contradicts_itself_is_reported(attached):
    path = attached(embed=False)
    changed(path, as_sent__sha256="0" * 64)
    assert verify(path).problems == (
        "the manifest contradicts itself: no tags were written, but file and as_sent differ",
    )


@pytest.mark.parametrize("audio_format", ["mp3", "wav"])
def test_tags_that_another_program_changed_are_reported_and_that_the_sound_is_the_same(audio_format, attached):
    path = attached(audio_format)
    retag(path, "provenance.model", "a human")
    differs, contradicts = verify(path).problems
    assert differs.endswith("; the sound is unchanged, so its tags were changed")
    assert contradicts == "its tag provenance.model contradicts the manifest"
    retag(path, "provenance.model", None)
    assert verify(path).problems[1] == "its tag provenance.model is missing"


def test_tags_that_were_taken_off_are_reported(attached, mp3, hand):
    path = attached()
    path.write_bytes(path.read_bytes()[len(hand.tag_of(path.read_bytes())) :])
    assert verify(path).problems == (
        "the song is as the API sent it, without the tags that the manifest promises",
        "its tags are missing",
    )
    path.write_bytes(b"ID3\2\0\0\0\0\0\0" + mp3)
    assert verify(path).problems[1].startswith("its tags are missing: its ID3 tag is of a kind")


@pytest.mark.parametrize("field", ["model", "generation_id", "request_fingerprint", "times__completed", "cost__usd"])
def test_a_manifest_that_was_changed_contradicts_the_tags(field, attached):
    path = attached()
    changed(path, **{field: "other"})
    assert "its tag provenance.manifest contradicts the manifest" in verify(path).problems


def test_tags_of_another_manifest_are_reported(attached, folder, landed, hand):
    path = attached()
    folder.remove("song.mp3.provenance.json")
    data = path.read_bytes()
    attach_manifest(folder, hand.take_of(data), {**hand.ORIGIN, "dag_id": "other"})
    assert verify(path).problems == ("its tags hold another manifest",)


def test_every_tag_is_compared(attached):
    path = attached()
    for name in texts_of(verify(path).manifest):
        before = path.read_bytes()
        retag(path, name, "other")
        assert f"its tag {name} contradicts the manifest" in verify(path).problems
        path.write_bytes(before)
    assert verify(path).ok


@given(st.integers(0, 10**9), st.integers(0, 7))
def test_no_bit_of_a_song_can_change_unseen(tmp_path_factory, hand, wav, at, bit):
    folder = Folder(str(tmp_path_factory.mktemp("songs")))
    folder.replace("song.wav", wav)
    attach_manifest(folder, hand.take_of(wav, "wav"), hand.ORIGIN, embed=True)
    data = bytearray(folder.read("song.wav"))
    data[at % len(data)] ^= 1 << bit
    folder.replace("song.wav", bytes(data))
    assert not verify(folder.url_of("song.wav")).ok


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(ANYTHING, st.sampled_from(["sha256", "name", "tags_embedded", "format", "dag_id", "completed", "usd", "more"]))
@pytest.mark.parametrize("part", ["as_sent", "file", "model", "airflow", "times", "cost", "software", "references"])
def test_no_value_in_a_manifest_breaks_the_check(tmp_path_factory, hand, part, value, name):
    folder, data = Folder(str(tmp_path_factory.mktemp("songs"))), hand.wav_of(b"sound!")
    folder.replace("song.wav", data)
    manifest = {**attach_manifest(folder, hand.take_of(data, "wav"), hand.ORIGIN, embed=True).manifest}
    before = json.dumps(manifest)
    manifest[part] = {**manifest[part], name: value} if isinstance(manifest[part], dict) else value
    folder.replace("song.wav.provenance.json", json.dumps(manifest).encode())
    ok = verify(folder.url_of("song.wav")).ok
    assert part == "file" or ok == (json.dumps(manifest) == before)


def test_a_store_that_does_not_answer_is_an_error_and_no_verdict(attached, mocker):
    path = attached()
    mocker.patch.object(Folder, "read", side_effect=OSError("the store is down"))
    with pytest.raises(OSError, match="the store is down"):
        verify(path)


def test_a_song_that_is_a_folder_is_missing(attached):
    path = attached()
    path.unlink()
    path.mkdir()
    assert verify(manifest_path(path)).problems == ("the song song.mp3 is missing",)


def test_a_large_song_takes_little_memory(folder, landed, attached, hand):
    attached()
    verify(folder.url_of("song.mp3"))
    attach_manifest(folder, landed("wav", hand.wav_of(bytes(2**26))), hand.ORIGIN)
    tracemalloc.start()
    try:
        assert verify(folder.url_of("song.wav")).ok
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


# Folders


@pytest.fixture
def library(tmp_path, songs, hand):
    """Songs of three tasks, and what else lies there."""
    top = Folder(str(tmp_path / "library"))
    for task, audio_format in (("a", "mp3"), ("b[0]", "wav"), ("c d#", "pcm")):
        folder = top / task / "take-1"
        folder.replace(f"song.{audio_format}", songs[audio_format])
        folder.create("intent.json", b"{}")
        folder.create(".song.part-0a1b", b"half a song")
        folder.create("song.rejected-2.mp3", b"what came in place of it")
        take = hand.take_of(songs[audio_format], audio_format, url=folder.url)
        attach_manifest(folder, take, hand.ORIGIN, embed=True)
    return top


def test_every_song_of_a_folder_is_verified(library):
    for path in (library.key("").rstrip("/"), library.url, f"{library.url}/"):
        found = list(verify_all(path))
        assert [verdict.url.removeprefix(library.url) for verdict in found] == [
            "/a/take-1/song.mp3",
            "/b[0]/take-1/song.wav",
            "/c d#/take-1/song.pcm",
        ]
        assert all(verdict.ok for verdict in found)


def test_a_song_without_manifest_and_a_manifest_without_song_are_found_too(library):
    (library / "a/take-1").remove("song.mp3.provenance.json")
    (library / "b[0]/take-1").remove("song.wav")
    assert [verdict.ok for verdict in verify_all(library.url)] == [False, False, True]


def test_of_a_file_verify_all_verifies_that_file(library):
    song = library.url_of("a/take-1/song.mp3")
    assert [verdict.url for verdict in verify_all(song)] == [song]
    assert [verdict.url for verdict in verify_all(f"{song}.provenance.json")] == [song]


def test_a_folder_without_songs_and_one_that_is_not_there_are_errors(tmp_path):
    (tmp_path / "notes.txt").write_text("no song")
    with pytest.raises(FileNotFoundError, match="no song lies in"):
        list(verify_all(tmp_path))
    with pytest.raises(FileNotFoundError, match="is not there, nor is its manifest"):
        list(verify_all(tmp_path / "nowhere"))


@pytest.mark.parametrize("path", ["/", "/song.mp3", "file:///song.mp3", "file:///", "local:///song.mp3"])
def test_the_root_folder_is_never_taken_for_where_one_stands(path, attached, monkeypatch):
    monkeypatch.chdir(attached().parent)
    for check in (verify, lambda path: list(verify_all(path))):
        with pytest.raises(OSError, match="root folder"):
            check(path)


def test_a_folder_may_be_where_one_stands(library, monkeypatch):
    monkeypatch.chdir(library.key(""))
    assert len(list(verify_all("."))) == 3
    os.chdir("a")
    assert len(list(verify_all("take-1"))) == 1


def test_a_bucket_is_verified_like_a_folder(bucket, landed, hand):
    for audio_format in ("mp3", "wav"):
        attach_manifest(bucket, landed(audio_format, into=bucket), hand.ORIGIN, embed=True)
    top = bucket.url.rpartition("/")[0]
    found = list(verify_all(top))
    assert [verdict.url for verdict in found] == [bucket.url_of("song.mp3"), bucket.url_of("song.wav")]
    assert all(verdict.ok for verdict in found)
    bucket.replace("song.mp3", b"half")
    assert [verdict.ok for verdict in verify_all(top)] == [False, True]
    assert not verify(bucket.url_of("song.mp3.provenance.json")).ok
    root = top.removesuffix("/songs")
    assert len(list(verify_all(root))) == 2
    with pytest.raises(FileNotFoundError):
        list(verify_all(f"{root}/elsewhere"))
