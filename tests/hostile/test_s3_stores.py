# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Songs into an S3 that refuses, breaks and goes away: in place or named, paid once, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import io
import wave
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from faulty_s3 import FaultyS3
from hostile_api import GENERATION, LANES, HostileApi

from airflow_provider_music.exceptions import MusicError, OutputError, RecordError, UnknownOutcomeError
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.provenance.verify_song import verify, verify_all
from airflow_provider_music.storage import cleanup
from airflow_provider_music.storage.audio_writer import AudioWriter, RequestedAudio
from airflow_provider_music.storage.cleanup import part_name
from airflow_provider_music.storage.folder import Folder

#: Two parts of an upload.
SONG_BYTES = 6 * 2**20
ONCE = {"retries": {"total_max_attempts": 1}}
#: What a landing does with the song itself, in this order.
SONG_CALLS = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject", "CopyObject"]


@pytest.fixture
def s3(s3):
    """The tests' S3, behind a proxy that makes it fail."""
    address = urlsplit(s3)
    with FaultyS3((address.hostname, address.port)) as started:
        yield started


@pytest.fixture(scope="module")
def long_song():
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((2, 2, 44100, 0, "NONE", ""))
        writer.writeframes(bytes(range(256)) * (SONG_BYTES // 256))
    return file.getvalue()


@pytest.fixture
def api(long_song, monkeypatch):
    with HostileApi(long_song) as started:
        monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", started.connection(connect_timeout=5, read_timeout=30))
        yield started


class Brisk:
    """asyncio with shorter waits."""

    def __getattr__(self, name):
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds):
        await asyncio.sleep(min(seconds, 0.01))


@pytest.fixture(autouse=True)
def brisk_libraries(monkeypatch):
    """The libraries' own patience has the same number of tries, and shorter waits between them."""
    for module in ("s3fs.core", "aiobotocore.endpoint"):
        monkeypatch.setattr(pytest.importorskip(module), "asyncio", Brisk())


@pytest.fixture
def folder_in(s3, monkeypatch):
    """Return an output folder in the bucket; ``config`` is what the connection tells botocore."""

    def make(**config):
        # A name of its own: file systems are kept by the name of their connection.
        name = "aws_" + s3.bucket.replace("-", "_")
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", s3.connection(**config))
        return f"s3://{name}@{s3.bucket}/out"

    return make


@pytest.fixture
def song(folder_in):
    def make(lane, task_id="song", *, config=ONCE, **more):
        return GenerateMusicOperator(task_id=task_id, **{"output_dir": folder_in(**config), **LANES[lane], **more})

    return make


def in_place(s3, api, result):
    """The song is under its final name, whole, and nothing else of it is anywhere."""
    key = result["audio_uri"].partition(f"{s3.bucket}/")[2]
    assert s3.read(key) == api.song
    assert nothing_left(s3)
    assert api.posts() == 1
    return True


def nothing_left(s3):
    """Neither a part, nor an upload that was not ended; facts and whole songs only."""
    names = [key.rpartition("/")[2] for key in s3.objects()]
    assert not [name for name in names if "part" in name]
    assert s3.uploads() == []
    return True


EVERYTHING = [*SONG_CALLS, "PutObject", "DeleteObject", "HeadObject", "ListObjects", "ListMultipartUploads"]
#: Not the record's calls.
OF_THE_SONG = {"key": ".part-"}


def no_song(s3):
    return not [key for key in s3.objects() if key.rpartition("/")[2].startswith("song.")]


# A store that refuses for a while


@pytest.mark.parametrize("lane", list(LANES))
def test_a_song_in_parts_lands_whole(lane, s3, api, song, airflow):
    assert in_place(s3, api, airflow.run(song(lane)))
    assert s3.calls["UploadPart"] == 2
    assert s3.calls["AbortMultipartUpload"] == 0


@pytest.mark.parametrize("kind", ["slow-down", "cut"])
@pytest.mark.parametrize("lane", list(LANES))
def test_calls_that_fail_thrice_each_and_then_work_cost_no_song(lane, kind, s3, api, song, airflow):
    met = {operation: s3.fault(kind, operation, times=3) for operation in EVERYTHING}
    # To a HEAD S3 says no word of why, so the library leaves it to botocore.
    patient = {"retries": {"total_max_attempts": 4, "mode": "standard"}}
    assert in_place(s3, api, airflow.run(song(lane, config=patient)))
    # The synchronous lane lands a song once, so it has nothing to look for before.
    sometimes = {"ListMultipartUploads"} if lane == "synchronous" else set()
    assert {operation for operation in met if met[operation].met <= 3} == sometimes


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("CompleteMultipartUpload", "error-in-200"), ("CopyObject", "error-in-200"), ("UploadPart", "unavailable")],
)
def test_what_the_library_leaves_to_botocore_is_tried_again_by_botocore(kind, operation, s3, api, song, airflow):
    s3.fault(kind, operation, times=1)
    task = song("queued", config={"retries": {"total_max_attempts": 3, "mode": "standard"}})
    assert in_place(s3, api, airflow.run(task))


