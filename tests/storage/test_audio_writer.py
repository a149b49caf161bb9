# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import hashlib
import io
import struct
import tracemalloc
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import AudioError, OutputError
from airflow_provider_music.storage.audio_writer import AudioWriter, RequestedAudio, readable
from airflow_provider_music.storage.folder import Folder

FREE = RequestedAudio()
PCM = RequestedAudio("pcm", 16000)


def land(folder, data, requested=FREE, *, max_bytes=2**30, pieces=1000, **more):
    with AudioWriter(folder, requested, max_bytes=max_bytes) as landing:
        for at in range(0, len(data), pieces):
            landing.write(data[at : at + pieces])
        return landing.finish(**more)


def refused(kind, *args, **more):
    with pytest.raises(kind) as caught:
        land(*args, **more)
    return str(caught.value)


@pytest.mark.parametrize("pieces", [1, 1000, 10**9])
def test_a_song_lands_whole_under_its_final_name(folder, mp3, left, pieces):
    data = mp3[:5000] if pieces == 1 else mp3
    landed = land(folder, data, RequestedAudio("mp3", 16000), pieces=pieces, expected_bytes=len(data))
    assert landed.url == folder.url_of("song.mp3")
    assert folder.read("song.mp3") == data
    assert left() == ["song.mp3"]
    assert landed.sha256 == hashlib.sha256(data).hexdigest()
    assert landed.as_dict() == {
        "format": "mp3",
        "size_bytes": len(data),
        "duration_ms": landed.facts.duration_ms,
        "sample_rate_hz": 16000,
        "bitrate_bps": 32000,
        "sha256": landed.sha256,
    }


def test_nothing_is_under_the_final_name_before_the_end(folder, wav, left):
    with AudioWriter(folder, FREE, max_bytes=2**30) as landing:
        landing.write(wav)
        assert landing.size == len(wav)
        assert [name.startswith(".song.part-") for name in left()] == [True]
        landing.finish()
        assert left() == ["song.wav"]
    assert left() == ["song.wav"]


def test_a_song_lands_over_one_that_was_there(folder, wav, left):
    land(folder, wav)
    land(folder, wav)
    assert left() == ["song.wav"]


def test_two_landings_in_one_folder_do_not_touch_each_other(folder, wav, mp3, left):
    with AudioWriter(folder, FREE, max_bytes=2**30) as one, AudioWriter(folder, FREE, max_bytes=2**30) as other:
        one.write(wav)
        other.write(mp3)
        one.finish()
        other.finish()
    assert left() == ["song.mp3", "song.wav"]
    assert folder.read("song.wav") == wav


def test_a_landing_that_is_left_leaves_nothing(folder, wav, left):
    with pytest.raises(RuntimeError), AudioWriter(folder, FREE, max_bytes=2**30) as landing:
        landing.write(wav)
        raise RuntimeError("the process is told to stop")
    landing.abandon()
    assert left() == []


def test_a_landing_that_never_began_leaves_not_even_a_folder(tmp_path):
    with AudioWriter(Folder(str(tmp_path / "songs")), FREE, max_bytes=1):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("requested", [FREE, RequestedAudio("mp3"), RequestedAudio("wav"), PCM])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 bytes"),
        (b"<html><body>expired</body></html>" * 10, "it looks like HTML"),
        (b'{"error": "expired"}' * 10, "it looks like JSON"),
        (b"this link has expired " * 10, "it looks like text"),
    ],
)
def test_what_is_no_song_is_not_kept(folder, left, requested, data, says):
    found = refused(AudioError, folder, data, requested)
    assert says in found or "empty" in found
    assert left() == []


@pytest.mark.parametrize("requested", ["mp3", "pcm"])
def test_a_wav_in_place_of_another_format_is_not_kept(folder, wav, left, requested):
    assert (
        refused(AudioError, folder, wav, RequestedAudio(requested))
        == f"{requested} was requested, but the API sent wav."
    )
    assert left() == []


@pytest.mark.parametrize("requested", ["wav", "pcm"])
def test_an_mp3_in_place_of_another_format_is_not_kept(folder, mp3, left, requested):
    assert (
        refused(AudioError, folder, mp3, RequestedAudio(requested))
        == f"{requested} was requested, but the API sent mp3."
    )
    assert left() == []


def test_a_format_that_was_not_requested_is_named_by_its_content(folder, mp3, left):
    land(folder, mp3, FREE)
    assert left() == ["song.mp3"]


@pytest.mark.parametrize("expected", [1, -1, 1000])
def test_a_song_that_is_not_as_long_as_announced_is_not_kept(folder, wav, left, expected):
    message = refused(AudioError, folder, wav, expected_bytes=len(wav) + expected)
    assert message == f"The song is cut short: {len(wav)} of {len(wav) + expected} bytes came."
    assert left() == []


@pytest.mark.parametrize("kept", [44, 1000, 0.5])
def test_a_song_that_lacks_what_its_header_promises_is_not_kept(folder, wav, left, kept):
    data = wav[: kept if isinstance(kept, int) else round(len(wav) * kept)]
    assert "cut short" in refused(AudioError, folder, data)
    assert left() == []


def test_a_song_that_is_too_large_is_refused_while_it_comes(folder, wav, left):
    message = refused(AudioError, folder, wav, max_bytes=len(wav) - 1)
    assert "larger than max_audio_bytes (62.5 KiB)" in message
    assert left() == []
    land(folder, wav, max_bytes=len(wav))


