# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import dataclasses
import gzip
import logging
import socket
import zlib

import httpx
import pytest

from airflow_provider_music.api.client import MusicClient
from airflow_provider_music.api.connection import MusicSettings
from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.exceptions import (
    ApiUnreachableError,
    AudioError,
    AudioHostError,
    LinkExpiredError,
    OutputError,
)
from airflow_provider_music.generation.fetch import download
from airflow_provider_music.generation.fetch import fetch as fetch_song
from airflow_provider_music.storage.audio_writer import RequestedAudio

URL = "https://cdn.example.org/moose/music%2Fprod%2Fsong.mp3?Expires=1&Signature=hush%2B%3D"
HTTPS = MusicSettings("music_default", "https://api.example.org", "sk-secret")
HTTP = MusicSettings("music_default", "http://127.0.0.1:1", "sk-secret")


class Stream(httpx.AsyncByteStream):
    """A body in pieces, which may break off."""

    def __init__(self, *pieces):
        self.pieces = pieces

    async def __aiter__(self):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


@pytest.fixture(autouse=True)
def no_names(monkeypatch):
    """Nobody's name service is asked; every name is a public host's."""
    real = socket.getaddrinfo

    def look_up(host, *args, **kwargs):
        return real("1.1.1.1" if host.endswith(".example.org") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def fetch(folder):
    """Download from a host that answers with these responses in turn; returns what landed and what was asked."""

    def go(*responses, settings=HTTPS, url=URL, asked=None):
        todo = list(responses)

        def take(request):
            go.asked.append(request)
            return todo.pop(0)

        with use_transport(httpx.MockTransport(take)):
            return asyncio.run(download(settings, url, folder, asked or RequestedAudio("mp3")))

    go.asked = []
    return go


def test_a_song_is_fetched_without_the_key_and_its_url_is_not_spelt_anew(fetch, mp3, left):
    landed = fetch(httpx.Response(200, content=mp3))
    assert landed.facts.size_bytes == len(mp3)
    assert left() == ["song.mp3"]
    (request,) = fetch.asked
    assert str(request.url) == URL
    assert request.url.raw_path == b"/moose/music%2Fprod%2Fsong.mp3?Expires=1&Signature=hush%2B%3D"
    assert "sk-secret" not in str(request.headers)


def test_not_even_the_apis_own_host_gets_the_key_for_a_song(fetch, mp3):
    fetch(httpx.Response(200, content=mp3), url="https://api.example.org/song.mp3")
    assert "authorization" not in fetch.asked[0].headers


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "text/html"])
def test_the_content_decides_and_not_its_type(fetch, mp3, content_type):
    headers = {"content-type": content_type} if content_type else None
    assert fetch(httpx.Response(200, content=mp3, headers=headers)).facts.format == "mp3"


def redirect(where, status=302):
    return httpx.Response(status, headers={"location": where})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_a_few_times_without_the_key(fetch, mp3, status):
    fetch(
        redirect("https://other.example.org/a", status),
        redirect("/b?c", status),
        redirect("//third.example.org/d", status),
        httpx.Response(200, content=mp3),
    )
    assert [str(request.url) for request in fetch.asked[1:]] == [
        "https://other.example.org/a",
        "https://other.example.org/b?c",
        "https://third.example.org/d",
    ]
    assert all("authorization" not in request.headers for request in fetch.asked)


def test_redirects_end(fetch, left):
    with pytest.raises(ApiUnreachableError, match="redirects more than 3 times"):
        fetch(*[redirect("/again") for _ in range(9)])
    assert len(fetch.asked) == 4
    assert left() == []


@pytest.mark.parametrize(
    "where",
    ["http://cdn.example.org/a", "ftp://cdn.example.org/a", "file:///etc/passwd", "data:audio/mpeg,a", "javascript:a"],
)
def test_no_redirect_leads_to_another_scheme(fetch, where):
    with pytest.raises((AudioError, ApiUnreachableError)):
        fetch(redirect(where), httpx.Response(200, content=b"secret"))
    assert len(fetch.asked) == 1


@pytest.mark.parametrize("where", ["", "http://[", "https://a:99999/", "\\\\", "https://"])
def test_a_redirect_to_nowhere_is_an_error_of_ours(fetch, where):
    with pytest.raises((AudioError, ApiUnreachableError)):
        fetch(*[redirect(where) for _ in range(4)])


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.org/a",
        "ftp://a/b",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
        "cdn.example.org/a",
        "https://",
        "https://[::1",
        "s3://a/b",
        "https:///a",
        None,
        5,
    ],
)
def test_only_https_is_fetched_for_an_api_behind_https(fetch, url):
    with pytest.raises(AudioError, match="The API named"):
        fetch(url=url)
    assert fetch.asked == []


