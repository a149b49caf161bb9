# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Content Credentials: valid before and after landing, tags and verification; signed after tags; never paid twice."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_music.audio import content_credentials
from airflow_provider_music.audio.content_credentials import Signer
from airflow_provider_music.audio.probe import probe
from airflow_provider_music.exceptions import OutputError, PartialBatchError, SigningError
from airflow_provider_music.hooks import c2pa as c2pa_hook
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.provenance import attach_manifest, verify
from airflow_provider_music.provenance.manifest import DIGITAL_SOURCE_TYPE
from airflow_provider_music.provenance.signing import LABEL
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.storage.folder import Folder
from tests.certificates import chain, connection
from tests.lanes import LANES, ROUTES

c2pa = pytest.importorskip("c2pa")


@pytest.fixture(scope="module")
def made():
    return chain()


@pytest.fixture
def signer(made):
    return lambda: Signer(made.certificates, "es256", made.private_key)


@pytest.fixture
def conn(made, monkeypatch):
    connection(made, monkeypatch)


def as_sent(data, audio_format, made, *, remote=None):
    """A song that came with Content Credentials of the model's house, by the library alone."""
    created = {"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}
    builder = c2pa.Builder({"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]})
    if remote:
        builder.set_remote_url(remote)
        builder.set_no_embed()
    info = c2pa.C2paSignerInfo(b"es256", made.certificates.encode(), made.private_key.encode(), None)
    out = io.BytesIO()
    builder.sign(c2pa.Signer.from_info(info), audio_format, io.BytesIO(data), out)
    return out.getvalue()


def judged(data, audio_format):
    """What the library itself says of a file: valid or not, and the manifests, the active one first."""
    reader = c2pa.Reader(audio_format, io.BytesIO(data))
    found = json.loads(reader.json())
    manifests = found["manifests"]
    active = manifests.pop(found["active_manifest"])
    return reader.get_validation_state(), [active, *manifests.values()]


def songs_of(songs):
    """The formats that can be signed; FLAC and M4A by FFmpeg, where it is here."""
    made = {name: songs[name] for name in ("mp3", "wav")}
    try:
        from tests.provenance.test_taggers import encoded
    except ImportError:
        return made
    return {**made, "flac": encoded("flac", title="A song"), "m4a": encoded("m4a", title="A song")}


def path_of(result):
    return Path(result["audio_uri"].removeprefix("file://"))


FORMATS = ["mp3", "wav", "flac", "m4a"]

# Those that a song came with


@pytest.mark.parametrize("embed", [False, True])
@pytest.mark.parametrize("audio_format", FORMATS)
def test_credentials_that_a_song_came_with_stay_valid(audio_format, embed, folder, landed, songs, made):
    data = as_sent(songs_of(songs)[audio_format], audio_format, made)
    assert judged(data, audio_format)[0] == "Valid"
    written = attach_manifest(folder, landed(audio_format, data), {}, embed=embed).manifest
    after = folder.read(f"song.{audio_format}")
    assert judged(after, audio_format)[0] == "Valid"
    assert after == data
    assert written["file"]["content_credentials"] == ("as_sent" if embed else None)
    verdict = verify(folder.url_of(f"song.{audio_format}"))
    assert verdict.ok
    assert verdict.notes == ("its Content Credentials are signed by Test signer of Test house",)


@pytest.mark.parametrize("audio_format", FORMATS)
def test_credentials_that_lie_elsewhere_keep_tags_out_and_nothing_is_fetched(
    audio_format, folder, landed, songs, made, signer
):
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen()
        elsewhere.settimeout(0.1)
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/song.c2pa"
        data = as_sent(songs_of(songs)[audio_format], audio_format, made, remote=url)
        take = landed(audio_format, data)
        written = attach_manifest(folder, take, {}, embed=True).manifest
        assert folder.read(f"song.{audio_format}") == data
        assert "Content Credentials" in written["file"]["tags_note"]
        verdict = verify(folder.url_of(f"song.{audio_format}"))
        assert verdict.ok
        assert "they lie elsewhere" in verdict.notes[0]
        folder.remove(f"song.{audio_format}.provenance.json")
        attach_manifest(folder, take, {}, embed=True, signer=signer)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_credentials_that_were_never_valid_are_a_problem(folder, landed, songs, made):
    data = bytearray(as_sent(songs["mp3"], "mp3", made))
    data[-500] ^= 1
    attach_manifest(folder, landed("mp3", bytes(data)), {}, embed=True)
    (problem,) = verify(folder.url_of("song.mp3")).problems
    assert problem == "the Content Credentials that it came with are not valid: assertion.dataHash.mismatch"


# Those that a task signs


@pytest.mark.parametrize("audio_format", FORMATS)
def test_a_signed_song_has_its_tags_and_valid_credentials_and_sounds_the_same(
    audio_format, folder, landed, songs, signer, hand
):
    data = songs_of(songs)[audio_format]
    written = attach_manifest(folder, landed(audio_format, data), hand.ORIGIN, embed=True, signer=signer).manifest
    name = f"song.{audio_format}"
    after = folder.read(name)
    state, (manifest,) = judged(after, audio_format)
    assert state == "Valid"
    assert written["file"]["sha256"] == hand.sha256(after)
    assert written["file"]["content_credentials"] == "signed"
    assert written["file"]["tags_embedded"] is True
    assertions = {each["label"]: each["data"] for each in manifest["assertions"]}
    (action,) = assertions["c2pa.actions.v2"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", DIGITAL_SOURCE_TYPE)
    assert action["softwareAgent"] == {"name": "minimax/music-2.6"}
    assert assertions[LABEL] == {
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
        "model": "minimax/music-2.6",
        "generation_id": written["generation_id"],
        "request_fingerprint": "f" * 64,
        "sha256_as_sent": hand.sha256(data),
    }
    assert manifest["claim_generator_info"][0]["name"] == "airflow-provider-music"
    assert probe(io.BytesIO(after)).duration_ms == probe(io.BytesIO(data)).duration_ms
    verdict = verify(folder.url_of(name))
    assert verdict.problems == ()
    assert verdict.notes == ("its Content Credentials are signed by Test signer of Test house",)
    if audio_format in ("flac", "m4a"):
        from tests.provenance.test_taggers import played

        shown, samples = played(after)
        assert samples == played(data)[1]
        assert (shown["title"], shown["digitalsourcetype"]) == ("A song", DIGITAL_SOURCE_TYPE)


@pytest.mark.parametrize("audio_format", FORMATS)
def test_credentials_that_a_song_came_with_become_the_ingredient(audio_format, folder, landed, songs, made, signer):
    data = as_sent(songs_of(songs)[audio_format], audio_format, made)
    written = attach_manifest(folder, landed(audio_format, data), {}, embed=True, signer=signer).manifest
    after = folder.read(f"song.{audio_format}")
    state, (manifest, former) = judged(after, audio_format)
    assert state == "Valid"
    (ingredient,) = manifest["ingredients"]
    assert (ingredient["relationship"], ingredient["active_manifest"]) == ("parentOf", former["label"])
    assert "validation_status" not in ingredient
    (action,) = (
        manifest["assertions"][0]["data"]["actions"]
        if "actions" in manifest["assertions"][0]["data"]
        else (manifest["assertions"][1]["data"]["actions"])
    )
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.opened", DIGITAL_SOURCE_TYPE)
    assert (written["file"]["tags_embedded"], written["file"]["content_credentials"]) == (False, "signed")
    assert verify(folder.url_of(f"song.{audio_format}")).problems == ()


@pytest.mark.parametrize("audio_format", FORMATS)
def test_one_flipped_byte_anywhere_in_a_signed_song_fails(audio_format, folder, landed, songs, signer):
    attach_manifest(folder, landed(audio_format, songs_of(songs)[audio_format]), {}, embed=True, signer=signer)
    name = f"song.{audio_format}"
    whole, seen = folder.read(name), 0
    places = range(7, len(whole), len(whole) // 40)
    for at in places:
        data = bytearray(whole)
        data[at] ^= 1
        folder.replace(name, bytes(data))
        problems = verify(folder.url_of(name)).problems
        assert problems
        seen += any("Content Credentials" in problem for problem in problems)
    # C2PA itself leaves the padding of its own box out.
    assert seen > len(places) * 0.6
    folder.replace(name, whole)
    assert verify(folder.url_of(name)).ok


def test_a_signed_song_whose_credentials_were_taken_out_or_are_another_songs_is_reported(
    folder, landed, songs, signer, hand, made
):
    attach_manifest(folder, landed("mp3"), hand.ORIGIN, embed=True, signer=signer)
    whole = folder.read("song.mp3")
    folder.replace("song.mp3", songs["mp3"])
    assert "its Content Credentials are missing" in verify(folder.url_of("song.mp3")).problems
    folder.replace("song.mp3", as_sent(songs["mp3"], "mp3", made))
    assert "its Content Credentials say nothing of the request" in verify(folder.url_of("song.mp3")).problems
    folder.replace("song.mp3", whole)
    found = json.loads(folder.read("song.mp3.provenance.json"))
    folder.replace("song.mp3.provenance.json", json.dumps({**found, "model": "a human"}).encode())
    assert "its Content Credentials contradict the manifest: model" in verify(folder.url_of("song.mp3")).problems


def test_without_the_library_the_rest_is_verified_and_a_note_says_so(folder, landed, signer, monkeypatch):
    attach_manifest(folder, landed("mp3"), {}, embed=True, signer=signer)
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    verdict = verify(folder.url_of("song.mp3"))
    assert verdict.ok
    assert "were not checked, c2pa-python is not installed: pip install" in verdict.notes[0]


def test_raw_pcm_cannot_be_signed_and_the_manifest_says_so(folder, landed, songs, signer):
    written = attach_manifest(folder, landed("pcm"), {}, embed=True, signer=signer).manifest
    assert written["file"]["credentials_note"] == "pcm files cannot hold Content Credentials"
    assert written["file"]["content_credentials"] is None
    assert folder.read("song.pcm") == songs["pcm"]
    assert verify(folder.url_of("song.pcm")).ok


def test_a_time_stamp_that_cannot_be_had_leaves_the_song_as_it_is(folder, landed, songs, made, left):
    def with_time():
        return Signer(made.certificates, "es256", made.private_key, tsa_url="http://127.0.0.1:9/tsa")

    content_credentials.try_signer(with_time())
    with pytest.raises(SigningError, match="error sending request for url"):
        attach_manifest(folder, landed(), {}, embed=True, signer=with_time)
    assert folder.read("song.mp3") == songs["mp3"]
    assert left() == ["song.mp3"]


def test_a_song_that_the_library_would_hold_in_memory_is_neither_signed_nor_read(
    folder, landed, signer, hand, monkeypatch
):
    monkeypatch.setattr(content_credentials, "MAX_BYTES", 5000)
    written = attach_manifest(folder, landed("wav"), hand.ORIGIN, embed=True, signer=signer).manifest
    assert "c2pa-python would hold it in memory" in written["file"]["credentials_note"]
    assert (written["file"]["tags_embedded"], written["file"]["content_credentials"]) == (True, None)
    assert verify(folder.url_of("song.wav")).ok
    monkeypatch.undo()
    attach_manifest(folder, landed("mp3"), hand.ORIGIN, embed=True, signer=signer)
    monkeypatch.setattr(content_credentials, "MAX_BYTES", 5000)
    verdict = verify(folder.url_of("song.mp3"))
    assert verdict.ok
    assert "were not checked, its file is larger than" in verdict.notes[0]


# Processes that die, and that are many


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", ["create", "move"])
def test_one_who_dies_on_the_way_is_followed_by_one_who_ends_it(at, folder, landed, songs, signer, left, hand):
    take, sent = landed(), songs["mp3"]
    with pytest.MonkeyPatch.context() as patch:

        def die(*_, **__):
            raise Died

        patch.setattr(Folder, at, die)
        with pytest.raises(Died):
            attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=signer)
    assert folder.read("song.mp3") == sent
    promised = folder.read("song.mp3.provenance.json")
    assert (promised is not None) == (at == "move")

    def no_second_signature():
        raise AssertionError

    again = no_second_signature if at == "move" else signer
    written = attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=again).manifest
    assert promised in (None, folder.read("song.mp3.provenance.json"))
    assert written["file"]["sha256"] == hand.sha256(folder.read("song.mp3"))
    assert verify(folder.url_of("song.mp3")).ok
    assert left() == ["song.mp3", "song.mp3.provenance.json"]


def test_a_promised_file_that_is_lost_is_signed_anew(folder, landed, signer, left, hand, caplog):
    take = landed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "move", lambda *_: (_ for _ in ()).throw(Died()))
        with pytest.raises(Died):
            attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=signer)
    for name in left():
        if ".part-" in name:
            folder.remove(name)
    attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=signer)
    assert "promises a file that was never put in place; it is made anew" in caplog.text
    assert verify(folder.url_of("song.mp3")).ok
    assert left() == ["song.mp3", "song.mp3.provenance.json"]


