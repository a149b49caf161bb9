# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured of a song: planted defects are found, clean songs pass."""

from __future__ import annotations

import functools
import io
import json
import math
import struct
from array import array

import pytest

from airflow_provider_music.audio import quality, quality_limits
from airflow_provider_music.audio.quality import RawPcm, measure
from airflow_provider_music.audio.quality_limits import broken_limits, check_quality, distance

RATE = 44100


@pytest.fixture(autouse=True)
def filters():
    pytest.importorskip("av", reason="the extra quality is not installed")


@functools.cache
def tone(hertz, seconds, level=0.25):
    """Make a tone whose loudness comes and goes, cut off at full scale."""
    steps = range(int(seconds * RATE))
    wave = (
        level * math.sin(math.tau * hertz * i / RATE) * (0.75 + 0.25 * math.sin(math.tau * i / RATE)) for i in steps
    )
    return array("h", (max(-32768, min(32767, round(32767 * value))) for value in wave))


def quiet(seconds):
    return array("h", bytes(2 * int(seconds * RATE)))


def wav(*channels):
    samples = array("h", bytes(2 * len(channels) * len(channels[0])))
    for at, channel in enumerate(channels):
        samples[at :: len(channels)] = channel
    data, frame = samples.tobytes(), 2 * len(channels)
    header = (b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, len(channels), RATE, RATE * frame, frame, 16)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *header, b"data", len(data)) + data


def stereo(seconds=10.0, level=0.25, **silence):
    before, after = quiet(silence.get("before", 0)), quiet(silence.get("after", 0))
    return wav(*(before + tone(hertz, seconds, level) + after for hertz in (220, 330)))


def found(content, limits=None, **more):
    return broken_limits({**measure(io.BytesIO(content)).figures(), **more}, limits)


