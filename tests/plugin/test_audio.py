# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The audio of a song: its bytes, whole and in parts; of what may be heard only, and little at a time."""

from __future__ import annotations

import gzip
import os

import pytest

SONG = bytes(range(256)) * 40


@pytest.fixture
def url(tables):
    return tables.path(tables.song(SONG), "/take/1/audio")


def test_a_song_is_streamed_whole_with_the_type_of_its_format(reader, url):
    answer = reader.get(url)
    assert answer.status_code == 200
    assert answer.content == SONG
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["content-length"] == str(len(SONG))
    assert answer.headers["accept-ranges"] == "bytes"
    assert "private" in answer.headers["cache-control"]


@pytest.mark.parametrize(("suffix", "kind"), [("wav", "audio/wav"), ("pcm", "application/octet-stream")])
def test_other_formats_have_types_of_their_own(reader, tables, suffix, kind):
    answer = reader.get(tables.path(tables.song(SONG, suffix=suffix), "/take/1/audio"))
    assert answer.headers["content-type"] == kind


def test_a_range_is_answered_with_its_bytes(reader, url):
    answer = reader.get(url, headers={"range": "bytes=1000-1999"})
    assert answer.status_code == 206
    assert answer.content == SONG[1000:2000]
    assert answer.headers["content-range"] == f"bytes 1000-1999/{len(SONG)}"
    assert answer.headers["content-length"] == "1000"


