# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The key and signed URLs appear nowhere: not in logs, records, XCom or trigger rows, not in a traceback with locals.

Every success and every failure runs with a marked key and a marked signature; then everything is searched.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import traceback

import pytest
from hostile_api import GENERATION, JSON, OK, HostileApi, synchronous, wave, whole

from airflow_provider_music.exceptions import MusicError
from airflow_provider_music.hooks.music import MusicHook
from airflow_provider_music.operators.music import GenerateMusicOperator, UploadReferenceOperator
from airflow_provider_music.sensors.music import MusicGenerationSensor

KEY = "sk-marked-key-4711"
SIGNATURE = "marked-signature-0815"
LANES = {
    "queued": {"model": "minimax/music-2.6", "prompt": "a calm song of the sea", "poll_interval": 0.02},
    "synchronous": {"model": "music-01", "lyrics": "##we row##", "refer_voice": "vocal-1"},
}


class Marked(HostileApi):
    """Its key and its links are marked."""

    key = KEY

    def link(self):
        return f"{self.url}/files/song?Signature={SIGNATURE}"

    def done(self, url=None):
        return whole({"id": GENERATION, "status": "completed", "audio_file": {"url": url or self.link()}})

    def _good(self, route, query):
        return self.done() if route == "poll" else super()._good(route, query)


@pytest.fixture
def api(monkeypatch):
    with Marked(wave()) as started:
        limits = {"connect_timeout": 0.5, "read_timeout": 0.5, "generation_timeout": 1, "max_body_seconds": 1}
        monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", started.connection(**limits))
        yield started


