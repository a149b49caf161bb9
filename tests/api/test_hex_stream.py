# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_music.api.hex_stream import HexStream, HexStreamError

AUDIO = bytes(range(256)) * 3
OK = {"status_code": 0, "status_msg": "success"}


def decode(body, *cuts):
    """Audio, text and the rest of a body that comes in pieces, cut at these places."""
    song = HexStream()
    places = [0, *sorted(cuts), len(body)]
    audio = b"".join(song.feed(body[start:end]) for start, end in pairwise(places))
    rest = song.finish()
    return audio, song.text, rest


def outcome(body, *cuts):
    try:
        return decode(body, *cuts)
    except HexStreamError as exc:
        return str(exc)


def plainly(body):
    """What json and bytes.fromhex make of it, in the same shape."""
    rest = json.loads(body)
    data = rest.get("data")
    audio = b""
    if isinstance(data, dict) and isinstance(data.get("audio"), str):
        audio = bytes.fromhex(data["audio"])
        data["audio"] = ""
    return audio, None, rest


def answer(audio, **more):
    return json.dumps({"data": {"status": 2, "audio": audio}, "base_resp": OK, **more}).encode()


KEYS = st.sampled_from(
    ["audio", "data", "status", "a", "", "\u00e4", "\U0001f3b5", '"', "\\", "au\\dio", "{", "}", ","]
)
OTHER = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3),
    max_leaves=10,
)
HEX = st.binary(max_size=200).map(bytes.hex).flatmap(lambda text: st.sampled_from([text, text.upper()]))


@st.composite
def bodies(draw):
    """JSON of a song, with other things around it in any order, indented and escaped in any way."""
    data = draw(st.dictionaries(KEYS.filter(lambda key: key != "audio"), OTHER, max_size=3))
    data = dict(draw(st.permutations([*data.items(), ("audio", draw(HEX))])))
    rest = draw(st.dictionaries(KEYS.filter(lambda key: key != "data"), OTHER, max_size=3))
    whole = dict(draw(st.permutations([*rest.items(), ("data", data)])))
    return json.dumps(whole, indent=draw(st.sampled_from([None, 1])), ensure_ascii=draw(st.booleans())).encode()


def cuts_of(body):
    return st.lists(st.integers(0, len(body)), max_size=12)


@given(st.data())
def test_any_body_cut_in_any_way_gives_what_json_and_fromhex_give(data):
    body = data.draw(bodies())
    assert decode(body, *data.draw(cuts_of(body))) == plainly(body)


@given(st.data())
def test_any_body_byte_by_byte_gives_the_same(data):
    body = data.draw(bodies())
    assert decode(body, *range(len(body))) == plainly(body)


@given(HEX, st.data())
def test_hex_that_is_escaped_in_any_way_gives_the_same(text, data):
    spelt = "".join(
        data.draw(st.sampled_from([digit, f"\\u{ord(digit):04x}", f"\\u{ord(digit):04X}"])) for digit in text
    )
    body = b'{"data": {"audio": "' + spelt.encode() + b'"}}'
    assert decode(body, *data.draw(cuts_of(body))) == plainly(body)


WHITE = st.sampled_from(["", " ", "  ", "\\n", "\\t", "\\r\\n", "\\u0020"])


@given(st.binary(max_size=20), st.data())
@example(b"\xab", None)
def test_white_space_between_bytes_does_no_harm(audio, data):
    draw = data.draw if data else lambda _: " "
    text = "".join(draw(WHITE) + f"{byte:02x}" for byte in audio) + draw(WHITE)
    body = b'{"data": {"audio": "' + text.encode() + b'"}}'
    cuts = data.draw(cuts_of(body)) if data else range(len(body))
    assert decode(body, *cuts) == plainly(body)


FRAGMENTS = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\u00", b"\\u0061", b"\\n", b" ", b"\n"),
        *(b'"data":', b'"audio":', b'"data":{"audio":"', b'{"data":{"audio":"ff"}}', b"ff", b"f", b"null", b"1"),
        *(b"https://a/b", b"\xc3\xa4", b"\xff", b'"d\\u0061ta"'),
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map(b"".join), st.data())
@example(b'{"data":{"audio":"https:\\\\x"}}', None)
def test_junk_is_an_error_of_ours_and_never_depends_on_how_it_was_cut(body, data):
    cuts = data.draw(cuts_of(body)) if data else range(len(body))
    whole, cut = outcome(body), outcome(body, *cuts)
    if isinstance(whole, tuple) or isinstance(cut, tuple):
        assert whole == cut


@given(st.lists(FRAGMENTS, max_size=12).map(b"".join))
def test_what_json_does_not_take_is_not_taken(body):
    found = outcome(body)
    if isinstance(found, tuple):
        rest = json.loads(body, strict=False)
        assert isinstance(rest, dict)


