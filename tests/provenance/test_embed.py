# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import hashlib
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_music.audio.credentials import _POINTER, _STORE
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import ProvenanceError
from airflow_provider_music.provenance import embed
from airflow_provider_music.provenance.embedding import embed_in
from airflow_provider_music.provenance.manifest import manifest_of
from airflow_provider_music.provenance.tags import comment_of, texts_of
from airflow_provider_music.storage.cleanup import machine_id
from airflow_provider_music.storage.folder import Folder


def test_a_songs_own_tags_say_where_it_came_from(tmp_path, songs, hand):
    for audio_format in ("mp3", "wav"):
        data, path = songs[audio_format], tmp_path / f"song.{audio_format}"
        path.write_bytes(data)
        manifest = manifest_of(hand.take_of(data, audio_format), hand.ORIGIN)
        hashes = embed(path, manifest)
        after = path.read_bytes()
        assert hand.id3_texts(hand.tag_of(after)) == texts_of(manifest)
        assert hand.id3_comments(hand.tag_of(after)) == {"": comment_of(manifest)}
        assert hashes.audio_sha256_before == hand.sha256(data)
        assert hashes.sha256_after == hand.sha256(after) != hashes.audio_sha256_before
        assert (hashes.embedded, hashes.note, hashes.size_after) == (True, None, len(after))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.mp3", "song.wav"]


def test_every_frame_and_sample_is_what_it_was_and_so_is_the_length(tmp_path, songs, hand):
    for audio_format in ("mp3", "wav"):
        data, path = songs[audio_format], tmp_path / f"song.{audio_format}"
        path.write_bytes(data)
        hashes = embed(str(path), manifest_of(hand.take_of(data, audio_format), hand.ORIGIN))
        sound, seconds = hand.sound_of(path.read_bytes())
        assert (sound, seconds) == hand.sound_of(data)
        assert len(sound) > 10_000
        assert seconds > 1
        assert hashes.sound_sha256 == hand.sha256(sound)
        before, after = probe(io.BytesIO(data)), probe(io.BytesIO(path.read_bytes()))
        assert (after.duration_ms, after.sample_rate_hz, after.bitrate_bps) == (
            before.duration_ms,
            before.sample_rate_hz,
            before.bitrate_bps,
        )


def test_the_bytes_that_the_api_sent_come_back_when_the_tag_is_taken_off(folder, landed, mp3, hand):
    embed_in(folder, "song.mp3", manifest_of(landed(), hand.ORIGIN))
    after = folder.read("song.mp3")
    assert after[len(hand.tag_of(after)) :] == mp3


def test_tags_that_the_song_came_with_stay(folder, landed, mp3, hand):
    title = b"TIT2" + b"\0\0\0\x07\0\0" + b"\x00A song"
    encoder = b"TSSE" + b"\0\0\0\x06\0\0" + b"\x03Lavf6"
    old = b"ID3\4\0\0\0\0\0" + bytes([len(title + encoder) + 20]) + title + encoder + bytes(20)
    id3v1 = b"TAG" + b"A song".ljust(125, b"\0")
    data = old + mp3 + id3v1
    embed_in(folder, "song.mp3", manifest_of(landed(data=data), hand.ORIGIN))
    after = folder.read("song.mp3")
    tag = hand.tag_of(after)
    assert [name for name, _, _ in hand.id3_frames(tag)][:2] == ["TIT2", "TSSE"]
    assert title + encoder in tag
    assert after[len(tag) :] == mp3 + id3v1


def test_raw_pcm_gets_no_tags_and_says_so(folder, landed, songs, hand, left, caplog):
    hashes = embed_in(folder, "song.pcm", manifest_of(landed("pcm"), hand.ORIGIN))
    assert (hashes.embedded, hashes.note) == (False, "raw PCM holds no tags")
    assert hashes.audio_sha256_before == hashes.sha256_after == hashes.sound_sha256 == hand.sha256(songs["pcm"])
    assert folder.read("song.pcm") == songs["pcm"]
    assert left() == ["song.pcm"]
    assert "raw PCM holds no tags" in caplog.text


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"ID3\2\0\0\0\0\0\4\0\0\0\0", "2.2"),
        (b"ID3\4\0\x80\0\0\0\0", "flags 0x80"),
        (b"ID3\4\0\0\x7f\0\0\0", "the file has"),
    ],
)
def test_a_tag_that_cannot_be_kept_as_it_is_keeps_ours_out(head, says, folder, landed, mp3, hand, left):
    hashes = embed_in(folder, "song.mp3", manifest_of(landed(data=head + mp3), hand.ORIGIN))
    assert says in hashes.note
    assert folder.read("song.mp3") == head + mp3
    assert left() == ["song.mp3"]


def test_a_second_time_changes_nothing(folder, landed, hand):
    for audio_format in ("mp3", "wav"):
        name, manifest = f"song.{audio_format}", manifest_of(landed(audio_format), hand.ORIGIN)
        first = embed_in(folder, name, manifest)
        path = Path(folder.key(name))
        stamp, content = path.stat().st_mtime_ns, path.read_bytes()
        assert embed_in(folder, name, manifest) == first
        assert (path.stat().st_mtime_ns, path.read_bytes()) == (stamp, content)


