# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A song's host may send anything: nothing of it is left, the error is ours, and a retry can land the song."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import socket
import threading
import time
import tracemalloc
import zlib

import pytest

from airflow_provider_music.api import ssrf
from airflow_provider_music.api.connection import MusicSettings
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    AudioError,
    AudioHostError,
    LinkExpiredError,
    MusicError,
)
from airflow_provider_music.generation.fetch import download
from airflow_provider_music.storage.audio_writer import RequestedAudio

SECRET = "/secret-path/song.mp3?Signature=hush"
OK = b"HTTP/1.1 200 OK\r\n"
MIB = 2**20


class Host:
    """A host of songs on loopback that sends one script of bytes after another, and counts."""

    def __init__(self):
        self.scripts = []
        self.requests = []
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{SECRET}"
        threading.Thread(target=self._accept, daemon=True).start()

    def sends(self, *scripts):
        """One script per connection, in turn; the last for all that follow. Pieces may be endless, or pauses."""
        self.scripts = [[script] if isinstance(script, bytes) else script for script in scripts]

    def close(self):
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(2**16)
            self.requests.append(request)
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            for piece in script:
                time.sleep(piece) if isinstance(piece, float) else connection.sendall(piece)


@pytest.fixture
def host(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with contextlib.closing(Host()) as started:
        yield started


@pytest.fixture
def fetch(host, folder):
    def go(asked="mp3", **more):
        given = {"connect_timeout": 5.0, "read_timeout": 5.0, "max_audio_bytes": 64 * MIB, **more}
        settings = MusicSettings("music_default", "http://127.0.0.1:1", "sk-secret", **given)
        return asyncio.run(download(settings, host.url, folder, RequestedAudio(asked)))

    return go


@pytest.fixture
def refused(fetch, host, left, mp3):
    """Fetch what is no song: the error is of this kind and keeps the URL to itself; then a retry lands the song."""

    def go(kind, match=None, kept=(), **more):
        with pytest.raises(kind, match=match) as caught:
            fetch(**more)
        told = f"{caught.value} {caught.value.__cause__}"
        assert "hush" not in told
        assert "secret-path" not in told
        assert left() == [*kept]
        assert all(f"/{name}." in told for name in kept)
        assert all(b"sk-secret" not in request for request in host.requests)
        host.sends(whole(mp3))
        assert fetch().facts.size_bytes == len(mp3)
        assert left() == ["song.mp3", *kept]
        return str(caught.value)

    return go


def whole(body, *headers):
    return b"\r\n".join([OK[:-2], b"Content-Length: %d" % len(body), *headers, b"", body])


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def test_a_song_comes_whole(host, fetch, mp3, left):
    host.sends(whole(mp3))
    assert fetch().facts.size_bytes == len(mp3)
    assert left() == ["song.mp3"]


# Lengths


def test_a_body_shorter_than_its_length_is_not_kept(host, refused, mp3):
    host.sends(whole(mp3)[:-1])
    refused(ApiUnreachableError, "did not come whole from 127.0.0.1")


def test_a_body_longer_than_its_length_ends_where_it_was_to_end(host, fetch, folder, mp3):
    host.sends(whole(mp3) + b"HTTP/1.1 200 OK\r\n\r\nmore" * 1000)
    assert fetch().facts.size_bytes == len(mp3)
    assert folder.read("song.mp3") == mp3


@pytest.mark.parametrize(
    "lengths",
    [b"-1", b"many", b"1e3", b"0x10", b"1.5", b"+5", b"1 2", b"5, 6", b"\xd9\xa3", b"", b"9" * 500],
    ids=[
        "negative",
        "text",
        "float",
        "hex",
        "fraction",
        "sign",
        "two in one",
        "list",
        "digits of others",
        "none",
        "huge",
    ],
)
def test_a_length_that_is_none_is_not_believed(host, refused, mp3, lengths):
    host.sends(OK + b"Content-Length: " + lengths + b"\r\n\r\n" + mp3)
    refused((ApiUnreachableError, AudioError))


def test_two_lengths_that_differ_are_not_believed(host, refused, mp3):
    host.sends(whole(mp3, b"Content-Length: 5"))
    refused(ApiUnreachableError, "RemoteProtocolError")


def test_one_length_said_twice_is_one_length(host, fetch, mp3):
    host.sends(whole(mp3, b"Content-Length: %d" % len(mp3)))
    assert fetch().facts.size_bytes == len(mp3)


def test_a_song_without_a_length_ends_with_its_connection(host, fetch, mp3):
    host.sends(OK + b"\r\n" + mp3)
    assert fetch().facts.size_bytes == len(mp3)


def test_a_length_beyond_the_largest_song_is_refused_while_it_comes(host, refused):
    host.sends(itertools.chain([OK + b"Content-Length: 1099511627776\r\n\r\n"], itertools.repeat(bytes(MIB))))
    refused(AudioError, "larger than max_audio_bytes", asked="pcm")


# Transfer encodings


def test_chunks_of_any_size_are_put_together(host, fetch, folder, mp3):
    pieces = [mp3[:1], mp3[1:2], mp3[2:7000], mp3[7000:]]
    host.sends(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*pieces, b""))
    fetch()
    assert folder.read("song.mp3") == mp3


