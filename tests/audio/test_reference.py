# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import io
from pathlib import Path

import httpx
import pytest

from airflow_provider_music.api import endpoints
from airflow_provider_music.audio.reference import HashingReader, open_reference
from airflow_provider_music.compat import ObjectStoragePath
from airflow_provider_music.exceptions import InvalidReferenceError

from .conftest import make_adts, make_frame, make_vbr, make_xing

LAYER_II = b"\xff\xfd\x80\xc0".ljust(417, b"\0")


@pytest.fixture
def saved(tmp_path):
    def save(data, name="reference.wav"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return save


def problems(file, purpose="song"):
    with pytest.raises(InvalidReferenceError) as caught, open_reference(file, purpose):
        pytest.fail("this reference must not be taken")
    assert str(caught.value).startswith(f"The reference {str(file)!r:.200} has ")
    assert "nothing was sent" in str(caught.value)
    return caught.value.problems


def problem(file, purpose="song"):
    (found,) = problems(file, purpose)
    return found


@pytest.mark.parametrize("purpose", ["song", "voice", "instrumental"])
@pytest.mark.parametrize("spelt", [str, Path, lambda path: f"file://{path}", lambda path: f" {path}"])
def test_a_track_is_opened_at_its_start(saved, wav, purpose, spelt):
    data = wav(10.01)
    with open_reference(spelt(saved(data)), purpose) as reference:
        assert reference.file.read() == data
        assert reference.file.hexdigest() == hashlib.sha256(data).hexdigest()
        assert reference.facts.duration_ms == 10_010
        assert (reference.filename, reference.content_type) == ("reference.wav", "audio/wav")


def test_an_mp3_is_named_as_one(saved, mp3):
    with open_reference(saved(mp3(11.0), "Track 1.MP3"), "song") as reference:
        assert (reference.filename, reference.content_type) == ("reference.mp3", "audio/mpeg")


def test_the_file_is_closed_afterwards(saved, wav):
    with open_reference(saved(wav(11.0)), "song") as reference:
        opened = reference.file._file
        assert not opened.closed
    assert opened.closed


@pytest.mark.parametrize("purpose", ["melody", "", None, "Song", 5, ["song"]])
def test_a_purpose_that_the_api_does_not_know_is_named_with_those_it_does(saved, wav, purpose):
    message = problem(saved(wav(11.0)), purpose)
    meant = "did you mean song?" if "song" in str(purpose).lower() else "choose one of them."
    assert message == f"purpose: {purpose!r}, but one of song, voice, instrumental is taken; {meant}"


@pytest.mark.parametrize("file", [None, "", "  "])
def test_no_file_is_said(file):
    assert "names no file" in problem(file)


def test_a_missing_file_is_said(tmp_path):
    assert "does not exist or is no file" in problem(tmp_path / "nowhere.wav")
    assert "does not exist or is no file" in problem(tmp_path)
    assert "does not exist or is no file" in problem(f"file://{tmp_path}/nowhere/nothing.wav")


def test_a_file_below_a_file_is_missing(saved):
    assert "does not exist or is no file" in problem(saved(b"a") / "b.wav")


def test_a_file_that_may_not_be_read_is_said(saved, wav, mocker):
    path = saved(wav(11.0))
    mocker.patch.object(ObjectStoragePath, "open", side_effect=PermissionError(13, "Permission denied"))
    assert "may not be read by this worker" in problem(path)


def test_a_storage_that_nobody_installed_is_said():
    assert "is in no storage known here" in problem("nosuchstore://bucket/reference.wav")


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (1.0, "1.00 s long, but it must be longer than 10 s"),
        (9.99, "9.99 s long, but it must be longer than 10 s"),
        (10.0, "10.00 s long, but it must be longer than 10 s"),
        (600.1, "600.1 s long, but at most 600 s (10 min) are taken"),
        (700.0, "700.0 s long, but at most 600 s (10 min) are taken"),
    ],
)
def test_a_track_of_a_length_that_the_api_does_not_take_is_said(saved, wav, seconds, message):
    assert message in problem(saved(wav(seconds, rate=8000)))


@pytest.mark.parametrize("seconds", [10.001, 10.01, 599.99, 600.0])
def test_a_track_within_the_limits_is_taken(saved, wav, seconds):
    with open_reference(saved(wav(seconds, rate=8000)), "song") as reference:
        assert reference.facts.duration_ms == round(seconds * 1000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not audio: the file is empty"),
        (b"<html>", "not audio: it looks like HTML"),
        (b'{"a": 1}', "not audio: it looks like JSON"),
        (b"words", "not audio: it looks like text"),
        (bytes(1000), "not audio: its first bytes"),
        (b"RIFF\x00\x00\x00\x00WAVE", "a wav header with no sound behind it"),
        (b"fLaC" + bytes(100), "it starts like flac"),
    ],
)
def test_what_is_no_audio_is_said(saved, data, message):
    found = problem(saved(data))
    assert found.startswith(f"file: {message}")
    assert found.endswith("give a WAV or MP3 file.")