def test_a_manifest_that_was_lost_is_written_again_for_the_signed_song(folder, landed, signer, hand, made):
    for data in (None, as_sent(landed("mp3")["completed"] and folder.read("song.mp3"), "mp3", made)):
        take = landed("mp3", data)
        attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=signer)
        folder.remove("song.mp3.provenance.json")
        signed = folder.read("song.mp3")
        written = attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=signer).manifest
        assert folder.read("song.mp3") == signed
        assert written["file"]["content_credentials"] == "signed"
        assert verify(folder.url_of("song.mp3")).ok
        folder.remove("song.mp3.provenance.json")


def test_many_at_once_put_one_signature_in_place(folder, landed, signer, left, hand):
    take = landed("wav")
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=signer), range(8)))
    assert all(one == done[0] for one in done)
    assert left() == ["song.wav", "song.wav.provenance.json"]
    assert verify(folder.url_of("song.wav")).ok


def test_in_a_bucket_too(bucket, landed, signer, hand):
    take = landed("mp3", into=bucket)
    first = attach_manifest(bucket, take, hand.ORIGIN, embed=True, signer=signer)
    assert attach_manifest(bucket, take, hand.ORIGIN, embed=True, signer=signer) == first
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "move", lambda *_: (_ for _ in ()).throw(Died()))
        landed("mp3", into=bucket)
        bucket.remove("song.mp3.provenance.json")
        with pytest.raises(Died):
            attach_manifest(bucket, take, hand.ORIGIN, embed=True, signer=signer)
    attach_manifest(bucket, take, hand.ORIGIN, embed=True, signer=signer)
    assert verify(bucket.url_of("song.mp3")).ok