CHUNKS = {
    "no end": chunked(b"abc"),
    "no size": b"zz\r\nabc\r\n0\r\n\r\n",
    "negative size": b"-3\r\nabc\r\n0\r\n\r\n",
    "huge size": b"f" * 100 + b"\r\nabc",
    "more than its size": b"2\r\nabcdef\r\n0\r\n\r\n",
    "bare new lines": b"3\nabc\n0\n\n",
    "endless extension": b"3;" + b"a" * 500_000,
    "nothing": b"",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS)
def test_broken_chunks_are_not_kept(host, refused, body):
    host.sends(OK + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    refused((ApiUnreachableError, AudioError))


@pytest.mark.parametrize(
    "encoding", [b"gzip", b"chunked, gzip", b"gzip, chunked", b"chunked, chunked", b"xchunked", b""]
)
def test_a_transfer_encoding_that_nobody_asked_for_is_not_guessed_at(host, refused, encoding):
    host.sends(OK + b"Transfer-Encoding: " + encoding + b"\r\n\r\n" + chunked(b"abc", b""))
    refused((ApiUnreachableError, AudioError))


def test_chunks_and_a_length_that_contradict_each_other_are_kept_aside(host, refused, mp3):
    host.sends(OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunked(mp3, b""))
    refused(AudioError, "cut short", ["song.rejected.mp3"])


# Content encodings


def test_a_song_that_comes_compressed_lands_as_it_was(host, fetch, folder, wav):
    host.sends(whole(gzip.compress(wav, mtime=0), b"Content-Encoding: gzip"))
    fetch("wav")
    assert folder.read("song.wav") == wav


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"compress", b"gzip, gzip", b"gzip, br", b"x"])
def test_a_content_encoding_that_nobody_asked_for_is_not_guessed_at(host, refused, mp3, encoding):
    host.sends(whole(mp3, b"Content-Encoding: " + encoding))
    refused(AudioError, "content encoding")


@contextlib.contextmanager
def little_memory(most=12 * MIB):
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


def zeros(count):
    """A gzip file of so many MiB of zeros, about a thousandth of the size."""
    packer = zlib.compressobj(wbits=31)
    piece = bytes(MIB)
    return b"".join([*(packer.compress(piece) for _ in range(count)), packer.flush()])


def test_a_gzip_bomb_is_refused_in_little_memory(host, refused):
    bomb = whole(zeros(512), b"Content-Encoding: gzip")
    host.sends(bomb)
    with little_memory():
        refused(AudioError, "larger than max_audio_bytes", asked="pcm")


def test_an_endless_tail_behind_a_compressed_song_is_refused_in_little_memory(host, refused, wav):
    head = OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(wav, mtime=0)
    host.sends(itertools.chain([head], itertools.repeat(bytes(MIB))))
    with little_memory():
        refused(ApiUnreachableError, "DecodingError", asked="wav")


def test_a_compressed_body_that_holds_nothing_ends_with_the_time(host, refused):
    packer = zlib.compressobj(wbits=31)
    empty = b"".join([packer.compress(b"a"), packer.flush(zlib.Z_SYNC_FLUSH)])
    blocks = b"\x00\x00\x00\xff\xff" * 2000
    host.sends(itertools.chain([OK + b"Content-Encoding: gzip\r\n\r\n" + empty], itertools.repeat(blocks)))
    with little_memory():
        refused(ApiUnreachableError, "max_body_seconds", max_body_seconds=1.0)


