# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys

import pytest

from airflow_provider_music.provenance import attach_manifest
from airflow_provider_music.provenance.__main__ import main


@pytest.fixture
def song(folder, landed, hand):
    attach_manifest(folder, landed(), hand.ORIGIN, embed=True)
    return folder.url_of("song.mp3")


def run(capsys, *arguments):
    code = main(["verify", *arguments])
    return code, capsys.readouterr().out.splitlines()


def test_a_song_that_is_what_it_says_ends_with_0(song, capsys):
    assert run(capsys, song) == (0, [f"ok {song}"])


def test_a_song_that_is_not_ends_with_1_and_one_line_says_all_of_it(song, folder, capsys):
    folder.remove("song.mp3.provenance.json")
    code, (line,) = run(capsys, song)
    assert code == 1
    assert line == (
        f"PROBLEM {song}: the manifest song.mp3.provenance.json is missing; "
        "its own tags hold one, which nothing stands against"
    )


@pytest.mark.parametrize("path", ["/nowhere/song.mp3", "/nowhere", "nosuchstore://bucket/song.mp3"])
def test_a_path_that_cannot_be_read_ends_with_2(path, capsys):
    code, (line,) = run(capsys, path)
    assert code == 2
    assert line.startswith(f"CANNOT READ {path}: ")


def test_of_several_paths_the_worst_counts_and_each_song_has_its_line(song, folder, capsys):
    (folder / "more").create("song.pcm", b"no manifest")
    assert run(capsys, folder.url)[0] == 1
    code, lines = run(capsys, song, folder.url, "/nowhere", song)
    assert code == 2
    assert [line.split()[0] for line in lines] == ["ok", "PROBLEM", "ok", "CANNOT", "ok"]


def test_a_name_of_several_lines_takes_one_line(folder, capsys):
    folder.create("a\nok b\x1b[2J.mp3", b"no manifest")
    code, lines = run(capsys, folder.url)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("PROBLEM ")
    assert "\x1b" not in lines[0]


def test_without_a_path_the_usage_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verify"])
    assert ended.value.code == 2
    assert "usage: python -m airflow_provider_music.provenance verify" in capsys.readouterr().err


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_from_a_shell(broken, code, song, folder):
    if broken:
        folder.replace("song.mp3", b"half")
    command = [sys.executable, "-W", "ignore", "-m", "airflow_provider_music.provenance", "verify", song]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == code
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"PROBLEM {song}: " if broken else f"ok {song}")


def test_a_note_follows_on_the_same_line(song, folder, capsys, monkeypatch):
    from airflow_provider_music.provenance import verify_song

    noted = lambda _: iter([verify_song.Verdict(song, (), None, ("its Content Credentials are signed by Ana",))])  # noqa: E731
    monkeypatch.setattr(verify_song, "verify_all", noted)
    assert run(capsys, song) == (0, [f"ok {song}: its Content Credentials are signed by Ana"])


def test_what_others_log_does_not_get_between_the_lines(song, capsys, monkeypatch):
    from airflow_provider_music.provenance import verify_song

    real = verify_song.verify_all

    def loud(path):
        sys.stdout.write("a library says something")
        yield from real(path)

    monkeypatch.setattr(verify_song, "verify_all", loud)
    assert main(["verify", song]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"ok {song}\n"
    assert "a library says something" in printed.err