@pytest.fixture
def logs():
    """All that is logged by anybody, at DEBUG."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)r"))
    names = ["", "httpx", "httpcore", "aiohttp", "aiohttp.client", "asyncio", "airflow", "airflow_provider_music"]
    names += [f"httpcore.{name}" for name in ("connection", "http11", "proxy", "http2")]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    yield told
    logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def chain(error):
    """An error and all that it came from."""
    seen, todo = [], [error]
    while todo:
        one = todo.pop()
        if one is not None and one not in seen:
            seen.append(one)
            todo += [one.__cause__, one.__context__]
    return seen


def told_by(error):
    """All that an error can tell a log, a traceback with locals included."""
    for one in chain(error):
        yield f"{one} {one!r} {one.args!r} {vars(one)!r}"
        yield "".join(traceback.format_exception(one))
        for frame, _ in traceback.walk_tb(one.__traceback__):
            yield "\n".join(f"{frame.f_code.co_qualname} {k} = {shown(v)}" for k, v in frame.f_locals.items())


def shown(value):
    """What a traceback with locals shows; traceback.TracebackException gives up where one of them cannot be shown."""
    try:
        return repr(value)
    except Exception as exc:  # noqa: BLE001 - a half-made object of a library
        return f"<{type(exc).__name__}>"


def clean(places):
    """Check that no place holds a secret; say which one does, and where."""
    found = []
    for name, text in places.items():
        for line in str(text).splitlines():
            found += [f"{name}: {line[:300]}" for secret in (KEY, SIGNATURE) if secret in line]
    assert not found, "\n".join(found)


@pytest.fixture
def search(api, airflow, logs, output_dir):
    """Run a task to its end, and search all that it left."""

    def go(task, *, fails):
        error = result = None
        try:
            result = airflow.run(task)
        except MusicError as exc:
            error = exc
        assert (error is not None) == fails, error or result
        files = {str(path): path.read_bytes().decode("latin-1") for path in output_dir.rglob("*") if path.is_file()}
        clean(
            {
                "logs": logs.getvalue(),
                "result": json.dumps(result),
                "trigger": json.dumps(airflow.deferrals),
                "events": json.dumps(airflow.events),
                "task": repr(vars(task)),
                **{f"error {at}": text for at, text in enumerate(told_by(error) if error else ())},
                **files,
            }
        )
        return error

    return go


@pytest.fixture
def song(output_dir):
    def make(lane, **more):
        return GenerateMusicOperator(task_id="song", **{"output_dir": str(output_dir), **LANES[lane], **more})

    return make


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("lane", list(LANES))
def test_a_song_that_succeeds_leaves_no_secret(search, song, lane, deferrable):
    search(song(lane, deferrable=deferrable), fails=False)


def test_a_song_behind_a_url_of_the_synchronous_lane_leaves_none(search, song, api):
    api.sends("generate", whole(synchronous(api.link())))
    search(song("synchronous"), fails=False)


def problem(status, message="no"):
    return whole({"message": message, "statusCode": int(status[:3])}, status=status)


POSTS = {
    "refused": problem(b"400 No"),
    "refused key": problem(b"401 No"),
    "no credits": problem(b"403 No", "run out of credits"),
    "withdrawn": problem(b"404 No"),
    "failed": problem(b"500 No"),
    "base_resp": whole({"base_resp": {"status_code": 1026, "status_msg": "no"}}),
    "redirect": b"HTTP/1.1 307 No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "hung up": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a page": whole(b"<html>"),
    "silence": [2.0],
    "drip": lambda: itertools.chain([OK + JSON + b"\r\n{"], itertools.cycle([b" ", 0.05])),
    "bad gzip": whole(b"{}", b"Content-Encoding: gzip"),
    "bad length": OK + b"Content-Length: -1\r\n\r\n",
    "echo": whole({"message": f"your header was Bearer {KEY}", "statusCode": 400}, status=b"400 No"),
    "echo in a failure": whole({"message": f"got {KEY}", "statusCode": 500, "requestId": KEY}, status=b"500 No"),
    "echo in a 503": whole({"message": f"got {KEY}", "statusCode": 503, "requestId": KEY}, status=b"503 No"),
    "echo in the header": problem(b"400 No").replace(b"\r\n", b"\r\nX-Inference-Id: " + KEY.encode() + b"\r\n", 1),
}


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("script", POSTS.values(), ids=POSTS)
def test_a_post_that_breaks_leaves_none(search, song, api, lane, deferrable, script):
    api.logged = False
    api.sends("submit", script)
    api.sends("generate", script)
    search(song(lane, deferrable=deferrable, timeout=1), fails=True)


POLLS = {name: POSTS[name] for name in ("refused key", "withdrawn", "hung up", "a page", "drip", "bad length", "echo")}


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("script", POLLS.values(), ids=POLLS)
def test_polls_that_break_leave_none(search, song, api, deferrable, script):
    api.sends("poll", script)
    search(song("queued", deferrable=deferrable, timeout=0.5), fails=True)


@pytest.mark.parametrize("script", POLLS.values(), ids=POLLS)
def test_the_last_poll_before_the_download_that_breaks_leaves_none(search, song, api, script):
    api.sends("poll", api.done(), script)
    search(song("queued"), fails=True)


DOWNLOADS = {
    "expired": whole(b"no", status=b"403 No"),
    "failed": whole(b"no", status=b"500 No"),
    "hung up": b"",
    "cut": whole(b"RIFF", length=10_000),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "drip": lambda: itertools.chain([OK + b"Content-Length: 9999\r\n\r\n"], itertools.cycle([b" ", 0.05])),
    "bad gzip": whole(b"{}", b"Content-Encoding: gzip"),
    "brotli": whole(b"{}", b"Content-Encoding: br"),
    "no song": whole(b"<html>"),
    "redirect nowhere": b"HTTP/1.1 302 No\r\nContent-Length: 0\r\nLocation: http://[\r\n\r\n",
    "redirect inside": (
        b"HTTP/1.1 302 No\r\nContent-Length: 0\r\nLocation: http://10.0.0.1/?" + SIGNATURE.encode() + b"\r\n\r\n"
    ),
    "redirect in a loop": b"HTTP/1.1 302 No\r\nContent-Length: 0\r\nLocation: ?" + SIGNATURE.encode() + b"\r\n\r\n",
}


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("script", DOWNLOADS.values(), ids=DOWNLOADS)
def test_a_download_that_breaks_leaves_none(search, song, api, lane, script):
    api.sends("generate", whole(synchronous(api.link())))
    api.sends("song", script)
    search(song(lane), fails=True)


@pytest.mark.parametrize("url", ["file:///x?", "http://10.0.0.1/?", "http://[/?", "http://127.0.0.1:1/?", "nonsense "])
def test_a_url_that_is_not_fetched_leaves_none(search, song, api, url):
    api.sends("poll", api.done(url + SIGNATURE))
    search(song("queued"), fails=True)


def test_a_full_store_leaves_none(search, song, output_dir, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("airflow_provider_music.storage.folder.Folder.open_new", full)
    search(song("queued"), fails=True)


@pytest.mark.parametrize(
    "more",
    [
        {"host": "ftp://user:pw@host"},
        {"extra": {"read_timeout": "soon"}},
        {"extra": "[]"},
        {"password": f"{KEY}\n{KEY}"},
        {"host": "http://api.example.org"},
    ],
    ids=["host", "extra", "no extra", "key of two lines", "in the clear"],
)
@pytest.mark.parametrize("lane", list(LANES))
def test_a_connection_that_cannot_be_used_leaves_none(search, song, lane, more, monkeypatch):
    connection = {"conn_type": "music", "password": KEY, **more}
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps(connection))
    connection.clear()
    search(song(lane), fails=True)


def test_a_proxy_that_cannot_be_used_leaves_none(search, song, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "nonsense://127.0.0.1:1")
    search(song("synchronous", timeout=1), fails=True)


def test_a_server_that_nobody_is_at_leaves_none(search, song, api, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps({"conn_type": "music", "host": "http://127.0.0.1:1", "password": KEY})
    )
    search(song("queued", timeout=0.5), fails=True)


@pytest.mark.parametrize("script", [None, *POLLS.values()], ids=["good", *POLLS])
def test_the_sensor_leaves_none(search, api, output_dir, script):
    if script is not None:
        api.sends("poll", script)
    sensor = MusicGenerationSensor(
        task_id="wait",
        generation=GENERATION,
        output_dir=str(output_dir),
        timeout=0.5,
        poll_interval=0.05,
    )
    search(sensor, fails=script is not None)


UPLOADS = {"good": whole({"voice_id": "v", "instrumental_id": "i", "base_resp": {"status_code": 0}}), **POSTS}


@pytest.mark.parametrize("script", UPLOADS.values(), ids=UPLOADS)
def test_an_upload_leaves_none(search, api, tmp_path, script):
    (tmp_path / "ref.wav").write_bytes(wave(11.0))
    api.sends("upload", script)
    task = UploadReferenceOperator(task_id="upload", file=str(tmp_path / "ref.wav"), purpose="song")
    search(task, fails=script is not UPLOADS["good"])


@pytest.mark.parametrize("script", POLLS.values(), ids=POLLS)
def test_the_hook_leaves_none(api, logs, script):
    api.sends("billing", script)
    hook = MusicHook()
    tested = hook.test_connection()
    assert tested[0] is False
    error = raised(hook.get_balance)
    clean({"logs": logs.getvalue(), "said": tested, "error": "\n".join(told_by(error)), "hook": repr(vars(hook))})


def raised(call):
    """Return the error; its frames begin here, not where a test holds the marked bytes."""
    try:
        call()
    except MusicError as exc:
        return exc
    raise AssertionError("nothing was raised")


def test_reprs_hold_none(api):
    hook = MusicHook()
    client = hook.get_conn()
    with pytest.raises(MusicError):
        hook.get_balance()
    inner = client._sync._client
    https = [inner._free, inner._paid]
    outer = [client, vars(client), client._sync, vars(client._sync)]
    shown = [hook, *outer, client.settings, inner, vars(inner), *(http.headers for http in https)]
    clean({"reprs": shown + [vars(http) for http in https]})