# Raw PCM


def test_raw_pcm_is_taken_as_it_is(folder, left):
    data = bytes(range(256)) * 250
    landed = land(folder, data, PCM, channels=2)
    assert left() == ["song.pcm"]
    assert landed.as_dict() == {
        "format": "pcm",
        "size_bytes": 64_000,
        "duration_ms": 1000,
        "sample_rate_hz": 16000,
        "bitrate_bps": 512_000,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert folder.read("song.pcm") == data


@pytest.mark.parametrize(
    "head", [bytes(64), b"\xff\xfb\x90\x64", b"\xff\xfb\xff\xfb" * 20, struct.pack("<32h", *range(-16, 16))]
)
def test_raw_pcm_may_begin_with_silence_or_by_chance_like_an_mp3(folder, head):
    land(folder, head + bytes(range(250, 256)) * 1000, PCM)
    assert folder.size("song.pcm") == len(head) + 6000


def test_raw_pcm_of_an_odd_size_is_cut(folder, left):
    assert "cannot be 16-bit PCM" in refused(AudioError, folder, bytes(1001), PCM)
    assert left() == []


def test_raw_pcm_that_was_not_requested_is_no_song(folder, left):
    assert "not audio" in refused(AudioError, folder, bytes(1000), FREE)
    assert left() == []


# Stores that break


class Breaking:
    """A file that breaks at one of its calls, once or for ever."""

    def __init__(self, file, call, exc):
        self._file = file
        self._call = call
        self._exc = exc

    def _do(self, name, *args):
        if name == self._call:
            raise self._exc
        return getattr(self._file, name)(*args)

    def write(self, data):
        return self._do("write", data)

    def flush(self):
        return self._do("flush")

    def close(self):
        self._file.close()
        return self._do("close")

    def fileno(self):
        return self._file.fileno()


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("exc", [FULL, RuntimeError("the store's own error")])
@pytest.mark.parametrize("call", ["write", "flush", "close"])
def test_a_store_that_breaks_is_said_and_the_part_file_goes(folder, wav, left, mocker, call, exc):
    opened = Folder.open_new
    mocker.patch.object(Folder, "open_new", lambda *args, **more: Breaking(opened(*args, **more), call, exc))
    message = refused(OutputError, folder, wav)
    assert str(exc) in message
    assert message.startswith(f"The song cannot be written to {folder.url} after ")
    assert left() == []


def test_a_store_that_cannot_be_opened_is_said(tmp_path, wav):
    (tmp_path / "songs").write_text("no folder")
    message = refused(OutputError, Folder(str(tmp_path / "songs")), wav)
    assert f"cannot be written to file://{tmp_path}/songs after 0 bytes" in message


def test_a_song_that_cannot_get_its_final_name_leaves_no_part(folder, wav, left, mocker):
    mocker.patch.object(Path, "replace", side_effect=FULL)
    assert "No space left" in refused(OutputError, folder, wav)
    assert left() == []


def test_a_store_that_breaks_for_good_hides_nothing_of_what_broke_first(folder, wav, mocker):
    opened = Folder.open_new
    mocker.patch.object(Folder, "open_new", lambda *args, **more: Breaking(opened(*args, **more), "close", FULL))
    mocker.patch.object(Folder, "remove", side_effect=OSError("gone"))
    with pytest.raises(RuntimeError), AudioWriter(folder, FREE, max_bytes=2**30) as landing:
        landing.write(wav)
        raise RuntimeError("first")


def id3(size):
    """An ID3v2.4 tag of that many bytes of padding."""
    digits = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + digits + bytes(size)


def test_a_large_tag_in_front_of_the_song_is_stepped_over(folder, mp3):
    landed = land(folder, id3(3 * 2**20) + mp3)
    assert landed.facts.format == "mp3"
    assert landed.facts.duration_ms == land(folder, mp3).facts.duration_ms


def test_a_tag_that_promises_more_than_came_is_no_song(folder, left):
    tag = id3(2**28 - 1)[:10]
    tracemalloc.start()
    try:
        refused(AudioError, folder, tag + bytes(2**16))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left() == []
    assert peak < 4 * 2**20


def test_what_is_verified_is_what_the_store_kept(folder, wav, left, mocker):
    opened = Folder.open

    def cut(self, name):
        file = opened(self, name)
        return io.BytesIO(file.read()[:-1000])

    mocker.patch.object(Folder, "open", cut)
    assert "cut short" in refused(AudioError, folder, wav)
    assert left() == []


def test_a_song_of_any_size_takes_little_memory(folder):
    piece = bytes(2**20)
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 44100, 176400, 4, 16)
    tracemalloc.start()
    try:
        with AudioWriter(folder, FREE, max_bytes=2**30) as landing:
            landing.write(head + b"data\xff\xff\xff\xff")
            for _ in range(32):
                landing.write(piece)
            landed = landing.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert landed.facts.size_bytes == 32 * 2**20 + 44
    assert peak < 4 * 2**20


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (2**20, "1.0 MiB"),
        (2**30, "1.0 GiB"),
        (2**50, "1048576.0 GiB"),
    ],
)
def test_sizes_are_readable(count, message):
    assert readable(count) == message