def encoded(content, codec, container):
    """Encode a WAV as another format."""
    import av

    target = io.BytesIO()
    with av.open(io.BytesIO(content)) as source, av.open(target, "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE)
        for frame in source.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target.getvalue()


@pytest.mark.parametrize("level", [0.1, 0.25, 0.6])
def test_a_clean_song_breaks_no_limit(level):
    assert found(stereo(level=level)) == []


@pytest.mark.parametrize(("codec", "container"), [("libmp3lame", "mp3"), ("flac", "flac"), ("aac", "adts")])
def test_a_clean_song_passes_in_every_format(codec, container):
    figures = measure(io.BytesIO(encoded(stereo(), codec, container))).figures()
    assert broken_limits(figures, None) == []
    assert abs(figures["duration_ms"] - 10_000) < 100


def test_a_silent_tail_of_30_percent_is_found():
    broken = found(stereo(7, after=3))
    assert [one.split(" is ")[0] for one in broken] == ["silence_ratio"]
    assert "0.3 of the length, max_silence_ratio is 0.25 (0.05 too much)" in broken[0]
    assert measure(io.BytesIO(stereo(7, after=3))).trailing_silence_s == pytest.approx(3, abs=0.05)


def test_silence_at_the_beginning_and_in_the_middle_is_told_apart():
    content = wav(*(quiet(2) + tone(hertz, 3) + quiet(1) + tone(hertz, 3) for hertz in (220, 330)))
    measured = measure(io.BytesIO(content))
    assert measured.leading_silence_s == pytest.approx(2, abs=0.05)
    assert measured.trailing_silence_s == 0
    assert measured.longest_silence_s == pytest.approx(2, abs=0.05)
    assert measured.silence_ratio == pytest.approx(1 / 3, abs=0.01)


def test_clipping_is_found_and_a_song_up_to_full_scale_is_not_taken_for_it():
    assert [one.split(" is ")[0] for one in found(stereo(level=4), {"max_loudness_lufs": None})] == ["clipped_ratio"]
    assert measure(io.BytesIO(stereo(level=0.999))).clipped_samples == 0


def test_a_song_of_minus_35_lufs_is_found():
    level = 0.25 * 10 ** ((-35 - measure(io.BytesIO(stereo())).loudness_lufs) / 20)
    broken = found(stereo(level=level))
    assert len(broken) == 1
    assert broken[0].startswith("loudness_lufs is -35")
    assert broken[0].endswith("min_loudness_lufs is -24 (11 too little)")


def test_half_the_length_is_found_where_a_length_was_asked_for():
    assert found(stereo(5), requested_ms=10_000) == [
        "length_ratio is 0.5 of the length asked for, min_length_ratio is 0.8 (0.3 too little)"
    ]
    assert found(stereo(5)) == []


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_for_stereo_is_found_in_one_channel_and_in_two_that_are_alike(channels):
    content = wav(*[tone(220, 10)] * channels)
    assert found(content) == ["sounding_channels is 1 channels, min_channels is 2 (1 too little)"]
    assert found(content, {"min_channels": None}) == []


def test_two_alike_channels_are_found_in_an_mp3_too():
    assert measure(io.BytesIO(encoded(wav(*[tone(220, 10)] * 2), "libmp3lame", "mp3"))).dual_mono is True
    assert measure(io.BytesIO(encoded(stereo(), "libmp3lame", "mp3"))).dual_mono is False


def test_the_loudness_of_a_reference_tone_is_what_the_standard_says():
    # EBU Tech 3341, case 1: 1 kHz at -23 dBFS in both channels is -23.0 LUFS +-0.1.
    level = 10 ** (-23 / 20)
    channel = array("h", (round(32767 * level * math.sin(math.tau * 1000 * i / RATE)) for i in range(20 * RATE)))
    measured = measure(io.BytesIO(wav(channel, channel)))
    assert measured.loudness_lufs == pytest.approx(-23.0, abs=0.1)
    assert measured.true_peak_dbtp == pytest.approx(-23.0, abs=0.3)


def test_a_peak_between_the_samples_is_higher_than_the_samples():
    # EBU Tech 3341, case 17: a quarter of the rate, 45 degrees off: samples at -9, the wave at -6 dB.
    fade_in = [min(1.0, i / RATE) for i in range(5 * RATE)]
    wave = [0.5 * level * math.sin(math.tau * i / 4 + math.pi / 4) for i, level in enumerate(fade_in)]
    channel = array("h", (round(32767 * value) for value in wave))
    assert measure(io.BytesIO(wav(channel, channel))).true_peak_dbtp == pytest.approx(-6.0, abs=0.4)


def test_raw_pcm_is_read_by_what_is_known_of_it():
    assert measure(io.BytesIO(stereo()[44:]), raw=RawPcm(RATE)).figures() == measure(io.BytesIO(stereo())).figures()


def test_silence_alone_is_named():
    assert found(wav(quiet(4), quiet(4))) == ["it is silent, or too short to measure a loudness"]


@pytest.mark.parametrize(
    "content", [b"", b"hello" * 1000, b"RIFF" + b"x" * 1000, b"ID3" + b"\xff" * 5000, stereo(0.1)[:40]]
)
def test_what_cannot_be_decoded_is_a_result_and_breaks_every_limit(content):
    figures = measure(io.BytesIO(content)).figures()
    assert list(figures) == ["error"]
    assert broken_limits(figures, None) == [f"it cannot be measured: {figures['error']}"]


def test_a_playlist_opens_no_other_file(tmp_path):
    (tmp_path / "song.wav").write_bytes(stereo(2))
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{tmp_path}/song.wav\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{tmp_path}/song.wav'\n",
    ):
        (tmp_path / "list.mp3").write_text(text)
        assert measure(str(tmp_path / "list.mp3")).error is not None


def test_broken_frames_in_the_middle_are_skipped_and_the_rest_is_measured():
    content = bytearray(encoded(stereo(), "libmp3lame", "mp3"))
    content[50_000:51_000] = bytes(1000)
    measured = measure(io.BytesIO(bytes(content)))
    assert measured.error is None
    assert measured.duration_ms == pytest.approx(10_000, abs=500)


def test_a_song_whose_rate_and_channels_change_midway_is_measured_to_its_end():
    mono = encoded(wav(tone(220, 5)), "libmp3lame", "mp3")
    measured = measure(io.BytesIO(encoded(stereo(5), "libmp3lame", "mp3") + mono))
    assert measured.error is None
    assert measured.duration_ms == pytest.approx(10_000, abs=300)


def test_a_small_file_that_holds_days_is_given_up(monkeypatch):
    monkeypatch.setattr(quality, "_LONGEST_SECONDS", 3)
    assert measure(io.BytesIO(stereo())).figures() == {"error": "it is longer than 3 s, and is not measured"}


def test_a_file_that_is_not_there_is_the_store_s_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        measure(str(tmp_path / "none.mp3"))