def test_http_is_fetched_only_for_an_api_behind_http(fetch, mp3):
    assert fetch(httpx.Response(200, content=mp3), url="http://127.0.0.1:2/song", settings=HTTP)
    assert fetch(httpx.Response(200, content=mp3), url="https://cdn.example.org/song", settings=HTTP)


def test_http_is_fetched_where_the_connection_allows_it(fetch, mp3):
    allowed = dataclasses.replace(HTTPS, allow_http=True)
    assert fetch(redirect("http://cdn.example.org/b"), httpx.Response(200, content=mp3), settings=allowed)


INSIDE = [
    "127.0.0.1",
    "[::1]",
    "localhost",
    "169.254.169.254",
    "10.0.0.1",
    "[fd00::1]",
    "0.0.0.0",
    "127.1",
    "2130706433",
]


@pytest.mark.parametrize("host", INSIDE)
def test_no_url_leads_to_a_machine_inside(fetch, host, left):
    with pytest.raises(AudioHostError) as caught:
        fetch(url=f"https://{host}/secret-path?Signature=hush")
    assert "secret-path" not in str(caught.value)
    assert "hush" not in str(caught.value)
    assert fetch.asked == []
    assert left() == []


@pytest.mark.parametrize("host", INSIDE)
def test_no_redirect_leads_to_a_machine_inside(fetch, host, left):
    with pytest.raises(AudioHostError) as caught:
        fetch(redirect(f"https://{host}/secret-path?Signature=hush"), httpx.Response(200, content=b"inside"))
    assert "secret-path" not in str(caught.value)
    assert len(fetch.asked) == 1
    assert left() == []


def test_hosts_that_are_named_are_the_only_ones_and_every_hop_counts(fetch, mp3):
    named = dataclasses.replace(HTTPS, audio_hosts=("cdn.example.org", ".store.example.org"))
    fetch(redirect("https://eu.store.example.org/b"), httpx.Response(200, content=mp3), settings=named)
    with pytest.raises(AudioHostError, match=r"lies on evil\.example, which is not among the connection's audio_hosts"):
        fetch(redirect("https://evil.example/b"), settings=named)
    with pytest.raises(AudioHostError):
        fetch(url="https://store.example.org/", settings=named)
    assert [request.url.host for request in fetch.asked] == [
        "cdn.example.org",
        "eu.store.example.org",
        "cdn.example.org",
    ]


