# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What may come back for the POST of a synchronous generation: the song, or a named error; asked for once."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib

import pytest
from hostile_api import JSON, MIB, OK, synchronous, wave, whole

from airflow_provider_music.exceptions import (
    ApiError,
    RequestRejectedError,
    ServerFailureError,
    UnknownOutcomeError,
)

SONG = wave()
HEX = SONG.hex()
LOST = UnknownOutcomeError


def text(audio, **more):
    return json.dumps(synchronous(audio, **more))


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def zeros(count, byte=b" "):
    """A gzip file of so many MiB, about a thousandth of the size, that starts as an answer does."""
    packer = zlib.compressobj(wbits=31)
    piece = byte * MIB
    head = packer.compress(b'{"data": {"audio": "')
    return b"".join([head, *(packer.compress(piece) for _ in range(count)), packer.flush()])


WELL = {
    "as documented": whole(text(HEX)),
    "upper case": whole(text(HEX.upper())),
    "mixed case": whole(text(HEX[:5001] + HEX[5001:].upper())),
    "white space between": whole(text(SONG.hex(" ", 100))),
    "line breaks between": whole(text("\n".join(HEX[i : i + 80] for i in range(0, len(HEX), 80)))),
    "escaped": whole(text("@").replace("@", "".join(f"\\u{ord(c):04x}" for c in HEX[:200]) + HEX[200:])),
    "other keys first": whole(json.dumps(dict(reversed(synchronous(HEX).items())))),
    "keys escaped": whole(text(HEX).replace('"data"', '"d\\u0061ta"').replace('"audio"', '"\\u0061udio"')),
    "another key twice": whole(text(HEX).replace('"trace_id"', '"trace_id": "u", "trace_id"')),
    "numbers as strings": whole(
        text(None, data={"audio": HEX, "status": "2"}, base_resp={"status_code": "0", "status_msg": ""})
    ),
    "no status": whole(text(None, data={"audio": HEX})),
    "NaN beside it": whole(text(HEX).replace('"t"', "NaN")),
    "no base_resp": whole({"data": {"audio": HEX, "status": 2}}),
    "status 1 with the whole song": whole(
        text(None, data={"audio": HEX, "status": 1}, extra_info={"audio_size": str(len(SONG))})
    ),
    "unknown status": whole(text(None, data={"audio": HEX, "status": "singing"})),
    "nested beside it": whole(text(HEX, analysis_info=[[[[[{"data": {"audio": "zz"}}]]]]])),
    "byte order mark": whole(b"\xef\xbb\xbf" + text(HEX).encode()),
    "Content-Type of a page": whole(text(HEX), b"Content-Type: text/html"),
    "Content-Type that is none": whole(text(HEX), b"Content-Type: \xff;;=/"),
    "no Content-Type": OK + b"Content-Length: %d\r\n\r\n" % len(text(HEX)) + text(HEX).encode(),
    "no length": OK + JSON + b"\r\n" + text(HEX).encode(),
    "more than its length": whole(text(HEX)) + b"HTTP/1.1 500 No\r\n\r\n" * 1000,
    "chunks of any size": OK
    + JSON
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + chunked(*(text(HEX).encode()[i : i + 997] for i in range(0, len(text(HEX)), 997))),
    "gzip, unasked": whole(gzip.compress(text(HEX).encode()), b"Content-Encoding: gzip"),
    "deflate, unasked": whole(zlib.compress(text(HEX).encode()), b"Content-Encoding: Deflate "),
    "identity": whole(text(HEX), b"Content-Encoding: identity"),
    "201": whole(text(HEX), status=b"201 Created"),
    "a status that nobody knows": whole(text(HEX), status=b"299 Fine"),
    "headers of a song of gold": whole(
        text(HEX),
        b"X-Aimlapi-Usd-Spent: NaN",
        b"X-Aimlapi-Credits-Used: 1e400",
        b"X-Inference-Id: " + b"x" * 10_000,
    ),
    "some interim answers": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5 + whole(text(HEX)),
}

