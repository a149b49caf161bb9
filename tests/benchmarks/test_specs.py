# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Specs and records of the benchmarks are those that the package itself makes and reads."""

from __future__ import annotations

import json

import pytest
from inprocess.subjects.specs import record_accepted, record_url, spec_of

from airflow_provider_music.generation.spec import GenerationSpec
from airflow_provider_music.record.store import SongRecord


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
def test_a_spec_is_read_by_the_package_field_by_field(lane, tmp_path):
    values = spec_of(str(tmp_path), "run", 3, lane=lane, audio_format="mp3")
    spec = GenerationSpec.from_dict(json.loads(json.dumps(values)))
    assert (spec.lane, spec.audio_format, spec.n) == (lane, "mp3", 1)
    assert set(values) <= set(spec.as_dict())


def test_a_record_is_read_as_an_accepted_song(tmp_path):
    record_accepted(str(tmp_path), "run", ["run~0~1", "run~1~1"])
    take = SongRecord(record_url(str(tmp_path), "run", 1)).read(1)
    assert take is not None
    assert take.generation_id == "run~1~1"
    assert set(take.facts) == {"intent", "accepted"}


def test_a_store_that_is_a_url_stays_one():
    assert record_url("s3://conn@bucket/songs", "run", 1) == "s3://conn@bucket/songs/bench/run/song/1"
    assert record_url("/tmp/songs", "run", 1) == "file:///tmp/songs/bench/run/song/1"