@pytest.mark.parametrize("seconds", [1, 20, 70])
def test_the_waveform_has_about_a_thousand_pairs_at_most_and_small_numbers(seconds):
    waveform = measure(io.BytesIO(stereo(seconds, level=0.5, after=seconds))).waveform()
    assert waveform["pairs"] == len(waveform["peaks"]) / 2 <= 1400
    assert waveform["duration_ms"] == 2000 * seconds
    assert len(json.dumps(waveform)) < 30_000
    lows, highs = waveform["peaks"][::2], waveform["peaks"][1::2]
    assert max(highs) == pytest.approx(0.5, abs=0.01)
    assert min(lows) == pytest.approx(-0.5, abs=0.01)
    # The second half is silent.
    assert set(highs[len(highs) // 2 + 2 :]) == {0}


def test_the_waveform_says_where_the_song_is_silent_and_where_it_is_clipped():
    loud, soft, rest = tone(220, 2, 4.0), tone(220, 3, 0.25), quiet(1.5)
    mono = rest + soft + loud + soft + rest + soft
    said = measure(io.BytesIO(wav(mono, mono)))
    waveform = said.waveform()
    step = 1024 / RATE

    (first, second) = waveform["silences"]
    assert first == pytest.approx([0, 1.5], abs=2 * step)
    assert second == pytest.approx([9.5, 11], abs=2 * step)
    (clipped,) = waveform["clipping"]
    assert clipped == pytest.approx([4.5, 6.5], abs=4 * step)
    assert said.figures()["longest_silence_s"] == pytest.approx(1.5, abs=2 * step)
    assert not {"silences", "clipping", "peaks"} & set(said.figures())


def test_a_song_without_a_defect_has_no_marks():
    waveform = measure(io.BytesIO(stereo())).waveform()
    assert (waveform["silences"], waveform["clipping"]) == ([], [])


def test_marks_are_few_however_many_defects_there_are():
    one = tone(440, 0.1, 4.0) + quiet(0.7)
    mono = one * 150
    waveform = measure(io.BytesIO(wav(mono, mono))).waveform()
    assert (len(waveform["silences"]), len(waveform["clipping"])) == (100, 100)
    assert all(start < end for start, end in waveform["silences"] + waveform["clipping"])
    assert waveform["silences"] == sorted(waveform["silences"])
    assert len(json.dumps(waveform)) < 30_000


def test_the_figures_are_small():
    assert len(json.dumps(measure(io.BytesIO(stereo())).figures())) < 1000


@pytest.mark.parametrize(
    ("policy", "limits", "message"),
    [
        ("loud", None, "quality: 'loud'"),
        ("fail", [1], "give a dict"),
        ("fail", {"min_lufs": 1}, "there is no limit 'min_lufs'"),
        ("fail", {"min_channels": "2"}, r"quality_limits\['min_channels'\]: '2'"),
        ("fail", {"min_channels": True}, "give a number"),
        ("fail", {"min_channels": math.nan}, "give a number"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(policy, limits, message):
    with pytest.raises(ValueError, match=message):
        check_quality(policy, limits)


KEPT = {"loudness_lufs": -14, "true_peak_dbtp": -1, "clipped_ratio": 0, "channels": 2, "dual_mono": False}


@pytest.mark.parametrize(
    ("figures", "steps"),
    [
        ({}, (0, 0)),
        ({"loudness_lufs": -26}, (1, 2)),
        ({"loudness_lufs": -3}, (1, 2)),
        ({"true_peak_dbtp": 2.5}, (1, 0.5)),
        ({"clipped_ratio": 0.003}, (1, 2)),
        ({"trailing_silence_s": 7}, (1, 2)),
        ({"silence_ratio": 0.35}, (1, 2)),
        ({"requested_ms": 10_000, "duration_ms": 7_000}, (1, 2)),
        ({"requested_ms": 10_000, "duration_ms": 13_500}, (1, 2)),
        ({"channels": 1}, (1, 1)),
        ({"dual_mono": True}, (1, 1)),
        ({"loudness_lufs": -26, "channels": 1}, (2, 3)),
        ({"loudness_lufs": None}, (math.inf, math.inf)),
        ({"error": "no audio"}, (math.inf, math.inf)),
    ],
)
def test_how_far_a_song_is_from_its_limits_is_counted_in_steps(figures, steps):
    found = {**KEPT, **figures}
    assert distance(found, None) == pytest.approx(steps)
    assert bool(broken_limits(found, None)) == (steps != (0, 0))


def test_every_limit_is_of_a_figure_that_is_measured():
    figures = {*measure(io.BytesIO(stereo())).figures(), "length_ratio", "sounding_channels"}
    limits = {**quality_limits._LIMITS, **quality_limits._MORE}
    assert {figure for figure, *_ in limits.values()} <= figures
    check_quality("fail", dict.fromkeys(limits, 1))