#: The line breaks between the song's closing quote and the end of the answer.
CUT = {
    "right after the quote": whole(text(HEX)[: text(HEX).index(HEX) + len(HEX) + 1]),
    "after the hex": whole(text(HEX)[:-2]),
    "before base_resp says a word": whole(text(HEX).partition('"status_code"')[0]),
    "in the middle of a key": whole(text(HEX).partition("ce_id")[0]),
    "and its length was announced": whole(text(HEX)[:-30], length=len(text(HEX))),
    "and it closed without a length": OK + JSON + b"\r\n" + text(HEX)[:-30].encode(),
    "and its chunks end there": OK
    + JSON
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + chunked(text(HEX)[:-30].encode())[:-5],
    "and it is gzip": whole(gzip.compress(text(HEX).encode())[:-20], b"Content-Encoding: gzip"),
    "with base_resp first": whole(json.dumps(dict(reversed(synchronous(HEX).items())))[:-1]),
    "no byte but the length's": whole(text(HEX), length=len(text(HEX)) + 1),
    "the last bracket": whole(text(HEX), length=len(text(HEX)) - 1),
    "no byte but the last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(text(HEX).encode())[:-5],
}


@pytest.mark.parametrize("script", CUT.values(), ids=CUT)
def test_a_song_whose_answer_breaks_off_after_its_last_byte_lands(attempt, api, script):
    api.sends("generate", script)
    ended = attempt("synchronous")
    assert ended.error is None, ended
    assert ended.files == ["song.wav"]


def test_a_song_whose_answer_never_ends_lands_when_its_time_is_over(attempt, api):
    head = whole(text(HEX)[:-30], length=len(text(HEX)) + 10_000)
    api.sends("generate", lambda: itertools.chain([head], itertools.cycle([b" ", 0.05])))
    assert attempt("synchronous", connection={"max_body_seconds": 1}).files == ["song.wav"]


def test_an_answer_that_breaks_off_one_digit_before_the_closing_quote_is_lost(attempt, api):
    api.sends("generate", whole(text(HEX)[: text(HEX).index(HEX) + len(HEX)]))
    ended = attempt("synchronous")
    assert isinstance(ended.error, LOST), ended
    assert ended.files == []


def test_what_the_api_said_before_the_song_holds_where_the_rest_is_missing(attempt, api):
    refused = synchronous(HEX, base_resp={"status_code": 1026, "status_msg": "no"})
    api.sends("generate", whole(json.dumps(dict(reversed(refused.items())))[:-2]))
    ended = attempt("synchronous")
    assert isinstance(ended.error, RequestRejectedError), ended
    assert ended.files == []