def test_the_same_song_and_manifest_make_the_same_file(folder, landed, hand):
    take, seen = landed("wav"), set()
    for _ in range(2):
        landed("wav")
        seen.add(embed_in(folder, "song.wav", manifest_of(take, hand.ORIGIN)).sha256_after)
    assert len(seen) == 1


def test_a_song_of_another_manifest_is_not_touched(folder, landed, mp3, hand, left):
    landed()
    manifest = manifest_of(hand.take_of(b"another song"), hand.ORIGIN)
    with pytest.raises(ProvenanceError, match=r"song.mp3 is not the one of its manifest: sha256 .* the API sent"):
        embed_in(folder, "song.mp3", manifest)
    assert folder.read("song.mp3") == mp3
    assert left() == ["song.mp3"]
    landed("pcm")
    with pytest.raises(ProvenanceError, match="is not the one of its manifest"):
        embed_in(folder, "song.pcm", manifest_of(hand.take_of(b"another song", "pcm"), hand.ORIGIN))


def test_a_song_that_holds_other_tags_of_ours_is_not_touched(folder, landed, hand):
    manifest = manifest_of(landed(), hand.ORIGIN)
    embed_in(folder, "song.mp3", manifest)
    before = folder.read("song.mp3")
    with pytest.raises(ProvenanceError, match="the tags of another manifest"):
        embed_in(folder, "song.mp3", {**manifest, "model": "other"})
    assert folder.read("song.mp3") == before


def test_a_song_that_is_not_there_is_an_error(folder, tmp_path, hand):
    manifest = manifest_of(hand.take_of(b"sound"), hand.ORIGIN)
    with pytest.raises(ProvenanceError, match=r"song.mp3 cannot be written"):
        embed_in(folder, "song.mp3", manifest)
    with pytest.raises(ProvenanceError, match="cannot be written"):
        embed(tmp_path / "nowhere" / "song.mp3", manifest)


