# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Content Credentials that a song came with are told of, and nothing is written into its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_music.provenance import attach_manifest, verify
from airflow_provider_music.record.store import SongRecord
from tests.lanes import LANES

STORE = b"\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\x008\x9bq\x03c2pa\0"
NOTE = "it holds Content Credentials (C2PA), which tags would make invalid"


def marked(data, audio_format, hand):
    """A song with a manifest store where c2pa-rs puts it."""
    if audio_format == "wav":
        return hand.riff(*(hand.chunk(*each) for each in hand.riff_chunks(data)), hand.chunk(b"C2PA", STORE))
    content = b"\x03application/c2pa\0c2pa\0c2pa manifest store\0" + STORE
    frame = b"GEOB" + bytes([0, 0, len(content) >> 7, len(content) & 0x7F]) + b"\0\0" + content
    return b"ID3\4\0\0" + bytes([0, 0, len(frame) >> 7, len(frame) & 0x7F]) + frame + data


@pytest.mark.parametrize("audio_format", ["mp3", "wav"])
def test_a_song_with_credentials_gets_no_tags_and_its_manifest_says_so(
    audio_format, folder, landed, songs, left, hand, caplog
):
    data = marked(songs[audio_format], audio_format, hand)
    written = attach_manifest(folder, landed(audio_format, data), hand.ORIGIN, embed=True).manifest
    assert folder.read(f"song.{audio_format}") == data
    assert written["file"]["sha256"] == written["as_sent"]["sha256"] == hand.sha256(data)
    assert (written["file"]["tags_embedded"], written["file"]["tags_note"]) == (False, NOTE)
    assert written["file"]["content_credentials"] == "as_sent"
    assert NOTE in caplog.text
    assert left() == [f"song.{audio_format}", f"song.{audio_format}.provenance.json"]
    # This store is a beginning of one, which the library, where it is installed, does not read.
    problems = verify(folder.url_of(f"song.{audio_format}")).problems
    assert [problem for problem in problems if "Content Credentials" not in problem] == []


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("provenance", ["manifest", "tags"])
def test_what_a_landed_song_came_with_is_in_its_record_and_its_manifest(
    lane, provenance, music_sandbox, airflow, song, hand, monkeypatch
):
    from airflow_provider_music.storage import audio_writer

    class Everywhere(audio_writer.CredentialsScanner):
        def update(self, chunk):
            self.found = True

    monkeypatch.setattr(audio_writer, "CredentialsScanner", Everywhere)
    monkeypatch.setattr("airflow_provider_music.provenance.sound.CredentialsScanner", Everywhere)
    music_sandbox.settings(any_reference=True)
    result = airflow.run(song(lane, provenance=provenance))
    record = SongRecord(result["record_uri"].rpartition("/take-")[0])
    assert record.read(1)["completed"]["content_credentials"] is True
    assert "content_credentials" not in result
    path = Path(result["audio_uri"].removeprefix("file://") + ".provenance.json")
    written = json.loads(path.read_bytes())
    assert written["file"]["content_credentials"] == "as_sent"
    assert written["file"]["sha256"] == result["audio"]["sha256"] == written["as_sent"]["sha256"]
