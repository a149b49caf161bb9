# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import airflow_provider_music
from airflow_provider_music.exceptions import ManifestError, ProvenanceError
from airflow_provider_music.provenance.manifest import (
    DIGITAL_SOURCE_TYPE,
    as_bytes,
    from_bytes,
    manifest_name,
    manifest_of,
    same_song,
)
from airflow_provider_music.record.take import Take

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
REFERENCE = {"id": "vocal-2025082518145625-6XW9wCOF", "sha256": "a" * 64}


def test_a_manifest_says_all_of_where_a_song_came_from(hand):
    take = hand.take_of(b"sound")
    found = manifest_of(take, {**hand.ORIGIN, "song_index": 7, "references": [REFERENCE], "submitted_by": "ana"})
    assert found == {
        "schema": 1,
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "as_sent": take["completed"]["audio"],
        "file": {
            "name": "song.mp3",
            "sha256": hand.sha256(b"sound"),
            "size_bytes": 5,
            "sound_sha256": None,
            "tags_embedded": False,
            "tags_note": None,
            "content_credentials": None,
        },
        "model": "minimax/music-2.6",
        "generation_id": "60ac7c34-3224-4b14-8e7d-0aa0db708325:music",
        "request_id": "airflow-music-0a1b-1-0c2d",
        "request_fingerprint": "f" * 64,
        "references": [REFERENCE],
        "airflow": {
            "dag_id": "cover",
            "run_id": "scheduled__2026-11-01T00:00:00+00:00",
            "task_id": "song",
            "map_index": 3,
            "song_index": 7,
            "take": 1,
        },
        "submitted_by": "ana",
        "times": {
            "submitted": "2026-11-01T00:00:01.500000Z",
            "accepted": "2026-11-01T00:00:02.250000Z",
            "completed": "2026-11-01T00:01:30.000000Z",
        },
        "cost": {"credits": 390000, "usd": 0.195},
        "disclosure": {
            "model": "minimax/music-2.6",
            "parts": {"lyrics": "unknown", "vocals": "unknown", "music": "unknown"},
            "given_to_the_model": "unknown",
            "references": "unknown",
            "rights": "unknown",
            "changed_by_people": {
                "lyrics": "unknown",
                "audio": "nothing until this sheet was written; later changes: unknown",
            },
        },
        "software": {"name": "airflow-provider-music", "version": airflow_provider_music.__version__},
    }
    assert all(RFC3339_UTC.fullmatch(time) for time in found["times"].values())


def test_a_manifest_is_the_same_bytes_in_whatever_order_it_was_put_together(hand):
    found = manifest_of(hand.take_of(b"sound"), hand.ORIGIN)
    turned = {name: dict(reversed(v.items())) if isinstance(v, dict) else v for name, v in reversed(found.items())}
    assert as_bytes(turned) == as_bytes(found)
    assert as_bytes(found).endswith(b"}\n")


def test_what_the_record_does_not_hold_is_null(hand):
    facts = hand.take_of(b"sound").facts
    bare = {name: facts["completed"][name] for name in ("audio_uri", "audio")}
    found = manifest_of(Take(1, {"completed": bare}), {})
    assert found["airflow"] == dict.fromkeys(("dag_id", "run_id", "task_id", "map_index", "song_index", "take"))
    assert found["times"] == {"submitted": None, "accepted": None, "completed": None}
    assert found["cost"] == {"credits": None, "usd": None}
    for name in ("model", "generation_id", "request_id", "request_fingerprint", "references", "submitted_by"):
        assert found[name] is None
    assert from_bytes(as_bytes(found)) == found


@pytest.mark.parametrize(("raw", "expected"), [(-1, None), (0, 0), (12, 12), (None, None), ("3", None)])
def test_only_a_mapped_task_has_a_map_index(raw, expected, hand):
    found = manifest_of(hand.take_of(b"sound"), {**hand.ORIGIN, "map_index": raw})
    assert found["airflow"]["map_index"] == expected


def test_references_and_who_asked_come_from_the_intent_where_it_knows_them(hand):
    facts = hand.take_of(b"sound").facts
    intent = {**facts["intent"], "references": [REFERENCE], "submitted_by": {"owner": "team"}}
    found = manifest_of(Take(2, {**facts, "intent": intent}), hand.ORIGIN)
    assert (found["references"], found["submitted_by"]) == ([REFERENCE], {"owner": "team"})
    assert found["airflow"]["take"] == 2


@pytest.mark.parametrize(
    "named",
    [
        "https://cdn.example/ref.mp3?X-Amz-Signature=5ec2e7",
        "s3://bucket/ref.mp3",
        "data:audio/mp3;base64,5ec2e7",
        "//cdn.example/5ec2e7",
        "two words",
        "",
        "x" * 300,
        None,
        5,
    ],
)
def test_a_reference_named_by_a_url_keeps_only_its_hash(named, hand):
    given = [{"id": named, "sha256": "b" * 64, "file": "s3://5ec2e7", "url": "https://5ec2e7"}]
    found = manifest_of(hand.take_of(b"sound"), {"references": given})
    assert found["references"] == [{"id": None, "sha256": "b" * 64}]
    assert b"5ec2e7" not in as_bytes(found)