def test_a_host_that_is_refused_leaves_nothing_in_the_way_of_a_retry(fetch, mp3, left):
    with pytest.raises(AudioHostError):
        fetch(redirect("https://10.0.0.1/b"))
    fetch(httpx.Response(200, content=mp3))
    assert left() == ["song.mp3"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_link_that_has_expired_is_said_as_such(fetch, status, left):
    with pytest.raises(LinkExpiredError, match=f"cdn.example.org answered {status} for the song: the link has expired"):
        fetch(httpx.Response(status, content=b"<Error><Code>AccessDenied</Code></Error>"))
    assert left() == []


@pytest.mark.parametrize("status", [201, 204, 206, 300, 302, 304, 305, 400, 416, 429, 500, 502, 503])
def test_any_other_answer_is_no_song(fetch, status, left):
    with pytest.raises(ApiUnreachableError, match=f"answered {status}") as caught:
        fetch(httpx.Response(status, content=b"a"))
    assert not isinstance(caught.value, LinkExpiredError)
    assert left() == []


@pytest.mark.parametrize(
    "broken",
    [httpx.ReadError("reset"), httpx.RemoteProtocolError("cut"), httpx.ReadTimeout("late"), httpx.ConnectError("away")],
)
def test_a_body_that_breaks_off_leaves_nothing_and_names_no_url(fetch, mp3, left, broken):
    with pytest.raises(ApiUnreachableError) as caught:
        fetch(httpx.Response(200, stream=Stream(mp3[:1000], broken)))
    assert "did not come whole from cdn.example.org" in str(caught.value)
    assert "It is paid for; a retry fetches it again." in str(caught.value)
    assert "hush" not in str(caught.value)
    assert left() == []


@pytest.mark.parametrize("wrong", [-1, 1, 1000])
def test_a_song_of_another_length_than_announced_is_refused_and_kept_aside(fetch, mp3, left, folder, wrong):
    headers = {"content-length": str(len(mp3) + wrong)}
    with pytest.raises(AudioError, match=f"{len(mp3)} of {len(mp3) + wrong} bytes") as caught:
        fetch(httpx.Response(200, stream=Stream(mp3), headers=headers))
    assert left() == ["song.rejected.mp3"]
    assert str(caught.value).endswith(f"What came is kept as {folder.url}/song.rejected.mp3.")
    assert folder.read("song.rejected.mp3") == mp3


def test_what_is_refused_again_and_again_is_kept_once_and_a_song_lands_beside_it(fetch, mp3, left):
    headers = {"content-length": str(len(mp3) + 1)}
    for _ in range(3):
        with pytest.raises(AudioError):
            fetch(httpx.Response(200, stream=Stream(mp3), headers=headers))
    assert left() == ["song.rejected.mp3"]
    fetch(httpx.Response(200, content=mp3))
    assert left() == ["song.mp3", "song.rejected.mp3"]


@pytest.mark.parametrize("length", [None, "many", "", "nan"])
def test_a_song_without_a_usable_length_is_taken_for_what_it_is(fetch, mp3, length):
    headers = {"content-length": length} if length is not None else None
    assert fetch(httpx.Response(200, stream=Stream(mp3), headers=headers)).facts.size_bytes == len(mp3)


@pytest.mark.parametrize("content", [b"", b"<html>expired</html>"])
def test_what_is_no_song_is_not_kept(fetch, content, left):
    with pytest.raises(AudioError):
        fetch(httpx.Response(200, content=content))
    assert left() == []


def test_what_begins_like_a_song_is_kept_aside(fetch, left):
    with pytest.raises(AudioError):
        fetch(httpx.Response(200, content=b"ID3\x04"))
    assert left() == ["song.rejected.mp3"]


def test_a_song_that_is_too_large_is_refused_while_it_comes(fetch, mp3, left):
    small = MusicSettings("music_default", "https://api.example.org", "sk-secret", max_audio_bytes=1000)
    with pytest.raises(AudioError, match="max_audio_bytes"):
        fetch(httpx.Response(200, stream=Stream(*[mp3] * 3)), settings=small)
    assert left() == []


@pytest.mark.parametrize(
    ("name", "pack"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_song_that_comes_compressed_lands_as_it_was(fetch, folder, wav, name, pack):
    packed = pack(wav)
    headers = {"content-encoding": name, "content-length": str(len(packed))}
    landed = fetch(
        httpx.Response(200, stream=Stream(packed[:99], packed[99:]), headers=headers), asked=RequestedAudio("wav")
    )
    assert landed.facts.size_bytes == len(wav)
    assert folder.read("song.wav") == wav


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"no gzip"), ("gzip", gzip.compress(b"a" * 999, mtime=0)[:-9]), ("br", b"abc"), ("gzip, gzip", b"abc")],
)
def test_a_song_whose_compression_is_broken_is_not_kept(fetch, encoding, body, left):
    with pytest.raises((AudioError, ApiUnreachableError)):
        fetch(httpx.Response(200, stream=Stream(body), headers={"content-encoding": encoding}))
    assert left() == []


@pytest.mark.parametrize("tail", [b"x", gzip.compress(b"more", mtime=0), bytes(2**20)])
def test_what_follows_the_end_of_a_compressed_song_is_not_kept(fetch, wav, left, tail):
    response = httpx.Response(
        200, stream=Stream(gzip.compress(wav, mtime=0), tail), headers={"content-encoding": "gzip"}
    )
    with pytest.raises(ApiUnreachableError, match="DecodingError"):
        fetch(response, asked=RequestedAudio("wav"))
    assert left() == []


def test_a_gzip_bomb_is_refused_piece_by_piece(fetch, left):
    small = MusicSettings("music_default", "https://api.example.org", "sk-secret", max_audio_bytes=2**20)
    bomb = gzip.compress(bytes(2**26), mtime=0)
    with pytest.raises(AudioError, match="max_audio_bytes"):
        fetch(httpx.Response(200, stream=Stream(bomb), headers={"content-encoding": "gzip"}), settings=small)
    assert left() == []


