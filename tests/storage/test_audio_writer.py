# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import hashlib
import io
import os
import struct
import tracemalloc
from pathlib import Path

import pytest

from airflow_provider_music.exceptions import AudioError, OutputError
from airflow_provider_music.storage.audio_writer import (
    AudioWriter,
    RequestedAudio,
    find_stored_audio,
    is_rejected,
    readable,
)
from airflow_provider_music.storage.cleanup import is_part, remove_abandoned
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
def test_a_wav_in_place_of_another_format_is_kept_aside(folder, wav, left, requested):
    assert refused(AudioError, folder, wav, RequestedAudio(requested)) == (
        f"{requested} was requested, but the API sent wav. What came is kept as {folder.url}/song.rejected.wav."
    )
    assert left() == ["song.rejected.wav"]
    assert folder.read("song.rejected.wav") == wav


@pytest.mark.parametrize("requested", ["wav", "pcm"])
def test_an_mp3_in_place_of_another_format_is_kept_aside(folder, mp3, left, requested):
    assert refused(AudioError, folder, mp3, RequestedAudio(requested)) == (
        f"{requested} was requested, but the API sent mp3. What came is kept as {folder.url}/song.rejected.mp3."
    )
    assert left() == ["song.rejected.mp3"]
    assert folder.read("song.rejected.mp3") == mp3


def test_a_format_that_was_not_requested_is_named_by_its_content(folder, mp3, left):
    land(folder, mp3, FREE)
    assert left() == ["song.mp3"]


@pytest.mark.parametrize("expected", [1, -1, 1000])
def test_a_song_that_is_not_as_long_as_announced_is_kept_aside(folder, wav, left, expected):
    message = refused(AudioError, folder, wav, expected_bytes=len(wav) + expected)
    assert message == (
        f"The song is cut short: {len(wav)} of {len(wav) + expected} bytes came. "
        f"What came is kept as {folder.url}/song.rejected.wav."
    )
    assert left() == ["song.rejected.wav"]


@pytest.mark.parametrize("kept", [44, 1000, 0.5])
def test_a_song_that_lacks_what_its_header_promises_is_kept_aside(folder, wav, left, kept):
    data = wav[: kept if isinstance(kept, int) else round(len(wav) * kept)]
    assert "cut short" in refused(AudioError, folder, data)
    assert left() == ["song.rejected.wav"]
    assert folder.read("song.rejected.wav") == data


def test_a_song_that_is_too_large_is_refused_while_it_comes(folder, wav, left):
    message = refused(AudioError, folder, wav, max_bytes=len(wav) - 1)
    assert "larger than max_audio_bytes (62.5 KiB)" in message
    assert left() == []
    land(folder, wav, max_bytes=len(wav))


# What is kept aside


def rejected(folder, data, requested=PCM, **more):
    with AudioWriter(folder, requested, max_bytes=2**30, **more) as landing:
        landing.write(data)
        return str(landing.reject("It is no song."))


def test_the_same_bytes_are_kept_once_and_others_beside_them(folder, wav, mp3, left):
    for _ in range(3):
        assert rejected(folder, wav).endswith("kept as " + folder.url_of("song.rejected.wav") + ".")
        assert rejected(folder, wav[:-1]).endswith("kept as " + folder.url_of("song.rejected-2.wav") + ".")
        # Of the same size, and not the same.
        assert rejected(folder, wav[:-1] + b"x").endswith("kept as " + folder.url_of("song.rejected-3.wav") + ".")
        assert rejected(folder, mp3).endswith("kept as " + folder.url_of("song.rejected.mp3") + ".")
    assert left() == ["song.rejected-2.wav", "song.rejected-3.wav", "song.rejected.mp3", "song.rejected.wav"]
    assert folder.read("song.rejected.wav") == wav
    assert folder.read("song.rejected-2.wav") == wav[:-1]
    assert all(is_rejected(name) for name in left())


def test_a_host_that_sends_other_bytes_each_time_does_not_fill_the_folder(folder, left):
    said = [rejected(folder, bytes(1000 + number)) for number in range(12)]
    assert len(left()) == 9
    assert folder.size("song.rejected-9.bin") == 1008
    assert said[-1] == "It is no song. It is not kept: 9 others of this song are kept there already."


@pytest.mark.parametrize("data", [b"", b"<html>expired</html>", b'{"error": "expired"}' * 1000, b"a" * (2**18 - 1)])
def test_a_text_is_not_kept(folder, left, data):
    assert rejected(folder, data) == "It is no song."
    assert left() == []


@pytest.mark.parametrize("data", [b"a" * 2**18, b"\0", b"a" * 63 + b"\0"])
def test_what_may_be_sound_is_kept(folder, left, data):
    rejected(folder, data)
    assert left() == ["song.rejected.bin"]