@pytest.mark.parametrize("operation", ["CompleteMultipartUpload", "CopyObject", "DeleteObject"])
def test_a_call_that_worked_and_whose_answer_is_lost_leaves_a_song_or_nothing(operation, s3, api, song, airflow):
    s3.fault("cut-after", operation, times=1)
    try:
        result = airflow.run(song("queued"))
    except OutputError as exc:
        assert "without paying again" in str(exc)  # noqa: PT017 - both ends are right
        assert nothing_left(s3)
        airflow.retry()
        result = airflow.run(song("queued"))
    assert in_place(s3, api, result)


@pytest.mark.parametrize("lane", list(LANES))
def test_facts_that_were_written_and_whose_answers_are_lost_are_our_own(lane, s3, api, song, airflow):
    facts = ["intent.json", "accepted.json", "completed.json", "delivered.json", "provenance.json"]
    met = {fact: s3.fault("cut-after", "PutObject", times=1, key=fact) for fact in facts}
    assert in_place(s3, api, airflow.run(song(lane)))
    # A claim is created once more, which proves that the store refuses that.
    assert {fact: fault.met for fact, fault in met.items() if fault.met != 2} == {
        "intent.json": 3,
        **({"accepted.json": 0} if lane == "synchronous" else {}),
    }
    # For what it cost, and not for a lost answer.
    assert api.asked()["logs"] <= 1


# What a library remembers of a bucket


def written_after_a_listing(s3, folder_in):
    """A file that somebody else wrote after the folder's library had listed it."""
    folder = Folder(folder_in(**ONCE)) / "take-1"
    folder.create("intent.json", b"mine")
    assert folder.names() == {"intent.json"}
    s3.client.put_object(Bucket=s3.bucket, Key=folder.key("accepted.json").partition("/")[2], Body=b"theirs")
    return folder


def test_a_file_that_is_newer_than_the_last_listing_is_read(s3, folder_in):
    folder = written_after_a_listing(s3, folder_in)
    assert folder.read("accepted.json") == b"theirs"
    assert folder.create("accepted.json", b"theirs")
    assert not folder.create("accepted.json", b"mine")


def test_a_file_that_grew_after_the_last_listing_is_read_whole(s3, folder_in):
    folder = written_after_a_listing(s3, folder_in)
    s3.client.put_object(Bucket=s3.bucket, Key=folder.key("intent.json").partition("/")[2], Body=b"mine, and more")
    assert folder.read("intent.json") == b"mine, and more"


def test_a_song_that_is_newer_than_the_last_listing_is_opened_at_its_size(s3, folder_in):
    folder = written_after_a_listing(s3, folder_in)
    with folder.open("accepted.json") as file:
        assert file.read() == b"theirs"
    assert folder.names() == {"intent.json", "accepted.json"}
    s3.client.put_object(Bucket=s3.bucket, Key=folder.key("accepted.json").partition("/")[2], Body=b"theirs, longer")
    with folder.open("accepted.json") as file:
        assert file.read() == b"theirs, longer"


def test_a_file_that_is_newer_than_the_last_listing_is_moved_whole(s3, folder_in):
    folder = written_after_a_listing(s3, folder_in)
    folder.names()
    s3.client.put_object(Bucket=s3.bucket, Key=folder.key("intent.json").partition("/")[2], Body=b"mine, and more")
    folder.move("intent.json", "moved.json")
    assert folder.read("moved.json") == b"mine, and more"
    assert folder.names() == {"accepted.json", "moved.json"}


