# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Ids of any spelling stay below the output folder, never meet, and fit what stores take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from airflow_provider_music.record.identity import SongIdentity
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.take import FACTS
from airflow_provider_music.storage.cleanup import part_name
from airflow_provider_music.storage.folder import safe_name

#: Airflow takes 250 characters of an id: word characters of any script, dots and dashes; a run's id nearly anything.
KEYS = st.text(st.characters(categories=("L", "Nd", "Pc"), include_characters="-."), min_size=1, max_size=250)
ODD = st.sampled_from(
    [
        ".",
        "..",
        "...",
        "../..",
        "~",
        "-",
        "_",
        "a/b",
        "/etc/passwd",
        "\\",
        "a\0b",
        "\n",
        " ",
        "%2e%2e",
        "CON",
        "a" * 250,
    ]
)
RUNS = st.text(min_size=1, max_size=250) | ODD | KEYS
IDENTITIES = st.builds(SongIdentity, KEYS | ODD, RUNS, KEYS | ODD, st.integers(-1, 10**6))
#: The longest name below a task instance's folder: a part or temporary file of a song of a batch's last take.
BELOW = f"song-100000/take-100000/{part_name('song.flac.provenance.json')}"
S3_KEY_BYTES, SEGMENT_BYTES = 1024, 255


def place(identity, output_dir="s3://bucket/songs"):
    folder = identity.folder("/songs" if output_dir == "local" else output_dir)
    return folder.url


@given(IDENTITIES)
@example(SongIdentity("..", "..", "..", -1))
@example(SongIdentity("a/../../..", "b", "c", 0))
def test_no_id_leads_out_of_the_output_folder(identity):
    url = place(identity, "local")
    assert url.startswith("file:///songs/")
    inside = url.removeprefix("file:///songs/")
    assert os.path.normpath(f"/songs/{inside}") == f"/songs/{inside}"
    assert len(inside.split("/")) == 3 + (identity.map_index >= 0)


@given(IDENTITIES)
def test_every_name_fits_a_file_system_and_a_bucket(identity):
    inside = place(identity, "local").removeprefix("file:///songs/")
    assert inside.isascii()
    assert inside.isprintable()
    assert all(0 < len(segment.encode()) <= SEGMENT_BYTES for segment in f"{inside}/{BELOW}".split("/"))
    # What is left is for the bucket's own prefix.
    assert len(f"{inside}/{BELOW}".encode()) <= S3_KEY_BYTES - 500


@given(IDENTITIES, IDENTITIES)
@example(SongIdentity("a", "b", "c", -1), SongIdentity("a", "b", "c", 0))
@example(SongIdentity("a/b", "c", "d"), SongIdentity("a", "b/c", "d"))
@example(SongIdentity("A", "b", "c"), SongIdentity("a", "b", "c"))
@example(SongIdentity("\u00e4", "b", "c"), SongIdentity("a\u0308", "b", "c"))
@example(SongIdentity("a" * 249 + "b", "b", "c"), SongIdentity("a" * 249 + "c", "b", "c"))
@example(SongIdentity(safe_name("a/b"), "b", "c"), SongIdentity("a/b", "b", "c"))
def test_two_task_instances_never_share_a_folder(one, other):
    assume(one != other)
    assert place(one, "local") != place(other, "local")


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_two_ids_never_share_a_name(one, other):
    assume(one != other)
    assert safe_name(one) != safe_name(other)


@given(st.text(max_size=300))
def test_a_name_made_safe_is_no_name_that_another_id_has(raw):
    made = safe_name(raw)
    assert ("~" in made) == (made != raw)
    assert 0 < len(made) <= 100
    assert made not in (".", "..")
    assert not made.startswith((".", "-"))


@given(identity=IDENTITIES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_disk_takes_them(identity, tmp_path):
    record = SongRecord(identity.folder(str(tmp_path)))
    assert record.claim(1, task=identity.name) or record.read(1) is not None
    assert record.read(1)["intent"]["task"]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in written)


@pytest.mark.parametrize("fact", FACTS)
def test_facts_have_plain_names(fact):
    assert safe_name(f"{fact}.json") == f"{fact}.json"


def test_no_song_of_a_batch_or_take_looks_like_another_map_index(tmp_path):
    of_task = SongIdentity("d", "r", "t").folder(str(tmp_path))
    of_mapped = SongIdentity("d", "r", "t", 1).folder(str(tmp_path))
    below = {Path((of_task / name).url.removeprefix("file://")) for name in ("take-1", "song-1", "song-1/take-1")}
    assert Path(of_mapped.url.removeprefix("file://")) not in below