@given(bodies(), st.data())
def test_a_body_that_ends_early_is_never_taken_for_a_song(body, data):
    end = data.draw(st.integers(0, len(body.rstrip()) - 1))
    assert isinstance(outcome(body[:end]), str)


@given(bodies(), st.data())
def test_a_body_that_ends_after_its_audio_has_what_stood_before_it(body, data):
    audio, _, rest = plainly(body)
    quote = data.draw(st.integers(0, len(body)))
    song = HexStream()
    taken = song.feed(body[:quote])
    if not song.closed:
        assert not song.cut_after_audio
        taken += song.feed(body[quote:])
        assert (song.closed, song.cut_after_audio, song.finish(), taken) == (True, False, rest, audio)
        return
    assert taken == audio
    assert song.cut_after_audio == (quote < len(body.rstrip()))
    before = song.finish_at_audio()
    assert before["data"].pop("audio") == ""
    assert before["data"].items() <= rest["data"].items()
    assert {key: value for key, value in before.items() if key != "data"}.items() <= rest.items()


def test_the_audio_is_closed_at_its_quote_and_not_before():
    body = answer("0a0b0c")
    end = body.index(b"0a0b0c") + 6
    song = HexStream()
    for at in range(end):
        song.feed(body[at : at + 1])
        assert not song.closed
    song.feed(body[end : end + 1])
    assert song.closed
    assert song.cut_after_audio
    assert song.finish_at_audio() == {"data": {"status": 2, "audio": ""}}


@pytest.mark.parametrize("body", [b"{}", b'{"data": {"audio": null}}', b'{"audio": "ff"}', b'{"data": {"x": "ff"}}'])
def test_without_audio_nothing_is_closed(body):
    song = HexStream()
    song.feed(body)
    assert not song.closed
    assert not song.cut_after_audio


def test_what_follows_a_whole_body_does_not_make_it_a_cut_one():
    song = HexStream()
    song.feed(answer("0a") + b"{")
    assert not song.cut_after_audio
    with pytest.raises(HexStreamError):
        song.finish()


def test_audio_that_is_closed_and_broken_is_an_error_where_the_rest_is_missing():
    song = HexStream()
    song.feed(b'{"data": {"audio": "0a0"')
    assert song.cut_after_audio
    with pytest.raises(HexStreamError, match="odd number"):
        song.finish_at_audio()
    song = HexStream()
    song.feed(b'{"a": nope, "data": {"audio": "0a"')
    with pytest.raises(HexStreamError, match="no JSON"):
        song.finish_at_audio()


@pytest.mark.parametrize("text", [AUDIO.hex(), AUDIO.hex().upper(), AUDIO.hex(" "), "0a0B"])
def test_hex_of_either_case_becomes_bytes(text):
    audio, told, rest = decode(answer(text))
    assert audio == bytes.fromhex(text)
    assert told is None
    assert rest == {"data": {"status": 2, "audio": ""}, "base_resp": OK}


@pytest.mark.parametrize("text", ["f", "fff", "0a0b0"])
@pytest.mark.parametrize("cuts", [(), range(100)])
def test_an_odd_number_of_hex_digits_is_an_error(text, cuts):
    with pytest.raises(HexStreamError, match="odd number"):
        decode(answer(text), *cuts)


@pytest.mark.parametrize("text", ["0aXX", "0a0bzz", "0a,0b", "0x0a", "00\u00e4", "0a\u00000b", "ff://"])
@pytest.mark.parametrize("cuts", [(), range(100)])
def test_what_starts_like_hex_and_is_none_is_an_error(text, cuts):
    with pytest.raises(HexStreamError, match="no hex"):
        decode(answer(text), *cuts)


@pytest.mark.parametrize(
    "url",
    ["https://cdn.example.org/song.mp3?Expires=1&Signature=a%2Fb", "http://a/", "xyz", "https://a/\u00e4\\b"],
)
@pytest.mark.parametrize("cuts", [(), range(400)])
@pytest.mark.parametrize("escape", [lambda raw: raw, lambda raw: raw.replace(b"/", b"\\/")])
def test_a_url_in_place_of_hex_is_handed_over_as_text(url, cuts, escape):
    body = escape(json.dumps({"data": {"audio": url}}, ensure_ascii=False).encode())
    assert decode(body, *cuts) == (b"", url, {"data": {"audio": ""}})


def test_white_space_around_a_url_is_left_out():
    assert decode(answer("  https://a/b "), *range(60))[1] == "https://a/b"