@pytest.mark.parametrize("name", ["a song#1.mp3", "a?b=c.mp3", "\u00e4 [x]*.mp3"])
def test_a_local_file_may_have_any_name(name, tmp_path, mp3, hand):
    (tmp_path / name).write_bytes(mp3)
    assert embed(tmp_path / name, manifest_of(hand.take_of(mp3), hand.ORIGIN)).embedded
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_root_folder_is_never_taken_for_one_where_one_stands(tmp_path, mp3, hand, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.mp3").write_bytes(mp3)
    with pytest.raises(ProvenanceError, match=r"/song.mp3 gets no tags: the root folder"):
        embed("/song.mp3", manifest_of(hand.take_of(mp3), hand.ORIGIN))
    assert (tmp_path / "song.mp3").read_bytes() == mp3


# What breaks on the way


class Broken:
    """A file on a disk that fails at one of its calls."""

    def __init__(self, file, at, after):
        self.file, self.at, self.left = file, at, after

    def __getattr__(self, name):
        return getattr(self.file, name)

    def _call(self, name, *args):
        if name == self.at:
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
        return getattr(self.file, name)(*args)

    def write(self, data):
        return self._call("write", data)

    def flush(self):
        return self._call("flush")

    def close(self):
        return self._call("close")


@pytest.mark.parametrize(("at", "after"), [("write", 0), ("write", 1), ("flush", 0), ("close", 0)])
def test_a_full_disk_leaves_the_song_as_it_was_and_no_part(at, after, folder, landed, mp3, left, hand, mocker):
    data = mp3 * (2**18 // len(mp3) + 1)
    manifest = manifest_of(landed(data=data), hand.ORIGIN)
    open_new = Folder.open_new
    mocker.patch.object(Folder, "open_new", lambda self, name, **more: Broken(open_new(self, name, **more), at, after))
    with pytest.raises(ProvenanceError, match="No space left"):
        embed_in(folder, "song.mp3", manifest)
    assert folder.read("song.mp3") == data
    assert left() == ["song.mp3"]


@pytest.mark.parametrize("call", ["move", "open_new"])
def test_a_store_that_fails_leaves_the_song_as_it_was(call, folder, landed, mp3, left, hand, mocker):
    manifest = manifest_of(landed(), hand.ORIGIN)
    mocker.patch.object(Folder, call, side_effect=OSError("the store is down"))
    with pytest.raises(ProvenanceError, match="the store is down"):
        embed_in(folder, "song.mp3", manifest)
    assert folder.read("song.mp3") == mp3
    assert left() == ["song.mp3"]


class Died(BaseException):
    """The process is gone."""


def test_the_song_is_whole_under_its_part_name_before_it_gets_its_own(folder, landed, mp3, left, hand):
    seen = {}

    def check(hashes):
        part, *_ = [name for name in left() if name.startswith(".song.part-")]
        seen["part"], seen["hashes"] = hashlib.sha256(folder.read(part)).hexdigest(), hashes
        assert folder.read("song.mp3") == mp3

    hashes = embed_in(folder, "song.mp3", manifest_of(landed(), hand.ORIGIN), before_move=check)
    assert seen == {"part": hashes.sha256_after, "hashes": hashes}
    assert left() == ["song.mp3"]


def test_one_who_dies_before_the_move_leaves_the_song_as_it_was(folder, landed, mp3, left, hand):
    def die(_):
        raise Died

    with pytest.raises(Died):
        embed_in(folder, "song.mp3", manifest_of(landed(), hand.ORIGIN), before_move=die)
    assert folder.read("song.mp3") == mp3
    assert left() == ["song.mp3"]


def test_what_a_killed_process_left_is_removed_when_the_tags_are_in_place(folder, landed, left, hand):
    manifest = manifest_of(landed(), hand.ORIGIN)
    gone = f".song.part-{machine_id()}-999999999-1-{'0' * 12}"
    folder.create(gone, b"half a song")
    embed_in(folder, "song.mp3", manifest)
    assert left() == ["song.mp3"]


# Any song


@given(
    st.dictionaries(st.sampled_from(["dag_id", "run_id", "task_id"]), st.text(max_size=30)),
    st.text(max_size=30),
    st.binary(min_size=2, max_size=400),
)
def test_any_origin_goes_into_any_wav_and_is_read_back(tmp_path_factory, hand, origin, model, samples):
    # Hypothesis tries the package's own constants too, and credentials keep tags out.
    assume(not any(mark in samples for mark in (_STORE, _POINTER)))
    data = hand.wav_of(samples[: len(samples) // 2 * 2])
    path = tmp_path_factory.mktemp("song") / "song.wav"
    path.write_bytes(data)
    manifest = manifest_of(hand.take_of(data, "wav", model=model), origin)
    embed(path, manifest)
    after = path.read_bytes()
    assert hand.id3_texts(hand.tag_of(after)) == texts_of(manifest)
    assert hand.sound_of(after) == hand.sound_of(data)


def test_a_large_song_takes_little_memory(folder, landed, hand):
    data = hand.wav_of(bytes(2**26))
    manifest = manifest_of(landed("wav", data), hand.ORIGIN)
    embed_in(folder, "song.wav", manifest_of(landed("wav"), hand.ORIGIN))
    landed("wav", data)
    del data
    tracemalloc.start()
    try:
        embed_in(folder, "song.wav", manifest)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


# In a bucket


@pytest.mark.parametrize("audio_format", ["mp3", "wav"])
def test_a_song_in_a_bucket_gets_its_tags(audio_format, bucket, landed, songs, hand):
    name, manifest = f"song.{audio_format}", manifest_of(landed(audio_format, into=bucket), hand.ORIGIN)
    hashes = embed_in(bucket, name, manifest)
    after = bucket.read(name)
    assert hashes.sha256_after == hand.sha256(after)
    assert hand.id3_texts(hand.tag_of(after)) == texts_of(manifest)
    assert hand.sound_of(after) == hand.sound_of(songs[audio_format])
    assert embed_in(bucket, name, manifest) == hashes
    assert [key.rpartition("/")[2] for key in bucket.fs.find(bucket.key(""))] == [name]


def test_a_song_of_several_blocks_in_a_bucket_comes_and_goes_in_blocks(bucket, landed, hand, mocker):
    data = hand.wav_of(bytes(range(256)) * (12 * 2**12))
    manifest = manifest_of(landed("wav", data, into=bucket), hand.ORIGIN)
    fetched, sent = [], []
    opened = bucket.fs.open

    def spy(path, mode, **more):
        file = opened(path, mode, **more)
        if "w" in mode:
            upload = file._upload_chunk
            mocker.patch.object(
                file, "_upload_chunk", lambda final=False: (sent.append(file.buffer.tell()), upload(final))[1]
            )
        else:
            fetch = file.cache.fetcher
            file.cache.fetcher = lambda start, end: (fetched.append(end - start), fetch(start, end))[1]
        return file

    mocker.patch.object(type(bucket.fs), "open", side_effect=spy)
    hashes = embed_in(bucket, "song.wav", manifest)
    assert hashes.embedded
    assert sum(fetched) >= len(data)
    assert max(fetched) < 2**23
    assert len(sent) > 1
    assert max(sent) < 2**23
    mocker.stopall()
    assert hand.sha256(bucket.read("song.wav")) == hashes.sha256_after


def test_a_song_in_a_bucket_stays_as_it_was_where_the_part_cannot_be_moved(bucket, landed, mp3, hand, mocker):
    manifest = manifest_of(landed(into=bucket), hand.ORIGIN)
    mocker.patch.object(Folder, "move", side_effect=OSError("the store is down"))
    with pytest.raises(ProvenanceError, match="the store is down"):
        embed_in(bucket, "song.mp3", manifest)
    bucket.fs.invalidate_cache()
    assert bucket.read("song.mp3") == mp3
    assert [key.rpartition("/")[2] for key in bucket.fs.find(bucket.key(""))] == ["song.mp3"]