def test_a_rejected_song_is_no_song_and_no_part_and_a_good_one_lands_beside_it(folder, wav, left, monkeypatch):
    rejected(folder, wav)
    assert find_stored_audio(folder, FREE) is None
    os.utime(folder.key("song.rejected.wav"), (0, 0))
    assert remove_abandoned(folder) == []
    land(folder, wav)
    assert left() == ["song.rejected.wav", "song.wav"]
    assert find_stored_audio(folder, FREE).url == folder.url_of("song.wav")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("song.rejected.mp3", True),
        ("song.rejected-2.bin", True),
        ("song.rejected", False),
        ("song.mp3", False),
        ("song.rejected.mp3.provenance.json", False),
        ("my-song.rejected.mp3", True),
        ("夏の歌.rejected-9.bin", True),
        (".rejected.mp3", False),
        ("my-song.rejected-10.mp3", False),
        ("my-song-rejected.mp3", False),
    ],
)
def test_a_rejected_song_is_known_by_its_name(name, is_one):
    assert is_rejected(name) == is_one


def test_a_named_song_is_landed_found_and_rejected_under_its_name(folder, wav, left):
    named, other = RequestedAudio("wav", name="2026-11-28-jingle"), RequestedAudio("mp3", name="2026-11-28-jingle")
    assert refused(AudioError, folder, wav, other).endswith(
        f"kept as {folder.url_of('2026-11-28-jingle.rejected.wav')}."
    )
    assert land(folder, wav, named).url == folder.url_of("2026-11-28-jingle.wav")
    assert find_stored_audio(folder, named).url == folder.url_of("2026-11-28-jingle.wav")
    assert find_stored_audio(folder, FREE) is None
    assert left() == ["2026-11-28-jingle.rejected.wav", "2026-11-28-jingle.wav"]


def test_in_a_bucket_what_is_rejected_is_kept_once(bucket, wav):
    for _ in range(2):
        assert "cut short" in refused(AudioError, bucket, wav[:1000])
    assert bucket.names() == {"song.rejected.wav"}
    assert bucket.read("song.rejected.wav") == wav[:1000]
    assert refused(AudioError, bucket, b"<html>expired</html>").startswith("What came is no song")
    assert bucket.names() == {"song.rejected.wav"}


def test_what_cannot_be_kept_is_said_and_fetched_again(folder, wav, left, mocker):
    mocker.patch.object(Folder, "move", side_effect=FULL)
    assert rejected(folder, wav) == "It is no song. It cannot be kept: [Errno 28] No space left on device."
    assert left() == []


def test_the_only_copy_stays_where_it_is_when_it_cannot_be_renamed(folder, wav, left, mocker):
    mocker.patch.object(Folder, "move", side_effect=FULL)
    said = rejected(folder, wav, only_copy=True)
    (part,) = left()
    assert said == (
        "It is no song. It cannot be kept: [Errno 28] No space left on device. "
        f"What there is of it, 62.5 KiB, is kept as {folder.url_of(part)}."
    )
    assert folder.read(part) == wav


@pytest.mark.parametrize("call", ["write", "flush", "close"])
def test_of_the_only_copy_what_fits_on_a_full_disk_is_kept(folder, wav, left, mocker, call):
    opened = Folder.open_new

    def breaking(*args, **more):
        file = opened(*args, **more)
        file.write(wav[:5000])
        return Breaking(file, call, FULL)

    mocker.patch.object(Folder, "open_new", breaking)
    with pytest.raises(OutputError) as caught, AudioWriter(folder, FREE, max_bytes=2**30, only_copy=True) as landing:
        landing.write(wav)
        landing.finish()
    (name,) = left()
    assert name == ("song.rejected.bin" if call == "write" else "song.rejected.wav")
    assert str(caught.value).endswith(f"is kept as {folder.url_of(name)}.")
    assert folder.read(name)[:5000] == wav[:5000]


def test_of_the_only_copy_nothing_is_kept_where_nothing_is(folder, wav, left, mocker):
    opened = Folder.open_new
    mocker.patch.object(Folder, "open_new", lambda *args, **more: Breaking(opened(*args, **more), "write", FULL))
    with pytest.raises(OutputError) as caught, AudioWriter(folder, FREE, max_bytes=2**30, only_copy=True) as landing:
        landing.write(wav)
    assert str(caught.value).endswith("No space left on device. Nothing of it is in the store.")
    assert left() == []


def test_the_only_copy_is_not_removed_while_its_store_does_not_answer(folder, wav, left, mocker):
    mocker.patch.object(Folder, "move", side_effect=FULL)
    mocker.patch.object(Folder, "size", side_effect=OSError("away"))
    with pytest.raises(OutputError) as caught, AudioWriter(folder, FREE, max_bytes=2**30, only_copy=True) as landing:
        landing.write(wav)
        landing.finish()
    (part,) = left()
    assert str(caught.value).endswith(f"What there is of it may be at {folder.url_of(part)}.")
    assert Path(folder.key(part)).read_bytes() == wav


def test_a_song_that_is_too_large_is_not_kept_as_the_only_copy_either(folder, wav, left):
    with (
        pytest.raises(AudioError, match="nothing was kept"),
        AudioWriter(folder, FREE, max_bytes=len(wav) - 1, only_copy=True) as landing,
    ):
        landing.write(wav[:1000])
        landing.write(wav[1000:])
    assert left() == []


# Stores that let nobody delete


