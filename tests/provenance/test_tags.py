# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_music.exceptions import NotTaggableError
from airflow_provider_music.provenance.id3 import MAX_TAG_BYTES, id3_texts, id3_with
from airflow_provider_music.provenance.manifest import DIGITAL_SOURCE_TYPE, manifest_of
from airflow_provider_music.provenance.sound import sound_in
from airflow_provider_music.provenance.taggers import read_tags
from airflow_provider_music.provenance.tags import (
    MANIFEST_TAG,
    comment_of,
    software_of,
    texts_of,
)


@pytest.fixture
def manifest(hand):
    return manifest_of(hand.take_of(b"sound"), {**hand.ORIGIN, "song_index": 4, "submitted_by": "ana"})


def test_the_tags_say_in_clear_names_what_the_manifest_says(manifest, hand):
    found = texts_of(manifest)
    whole = json.loads(found.pop(MANIFEST_TAG))
    assert found == {
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
        "provenance.model": "minimax/music-2.6",
        "provenance.generation_id": "60ac7c34-3224-4b14-8e7d-0aa0db708325:music",
        "provenance.request_fingerprint": "f" * 64,
        "provenance.sha256_as_sent": hand.sha256(b"sound"),
        "provenance.airflow": "cover / scheduled__2026-11-01T00:00:00+00:00 / song[3][4] / take 1",
        "provenance.completed": "2026-11-01T00:01:30.000000Z",
        "provenance.software": f"airflow-provider-music {manifest['software']['version']}",
    }
    assert whole == {name: value for name, value in manifest.items() if name not in ("file", "submitted_by")}


def test_who_asked_stays_out_of_a_song_that_is_given_away(manifest):
    assert "ana" not in texts_of(manifest).values()
    assert "submitted_by" not in texts_of(manifest)[MANIFEST_TAG]


def test_the_tags_are_the_same_before_and_after_they_are_in_the_file(manifest):
    after = {**manifest, "file": {"sha256": "0" * 64, "tags_embedded": True}}
    assert texts_of(after) == texts_of(manifest)


def test_what_is_not_known_has_no_tag():
    assert set(texts_of({})) == {"provenance.airflow", "provenance.software", MANIFEST_TAG}


def test_the_comment_is_for_people(manifest):
    assert comment_of(manifest) == (
        "Made by a generative model (minimax/music-2.6, generation 60ac7c34-3224-4b14-8e7d-0aa0db708325:music). "
        "Digital source type: trainedAlgorithmicMedia."
    )
    assert comment_of({"model": "music-01"}).startswith("Made by a generative model (music-01). ")


@given(st.text(), st.text(), st.text())
def test_any_name_can_stand_in_a_tag(hand, dag, model, version):
    changed = {
        **manifest_of(hand.take_of(b"sound", model=model), {**hand.ORIGIN, "dag_id": dag}),
        "software": {"version": version},
    }
    texts = texts_of(changed)
    blob = id3_with(b"", texts, comment_of(changed))
    assert hand.id3_texts(blob) == id3_texts(blob) == texts
    assert hand.id3_comments(blob) == {"": comment_of(changed)}
    assert json.loads(texts[MANIFEST_TAG])["airflow"]["dag_id"] == dag
    assert software_of(changed).isprintable()


@pytest.mark.parametrize(
    ("audio_format", "says"),
    [("pcm", "raw PCM holds no tags"), ("aiff", "aiff files get no tags"), ("", "get no tags")],
)
def test_a_format_that_gets_no_tags_is_said(audio_format, says):
    with pytest.raises(NotTaggableError, match=says):
        sound_in(io.BytesIO(b"sound"), audio_format)


def test_a_tag_of_many_mebibytes_is_not_read():
    class Long(io.BytesIO):
        def read(self, size=-1):
            assert size < 1000
            return super().read(size)

    length = MAX_TAG_BYTES + 1
    size = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    file = Long(b"ID3\4\0\0" + size + bytes(length))
    with pytest.raises(NotTaggableError, match="longer than"):
        read_tags(file, "mp3")


def test_tags_hold_neither_the_rights_nor_the_references_of_the_disclosure_sheet():
    sheet = {"model": "music-01", "rights": "Licence 7", "references": [{"file": "demo-of-anna.wav"}], "parts": {}}
    texts = texts_of({"model": "music-01", "disclosure": sheet})
    assert json.loads(texts[MANIFEST_TAG])["disclosure"] == {"model": "music-01", "parts": {}}
    assert not any("Licence" in text or "anna" in text for text in texts.values())