@pytest.mark.parametrize("kind", ["slow-down", "cut", "denied"])
def test_a_store_that_does_not_answer_is_not_taken_for_a_listing_without_the_file(kind, s3, folder_in):
    folder = written_after_a_listing(s3, folder_in)
    s3.fault(kind, "GetObject")
    with pytest.raises(OSError):  # noqa: PT011 - a FileNotFoundError is what must not come, and read() returns None for it
        folder.read("accepted.json")


# A store that fails for good, while a song is paid


@pytest.mark.parametrize(
    ("operation", "kind"),
    [*zip(SONG_CALLS, ["slow-down", "cut", "denied", "slow-down", "cut"], strict=True), ("UploadPart", "slow-down")],
)
def test_a_queued_song_that_cannot_be_stored_is_named_and_a_retry_lands_it(operation, kind, s3, api, song, airflow):
    s3.fault(kind, operation, **OF_THE_SONG)
    with pytest.raises(OutputError, match="cannot be written") as caught:
        airflow.run(song("queued"))
    assert "without paying again" in str(caught.value)
    assert no_song(s3)
    assert nothing_left(s3)

    s3.heal()
    airflow.retry()
    assert in_place(s3, api, airflow.run(song("queued")))


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("UploadPart", "slow-down"), ("CompleteMultipartUpload", "cut")],
)
def test_a_synchronous_song_that_cannot_be_stored_is_named_and_not_paid_again(operation, kind, s3, api, song, airflow):
    s3.fault(kind, operation)
    with pytest.raises(UnknownOutcomeError, match="cannot be written to s3://") as caught:
        airflow.run(song("synchronous"))
    assert "It is billed" in str(caught.value)
    assert "Nothing of it is in the store" in str(caught.value)
    assert no_song(s3)
    assert nothing_left(s3)

    s3.heal()
    airflow.retry()
    with pytest.raises(UnknownOutcomeError, match="clear this task"):
        airflow.run(song("synchronous"))
    assert api.posts() == 1


def test_a_synchronous_song_that_cannot_be_renamed_stays_where_it_is_and_is_named(s3, api, song, airflow):
    s3.fault("denied", "CopyObject")
    with pytest.raises(UnknownOutcomeError, match="cannot be written to s3://") as caught:
        airflow.run(song("synchronous"))
    assert "It is billed" in str(caught.value)
    (part,) = [key for key in s3.objects() if ".song.part-" in key]
    assert f"{s3.bucket}/{part}" in str(caught.value)
    assert s3.read(part) == api.song
    assert s3.uploads() == []

    s3.heal()
    airflow.retry()
    with pytest.raises(UnknownOutcomeError, match="clear this task"):
        airflow.run(song("synchronous"))
    assert s3.read(part) == api.song
    assert api.posts() == 1


@pytest.mark.parametrize("lane", list(LANES))
def test_a_song_that_is_another_format_than_requested_is_kept_and_named(lane, s3, api, song, airflow):
    asked = {"audio_setting": {"sample_rate": 16000, "bitrate": 64000, "format": "mp3"}}
    for _ in range(2):
        with pytest.raises(MusicError, match="mp3 was requested, but the API sent wav") as caught:
            airflow.run(song(lane, **asked))
        airflow.retry()
        (key,) = [key for key in s3.objects() if key.rpartition("/")[2].startswith("song.")]
        assert key.endswith("/song.rejected.wav")
        assert f"{s3.bucket}/{key}" in str(caught.value)
        assert s3.read(key) == api.song
        assert nothing_left(s3)
    assert api.posts() == 1


# A store that lets nobody delete


@pytest.mark.parametrize("provenance", ["manifest", "tags"])
@pytest.mark.parametrize("lane", list(LANES))
def test_in_a_bucket_that_lets_nobody_delete_a_song_lands_and_is_delivered_again(
    lane, provenance, s3, api, song, airflow, caplog
):
    s3.fault("denied", "DeleteObject")
    task = song(lane, provenance=provenance)
    result = airflow.run(task)
    key = result["audio_uri"].partition(f"{s3.bucket}/")[2]
    assert hashlib.sha256(s3.read(key)).hexdigest() == result["audio"]["sha256"]
    parts = [key for key in s3.objects() if ".part-" in key]
    assert len(parts) == (2 if provenance == "tags" else 1)
    for part in parts:
        assert len([line for line in caplog.messages if f"{part} may stay behind" in line]) == 1
    assert s3.uploads() == []
    airflow.retry()
    assert airflow.run(task)["audio_uri"] == result["audio_uri"]
    assert api.posts() == 1


