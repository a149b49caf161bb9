# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What a real Airflow tells of songs: OpenLineage's events, asset events and their consumer, provenance, approval."""

import hashlib
import json
import time
from pathlib import Path

import pytest
from harness.openlineage import SPEC, events_of, problems, task_of
from harness.settings import IS_3

from airflow_provider_music.plugin.listen_link import page_path
from airflow_provider_music.provenance import verify

pytestmark = pytest.mark.cluster

_CALM_S = 8.0


@pytest.fixture(scope="module")
def split(cluster, sandbox):
    # No queued model takes references yet; one that the catalogue does not know may.
    sandbox.settings(any_model=True)
    cluster.wait_for_dag("lineage_told")
    cluster.api.unpause("lineage_told")
    return cluster.finish(cluster.run("lineage_split"))


@pytest.fixture(scope="module")
def whole(cluster, sandbox):
    sandbox.fault("generate:status=500")
    return cluster.finish(cluster.run("lineage_whole"))


@pytest.fixture(scope="module")
def batch(cluster):
    return cluster.finish(cluster.run("lineage_batch"))


@pytest.fixture(scope="module")
def split_events(cluster, split):
    return events_of(cluster.home / "openlineage.jsonl", "lineage_split", {"upload", "ask", "wait"})


@pytest.fixture(scope="module")
def whole_events(cluster, whole):
    return events_of(cluster.home / "openlineage.jsonl", "lineage_whole", {"upload", "song"})


@pytest.fixture(scope="module")
def batch_events(cluster, batch):
    return events_of(cluster.home / "openlineage.jsonl", "lineage_batch", {"songs"})


def _ended(events, task_id, kind="COMPLETE"):
    return [event for event in events if task_of(event) == task_id and event["eventType"] == kind][-1]


def _names(datasets):
    return {(one["namespace"], one["name"]) for one in datasets}


def _xcom(cluster, run, task_id, key="return_value"):
    return cluster.api.xcom(run.dag_id, run.run_id, task_id, key)


def test_every_event_is_as_the_specification_has_it(split_events, whole_events, batch_events, record_property):
    events = [*split_events, *whole_events, *batch_events]
    found = [problem for event in events for problem in problems(event)]
    record_property("openlineage", f"{len(events)} events, {len(found)} problems; published schema: {SPEC}")
    assert found == []


def test_one_chain_leads_from_the_reference_to_the_song(cluster, split, split_events, reference):
    upload, ask, wait = (_ended(split_events, name) for name in ("upload", "ask", "wait"))
    song = _xcom(cluster, split, "wait")

    assert _names(upload["inputs"]) == {("file", str(reference))}
    ids = _xcom(cluster, split, "upload")
    named = {("aimlapi", f"{what}/{ids[f'{what}_id']}") for what in ("voice", "instrumental")}
    assert _names(upload["outputs"]) == _names(ask["inputs"]) == named
    assert _names(wait["inputs"]) == _names(ask["outputs"]) == {("aimlapi", f"generation/{song['generation_id']}")}
    assert _names(wait["outputs"]) == {("file", song["audio_uri"].removeprefix("file://"))}


def test_a_song_in_one_task_is_led_to_by_its_references(cluster, whole, whole_events):
    upload, song = _ended(whole_events, "upload"), _ended(whole_events, "song")
    assert len(_names(upload["outputs"])) == 2
    assert _names(song["inputs"]) == _names(upload["outputs"])
    assert _names(song["outputs"]) == {("file", _xcom(cluster, whole, "song")["audio_uri"].removeprefix("file://"))}


def test_the_song_s_dataset_says_what_the_file_is(cluster, split, split_events):
    (output,) = _ended(split_events, "wait")["outputs"]
    facet, audio = output["facets"]["aimlapi_musicAudio"], _xcom(cluster, split, "wait")["audio"]
    assert facet["sha256"] == hashlib.sha256(Path(output["name"]).read_bytes()).hexdigest() == audio["sha256"]
    assert facet["durationMs"] == audio["duration_ms"]
    assert output["name"].endswith(f".{facet['format']}")
    assert facet["generationId"] == _xcom(cluster, split, "wait")["generation_id"]
    assert output["outputFacets"]["outputStatistics"]["size"] == Path(output["name"]).stat().st_size


def test_the_run_says_what_it_asked_for_and_what_it_cost(cluster, split, split_events):
    asked, waited = (_ended(split_events, name)["run"]["facets"]["aimlapi_music"] for name in ("ask", "wait"))
    usage = _xcom(cluster, split, "wait")["usage"]
    assert asked["model"] == "minimax/music-of-tomorrow"
    assert asked["status"] == "accepted"
    assert len(asked["fingerprint"]) == 64
    assert asked["fingerprint"] == waited["fingerprint"]
    assert asked["take"] == asked["submissions"] == 1
    assert waited["usdSpent"] == usage["usd_spent"]
    assert waited["waitSeconds"] > 7


def test_a_failed_try_says_that_it_is_not_billed_and_the_next_one_completes(whole_events):
    failed, done = _ended(whole_events, "song", "FAIL"), _ended(whole_events, "song")
    facet = failed["run"]["facets"]["aimlapi_musicBilling"]
    assert (facet["billing"], facet["error"]) == ("not_billed", "ServerFailureError")
    assert done["run"]["facets"]["aimlapi_music"]["take"] == 2