@pytest.mark.parametrize("given", ["K5VqV-1", "-Pw3vF4JYMAL-QAtCMAN3", "_w3vF4JYMAL-QAtCMAN3", "8f:music", "a/b"])
def test_a_generation_is_identified_by_its_id_whatever_that_begins_with(given, hand):
    facts = hand.take_of(b"sound").facts
    for part in ("accepted", "completed"):
        facts = {**facts, part: {**facts[part], "generation_id": given}}
    assert manifest_of(Take(1, facts), {})["generation_id"] == given


@pytest.mark.parametrize("given", ["text", {"id": "x"}, 5, [1, "x"]])
def test_references_of_another_shape_are_none(given, hand):
    assert not manifest_of(hand.take_of(b"sound"), {"references": given})["references"]


def test_no_words_of_the_request_and_no_secret_come_along(hand):
    facts = hand.take_of(b"sound").facts
    secret = {
        "body": {"lyrics": "we row", "prompt": "calm"},
        "lyrics": "we row",
        "prompt": "calm",
        "url": "https://cdn.example/song.mp3?signature=5ec2e7",
        "password": "5ec2e7",
    }
    take = Take(1, {name: {**fact, **secret} for name, fact in facts.items()})
    text = as_bytes(manifest_of(take, {**hand.ORIGIN, **secret})).decode()
    assert not re.search("we row|calm|5ec2e7|cdn", text)
    assert "://" not in text.replace(DIGITAL_SOURCE_TYPE, "")


@pytest.mark.parametrize(
    "completed",
    [None, {}, {"audio_uri": "file:///song.mp3"}, {"audio_uri": "file:///song.mp3", "audio": {"sha256": "short"}}],
)
def test_a_take_without_a_song_has_no_manifest(completed):
    facts = {"intent": {"model": "m"}} | ({} if completed is None else {"completed": completed})
    with pytest.raises(ProvenanceError, match="holds no song"):
        manifest_of(Take(1, facts), {})


def test_the_manifest_lies_beside_its_song():
    assert manifest_name("song.mp3") == "song.mp3.provenance.json"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe\xfd", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "schema is None"),
        (b'{"schema": 2}', "schema is 2, known here is 1"),
        (b'{"schema": 1}', "as_sent is missing or no JSON object"),
        (b'{"schema": 1, "as_sent": {}, "file": []}', "file is missing or no JSON object"),
    ],
)
def test_what_is_no_manifest_is_said(content, says):
    with pytest.raises(ManifestError, match=says):
        from_bytes(content)


@pytest.mark.parametrize("part", ["as_sent", "file"])
@pytest.mark.parametrize("sha256", [None, 5, "", "a" * 63, "G" * 64])
def test_a_manifest_without_a_hash_is_none(part, sha256, hand):
    found = manifest_of(hand.take_of(b"sound"), hand.ORIGIN)
    with pytest.raises(ManifestError, match=f"has no {part}.sha256"):
        from_bytes(as_bytes({**found, part: {**found[part], "sha256": sha256}}))


@pytest.mark.parametrize("part", ["airflow", "times", "cost", "software"])
def test_a_manifest_without_one_of_its_parts_is_none(part, hand):
    found = manifest_of(hand.take_of(b"sound"), hand.ORIGIN)
    with pytest.raises(ManifestError, match=f"{part} is missing or no JSON object"):
        from_bytes(as_bytes({**found, part: []}))


NAMES = st.text(max_size=40)


@given(NAMES, NAMES, NAMES, st.integers(-1, 10**6), st.one_of(st.none(), NAMES, st.integers()), NAMES)
def test_a_manifest_comes_back_as_it_was_written(hand, dag, run, task, map_index, submitted_by, model):
    origin = {"dag_id": dag, "run_id": run, "task_id": task, "map_index": map_index, "submitted_by": submitted_by}
    found = manifest_of(hand.take_of(b"sound", model=model), origin)
    assert from_bytes(as_bytes(found)) == found


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)) | st.text() | st.integers() | st.floats())
def test_no_time_that_a_fact_could_hold_breaks_a_manifest(hand, time):
    facts = hand.take_of(b"sound").facts
    found = manifest_of(Take(1, {**facts, "intent": {**facts["intent"], "written_at": time}}), {})
    submitted = found["times"]["submitted"]
    assert submitted is None or RFC3339_UTC.fullmatch(submitted)


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("software", {"name": "airflow-provider-music", "version": "9"}, True),
        ("file", {"sha256": "0" * 64}, True),
        ("submitted_by", "somebody", True),
        ("as_sent", {"sha256": "0" * 64}, False),
        ("generation_id", "other", False),
        ("request_fingerprint", "0" * 64, False),
        ("model", "other", False),
    ],
)
def test_two_manifests_are_of_one_song_or_not(name, value, same, hand):
    found = manifest_of(hand.take_of(b"sound"), hand.ORIGIN)
    assert same_song(found, {**found, name: value}) is same