def test_in_a_bucket_that_lets_nobody_delete_a_batch_lands_its_songs(s3, api, airflow, folder_in):
    s3.fault("denied", "DeleteObject")
    fields = {key: value for key, value in LANES["queued"].items() if key != "poll_interval"}
    songs = [{**fields, "prompt": f"a calm song of the sea, {n}"} for n in range(2)]
    task = GenerateMusicBatchOperator(task_id="songs", requests=songs, output_dir=folder_in(**ONCE), poll_interval=0.02)
    assert airflow.run(task)["delivered"] == 2
    airflow.retry()
    assert airflow.run(task)["delivered"] == 2
    assert api.posts() == 2


def test_in_a_bucket_that_lets_nobody_delete_what_killed_processes_left_stays_and_the_song_lands(
    s3, api, song, airflow, monkeypatch
):
    with pytest.raises(OutputError):
        s3.fault("denied", "CopyObject")
        airflow.run(song("queued"))
    s3.heal()
    (intent,) = [key for key in s3.objects() if key.endswith("intent.json")]
    left = intent.removesuffix("intent.json") + part_name("song")
    s3.client.put_object(Bucket=s3.bucket, Key=left, Body=b"half a song")
    monkeypatch.setattr(cleanup, "process_started", lambda pid: "7")
    s3.fault("denied", "DeleteObject")
    airflow.retry()
    result = airflow.run(song("queued"))
    assert s3.read(result["audio_uri"].partition(f"{s3.bucket}/")[2]) == api.song
    assert left in s3.objects()
    assert api.posts() == 1


def test_an_upload_that_breaks_in_its_middle_is_aborted_and_not_published(s3, api, song, airflow):
    s3.fault("broken", "UploadPart", skip=1)
    with pytest.raises(OutputError, match=r"after 6\.0 MiB"):
        airflow.run(song("queued"))
    assert s3.calls["AbortMultipartUpload"] == 1
    assert s3.calls["CompleteMultipartUpload"] == 0
    assert no_song(s3)
    assert nothing_left(s3)


@pytest.mark.parametrize(
    ("from_call", "kind"), [("UploadPart", "cut"), ("CompleteMultipartUpload", "slow-down"), ("CopyObject", "cut")]
)
def test_a_store_that_goes_away_in_mid_write_is_named_and_a_later_process_lands_and_cleans(
    from_call, kind, s3, api, song, airflow, monkeypatch
):
    s3.gone_from(kind, from_call)
    with pytest.raises(MusicError) as caught:
        airflow.run(song("queued"))
    assert isinstance(caught.value, OutputError | RecordError)
    assert "s3://" in str(caught.value)
    asked = sum(s3.calls.values())
    # A file that is forgotten is not closed, which would send what it holds.
    del caught
    gc.collect()
    assert sum(s3.calls.values()) == asked
    assert no_song(s3)

    s3.heal()
    # What could not be removed without the store is of a process that is gone by now.
    monkeypatch.setattr(cleanup, "process_started", lambda pid: "7")
    airflow.retry()
    assert in_place(s3, api, airflow.run(song("queued")))


@pytest.mark.parametrize("lane", list(LANES))
def test_a_store_that_is_away_before_anything_is_paid_is_said_and_nothing_is_sent(lane, s3, api, song, airflow):
    s3.gone_from("slow-down")
    with pytest.raises(RecordError, match="Nothing is sent"):
        airflow.run(song(lane))
    assert api.posts() == 0


@pytest.mark.parametrize("lane", list(LANES))
def test_a_bucket_that_may_be_read_and_not_written_is_said_and_nothing_is_sent(lane, s3, api, song, airflow):
    s3.fault("denied", "PutObject", "CreateMultipartUpload", "CopyObject", "DeleteObject")
    with pytest.raises(MusicError, match="nothing was sent"):
        airflow.run(song(lane))
    assert api.posts() == 0


def test_a_store_that_is_away_when_the_id_comes_is_waited_for(s3, api, song, airflow, quick_clock):
    s3.fault("broken", "PutObject", times=4, key="accepted.json")
    assert in_place(s3, api, airflow.run(song("queued")))
    assert api.asked()["logs"] <= 1


def test_an_id_that_could_not_be_kept_is_found_again_by_a_retry(s3, api, song, airflow, quick_clock):
    s3.fault("broken", "PutObject", key="accepted.json")
    with pytest.raises(MusicError, match=r"accepted\.json"):
        airflow.run(song("queued"))
    s3.heal()
    airflow.retry()
    result = airflow.run(song("queued"))
    assert in_place(s3, api, result)
    assert result["generation_id"] == GENERATION


