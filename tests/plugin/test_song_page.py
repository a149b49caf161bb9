# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a task's song: what it shows while the song is made and after, and that it shows text only."""

from __future__ import annotations

import json
import re

import pytest

from airflow_provider_music.plugin.words import FACT_NAMES
from airflow_provider_music.record.identity import SongIdentity, deployment_name
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import FACTS

HTML = {"accept": "text/html"}
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
BASE_URL = "https://api.aimlapi.com"


@pytest.fixture
def connection(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", json.dumps({"conn_type": "music", "password": "sk-secret"}))


@pytest.fixture
def open_song(tables, output_dir, connection):
    """A task that waits, and its record below a folder of its own, as its operator would write it."""
    key = tables.task(state="deferred", fields={"conn_id": "music_default", "output_dir": f"{output_dir}/jingles"})
    identity = SongIdentity(key["dag_id"], key["run_id"], key["task_id"]).within(deployment_name(), BASE_URL)
    return key, SongRecord(identity.folder(f"{output_dir}/jingles"))


def state(reader, tables, key):
    return reader.get(tables.path(key, "/state")).json()


def test_all_takes_stand_side_by_side_the_newest_first(reader, tables):
    page = reader.get(tables.path(tables.song(takes=3)), headers=HTML).text
    assert re.findall(r'<audio [^>]*data-take="(\d)"', page) == ["3", "2", "1"]
    assert "2:05" in page
    assert page.count('class="timeline"') == 3


def test_every_fact_of_a_record_has_a_name_on_the_page(reader, tables):
    assert set(FACT_NAMES) == set(FACTS)
    key = tables.song()
    record = SongRecord(f"file://{tables.result_folder(key)}")
    for fact in FACTS:
        record.write(record.latest(), fact)
    page = reader.get(tables.path(key), headers=HTML)
    assert page.status_code == 200
    assert FACT_NAMES["rejected"] in page.text


def test_one_take_has_nothing_to_compare_with(reader, tables):
    assert 'id="compare"' not in reader.get(tables.path(tables.song()), headers=HTML).text


def test_raw_pcm_is_offered_for_download_only(reader, tables):
    page = reader.get(tables.path(tables.song(suffix="pcm")), headers=HTML).text
    assert "<audio" not in page
    assert "download=1" in page


def test_a_task_that_is_not_there_has_no_page(reader):
    assert reader.get("/music/song/heard/no-run/song/-1", headers=HTML).status_code == 404


def test_the_page_of_a_waiting_task_follows_its_record(reader, tables, open_song):
    key, record = open_song
    assert "Nothing was submitted yet" in state(reader, tables, key)["progress"]

    take = record.claim(1, model="minimax/music-2.6")
    submitted = state(reader, tables, key)
    assert submitted["sign"] == "deferred 1:open"
    assert "Take 1 is submitted. A song of minimax/music-2.6 usually takes about" in submitted["progress"]

    take = record.write(take, "accepted", generation_id="gen-1")
    assert "The API makes take 1." in state(reader, tables, key)["progress"]
    assert state(reader, tables, key)["open"] is True

    record.write(take, "failed", reason="too loud", error="GenerationFailedError", sent=True)
    page = reader.get(tables.path(key), headers=HTML).text
    assert "Take 1 failed and is not billed." in page
    assert "too loud" in page


def test_a_song_that_was_rejected_says_why_in_its_timeline(reader, tables):
    key = tables.song()
    record = SongRecord(str(tables.result_folder(key)))
    broken = ["true_peak_dbtp is 3 dBTP", "it is <b>silent</b>"]
    record.write(record.latest(), "rejected", quality={"true_peak_dbtp": 3}, broken=broken)
    page = reader.get(tables.path(key), headers=HTML).text
    assert "rejected for its quality" in page
    assert "true_peak_dbtp is 3 dBTP; it is &lt;b&gt;silent&lt;/b&gt;" in page


def test_a_failed_task_with_a_paid_song_says_that_it_is_not_lost(reader, tables, output_dir, connection):
    key = tables.task(state="failed", fields={"conn_id": "music_default", "output_dir": None})
    identity = SongIdentity(key["dag_id"], key["run_id"], key["task_id"]).within(deployment_name(), BASE_URL)
    record = SongRecord(identity.folder(str(output_dir)))
    record.write(record.claim(1, model="x"), "accepted", generation_id="gen-1")
    found = state(reader, tables, key)
    assert "Take 1 is not lost" in found["progress"]
    assert found["open"] is False


def test_without_the_connection_the_page_says_why_it_knows_nothing(reader, tables, monkeypatch):
    key = tables.task(state="deferred", fields={"conn_id": "nobody_has_this"})
    page = reader.get(tables.path(key), headers=HTML)
    assert page.status_code == 200
    assert "nobody_has_this" in page.text


@pytest.mark.parametrize("name", ["prompt", "lyrics", "model", "extra_body"])
def test_the_words_of_a_request_are_text(reader, tables, name):
    page = reader.get(tables.path(tables.song(fields={name: SCRIPT})), headers=HTML).text
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<img" not in page


def test_what_a_record_says_is_text(reader, tables):
    key = tables.song()
    folder = tables.result_folder(key)
    for name, field in (("accepted", "generation_id"), ("completed", "trace_id"), ("delivered", "status")):
        fact = folder / f"take-1/{name}.json"
        fact.write_text(json.dumps({**json.loads(fact.read_text()), field: SCRIPT}))
    page = reader.get(tables.path(key), headers=HTML).text
    assert page.count("&lt;script&gt;alert(1)") >= 3
    assert "<script>alert" not in page
    assert "<img" not in page


def test_names_are_text_and_addresses_are_quoted(reader, tables):
    key = tables.task(task_id="a'\"><b>", fields={"prompt": "x"})
    page = reader.get(tables.path(key), headers=HTML).text
    assert "<b>" not in page.replace("<b>claimed", "")
    assert "a%27%22%3E%3Cb%3E" in page


@pytest.mark.parametrize(
    "words",
    [
        "https://bucket.s3.amazonaws.com/a.mp3?X-Amz-Signature=topsecret&X-Amz-Date=1",
        {"reference": ["https://cdn.example.org/a.mp3?token=topsecret"]},
        "see HTTPS://cdn.example.org/a#topsecret and s3://b/a?topsecret",
    ],
)
def test_no_signed_url_is_in_a_page(reader, tables, words):
    key = tables.song(fields={"reference_audio_url": words, "extra_body": words, "lyrics": words})
    folder = tables.result_folder(key)
    fact = folder / "take-1/accepted.json"
    told = {"reason": json.dumps(words), "url": words, "source": json.dumps(words)}
    fact.write_text(json.dumps({**json.loads(fact.read_text()), **told}))
    page = reader.get(tables.path(key), headers=HTML).text
    assert "topsecret" not in page
    assert "example.org" in page or "amazonaws" in page


def test_no_page_runs_anything_that_stands_in_it(reader, tables):
    pages = [
        reader.get(url, headers=HTML).text for url in (tables.path(tables.song(takes=2)), "/music/", "/music/costs")
    ]
    for page in pages:
        assert all(re.match(r'<script src="/music/static/\w+\.js"', tag) for tag in re.findall(r"<script[^>]*>", page))
        assert " style=" not in page
        assert not re.search(r"\son\w+=", page)
        assert not re.search(r'(src|href|action)="(?!/)', page.replace('href="#main"', "").replace('href=""', ""))


def test_a_song_is_verified_against_its_manifest(reader, tables):
    from airflow_provider_music.provenance import Verdict
    from airflow_provider_music.provenance.manifest import as_bytes, manifest_of

    key = tables.song()
    url = tables.path(key, "/take/1/verify")
    assert reader.post(url).json() == {"ok": False, "problems": ["the manifest song.mp3.provenance.json is missing"]}

    folder = tables.result_folder(key) / "take-1"
    take = SongRecord(str(folder.parent)).latest()
    (folder / "song.mp3.provenance.json").write_bytes(as_bytes(manifest_of(take, {})))
    assert reader.post(url).json() == {"ok": True, "problems": []}
    noted = Verdict(url, (), None, ("its Content Credentials are signed by Ana",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_provider_music.provenance.verify_song.verify", lambda _: noted)
        assert reader.post(url).json() == {"ok": True, "problems": [], "notes": list(noted.notes)}

    (folder / "song.mp3").write_bytes(b"ID3 another")
    assert "sha256 is" in reader.post(url).json()["problems"][0]


def test_a_batch_leads_to_each_of_its_songs(reader, tables, output_dir):
    key = tables.task(dag_id="many", operator="GenerateMusicBatchOperator")
    folder = output_dir / "batch"
    for index in (0, 1, 10):
        record = SongRecord(f"{folder}/song-{index}")
        take = record.claim(1, model="stable-audio", task="x")
        (folder / f"song-{index}/take-1/song.mp3").write_bytes(b"song %d" % index)
        url = f"file://{folder}/song-{index}/take-1/song.mp3"
        record.write(take, "completed", audio_uri=url, audio={"format": "mp3"}, usage={})
    result = {"manifest_uri": f"file://{folder}/manifest-try-1.jsonl", "requested": 11, "usage": {"usd_spent": 0.5}}
    tables.xcoms(key, [("return_value", result)])

    page = reader.get(tables.path(key), headers=HTML).text
    assert re.findall(r"Song (\d+)</a>", page) == ["0", "1", "10"]
    assert "3 of 11 songs" in page
    assert reader.get(tables.path(key, "?song=10"), headers=HTML).status_code == 200
    assert reader.get(tables.path(key, "/take/1/audio?song=10")).content == b"song 10"
    assert reader.get(tables.path(key, "/take/1/audio?song=7")).status_code == 404
    assert reader.get(tables.path(key, "/take/1/audio?song=../x")).status_code == 422
    assert state(reader, tables, key)["sign"] == "success 1:completed 1:completed 1:completed"


def test_a_sensor_s_song_is_heard_by_what_it_returned(reader, tables, output_dir):
    key = tables.task(task_id="wait", operator="MusicGenerationSensor")
    folder = output_dir / "heard/wait/generation-1"
    folder.mkdir(parents=True)
    (folder / "song.wav").write_bytes(b"RIFF")
    (folder / "completed.json").write_text(json.dumps({"written_at": "2026-11-28T08:00:00+00:00"}))
    audio = {"format": "wav", "size_bytes": 4}
    result = {
        "generation_id": "gen-1",
        "audio_uri": f"file://{folder}/song.wav",
        "audio": audio,
        "record_uri": f"file://{folder}/completed.json",
    }
    tables.xcoms(key, [("return_value", result)])
    assert "2026-11-28 08:00:00 UTC" in reader.get(tables.path(key), headers=HTML).text
    assert reader.get(tables.path(key, "/take/0/audio")).content == b"RIFF"


def test_the_tab_of_a_task_that_is_not_mapped_leads_to_its_page(reader, tables):
    url = tables.path(tables.song()).removesuffix("-1") + "{MAP_INDEX}"
    page = reader.get(url, headers=HTML)
    assert page.status_code == 200
    assert "/song/-1/take/1/audio" in page.text


@pytest.mark.parametrize("index", ["-2", "x", "<script>alert(1)</script>", "{TASK_ID}"])
def test_an_address_that_is_none_is_refused_without_its_words(reader, tables, index):
    answer = reader.get(tables.path(tables.song()).removesuffix("-1") + index.replace("/", ""), headers=HTML)
    assert answer.status_code == 422
    assert "alert" not in answer.text
    assert "{TASK_ID}" not in answer.text


def test_a_mapped_task_leads_to_its_own_song(reader, tables):
    keys = [tables.song(b"ID3 %d" % index, map_index=index) for index in range(3)]
    for index, key in enumerate(keys):
        assert tables.path(key).endswith(f"/song/{index}")
        assert reader.get(tables.path(key, "/take/1/audio")).content == b"ID3 %d" % index


def test_a_record_that_cannot_be_read_is_named_and_the_song_still_heard(reader, tables):
    key = tables.song(b"ID3 song")
    (tables.result_folder(key) / "take-1/intent.json").write_text("{cut")
    page = reader.get(tables.path(key), headers=HTML).text
    assert "is no JSON" in page
    assert reader.get(tables.path(key, "/take/0/audio")).content == b"ID3 song"


def test_the_disclosure_sheet_is_shown_as_text(reader, tables, open_song):
    key, record = open_song
    found = {"rights": f"{SCRIPT} https://r.example/7?sig=s3cret", "vocals": "made by the model", "tracks": [SCRIPT]}
    take = record.claim(1, model=SCRIPT, task="x", try_number=1, max_tries=1, disclosure=found)
    assert "Disclosure" not in reader.get(tables.path(key), headers=HTML).text
    record.write(take, "completed", model=SCRIPT, audio_uri="file:///nowhere/song.mp3", audio={}, usage={})
    page = reader.get(tables.path(key), headers=HTML).text
    assert "<dt>Vocals</dt><dd>made by the model</dd>" in page
    assert "<dt>Lyrics</dt><dd>unknown</dd>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "s3cret" not in page


def test_several_songs_of_one_request_stand_side_by_side_and_say_which_was_chosen(reader, tables, output_dir):
    key = tables.task()
    folder = output_dir / "heard/song"
    for index in range(3):
        record = SongRecord(str(folder / f"song-{index}"))
        take = record.claim(1, model="minimax/music-2.6")
        (folder / f"song-{index}/take-1/song.mp3").write_bytes(b"song %d" % index)
        url = f"file://{folder}/song-{index}/take-1/song.mp3"
        take = record.write(take, "completed", audio_uri=url, audio={"format": "mp3"}, usage={})
        record.write(take, "delivered", status="completed", try_number=1, chosen=index == 1)
    result = {
        "audio_uri": f"file://{folder}/song-1/take-1/song.mp3",
        "record_uri": f"file://{folder}/song-1/take-1/completed.json",
        "takes": {"requested": 3, "chosen": 1, "manifest_uri": f"file://{folder}/manifest-try-1.jsonl"},
    }
    tables.xcoms(key, [("return_value", result)])

    page = reader.get(tables.path(key), headers=HTML).text
    assert re.findall(r'<audio [^>]*data-take="([^"]+)"', page) == ["0-1", "1-1", "2-1"]
    assert re.findall(r'<h2 id="take-[^"]+">([^<]+) <span class="state \w+">(\w+)<', page) == [
        ("Song 0", "kept"),
        ("Song 1", "ready"),
        ("Song 2", "kept"),
    ]
    assert page.count("<option") == 6
    for index in range(3):
        url = re.search(rf'data-take="{index}-1"[^>]*src="([^"]+)"', page)[1]
        assert reader.get(url).content == b"song %d" % index
    assert state(reader, tables, key)["sign"] == "success 1:delivered 1:delivered 1:delivered"


def test_the_page_of_a_task_that_waits_for_several_songs_shows_each(reader, tables, open_song):
    key, record = open_song
    for index in range(2):
        one = SongRecord(f"{record.folder.url}/song-{index}")
        one.write(one.claim(1, model="minimax/music-2.6"), "accepted", generation_id=f"gen-{index}")
    found = state(reader, tables, key)
    assert found["sign"] == "deferred 1:accepted 1:accepted"
    assert "The API makes take 1." in found["progress"]
    assert "Song 1" in reader.get(tables.path(key), headers=HTML).text
