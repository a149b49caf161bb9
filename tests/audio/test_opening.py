# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Files that cannot be opened: our error, soon, with the field, the value and the fix."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from airflow_provider_music.audio import opening
from airflow_provider_music.audio.reference import open_reference
from airflow_provider_music.compat import AirflowException, ObjectStoragePath
from airflow_provider_music.exceptions import InvalidReferenceError, ReferenceUnavailableError


def problem(file, kind=InvalidReferenceError):
    began = time.monotonic()
    with pytest.raises(kind) as caught, open_reference(file, "song"):
        pytest.fail("this reference must not be taken")
    assert time.monotonic() - began < 30
    assert "nothing was sent" in str(caught.value).lower()
    assert "file: " in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=[str, Path, lambda path: f"file://{path}", lambda path: ObjectStoragePath(str(path))])
def spelt(request):
    return request.param


def test_links_that_lead_in_a_circle_are_said(tmp_path, spelt):
    (tmp_path / "a.wav").symlink_to(tmp_path / "b.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    assert "a.wav': its symbolic links lead in a circle; give the file" in problem(spelt(tmp_path / "a.wav"))


def test_a_name_that_is_too_long_is_said(tmp_path, spelt):
    assert "its name is longer than a file system takes" in problem(spelt(tmp_path / ("a" * 300 + ".wav")))


def test_a_home_that_nobody_has_is_said():
    assert "file: ~nobody-of-that-name/x.wav: this worker knows no home folder ~nobody-of-that-name; give" in problem(
        "~nobody-of-that-name/x.wav"
    )


def test_a_zero_byte_is_said():
    assert "it holds a zero byte" in problem("songs/a\0.wav")


def test_a_named_pipe_is_said_and_not_waited_for(tmp_path, spelt):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "pipe.wav")
    for name in ("pipe.wav", "link.wav"):
        said = problem(spelt(tmp_path / name))
        assert f"{name} is a named pipe, but a file is needed; copy the track into one" in said


def test_a_socket_is_said(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "is a socket, but a file is needed" in problem(tmp_path / "s")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "file:///dev/zero"])
def test_a_device_is_said_and_not_read_without_end(device):
    assert "is a device, but a file is needed" in problem(device)


@pytest.fixture
def in_a_store(mocker):
    """Open with that function in place of an object store's."""

    def use(opened):
        mocker.patch.object(opening, "_is_local", return_value=False)
        mocker.patch.object(ObjectStoragePath, "open", autospec=True, side_effect=opened)
        return "file:///tmp/reference.wav"

    return use


def test_a_connection_that_is_not_there_is_said(in_a_store):
    def fail(path, mode, **more):
        raise AirflowException("The conn_id `nowhere` isn't defined")

    message = problem(in_a_store(fail))
    assert "cannot be opened: The conn_id `nowhere` isn't defined; give a connection that there is" in message


def test_a_store_that_cannot_be_reached_is_said_and_a_retry_can_help(in_a_store):
    class EndpointConnectionError(Exception):
        """As of a store's library."""

    def fail(path, mode, **more):
        raise EndpointConnectionError('Could not connect to the endpoint URL: "https://s3.example.org/b"')

    message = problem(in_a_store(fail), ReferenceUnavailableError)
    assert "file: file:///tmp/reference.wav cannot be read now: EndpointConnectionError: Could not connect" in message
    assert "A retry reads it again; check that this worker reaches the store, and its connection." in message


def test_a_store_that_does_not_answer_is_not_waited_for(in_a_store, monkeypatch):
    monkeypatch.setattr(opening, "OPEN_SECONDS", 0.2)
    message = problem(in_a_store(lambda path, mode, **more: time.sleep(5)), ReferenceUnavailableError)
    assert "its store did not answer within 0.2 s" in message


def test_a_store_is_read_in_small_blocks(in_a_store, wav):
    asked = []

    def fail(path, mode, **more):
        asked.append(more)
        raise FileNotFoundError

    problem(in_a_store(fail))
    assert asked == [{"block_size": 5 * 2**20}]


@pytest.mark.parametrize("exc", [OSError(5, "Input/output error"), RuntimeError("botocore's own")])
def test_a_store_that_fails_while_the_track_is_read_is_said(in_a_store, mp3, exc):
    class Failing:
        def __init__(self, data):
            self.data, self.at = data, 0

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

        def seek(self, offset, whence=0):
            self.at = offset if whence == 0 else len(self.data) + offset
            return self.at

        def tell(self):
            return self.at

        def read(self, size=-1):
            if self.at >= 5000:
                raise exc
            self.at += size
            return self.data[self.at - size : self.at]

    data = mp3(11.0)
    message = problem(in_a_store(lambda path, mode, **more: Failing(data)), ReferenceUnavailableError)
    assert str(exc).rpartition("] ")[2] in message


def test_an_address_of_the_web_is_said_with_what_to_do():
    said = problem("https://example.org/track.mp3")
    assert "is an address of the web: download it into a file or a store first" in said
    assert "reference_audio_url" in said


def test_the_uri_that_pathlib_makes_of_a_name_with_spaces_is_read(tmp_path, wav):
    track = tmp_path / "my träck 100%.wav"
    track.write_bytes(wav(seconds=12))
    for spelt in (track.as_uri(), f"file://{track}"):
        with open_reference(spelt, "song") as reference:
            assert reference.facts.format == "wav"


def test_a_file_whose_name_has_a_percent_sign_goes_before_what_it_could_mean(tmp_path, wav, mp3):
    (tmp_path / "a%20b.wav").write_bytes(wav(seconds=12))
    (tmp_path / "a b.wav").write_bytes(mp3(seconds=12))
    with open_reference(f"file://{tmp_path}/a%20b.wav", "song") as reference:
        assert reference.facts.format == "wav"