# What others left, and others' songs


def test_what_killed_processes_left_in_this_songs_folder_goes_and_nothing_else(
    s3, api, song, airflow, folder_in, monkeypatch
):
    with pytest.raises(OutputError):
        s3.fault("denied", "CopyObject")
        airflow.run(song("queued"))
    s3.heal()
    (intent,) = [key for key in s3.objects() if key.endswith("intent.json")]
    mine = intent.removesuffix("intent.json")
    theirs = [mine.replace("/song/", "/other/"), mine.removesuffix("1/") + "11/", mine + "deeper/", "out/"]
    client = s3.client

    def leave(place):
        client.create_multipart_upload(Bucket=s3.bucket, Key=place + part_name("song"))
        client.put_object(Bucket=s3.bucket, Key=place + part_name("song"), Body=b"half a song")

    for place in [mine, *theirs]:
        leave(place)
    monkeypatch.setattr(cleanup, "process_started", lambda pid: "7")
    # This one is of a process that lives.
    leave(mine)
    living = [key for key in [*s3.objects(), *s3.uploads()] if key.startswith(mine + ".") and "-7-" in key]
    kept = [key for key in [*s3.objects(), *s3.uploads()] if key.startswith(tuple(theirs[:3]))]
    assert (len(living), len(kept)) == (2, 6)

    airflow.retry()
    result = airflow.run(song("queued"))

    parts = [key for key in [*s3.objects(), *s3.uploads()] if ".part-" in key]
    assert [key for key in parts if key.startswith(mine + ".")] == living
    assert set(kept) < set(parts)
    assert s3.read(result["audio_uri"].partition(f"{s3.bucket}/")[2]) == api.song


def test_a_bucket_that_lets_nobody_look_for_leftovers_takes_songs_all_the_same(s3, api, song, airflow):
    s3.fault("denied", "ListMultipartUploads")
    assert in_place(s3, api, airflow.run(song("queued")))


def test_tasks_with_one_output_folder_do_not_touch_each_others_files(s3, api, song, airflow):
    # One of them cannot write its song; the folder names of all begin alike.
    s3.fault("denied", "UploadPart", skip=3)
    tasks = [song("queued", task_id=name) for name in ("song", "song-1", "song.1")]
    runs = [type(airflow)() for _ in tasks]

    def end(airflow_and_task):
        try:
            return airflow_and_task[0].run(airflow_and_task[1])
        except OutputError as exc:
            return exc

    with ThreadPoolExecutor(1) as pool:
        ends = list(pool.map(end, zip(runs, tasks, strict=True)))
    good = [ended for ended in ends if isinstance(ended, dict)]
    assert len(good) == 1
    before = {key: s3.read(key) for key in s3.objects() if not key.endswith("post.json")}
    assert nothing_left(s3)
    s3.heal()
    for fake, task, ended in zip(runs, tasks, ends, strict=True):
        if not isinstance(ended, dict):
            fake.retry()
            good.append(fake.run(task))
    assert api.posts() == 3
    assert all(s3.read(key) == content for key, content in before.items())
    places = [result["audio_uri"].partition(f"{s3.bucket}/")[2] for result in good]
    assert len({place.rpartition("/")[0] for place in places}) == 3
    assert all(s3.read(place) == api.song for place in places)


@pytest.mark.parametrize("lane", LANES)
def test_a_song_s_name_is_that_of_its_key_in_any_script(lane, s3, api, song, airflow):
    result = airflow.run(song(lane, name="夏の歌 (1), a+b=c@d & e"))
    assert result["audio_uri"].endswith("/夏の歌_(1),_a+b=c@d_e.wav")
    assert in_place(s3, api, result)
    airflow.retry()
    assert airflow.run(song(lane, name="another")) == result
    assert len([key for key in s3.objects() if key.endswith(".wav")]) == 1


def test_a_landing_that_is_left_aborts_its_upload_without_sending_more(s3, folder_in):
    folder = Folder(folder_in(**ONCE)) / "take-1"
    with AudioWriter(folder, RequestedAudio(), max_bytes=2**30) as landing:
        landing.write(bytes(6 * 2**20))
        assert len(s3.uploads()) == 1
        landing.write(bytes(2**20))
    assert nothing_left(s3)
    assert (s3.calls["UploadPart"], s3.calls["PutObject"], s3.calls["AbortMultipartUpload"]) == (1, 0, 1)
    assert s3.objects() == []