def test_a_text_of_any_length_is_not_kept():
    with pytest.raises(HexStreamError, match="neither hex nor a URL"):
        decode(answer("x" * 100_000))


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"audio": None}},
        {"data": {"audio": 5}},
        {"data": {"audio": ["ff"]}},
        {"data": {"audio": {"audio": "ff"}}},
        {"data": {"status": 2}},
        {"data": None},
        {"data": "ff"},
        {"data": ["audio", "ff"]},
        {"data": [{"audio": "ff"}]},
        {"audio": "ff"},
        {"data": {"data": {"audio": "ff"}}},
        {"extra": {"audio": "ff"}},
        {"base_resp": {"status_code": 1026}},
        {},
    ],
)
@pytest.mark.parametrize("cuts", [(), range(100)])
def test_without_data_audio_as_a_text_there_is_no_audio(body, cuts):
    assert decode(json.dumps(body).encode(), *cuts) == (b"", None, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"audio": "aa", "audio": "bb"}}',
        b'{"data": {"audio": "aa"}, "data": {"audio": "bb"}}',
        b'{"data": {"audio": "aa", "audio": null}}',
        b'{"data": {"audio": "aa"}, "data": {}}',
        b'{"data": {"audio": "aa"}, "data": null}',
        b'{"data": {"audio": "aa"}, "d\\u0061ta": 5}',
    ],
)
def test_audio_that_stands_there_twice_is_an_error(body):
    with pytest.raises(HexStreamError, match="twice"):
        decode(body)


def test_keys_may_come_in_any_order_and_audio_may_be_a_key_elsewhere():
    body = b"""
        { "audio": "bb", "trace_id": "t", "extra_info": {"audio": "cc", "data": {"audio": "dd"}},
          "list": ["data", "audio", {"data": {"audio": "ee"}}],
          "d\\u0061ta" : { "other": {"audio": "00"}, "\\u0061udio" : "aa" , "status": 2 }, "base_resp": {} }
    """
    audio, _, rest = decode(body)
    assert audio == b"\xaa"
    assert rest["audio"] == "bb"
    assert rest["data"] == {"other": {"audio": "00"}, "audio": "", "status": 2}


@pytest.mark.parametrize("body", [b'{"a":' * 100, b"[" * 100, b'{"data":' + b"[" * 10_000, b'{"a":[' * 5000])
def test_nesting_is_bounded(body):
    with pytest.raises(HexStreamError, match="nested more than"):
        decode(body)


@pytest.mark.parametrize(
    "piece", [b'"' + b"a" * 2**16 + b'",', b"1," * 2**15, b" " * 2**16, b'"audio"' * 2**13, b"\\" * 2**16]
)
def test_what_stands_beside_the_audio_is_bounded(piece):
    song = HexStream()
    song.feed(b'{"list": [')
    with pytest.raises(HexStreamError, match="more than"):
        for _ in range(100):
            song.feed(piece)


@pytest.mark.parametrize(
    "behind", [b'"}, "list": [' + b"1," * 2**21, b'"}, "a": ' + b"[" * 100, b'"}}}', b'","audio":"bb"}}']
)
@pytest.mark.parametrize("size", [1, 7, 2**22])
def test_what_is_wrong_behind_the_audio_costs_none_of_it_and_is_read_no_further(behind, size):
    song, body = HexStream(), b'{"data": {"audio": "ff00ee' + behind[: 2**21]
    size = max(size, 2**12) if len(body) > 2**16 else size
    audio = b"".join(song.feed(body[at : at + size]) for at in range(0, len(body), size))

    assert audio == b"\xff\x00\xee"
    assert song.broken is not None
    assert sum(len(value) for value in vars(song).values() if isinstance(value, bytes | bytearray)) < 2**21
    with pytest.raises(HexStreamError, match=r"more than|did not open|twice"):
        song.finish()


def test_a_large_song_is_not_held():
    song = HexStream()
    song.feed(b'{"data": {"audio": "')
    taken = sum(len(song.feed(b"0a" * 2**15)) for _ in range(64))
    assert song.feed(b'"}, "base_resp": {}}') == b""
    assert taken == 64 * 2**15
    assert song.finish() == {"data": {"audio": ""}, "base_resp": {}}
    held = [value for value in vars(song).values() if isinstance(value, bytes | bytearray)]
    assert sum(map(len, held)) < 1000


@pytest.mark.parametrize(
    "end", ["", "{", '{"data"', '{"data": {"audio": "', '{"data": {"audio": "ff', '{"data": {"audio": "ff"}']
)
def test_a_truncated_answer_is_an_error(end):
    with pytest.raises(HexStreamError):
        decode(end.encode())


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"null", b'"text"', b"5", b"<html>", b"{} {}", b"}", b"{]", b'{"a": nope}', b'{"a" "b"}', b"\xff"),
        *(b'{"\\x": 1}', b'{"data": {"audio": "\\x"}}', b'{"data": {"audio": "\\"}}', b'{"data": {"audio": "a\\u00"}}'),
        *(b'{"data": {"audio" "ff"}}', b'{"data": {"audio": "ff" "ff"}}', b'{"data": {"audio": ff}}', b"{,}"),
        b'{"a": ' + b"1" * 10_000 + b"}",
    ],
)
def test_what_is_no_json_of_a_song_is_an_error(body):
    with pytest.raises(HexStreamError):
        decode(body)