# Bodies without end


@pytest.mark.parametrize("framing", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_without_end_is_refused_in_little_memory(host, refused, framing):
    piece = chunked(bytes(MIB)) if framing else bytes(MIB)
    host.sends(itertools.chain([OK + framing + b"\r\n"], itertools.repeat(piece)))
    with little_memory():
        refused(AudioError, "larger than max_audio_bytes", asked="pcm")


def test_a_drip_ends_with_the_time_for_one_download(host, refused):
    host.sends(itertools.chain([OK + b"Content-Length: 999999\r\n\r\n"], itertools.cycle([b"a", 0.05])))
    told = refused(ApiUnreachableError, max_body_seconds=1.0)
    assert told == (
        "The song did not come whole from 127.0.0.1 within the 1 s that the connection's max_body_seconds allows. "
        "It is paid for; a retry fetches it again. Raise max_body_seconds where the line is that slow."
    )


@pytest.mark.parametrize("head", [b"", OK + b"X: "])
def test_a_drip_in_the_head_ends_with_it_too(host, refused, head):
    host.sends(itertools.chain([head], itertools.cycle([b"H", 0.05])))
    refused(ApiUnreachableError, "max_body_seconds", max_body_seconds=1.0)


def test_a_host_that_falls_silent_is_given_up_before(host, refused):
    host.sends([OK + b"Content-Length: 999\r\n\r\nabc", 30.0])
    assert "ReadTimeout" in refused(ApiUnreachableError, read_timeout=0.3)


# Heads


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_a_flood_of_interim_answers_is_cut_off(host, refused, status):
    flood = b"HTTP/1.1 " + status + b"\r\nLink: </a>\r\n\r\n"
    host.sends(itertools.repeat(flood * 1000))
    with little_memory():
        refused(ApiUnreachableError, "RemoteProtocolError")


def test_some_interim_answers_are_passed_over(host, fetch, mp3):
    host.sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5 + whole(mp3))
    assert fetch().facts.size_bytes == len(mp3)


