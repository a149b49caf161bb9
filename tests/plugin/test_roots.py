# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.plugin.roots import OutsideRootsError, candidates, file_below, roots


def test_the_roots_are_what_the_configuration_names(output_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MUSIC__RECORD_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("AIRFLOW__MUSIC__LISTEN_ROOTS", "s3://aws@bucket/a, s3://bucket/b\n/srv/songs")
    assert roots() == [str(output_dir), str(tmp_path / "records"), "s3://aws@bucket/a", "s3://bucket/b", "/srv/songs"]


def test_a_root_that_is_no_folder_is_left_out(output_dir, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MUSIC__LISTEN_ROOTS", "songs,s3://,/srv/songs")
    assert roots() == [str(output_dir), "/srv/songs"]


def test_a_file_below_a_root_is_found(output_dir):
    folder, name = file_below(f"file://{output_dir}/a/song.mp3")
    assert (folder.url, name) == (f"file://{output_dir}/a", "song.mp3")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "{root}/../secret.mp3",
        "file://{root}/a/../../secret.mp3",
        "{root}-of-others/song.mp3",
        "{root}",
        "s3://bucket/other/song.mp3",
        "s3://bucket/songs-of-others/song.mp3",
        "s3://bucket/songs/../private/song.mp3",
        "s3://bucket/songs//song.mp3",
        "s3://bucket/songs/",
        "s3://other@bucket/songs/song.mp3",
        "gs://bucket/songs/song.mp3",
        "https://example.org/song.mp3",
        "",
    ],
)
def test_nothing_else_is_played(output_dir, monkeypatch, url):
    monkeypatch.setenv("AIRFLOW__MUSIC__LISTEN_ROOTS", "s3://bucket/songs")
    with pytest.raises(OutsideRootsError, match="listen_roots"):
        file_below(url.format(root=output_dir))


def test_a_link_out_of_a_root_leads_nowhere(output_dir, tmp_path):
    (tmp_path / "secret.mp3").write_bytes(b"x")
    (output_dir / "song.mp3").symlink_to(tmp_path / "secret.mp3")
    with pytest.raises(OutsideRootsError):
        file_below(f"{output_dir}/song.mp3")


def test_a_root_that_is_a_link_itself_is_followed(output_dir, tmp_path, monkeypatch):
    (tmp_path / "mounted").symlink_to(output_dir)
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(tmp_path / "mounted"))
    assert file_below(f"{tmp_path}/mounted/a/song.mp3")[0].url == f"file://{output_dir}/a"


def test_a_record_may_lie_in_any_folder_between_a_root_and_the_output_folder(output_dir):
    found = candidates(f"{output_dir}/jingles/2026-11-28")
    assert found == [f"{output_dir}/jingles/2026-11-28", f"{output_dir}/jingles", str(output_dir)]
    assert candidates("/elsewhere") == candidates(None) == [str(output_dir)]