# Tasks


@pytest.mark.parametrize("lane", list(LANES))
def test_a_task_s_song_is_signed_and_its_result_says_what_the_file_is_now(
    lane, music_sandbox, airflow, song, hand, conn, monkeypatch
):
    music_sandbox.settings(any_reference=True)
    result = airflow.run(song(lane, provenance="c2pa"))
    data = path_of(result).read_bytes()
    assert result["audio"]["sha256"] == hand.sha256(data)
    assert result["audio"]["size_bytes"] == len(data)
    assert judged(data, "mp3")[0] == "Valid"
    assert verify(result["audio_uri"]).ok
    # What was delivered is returned again, whoever could sign now.
    monkeypatch.delenv("AIRFLOW_CONN_C2PA_DEFAULT")
    airflow.retry()
    assert airflow.run(song(lane, provenance="c2pa")) == result
    assert music_sandbox.posts(ROUTES[lane]) == 1


@pytest.mark.parametrize("batched", [False, True])
def test_a_connection_that_cannot_sign_is_refused_before_anything_is_paid(
    batched, music_sandbox, airflow, song, batch, monkeypatch
):
    task = (batch if batched else song)(provenance="c2pa")
    with pytest.raises(SigningError, match=r"There is no connection 'c2pa_default'.*Nothing was sent"):
        airflow.run(task)
    connection(chain(days=(-30, -1)), monkeypatch)
    airflow.retry()
    with pytest.raises(SigningError, match=r"not valid at time of signing.*Nothing was sent"):
        airflow.run(task)
    assert music_sandbox.posts("submit") == 0