@pytest.fixture
def no_unlink(monkeypatch):
    def denied(self, *, missing_ok=False):
        if self.exists():
            raise PermissionError(errno.EPERM, "Operation not permitted")
        if not missing_ok:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(Path, "unlink", denied)


def test_in_a_folder_that_lets_nobody_delete_songs_and_facts_are_written_all_the_same(
    folder, wav, left, no_unlink, caplog
):
    assert folder.create("intent.json", b"{}")
    assert not folder.create("intent.json", b"{1}")
    folder.replace("post.json", b"{}")
    land(folder, wav)
    stays = [name for name in left() if is_part(name)]
    assert [name for name in left() if not is_part(name)] == ["intent.json", "post.json", "song.wav"]
    # The facts' own temporary files; a song is renamed.
    assert [name.partition(".part-")[0] for name in stays] == [".intent.json", ".intent.json"]
    for name in stays:
        assert [f"{folder.url_of(name)} may stay behind" in line for line in caplog.messages].count(True) == 1
    assert remove_abandoned(folder) == []


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
    assert left() == ["song.rejected.bin"]


def test_raw_pcm_that_was_not_requested_is_no_song(folder, left):
    assert "not audio" in refused(AudioError, folder, bytes(1000), FREE)
    assert left() == ["song.rejected.bin"]


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
    assert left() == ["song.rejected.mp3"]
    assert peak < 4 * 2**20


def test_what_is_verified_is_what_the_store_kept(folder, wav, left, mocker):
    opened = Folder.open

    def cut(self, name):
        file = opened(self, name)
        return io.BytesIO(file.read()[:-1000])

    mocker.patch.object(Folder, "open", cut)
    assert "cut short" in refused(AudioError, folder, wav)
    assert left() == ["song.rejected.wav"]


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


# Lengths and oddities of paid songs


def vbr(seconds):
    """An MP3 of many bitrates without a header: a loud first second, then quiet."""

    def frame(kbits, index):
        return bytes((0xFF, 0xFB, index << 4, 0xC4)).ljust(144 * kbits * 1000 // 44100, b"\0")

    count = round(seconds * 44100 / 1152)
    return frame(320, 14) * 38 + frame(64, 5) * (count - 38)


@pytest.mark.parametrize("pieces", [1000, 65536, 10**9])
def test_a_landed_song_of_many_bitrates_has_the_length_of_its_frames(folder, pieces):
    data = vbr(20)
    assert land(folder, data, pieces=pieces).as_dict()["duration_ms"] == 20010
    assert find_stored_audio(folder, FREE).facts.duration_ms == 20010


@pytest.mark.parametrize("junk", [b"\0", bytes(417), b"\xef\xbb\xbf", vbr(3)[700:1044]])
def test_bytes_before_the_first_frame_cost_no_paid_song_its_place(folder, left, caplog, junk):
    landed = land(folder, junk + vbr(20), RequestedAudio("mp3"))
    assert landed.facts.duration_ms == 20010
    assert left() == ["song.mp3"]
    assert [line for line in caplog.messages if f"is odd: {len(junk)} bytes before its first frame" in line]


def test_a_song_is_counted_while_it_comes_and_not_fetched_again_for_it(folder, mocker):
    data, taken = vbr(600), []
    opened = Folder.open

    def counted(self, name):
        file = opened(self, name)
        read = file.read
        counting = mocker.Mock(wraps=file)
        counting.read = lambda size=-1: taken.append(len(found := read(size))) or found
        counting.__enter__ = lambda _: counting
        counting.__exit__ = lambda *_: file.close()
        return counting

    mocker.patch.object(Folder, "open", counted)
    assert land(folder, data, pieces=65536).facts.duration_ms == 600007
    assert sum(taken) < 1000
    taken.clear()
    assert find_stored_audio(folder, FREE).facts.duration_ms == 600007
    assert sum(taken) < len(data) + 1000


def test_what_is_counted_while_it_came_is_counted_anew_where_the_store_kept_less(folder, mocker):
    opened = Folder.open
    mocker.patch.object(Folder, "open", lambda self, name: io.BytesIO(opened(self, name).read()[: -208 * 100]))
    assert land(folder, vbr(20)).facts.duration_ms == 20010 - 2612


def test_a_song_of_a_format_that_nobody_requested_lands_under_its_own_name(folder, left):
    frame = (bytes((0xFF, 0xF1, 0x50)) + (2 << 30 | 371 << 13 | 0x1FFC).to_bytes(4)).ljust(371, b"\0")
    assert land(folder, frame * 500).facts.duration_ms == 11610
    assert left() == ["song.aac"]
    assert find_stored_audio(folder, FREE).url == folder.url_of("song.aac")
    assert "mp3 was requested, but the API sent aac" in refused(AudioError, folder, frame * 500, RequestedAudio("mp3"))


@pytest.mark.parametrize("told", [0, 0x20000000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_that_was_streamed_lands_whatever_its_placeholder(folder, wav, told):
    data = wav[:40] + struct.pack("<I", told) + wav[44:]
    assert land(folder, data, RequestedAudio("wav")).facts == land(folder, wav).facts