HEADS = {
    "one endless header": [OK + b"X: ", *[b"a" * MIB] * 4],
    "endless headers": [OK, *[b"X: a\r\n" * 100_000] * 4],
    "endless status line": [b"HTTP/1.1 200 ", *[b"a" * MIB] * 4],
    "no HTTP": [b"SSH-2.0-OpenSSH_9.6\r\n"],
    "HTTP 0.9": [b"<html>song</html>"],
    "HTTP 2": [b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"],
    "broken status": [b"HTTP/1.1 2x0 OK\r\n\r\n"],
    "no colon": [OK + b"header\r\n\r\n"],
    "folded": [OK + b" folded: a\r\n\r\n"],
    "null": [OK + b"X: a\0b\r\n\r\n"],
    "switching protocols": [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    "nothing": [b""],
}


@pytest.mark.parametrize("script", HEADS.values(), ids=HEADS)
def test_a_head_that_is_none_is_cut_off(host, refused, script):
    host.sends(script)
    with little_memory():
        refused(ApiUnreachableError)


# Answers that are no song


@pytest.mark.parametrize("body", [b"", b"<html>Your link is ready</html>", b'{"error": "gone"}', b"ID3"])
def test_a_good_answer_without_a_song_is_not_kept(host, refused, body):
    host.sends(whole(body, b"Content-Type: audio/mpeg"))
    refused(AudioError)


def test_a_good_answer_with_bytes_of_no_known_format_is_kept_aside(host, refused):
    host.sends(whole(bytes(5000), b"Content-Type: audio/mpeg"))
    refused(AudioError, "not audio", ["song.rejected.bin"])


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_has_no_body_is_no_song(host, refused, status):
    host.sends(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    refused(ApiUnreachableError, status[:3].decode())


def test_a_part_that_was_not_asked_for_is_no_song(host, refused, mp3):
    part = b"Content-Range: bytes 0-%d/%d" % (len(mp3) - 1, len(mp3))
    host.sends(whole(mp3, part).replace(b"200 OK", b"206 Partial Content"))
    refused(ApiUnreachableError, "answered 206")


def test_the_body_of_a_refusal_is_not_read(host, refused):
    host.sends(itertools.chain([b"HTTP/1.1 403 Forbidden\r\n\r\n"], itertools.repeat(bytes(MIB))))
    with little_memory():
        refused(LinkExpiredError, "403")


@pytest.mark.parametrize("status", [b"099 Odd", b"299 Odd", b"600 Odd", b"999 Odd"])
def test_a_status_that_nobody_knows_is_no_song(host, refused, mp3, status):
    host.sends(whole(mp3).replace(b"200 OK", status))
    refused(MusicError)


# Redirects


def redirect(where, status=b"302 Found"):
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nLocation: " + where + b"\r\n\r\n"


def test_a_loop_of_redirects_ends(host, refused):
    host.sends(redirect(SECRET.encode()))
    refused(ApiUnreachableError, "redirects more than 3 times")
    assert len(host.requests) == 5


def test_a_redirect_without_a_place_is_no_song(host, refused):
    host.sends(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
    refused(ApiUnreachableError, "answered 302")


@pytest.mark.parametrize(
    "where",
    [
        b"file:///etc/passwd",
        b"ftp://127.0.0.1/song",
        b"gopher://127.0.0.1:6379/_FLUSHALL",
        b"s3://bucket/song",
        b"unix:///run/docker.sock",
    ],
)
def test_a_redirect_to_another_scheme_is_refused(host, refused, where):
    host.sends(redirect(where))
    refused(AudioHostError, "The API named a URL of scheme")


@pytest.mark.parametrize(
    "where", [b"http://10.0.0.1/", b"http://169.254.169.254/", b"//[fd00::1]/", b"http://0.0.0.0/"]
)
def test_a_redirect_deeper_inside_is_refused_even_for_a_sandbox(host, refused, where):
    host.sends(redirect(where))
    refused(AudioHostError, "is refused")


@pytest.mark.parametrize(
    "where", [b"data:audio/mpeg;base64,SUQz", b"http://[", b"//", b"http://a:b/", b"\xff\xfe", b"?"]
)
def test_a_redirect_that_leads_nowhere_is_refused(host, refused, where):
    host.sends(redirect(where))
    refused((AudioHostError, ApiUnreachableError))


def test_for_an_api_on_this_machine_a_redirect_may_lead_to_another_port_of_it(host, fetch, mp3):
    with contextlib.closing(Host()) as other:
        other.sends(whole(mp3))
        host.sends(redirect(other.url.encode()))
        assert fetch().facts.size_bytes == len(mp3)


@pytest.fixture
def public(host, monkeypatch):
    """The same host under a public address and the name cdn.example.org; loopback is loopback."""
    loop = asyncio.selector_events.BaseSelectorEventLoop
    real_look_up, real_connect = socket.getaddrinfo, loop.sock_connect
    connected = []

    def look_up(name, *args, **kwargs):
        return real_look_up("93.184.216.34" if name.endswith(".example.org") else name, *args, **kwargs)

    async def connect(self, sock, address):
        connected.append(address[:2])
        await real_connect(self, sock, ("127.0.0.1", host.port) if address[0] == "93.184.216.34" else address)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(loop, "sock_connect", connect)
    return connected


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "127.1"])
def test_for_a_public_api_no_redirect_leads_to_a_port_of_this_machine(host, public, folder, left, name):
    with contextlib.closing(Host()) as inside:
        inside.sends(whole(b"secret of this machine"))
        host.sends(redirect(f"http://{name}:{inside.port}/admin?hush".encode()))
        settings = MusicSettings("music_default", "https://api.example.org", "sk-secret", allow_http=True)
        with pytest.raises(AudioHostError, match="is a loopback address") as caught:
            asyncio.run(download(settings, f"http://cdn.example.org{SECRET}", folder, RequestedAudio("mp3")))
        assert "hush" not in str(caught.value)
        assert inside.requests == []
    assert public == [("93.184.216.34", 80)]
    assert left() == []


def test_every_hop_of_a_download_is_checked_anew(host, fetch, mp3, mocker):
    checked = mocker.spy(ssrf, "check_addresses")
    host.sends(redirect(b"/again"), whole(mp3))
    fetch()
    assert len(host.requests) == 2
    assert checked.call_count >= 2
