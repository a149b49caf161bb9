# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A process is killed by the kernel wherever it touches the store while it marks a song: the next one ends the work."""

from __future__ import annotations

import os

import pytest
from dying import Mortality, instrument

from airflow_provider_music.audio.content_credentials import Signer
from airflow_provider_music.provenance import attach_manifest, verify
from airflow_provider_music.storage.folder import Folder
from tests.certificates import chain


@pytest.mark.parametrize("policy", ["tags", "c2pa"])
def test_kill_9_anywhere_leaves_the_song_as_sent_or_marked_and_the_next_process_marks_it(
    policy, tmp_path, landed, songs, hand, monkeypatch
):
    signer = None
    if policy == "c2pa":
        pytest.importorskip("c2pa")
        made = chain()
        signer = lambda: Signer(made.certificates, "es256", made.private_key)  # noqa: E731
    life, killed = [Mortality()], 0
    instrument(monkeypatch, lambda: life[0])

    def attach(folder, take):
        return attach_manifest(folder, take, hand.ORIGIN, embed=True, signer=signer).manifest

    whole = Folder(str(tmp_path / "whole"))
    take, life[0] = landed(into=whole), Mortality()
    attach(whole, take)
    points = life[0].points
    assert len(points) >= 10
    for at, where in enumerate(points):
        life[0] = Mortality()
        folder = Folder(str(tmp_path / f"{at}"))
        take = landed(into=folder)
        child = os.fork()
        if child == 0:
            life[0] = Mortality(at, kill=True)
            try:
                attach(folder, take)
            finally:
                os._exit(0)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        found, promised = folder.read("song.mp3"), folder.read("song.mp3.provenance.json")
        assert found == songs["mp3"] or promised, where
        written = attach(folder, take)
        assert written["file"]["sha256"] == hand.sha256(folder.read("song.mp3")), where
        assert verify(folder.url_of("song.mp3")).ok, where
        assert promised in (None, folder.read("song.mp3.provenance.json")), where
        names = folder.children()
        # A manifest's own temporary file may stay: its writer died between naming it and removing that.
        assert {name for name in names if not name.startswith(".song.mp3.prov")} == {
            "song.mp3",
            "song.mp3.provenance.json",
        }, where
    assert killed == len(points)