def test_a_song_that_takes_too_long_is_given_up_and_a_retry_fetches_it(fetch, mp3, left):
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self):
            for at in range(0, len(mp3), 1000):
                await asyncio.sleep(0.1)
                yield mp3[at : at + 1000]

    with pytest.raises(ApiUnreachableError) as caught:
        fetch(httpx.Response(200, stream=Drip()), settings=dataclasses.replace(HTTPS, max_body_seconds=0.25))
    assert str(caught.value) == (
        "The song did not come whole from cdn.example.org within the 0.25 s that the connection's max_body_seconds "
        "allows. It is paid for; a retry fetches it again. Raise max_body_seconds where the line is that slow."
    )
    assert left() == []
    fetch(httpx.Response(200, stream=Drip()))
    assert left() == ["song.mp3"]


def test_a_store_that_is_full_is_not_blamed_on_the_host(fetch, mp3, mocker):
    mocker.patch("airflow_provider_music.storage.folder.Path.open", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(OutputError, match="No space left"):
        fetch(httpx.Response(200, content=mp3))


def test_signed_urls_are_in_no_log(fetch, mp3, caplog):
    for name in (None, "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, name)
    fetch(httpx.Response(200, content=mp3))
    with pytest.raises(LinkExpiredError):
        fetch(httpx.Response(403))
    assert "hush" not in caplog.text


async def test_over_a_real_connection_a_song_comes_as_it_was_made(music_sandbox, folder):
    from airflow_provider_music.api import endpoints
    from airflow_provider_music.api.client import MusicClient

    music_sandbox.settings(delay=0)
    settings = MusicSettings("music_default", music_sandbox.url, music_sandbox.key)
    client = MusicClient(settings)
    found = await client.submit({"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}, "id-1")
    while not found.done:
        found = await client.call(endpoints.poll(found.id))
    for fault, kind in (("cut-body=0.5", ApiUnreachableError), ("audio=html", AudioError)):
        music_sandbox.fault(f"download:{fault}")
        with pytest.raises(kind):
            await download(settings, found.audio_url, folder, RequestedAudio("mp3"))
    landed = await download(settings, found.audio_url, folder, RequestedAudio("mp3"))
    assert landed.sha256 == music_sandbox.state()["generations"][0]["sha256"]
    await client.aclose()


class Links:
    """An API that names a link at each poll, and the hosts behind the links."""

    def __init__(self, links, hosts):
        self.links = list(links)
        self.hosts = hosts
        self.polls, self.downloads, self.paid = [], [], 0

    def __call__(self, request):
        if request.url.host == "api.example.org":
            self.paid += request.method == "POST"
            self.polls.append(request.url.params["generation_id"])
            url = self.links.pop(0) if len(self.links) > 1 else self.links[0]
            return httpx.Response(200, json={"id": "gen-1", "status": "completed", "audio_file": {"url": url}})
        self.downloads.append(request.url.path)
        return self.hosts[request.url.path]


@pytest.fixture
def fetched(folder):
    def run(links):
        async def fetching():
            client = MusicClient(HTTPS)
            try:
                return await fetch_song(client, "gen-1", folder, RequestedAudio("mp3"))
            finally:
                await client.aclose()

        with use_transport(httpx.MockTransport(links)):
            return asyncio.run(fetching())

    return run


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_link_is_replaced_by_one_more_poll_of_the_same_generation(status, fetched, mp3):
    links = Links(
        ["https://cdn.example.org/old?s=1", "https://cdn.example.org/new?s=2"],
        {"/old": httpx.Response(status), "/new": httpx.Response(200, content=mp3)},
    )
    assert fetched(links)["audio"]["size_bytes"] == len(mp3)
    assert links.polls == ["gen-1", "gen-1"]
    assert links.downloads == ["/old", "/new"]
    assert links.paid == 0


def test_where_the_fresh_link_has_expired_too_the_error_says_that_the_song_is_paid(fetched):
    links = Links(["https://cdn.example.org/old?s=hush"], {"/old": httpx.Response(403)})
    with pytest.raises(LinkExpiredError) as caught:
        fetched(links)
    text = str(caught.value)
    assert "gen-1 was polled for a fresh link, which has expired too" in text
    assert "It is paid for; a retry fetches it again." in text
    assert "hush" not in text
    assert links.polls == ["gen-1", "gen-1"]
    assert links.downloads == ["/old", "/old"]
    assert links.paid == 0


@pytest.mark.parametrize(
    "response", [httpx.Response(500), httpx.Response(204), httpx.Response(302, headers={"location": "/old"})]
)
def test_every_error_of_a_download_says_that_the_song_is_paid(response, fetched):
    with pytest.raises(ApiUnreachableError, match="paid for"):
        fetched(Links(["https://cdn.example.org/old"], {"/old": response}))