def test_a_part_of_a_song_whose_answer_breaks_off_is_refused_and_kept(attempt, api):
    part = text(None, data={"status": 1, "audio": HEX[: len(HEX) // 4 * 2]})
    api.sends("generate", whole(part[:-20]))
    ended = attempt("synchronous")
    assert isinstance(ended.error, LOST), ended
    assert "data.status 1" in str(ended.error)
    assert ended.files == ["song.rejected.wav"]


def test_a_song_whose_frames_end_early_is_refused_and_kept_where_the_rest_is_missing(attempt, api):
    api.sends("generate", whole(text(HEX[: len(HEX) // 4 * 2])[:-20]))
    ended = attempt("synchronous")
    assert "cut short" in str(ended.error)
    assert ended.files == ["song.rejected.wav"]


@pytest.mark.parametrize("script", WELL.values(), ids=WELL)
def test_what_holds_the_song_in_any_spelling_lands_it(attempt, api, script):
    api.sends("generate", script)
    ended = attempt("synchronous")
    assert ended.error is None, ended
    assert ended.files == ["song.wav"]
    assert len(json.dumps(ended.result)) < 4096


def test_a_url_in_place_of_hex_is_fetched(attempt, api):
    api.sends("generate", whole(text(f"{api.url}/files/song?Signature=hush")))
    ended = attempt("synchronous")
    assert ended.error is None, ended
    assert "hush" not in json.dumps(ended.result)


BRIEFLY = {
    "429": whole(b"", status=b"429 Too Many Requests"),
    "503": whole(b"", status=b"503 No"),
    "not there yet": whole(b"", status=b"404 No"),
    "hung up": b"",
    "cut": whole(SONG, length=len(SONG) + 1),
}


@pytest.mark.parametrize("script", BRIEFLY.values(), ids=BRIEFLY)
def test_a_url_whose_host_fails_for_a_moment_is_fetched_again_and_never_asked_for_anew(attempt, api, script):
    api.sends("generate", whole(text(f"{api.url}/files/song?Signature=hush")))
    api.sends("song", script, script, script, whole(SONG))
    ended = attempt("synchronous")
    assert ended.error is None, ended
    assert ended.files == ["song.wav"]
    assert api.asked()["song"] == 4


@pytest.mark.parametrize("script", BRIEFLY.values(), ids=BRIEFLY)
def test_a_url_whose_host_does_not_serve_it_is_given_up_by_name_and_the_url_stays_secret(
    attempt, api, script, quick_clock, caplog
):
    api.sends("generate", whole(text(f"{api.url}/files/song?Signature=hush")))
    api.sends("song", script)
    ended = attempt("synchronous")
    assert isinstance(ended.error, LOST), ended
    assert "the song could not be fetched from there" in str(ended.error)
    assert "127.0.0.1" in str(ended.error)
    assert "a retry fetches it" not in str(ended.error)
    assert "hush" not in str(ended.error) + caplog.text
    assert "/files/" not in str(ended.error) + caplog.text
    assert api.asked()["song"] == 8
    assert ended.files == []


def test_a_song_at_a_url_that_is_another_format_is_kept_and_not_fetched_again(attempt, api):
    api.sends("generate", whole(text(f"{api.url}/files/song?Signature=hush")))
    api.sends("song", whole(b"fLaC" + bytes(5000)))
    ended = attempt("synchronous")
    assert isinstance(ended.error, LOST), ended
    assert ended.files == ["song.rejected.flac"]
    assert api.asked()["song"] == 1


def test_a_url_whose_answer_breaks_off_after_it_is_fetched(attempt, api):
    api.sends("generate", whole(text(f"{api.url}/files/song?Signature=hush")[:-20]))
    assert attempt("synchronous").files == ["song.wav"]


ILL = {
    "nothing": whole(b""),
    "a page": whole(b"<!doctype html><html>one moment</html>", b"Content-Type: text/html"),
    "a page called JSON": whole(b"<!doctype html><html>one moment</html>"),
    "a list": whole([synchronous(HEX)]),
    "a text": whole('"song"'),
    "a number": whole("1"),
    "null": whole("null"),
    "an empty object": whole({}),
    "two objects": whole(text(HEX) * 2),
    "cut in the hex": whole(text(HEX)[:9000]),
    "negative length": OK + JSON + b"Content-Length: -1\r\n\r\n" + text(HEX).encode(),
    "two lengths": whole(text(HEX), b"Content-Length: 5"),
    "chunks that are none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + text(HEX).encode(),
    "UTF-16": whole(text(HEX).encode("utf-16")),
    "no UTF-8": whole(text(HEX).encode().replace(b'"t"', b'"\xff\xfe"')),
    "gzip that is none": whole(text(HEX), b"Content-Encoding: gzip"),
    "gzip with more behind it": whole(gzip.compress(text(HEX).encode()) + b"x", b"Content-Encoding: gzip"),
    "brotli": whole(text(HEX), b"Content-Encoding: br"),
    "gzip in gzip": whole(text(HEX), b"Content-Encoding: gzip, gzip"),
    "odd number of digits": whole(text(HEX[:-1])),
    "no hex in the middle": whole(text(HEX[:5000] + "zz" + HEX[5002:])),
    "broken escape in the hex": whole(text("@").replace("@", HEX[:5000] + "\\u00zz" + HEX[5000:])),
    "base64": whole(text("UklGRiT6AABXQVZFZm10IBAAAAABAAEA" * 1000)),
    "audio is null": whole(text(None)),
    "audio is empty": whole(text("")),
    "audio is white": whole(text("   \n ")),
    "audio is missing": whole(text(None, data={"status": 2})),
    "audio is a number": whole(text(5)),
    "audio is a list": whole(text([HEX])),
    "data is null": whole(text(None, data=None)),
    "data is hex": whole(text(None, data=HEX)),
    "data is missing": whole({"base_resp": {"status_code": 0}}),
    "audio twice": whole(text(HEX).replace('"audio"', '"audio": "", "audio"')),
    "data twice": whole(text(HEX)[:-1] + ', "data": {}}'),
    "status 1 with a part": whole(
        text(None, data={"audio": HEX[:8000], "status": 1}, extra_info={"audio_size": len(SONG)})
    ),
    "status 1 and no size": whole(text(None, data={"audio": HEX, "status": 1})),
    "half of the song": whole(text(HEX[: len(HEX) // 4 * 2])),
    "a header with nothing behind it": whole(text(HEX[:88])),
    "an MP3 header with nothing behind it": whole(text("fffb9064" + "00" * 400)),
    "an ID3 tag alone": whole(text(b"ID3\x04\x00\x00\x00\x00\x0f\x76".hex() + "00" * 2038)),
    "another format": whole(text((b"fLaC" + bytes(5000)).hex())),
    "the samples alone": whole(text(SONG[44:].hex())),
    "NaN": whole('{"data": NaN, "base_resp": {"status_code": NaN}}'),
    "base_resp without a number": whole(text(HEX, base_resp={"status_code": "odd", "status_msg": "x"})),
    "base_resp of infinity": whole(text(HEX).replace('"status_code": 0', '"status_code": 1e999')),
    "a URL of another scheme": whole(text("file:///etc/passwd")),
    "a URL with a line break": whole(text("https://a.example.org/\r\nX: y")),
    "a text of any kind": whole(text("sing it yourself")),
    "a number of ten thousand digits": whole(text(HEX).replace('"t"', "1" * 10_000)),
    "deep nesting": whole(text(HEX).replace('"t"', "[" * 100_000 + "]" * 100_000)),
    "deep nesting of pairs": whole(text(HEX).replace('"t"', '{"a":' * 100_000 + "1" + "}" * 100_000)),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "a gateway's page": whole(b"<html>504</html>", b"Content-Type: text/html", status=b"504 Gateway Time-out"),
    "a gateway's problem": whole({"title": "Bad Gateway", "status": 502}, status=b"502 Bad Gateway"),
    "a timeout in the envelope": whole(
        {"message": "Generation timeout", "statusCode": 504, "requestId": "r"}, status=b"504 Gateway Time-out"
    ),
    "a 503 in the envelope": whole({"message": {"a": {"b": 1}}, "statusCode": [], "error": [1]}, status=b"503 No"),
    "a redirect of the POST itself": b"HTTP/1.1 307 No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "nested failure": whole("[" * 100_000, status=b"500 No"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP 0.9": text(HEX).encode(),
    "broken status": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "null in a header": OK + b"X: a\0b\r\n\r\n",
    "hung up": b"",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}


#: What is paid and is not the song: a person may still hear it.
KEPT = {
    "no UTF-8": "wav",
    "odd number of digits": "wav",
    "data twice": "wav",
    "status 1 with a part": "wav",
    "status 1 and no size": "wav",
    "half of the song": "wav",
    "a header with nothing behind it": "wav",
    "an MP3 header with nothing behind it": "mp3",
    "an ID3 tag alone": "mp3",
    "another format": "flac",
    "the samples alone": "bin",
    "base_resp without a number": "wav",
    "base_resp of infinity": "wav",
    "a number of ten thousand digits": "wav",
    "two objects": "wav",
    "deep nesting": "wav",
    "deep nesting of pairs": "wav",
}


@pytest.mark.parametrize("name", ILL)
def test_what_holds_no_song_is_an_unknown_outcome_that_is_not_sent_again(attempt, api, name):
    api.sends("generate", ILL[name])
    ended = attempt("synchronous")
    assert isinstance(ended.error, LOST), ended
    assert "airflow-music-" in str(ended.error)
    assert "\r" not in str(ended.error)
    assert len(str(ended.error)) < 3000
    assert ended.files == ([f"song.rejected.{KEPT[name]}"] if name in KEPT else [])


NO = {
    "base_resp 1026": (whole({"base_resp": {"status_code": 1026, "status_msg": "x\n" * 5000}}), RequestRejectedError),
    "base_resp as text": (whole({"base_resp": {"status_code": "2013"}}), RequestRejectedError),
    "base_resp beside a song": (whole(text(HEX, base_resp={"status_code": 1026})), RequestRejectedError),
    "base_resp nobody knows": (whole({"base_resp": {"status_code": -7}}), ServerFailureError),
    "base_resp with a nested message": (
        whole({"base_resp": {"status_code": 1026, "status_msg": {"a": ["b"] * 1000}}}),
        RequestRejectedError,
    ),
    "a refusal without words": (whole(b"", status=b"400 Bad Request"), RequestRejectedError),
    "a refusal of a million words": (
        whole({"message": "no " * MIB, "statusCode": 422}, status=b"422 No"),
        RequestRejectedError,
    ),
    "a refusal with deep details": (
        whole(
            '{"message": "no", "statusCode": 400, "details": ' + "[" * 900 + "]" * 900 + "}", status=b"400 Bad Request"
        ),
        ApiError,
    ),
    "a failure in the envelope": (
        whole({"message": "\x1b[31mno\r\n\u2028", "statusCode": "500", "requestId": "r"}, status=b"500 No"),
        ServerFailureError,
    ),
    "a failure with an error of any kind": (
        whole({"message": {"a": {"b": 1}}, "statusCode": [], "error": [1]}, status=b"500 No"),
        ServerFailureError,
    ),
}


@pytest.mark.parametrize(("script", "kind"), NO.values(), ids=NO)
def test_a_no_in_any_words_is_a_no_of_one_line(attempt, api, script, kind):
    api.sends("generate", script)
    ended = attempt("synchronous")
    assert isinstance(ended.error, kind), ended
    assert len(str(ended.error)) < 3000
    assert not {"\x1b", "\r", "\u2028"} & set(str(ended.error))
    assert ended.files == []


ENDLESS = {
    "hex": (b'{"data": {"audio": "', b"0a" * (MIB // 2)),
    "white hex": (b'{"data": {"audio": "', b" " * MIB),
    "text": (b'{"data": {"audio": "http://', b"a" * MIB),
    "backslashes": (b'{"data": {"audio": "', b"\\" * MIB),
    "escapes": (b'{"data": {"audio": "', b"\\u0030" * 2**17),
    "white space": (b"", b" " * MIB),
    "rows": (b'{"rows": [', b'{"a": 1}, ' * 2**16),
    "a string": (b'{"trace_id": "', b"a" * MIB),
    "a number": (b'{"trace_id": ', b"1" * MIB),
    "nesting": (b"", b"[" * MIB),
    "quotes": (b"{", b'"' * MIB),
    "zero bytes": (b"", bytes(MIB)),
}


@pytest.mark.parametrize(("head", "piece"), ENDLESS.values(), ids=ENDLESS)
def test_a_body_without_end_is_given_up_in_little_memory(attempt, api, head, piece):
    api.sends("generate", lambda: itertools.chain([OK + JSON + b"\r\n" + head], itertools.repeat(piece)))
    limits = {"max_audio_bytes": 8 * MIB, "max_body_seconds": 3}
    ended = attempt("synchronous", most_bytes=16 * MIB, connection=limits)
    assert isinstance(ended.error, LOST), ended


def test_chunks_without_end_are_given_up_in_little_memory(attempt, api):
    start = OK + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b'{"data": {"audio": "')[:-5]
    api.sends("generate", lambda: itertools.chain([start], itertools.repeat(chunked(b"0a" * (MIB // 2))[:-5])))
    limits = {"max_audio_bytes": 8 * MIB, "max_body_seconds": 3}
    ended = attempt("synchronous", most_bytes=16 * MIB, connection=limits)
    assert isinstance(ended.error, LOST), ended


@pytest.mark.parametrize("byte", [b" ", b"0", b"\\"])
def test_a_gzip_bomb_is_given_up_in_little_memory(attempt, api, byte):
    bomb = whole(zeros(512, byte), b"Content-Encoding: gzip")
    api.sends("generate", bomb)
    limits = {"max_audio_bytes": 8 * MIB, "max_body_seconds": 3}
    ended = attempt("synchronous", most_bytes=16 * MIB, connection=limits)
    assert isinstance(ended.error, LOST), ended


@pytest.mark.parametrize("status", [b"400 No", b"404 No", b"500 No"])
@pytest.mark.parametrize("headers", [b"", b"Content-Encoding: gzip\r\n"], ids=["plain", "gzip"])
def test_an_endless_refusal_is_given_up_in_little_memory(attempt, api, status, headers):
    piece = zeros(64) if headers else b" " * MIB
    api.sends(
        "generate",
        lambda: itertools.chain([b"HTTP/1.1 " + status + b"\r\n" + headers + b"\r\n"], itertools.repeat(piece)),
    )
    ended = attempt("synchronous", most_bytes=24 * MIB, connection={"read_timeout": 5})
    assert isinstance(ended.error, LOST), ended


def test_a_compressed_body_that_holds_nothing_ends_with_the_time(attempt, api):
    packer = zlib.compressobj(wbits=31)
    empty = b"".join([packer.compress(b"{"), packer.flush(zlib.Z_SYNC_FLUSH)])
    blocks = b"\x00\x00\x00\xff\xff" * 20_000
    api.sends(
        "generate", lambda: itertools.chain([OK + b"Content-Encoding: gzip\r\n\r\n" + empty], itertools.repeat(blocks))
    )
    ended = attempt("synchronous", most_bytes=16 * MIB, connection={"max_body_seconds": 1})
    assert isinstance(ended.error, LOST), ended
    assert "max_body_seconds" in str(ended.error)


DRIPS = {
    "hex": b'{"data": {"audio": "',
    "white space": b"",
    "nothing at all": None,
}


@pytest.mark.parametrize("head", DRIPS.values(), ids=DRIPS)
def test_a_dripping_body_ends_with_the_time_that_the_connection_allows(attempt, api, head):
    drip = itertools.cycle([0.05]) if head is None else itertools.cycle([b"0" if head else b" ", 0.05])
    api.sends("generate", lambda: itertools.chain([OK + JSON + b"\r\n" + (head or b"")], drip))
    ended = attempt("synchronous", connection={"max_body_seconds": 1})
    assert isinstance(ended.error, LOST), ended
    assert "max_body_seconds, 1 s" in str(ended.error)


DRIPPING_HEADS = {
    "before the status": [],
    "in a header": [OK + b"X: "],
    "interim answers": [b"HTTP/1.1 102 Processing\r\n\r\n"],
}


@pytest.mark.parametrize("head", DRIPPING_HEADS.values(), ids=DRIPPING_HEADS)
def test_dripping_headers_end_with_the_time_that_the_connection_allows(attempt, api, head):
    again = head if head and b"102" in head[0] else [b"H"]
    api.sends("generate", lambda: itertools.chain(head, itertools.cycle([*again, 0.05])))
    limits = {"generation_timeout": 1, "connect_timeout": 0.1, "read_timeout": 0.1}
    ended = attempt("synchronous", connection=limits)
    assert isinstance(ended.error, LOST), ended
    assert "no answer within" in str(ended.error)


def test_a_dripping_refusal_ends_too(attempt, api):
    api.sends("generate", lambda: itertools.chain([b"HTTP/1.1 400 No\r\n\r\n{"], itertools.cycle([b" ", 0.05])))
    limits = {"generation_timeout": 1, "connect_timeout": 0.1, "read_timeout": 0.5}
    assert isinstance(attempt("synchronous", connection=limits).error, LOST)


@pytest.mark.parametrize("flood", [b"X: " + b"a" * MIB, b"X: a\r\n" * 100_000, b"HTTP/1.1 103 E\r\n\r\n" * 50_000])
def test_a_flood_of_headers_is_cut_off_in_little_memory(attempt, api, flood):
    head = b"" if flood.startswith(b"HTTP") else OK
    api.sends("generate", lambda: itertools.chain([head], itertools.repeat(flood)))
    limits = {"generation_timeout": 1, "connect_timeout": 0.5, "read_timeout": 0.5}
    ended = attempt("synchronous", most_bytes=16 * MIB, connection=limits)
    assert isinstance(ended.error, LOST), ended