def test_no_words_of_the_request_are_in_any_event(split_events, whole_events, batch_events):
    text = json.dumps([split_events, whole_events, batch_events])
    assert "aimlapi_musicBilling" in text
    assert not any(word in text for word in ("canal", "fog", "harbour", "a bell"))


def test_each_song_of_a_batch_is_a_dataset_that_names_its_request(cluster, batch, batch_events):
    manifest, *songs = _ended(batch_events, "songs")["outputs"]
    assert ("file", _xcom(cluster, batch, "songs")["manifest_uri"].removeprefix("file://")) in _names([manifest])
    facets = [one["facets"]["aimlapi_musicAudio"] for one in songs]
    assert [facet["model"] for facet in facets] == ["stable-audio"] * 3
    assert len({facet["generationId"] for facet in facets}) == len({facet["fingerprint"] for facet in facets}) == 3


def test_a_consumer_scheduled_on_the_asset_reads_what_the_song_is(cluster, split):
    song = _xcom(cluster, split, "wait")
    deadline = time.monotonic() + 120
    while not (runs := cluster.api.run_ids("lineage_told")) or cluster.api.run_state("lineage_told", runs[0]) not in (
        "success",
        "failed",
    ):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    (extra,) = cluster.api.xcom("lineage_told", runs[0], "read")
    assert extra["audio_uri"] == song["audio_uri"]
    assert extra["sha256"] == song["audio"]["sha256"]
    assert extra["model"] == "minimax/music-of-tomorrow"
    assert extra["duration_ms"] == song["audio"]["duration_ms"]
    assert extra["generation_id"] == song["generation_id"]
    assert extra["record_uri"] == song["record_uri"]
    assert len(extra["fingerprint"]) == 64


def test_an_alias_gives_one_asset_event_for_each_song_of_a_batch(cluster, batch):
    manifest = Path(_xcom(cluster, batch, "songs")["manifest_uri"].removeprefix("file://"))
    songs = [json.loads(line)["audio_uri"] for line in manifest.read_text().splitlines()]
    events = cluster.api.asset_events(batch.dag_id, batch.run_id)
    assert len(songs) == 3
    assert sorted(event["uri"] for event in events) == sorted(songs)


def test_a_task_links_to_its_record_while_it_waits_and_then_to_its_song(cluster, s3):
    run = cluster.run("lineage_linked")
    pages = "https://s3.console.aws.amazon.com/s3"
    run.until_seen("song", "deferred")
    waiting = cluster.api.links(run.dag_id, run.run_id, "song")
    assert waiting["Record"].startswith(f"{pages}/buckets/{s3.bucket}?prefix=songs/lineage_linked/")
    assert waiting["Song"] is None

    cluster.finish(run)
    song = _xcom(cluster, run, "song")
    key = song["audio_uri"].partition(f"{s3.bucket}/")[2]
    done = cluster.api.links(run.dag_id, run.run_id, "song")
    if IS_3:
        # On 2.11 there are no pages on which songs are heard.
        listen = page_path("", run.dag_id, run.run_id, "song", -1)
        assert (waiting.pop("Listen"), done.pop("Listen")) == (listen, listen)
    assert done == {"Record": waiting["Record"], "Song": f"{pages}/object/{s3.bucket}?prefix={key}"}
    assert hashlib.sha256(s3.read(key)).hexdigest() == song["audio"]["sha256"]


def test_each_song_has_a_manifest_that_holds(cluster, split, whole, batch):
    for run, task_id in ((split, "wait"), (whole, "song")):
        verdict = verify(_xcom(cluster, run, task_id)["audio_uri"])
        assert verdict.ok, verdict.problems
        assert verdict.manifest["references"][0]["sha256"] if task_id == "song" else True


@pytest.mark.skipif(not IS_3, reason="approvals came with Airflow 3.1")
def test_a_person_approves_a_take_and_it_is_published(cluster, sandbox):
    run = cluster.run("approved_song")
    path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/approve/-1/hitlDetails"
    # Answered within seconds, the scheduler fails the task and asks anew (apache/airflow#66374), as for deferred ones.
    parked = False
    while run.look() in ("queued", "running"):
        time.sleep(_CALM_S)
        if [task for task in cluster.api.tasks(run.dag_id, run.run_id) if task.state == "awaiting_input"]:
            parked = True
            text = cluster.api.call("GET", path)["body"]
            cluster.api.call("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
    cluster.finish(run)

    published = Path(_xcom(cluster, run, "publish").removeprefix("file://"))
    chosen = _xcom(cluster, run, "choose")
    assert hashlib.sha256(published.read_bytes()).hexdigest() == chosen["sha256"]
    assert chosen["sha256"] in text
    assert f"]({chosen['page']})" in text
    assert chosen["page"].endswith(page_path("", run.dag_id, run.run_id, "versions", -1) + "?song=0")
    uris = [event["uri"] for event in cluster.api.asset_events(run.dag_id, run.run_id)]
    assert uris.count("x-music://songs/approved") == 1
    assert parked