def test_a_range_behind_the_end_is_refused_with_the_size(reader, url):
    answer = reader.get(url, headers={"range": f"bytes={len(SONG)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(SONG)}"


def test_airflow_does_not_compress_a_part(tables, auth_manager):
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from starlette.middleware.gzip import GZipMiddleware

    from airflow_provider_music.plugin.app import app

    airflow = FastAPI()
    airflow.mount("/music", app())
    airflow.add_middleware(GZipMiddleware, minimum_size=100)
    client = TestClient(airflow, cookies={"_token": "reader"})
    url = tables.path(tables.song(SONG), "/take/1/audio")
    with client.stream("GET", url, headers={"range": "bytes=0-4999", "accept-encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert raw == SONG[:5000]
    assert raw[:2] != gzip.compress(b"")[:2]


def test_what_a_browser_has_already_is_not_sent_again(reader, url):
    etag = reader.get(url).headers["etag"]
    assert reader.get(url, headers={"if-none-match": etag}).status_code == 304


def test_a_download_has_a_name_that_no_record_can_break(reader, tables):
    key = tables.song(SONG, task_id='a"b;\u2028c.d')
    answer = reader.get(tables.path(key, "/take/1/audio"), params={"download": 1})
    assert answer.headers["content-disposition"] == 'attachment; filename="heard-a_b_c.d-take-1.mp3"'
    assert reader.get(tables.path(key, "/take/1/audio")).headers["content-disposition"] == "inline"


def test_a_download_of_a_named_song_has_its_name(reader, tables):
    key = tables.song(SONG, name='夏の"歌')
    answer = reader.get(tables.path(key, "/take/1/audio"), params={"download": 1})
    spelled = "%E5%A4%8F%E3%81%AE%22%E6%AD%8C-take-1.mp3"
    assert answer.headers["content-disposition"] == f"attachment; filename=\"_-take-1.mp3\"; filename*=UTF-8''{spelled}"
    assert answer.content == SONG


def test_each_take_has_its_own_audio(reader, tables):
    key = tables.song(SONG, takes=3)
    for n in (1, 2, 3):
        assert reader.get(tables.path(key, f"/take/{n}/audio")).content == SONG
    assert reader.get(tables.path(key, "/take/4/audio")).status_code == 404
    assert reader.get(tables.path(key, "/take/0/audio")).status_code == 404


def replaced(tables, audio_uri, kind="mp3", task_id="forged"):
    """A task whose XCom names another file than its own; its record is not to be read."""
    key = tables.task(task_id=task_id)
    tables.xcoms(key, [("return_value", {"audio_uri": audio_uri, "audio": {"format": kind}})])
    return tables.path(key, "/take/0/audio")


def test_a_song_whose_record_is_gone_is_heard_by_its_xcom(reader, tables, output_dir):
    (output_dir / "song.mp3").write_bytes(SONG)
    assert reader.get(replaced(tables, f"file://{output_dir}/song.mp3")).content == SONG


@pytest.mark.parametrize(
    "audio_uri",
    [
        "file:///etc/passwd",
        "{tmp}/secret.mp3",
        "{songs}/../secret.mp3",
        "{songs}/plan.json",
        "{songs}/pipe.mp3",
        "{songs}",
        "{songs}/folder.mp3",
        "http://127.0.0.1/song.mp3",
        "s3://bucket/song.mp3",
        "",
        None,
        7,
    ],
)
def test_an_xcom_that_names_anything_else_is_not_played(reader, tables, output_dir, tmp_path, audio_uri):
    (tmp_path / "secret.mp3").write_bytes(SONG)
    (output_dir / "plan.json").write_text("lyrics")
    os.mkfifo(output_dir / "pipe.mp3")
    (output_dir / "folder.mp3").mkdir()
    if isinstance(audio_uri, str):
        audio_uri = audio_uri.format(tmp=tmp_path, songs=output_dir)
    assert reader.get(replaced(tables, audio_uri)).status_code == 404


@pytest.mark.parametrize("kind", ["json", "../mp3", None, ["mp3"]])
def test_what_is_no_audio_by_its_own_word_is_not_played(reader, tables, output_dir, kind):
    (output_dir / "song.json").write_bytes(SONG)
    assert reader.get(replaced(tables, f"{output_dir}/song.json", kind)).status_code == 404


def test_a_record_that_names_a_file_elsewhere_is_not_played(reader, tables, tmp_path):
    key = tables.song(SONG)
    folder = tables.result_folder(key)
    fact = folder / "take-1/completed.json"
    (tmp_path / "secret.mp3").write_bytes(SONG)
    fact.write_text(fact.read_text().replace(f"{folder}/take-1/song.mp3", f"{tmp_path}/secret.mp3"))
    answer = reader.get(tables.path(key, "/take/1/audio"))
    assert answer.status_code == 404
    assert "listen_roots" in answer.json()["detail"]


def test_a_record_below_no_root_is_not_read(reader, tables, tmp_path, monkeypatch):
    key = tables.song(SONG)
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(tmp_path / "elsewhere"))
    page = reader.get(tables.path(key), headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "listen_roots" in page.text
    assert reader.get(tables.path(key, "/take/0/audio")).status_code == 404


def test_a_file_that_went_away_is_said_to_be_gone(reader, tables):
    key = tables.song(SONG)
    (tables.result_folder(key) / "take-1/song.mp3").unlink()
    assert reader.get(tables.path(key, "/take/1/audio")).status_code == 404


def test_a_song_in_a_bucket_is_streamed_by_the_connection_of_its_root(reader, tables, bucket, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MUSIC__LISTEN_ROOTS", bucket.url.removesuffix("/take-1"))
    bucket.replace("song.mp3", SONG * 100)
    url = replaced(tables, bucket.url_of("song.mp3"))
    assert reader.get(url).content == SONG * 100
    part = reader.get(url, headers={"range": "bytes=700000-700999"})
    assert (part.status_code, part.content) == (206, (SONG * 100)[700_000:701_000])

    other = replaced(tables, bucket.url_of("song.mp3").replace("my_aws@", ""), task_id="other")
    assert reader.get(other).status_code == 404


async def test_a_listener_holds_one_piece_in_memory_and_leaves_no_open_file(tables, tmp_path, monkeypatch):
    from airflow_provider_music.plugin import audio
    from airflow_provider_music.plugin.songs import AudioFile
    from airflow_provider_music.storage.folder import Folder

    (tmp_path / "long.wav").write_bytes(bytes(4 * audio.PIECE_BYTES))
    opened, sizes = [], []

    class Watched(Folder):
        def open(self, name):
            opened.append(super().open(name))
            return opened[-1]

    file = AudioFile(Watched(str(tmp_path)), "long.wav", "wav", None)
    pieces = (await audio.respond(file, {})).body_iterator
    async for piece in pieces:
        sizes.append(len(piece))
        if len(sizes) == 2:
            break
    await pieces.aclose()
    assert sizes == [audio.PIECE_BYTES] * 2
    for _ in range(100):
        if opened[0].closed:
            break
        await __import__("asyncio").sleep(0.02)
    assert opened[0].closed


async def test_a_file_that_got_shorter_breaks_off(tmp_path):
    from airflow_provider_music.plugin import audio
    from airflow_provider_music.plugin.songs import AudioFile
    from airflow_provider_music.storage.folder import Folder

    song = tmp_path / "long.wav"
    song.write_bytes(bytes(4 * audio.PIECE_BYTES))
    answer = await audio.respond(AudioFile(Folder(str(tmp_path)), "long.wav", "wav", None), {})
    song.write_bytes(b"short")
    with pytest.raises(OSError, match="missing"):
        [piece async for piece in answer.body_iterator]