@pytest.mark.parametrize("lane", list(LANES))
def test_what_breaks_after_the_payment_is_named_and_a_retry_signs_without_a_post(
    lane, music_sandbox, airflow, song, made, conn, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    music_sandbox.settings(any_reference=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_provider_music.hooks.c2pa.C2paHook.check", lambda _: None)
        connection(chain(days=(-30, -1)), patch)
        with pytest.raises(OutputError, match=r"not valid at time of signing.*The song is paid and in place") as caught:
            airflow.run(song(lane, provenance="c2pa"))
    (kept,) = Path(song().output_dir).rglob("song.mp3")
    sent = kept.read_bytes()
    assert not list(kept.parent.glob(".song.part-*"))
    airflow.retry()
    result = airflow.run(song(lane, provenance="c2pa"))
    assert judged(path_of(result).read_bytes(), "mp3")[0] == "Valid"
    assert verify(result["audio_uri"]).manifest["as_sent"]["size_bytes"] == len(sent)
    assert music_sandbox.posts(ROUTES[lane]) == 1
    everything = (
        json.dumps(result)
        + caplog.text
        + str(caught.value)
        + "".join(path.read_bytes().decode("latin-1") for path in Path(song().output_dir).rglob("*") if path.is_file())
    )
    for line in made.private_key.splitlines()[1:-1]:
        assert line not in everything


def test_a_batch_is_signed_too_and_a_retry_signs_what_is_left(music_sandbox, airflow, batch, conn, monkeypatch):
    sign, calls = content_credentials.sign, []

    def fails_once(*args, **more):
        calls.append(args)
        if len(calls) == 3:
            raise content_credentials.CannotSignError("the service is down")
        sign(*args, **more)

    monkeypatch.setattr("airflow_provider_music.provenance.signing.sign", fails_once)
    with pytest.raises(PartialBatchError, match="the service is down"):
        airflow.run(batch(provenance="c2pa"))
    airflow.retry()
    result = airflow.run(batch(provenance="c2pa"))
    lines = [json.loads(line) for line in Path(result["manifest_uri"].removeprefix("file://")).read_text().splitlines()]
    assert [verify(line["audio_uri"]).manifest["file"]["content_credentials"] for line in lines] == ["signed"] * 3
    assert all(verify(line["audio_uri"]).ok for line in lines)
    assert music_sandbox.posts("submit") == 3


def test_the_songs_of_a_batch_are_signed_in_threads_and_the_connection_is_looked_up_in_none(
    music_sandbox, airflow, batch, conn, monkeypatch
):
    look_up, threads = c2pa_hook._connection, []

    def noted(conn_id):
        threads.append(threading.current_thread())
        return look_up(conn_id)

    monkeypatch.setattr(c2pa_hook, "_connection", noted)
    result = airflow.run(batch(provenance="c2pa"))
    assert result["delivered"] == 3
    assert set(threads) == {threading.main_thread()}
    assert music_sandbox.posts("submit") == 3


def test_the_sensor_signs_with_the_connection_that_it_names(
    music_sandbox, airflow, song, output_dir, made, monkeypatch
):
    connection(made, monkeypatch, "signer")
    submitted = airflow.run(song(wait_for_completion=False))
    result = airflow.run(
        MusicGenerationSensor(
            task_id="wait",
            generation=submitted,
            output_dir=str(output_dir),
            poll_interval=0.05,
            provenance="c2pa",
            c2pa_conn_id="signer",
        )
    )
    assert verify(result["audio_uri"]).ok
    assert verify(result["audio_uri"]).manifest["file"]["content_credentials"] == "signed"


def test_no_trigger_holds_anything_of_the_signer_but_the_name_of_its_connection(
    music_sandbox, airflow, song, made, conn, monkeypatch
):
    from airflow_provider_music.triggers.music import MusicGenerationTrigger

    seen, serialize = [], MusicGenerationTrigger.serialize
    monkeypatch.setattr(
        MusicGenerationTrigger, "serialize", lambda self: seen.append(serialize(self)) or serialize(self)
    )
    airflow.run(song(provenance="c2pa"))
    for line in (*made.private_key.splitlines()[1:-1], *made.certificates.splitlines()[1:3]):
        assert line not in repr(seen)


def test_an_operator_takes_the_policy_and_the_connection():
    task = GenerateMusicOperator(task_id="song", model="m", prompt="p", provenance="c2pa", c2pa_conn_id="signer")
    assert (task.provenance, task.c2pa_conn_id) == ("c2pa", "signer")