def test_a_track_that_was_cut_in_transfer_is_said(saved, wav):
    assert "cut short" in problem(saved(wav(20.0)[:-1000]))


@pytest.mark.parametrize("name", ["track.mp3", "track.MP3", "track.flac", "track.m4a"])
def test_a_name_that_promises_another_format_is_said(saved, wav, name):
    message = problem(saved(wav(11.0), name))
    assert "its content is wav; rename it to .wav" in message


@pytest.mark.parametrize("name", ["track", "track.wave", "track.WAV", "track.audio", "a.mp3.wav"])
def test_a_name_that_promises_nothing_else_is_fine(saved, wav, name):
    with open_reference(saved(wav(11.0), name), "song") as reference:
        assert reference.facts.format == "wav"


def test_all_problems_come_in_one_error(saved, wav):
    found = problems(saved(wav(5.0), "short.mp3"), "melody")
    assert len(found) == 3
    assert [message.split(":")[0] for message in found] == ["purpose", "file", "file"]


def test_a_wrong_purpose_and_a_missing_file_come_together(tmp_path):
    assert len(problems(tmp_path / "nowhere.wav", "melody")) == 2


class Counting(io.BytesIO):
    """A file that keeps the size of every read."""

    def __init__(self, data):
        super().__init__(data)
        self.reads = []

    def read(self, size=-1):
        data = super().read(size)
        self.reads.append(len(data))
        return data


@pytest.mark.parametrize(
    ("frames", "taken"), [(380, False), (382, True), (384, True), (22968, True), (22970, True), (22974, False)]
)
def test_an_mp3_is_refused_for_its_length_only_where_that_is_certain(saved, caplog, frames, taken):
    # Ten seconds are 382.8 frames, ten minutes 22968.75; encoders add about two, and not all of them say so.
    path = saved(make_frame(32) * frames, "track.mp3")
    if not taken:
        assert "s long, but" in problem(path)
        return
    with open_reference(path, "song"):
        pass
    assert any("more or less" in line for line in caplog.messages) == (frames in (382, 22970))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (make_adts(371) * 1000, "its content is AAC (ADTS), but WAV or MP3 is taken; convert it."),
        (b"caff" + bytes(100), "it is Apple CAF, but WAV or MP3 is taken; convert it."),
        (LAYER_II * 1000, "its content is MPEG Layer II (MP2), but WAV or MP3 is taken; convert it."),
    ],
)
def test_real_audio_of_another_format_is_named(saved, data, message):
    assert problem(saved(data, "track.mp3")) == f"file: {message}"


def test_what_is_odd_is_a_warning_and_the_file_goes_up(saved, caplog):
    with open_reference(saved(b"\0" * 417 + make_vbr(20), "track.mp3"), "song") as reference:
        assert reference.facts.duration_ms == 20010
    assert "track.mp3 is odd: 417 bytes before its first frame are of none. It is sent, and the API may" in caplog.text


def test_a_header_that_an_editor_left_is_a_warning(saved, caplog):
    with open_reference(saved(make_xing(9000, 10**6) + make_vbr(20), "track.mp3"), "song") as reference:
        assert reference.facts.duration_ms == 20010
    assert "its header says 1000000 bytes of sound" in caplog.text


def test_the_upload_reads_the_file_in_pieces_and_hashes_what_it_sends(saved, wav, mocker):
    data = wav(60.0, rate=44100)
    counting = Counting(data)
    mocker.patch.object(ObjectStoragePath, "open", return_value=counting)
    sent = 0

    def take(request):
        nonlocal sent
        sent = sum(len(piece) for piece in request.stream)
        return httpx.Response(200)

    with open_reference("reference.wav", "song") as reference:
        call = endpoints.upload(reference.file, reference.filename, reference.content_type, "song")
        with httpx.Client(base_url="https://api.example.org", transport=httpx.MockTransport(take)) as http:
            http.request(call.method, call.path, **call.arguments)
        assert reference.file.hexdigest() == hashlib.sha256(data).hexdigest()
    assert sent > len(data)
    assert max(counting.reads) <= 2**16
    assert len(counting.reads) > len(data) / 2**16


def test_going_back_to_the_start_begins_the_hash_again():
    reader = HashingReader(io.BytesIO(b"sound"))
    reader.read(3)
    reader.seek(0)
    assert (reader.read(None), reader.tell()) == (b"sound", 5)
    assert reader.hexdigest() == hashlib.sha256(b"sound").hexdigest()
    assert reader.readable()
    assert reader.seekable()