# Folders whose names are patterns to a library that looks for files


#: A folder's name, and a name beside it that it would match as a pattern.
PATTERNS = {"songs [2026]": "songs 2", "songs*": "songs-of-others", "songs?": "songsX", "**": "x", "[!a]{b,c}#": "xb#"}


@pytest.fixture(params=list(PATTERNS))
def pattern(request, folder_in, monkeypatch):
    """An output folder whose name is a pattern, and the key of the one beside it that it matches."""

    async def expanded(_, path, *args, **more):
        raise AssertionError(f"{path} was taken for a pattern")

    for method in ("_glob", "_expand_path"):
        monkeypatch.setattr(f"fsspec.asyn.AsyncFileSystem.{method}", expanded)
        monkeypatch.setattr(f"s3fs.core.S3FileSystem.{method}", expanded)
    return f"{folder_in(**ONCE)}/{request.param}", f"out/{PATTERNS[request.param]}"


@pytest.mark.parametrize("provenance", ["manifest", "tags"])
@pytest.mark.parametrize("lane", list(LANES))
def test_in_a_folder_whose_name_is_a_pattern_a_song_lands_and_is_delivered_again(
    lane, provenance, s3, api, song, airflow, pattern
):
    task = song(lane, output_dir=pattern[0], provenance=provenance)
    result = airflow.run(task)
    key = result["audio_uri"].partition(f"{s3.bucket}/")[2]
    assert key.startswith(f"out/{pattern[0].rpartition('/')[2]}/dag/")
    assert hashlib.sha256(s3.read(key)).hexdigest() == result["audio"]["sha256"]
    assert all(each.startswith(key.rpartition("/")[0] + "/") for each in s3.objects())
    assert nothing_left(s3)

    folder, _, name = result["audio_uri"].rpartition("/")
    with Folder(folder).open(name) as file:
        assert file.read() == s3.read(key)
    assert verify(result["audio_uri"]).ok
    assert [verdict.ok for verdict in verify_all(pattern[0])] == [True]
    airflow.retry()
    assert airflow.run(task)["audio_uri"] == result["audio_uri"]
    assert api.posts() == 1


def test_in_a_folder_whose_name_is_a_pattern_only_its_own_abandoned_parts_go(
    s3, api, song, airflow, pattern, monkeypatch
):
    task = song("queued", output_dir=pattern[0])
    with pytest.raises(OutputError):
        s3.fault("denied", "CopyObject")
        airflow.run(task)
    s3.heal()
    (intent,) = [key for key in s3.objects() if key.endswith("intent.json")]
    mine, own = intent.removesuffix("intent.json"), f"out/{pattern[0].rpartition('/')[2]}/"
    theirs = mine.replace(own, f"{pattern[1]}/")
    assert theirs != mine
    for place in (mine, theirs):
        s3.client.create_multipart_upload(Bucket=s3.bucket, Key=place + part_name("song"))
        s3.client.put_object(Bucket=s3.bucket, Key=place + part_name("song"), Body=b"half a song")
    monkeypatch.setattr(cleanup, "process_started", lambda pid: "7")

    airflow.retry()
    result = airflow.run(task)

    parts = [key for key in [*s3.objects(), *s3.uploads()] if ".part-" in key]
    assert [key.rpartition("/")[0] + "/" for key in parts] == [theirs, theirs]
    assert s3.read(result["audio_uri"].partition(f"{s3.bucket}/")[2]) == api.song


def test_a_batch_in_a_folder_whose_name_is_a_pattern_lands_its_songs_and_keeps_no_plan(s3, api, airflow, pattern):
    fields = {key: value for key, value in LANES["queued"].items() if key != "poll_interval"}
    songs = [{**fields, "prompt": f"a calm song of the sea, {n}"} for n in range(2)]
    task = GenerateMusicBatchOperator(task_id="songs", requests=songs, output_dir=pattern[0], poll_interval=0.02)
    result = airflow.run(task)

    assert result["delivered"] == 2
    assert not [key for key in s3.objects() if "plan" in key.rpartition("/")[2]]
    assert s3.read(result["manifest_uri"].partition(f"{s3.bucket}/")[2])
    assert nothing_left(s3)
