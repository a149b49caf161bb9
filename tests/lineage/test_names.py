# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.compat import Asset
from airflow_provider_music.lineage.names import asset_uri, dataset_of, dataset_of_foreign_url, page_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///songs/a.mp3", ("file", "/songs/a.mp3")),
        ("/songs/a.mp3", ("file", "/songs/a.mp3")),
        ("s3://bucket/songs/a.mp3", ("s3://bucket", "songs/a.mp3")),
        ("s3://my_conn@bucket/songs/a.mp3", ("s3://bucket", "songs/a.mp3")),
        ("gs://bucket/a.mp3", ("gs://bucket", "a.mp3")),
        ("https://host/a.mp3?signature=secret", ("https://host", "a.mp3")),
    ],
)
def test_a_file_has_the_name_that_openlineage_gives_it(url, expected):
    assert dataset_of(url) == expected


def test_a_url_that_may_be_signed_is_named_by_its_host_and_a_hash():
    named = dataset_of_foreign_url("https://user:pw@host/ref.mp3?signature=secret")
    assert named is not None
    assert named[0] == "https://host"
    assert named[1].startswith("sha256/")
    assert "secret" not in str(named)
    assert "ref" not in str(named)


def test_two_signatures_of_one_url_are_one_dataset():
    one, other = (dataset_of_foreign_url(f"https://host/ref.mp3?signature={n}") for n in (1, 2))
    assert one == other


@pytest.mark.parametrize("url", ["no url", "http://[", ""])
def test_what_is_no_url_has_no_name(url):
    assert dataset_of_foreign_url(url) is None


@pytest.mark.parametrize(
    "url", ["file:///a b/sö#ng?.mp3", "s3://conn@bucket/a/song.mp3", "file:///a%20b/song.mp3", "gs://bucket/ü.wav"]
)
def test_airflow_takes_the_uri_as_it_stands(url):
    uri = asset_uri(url)
    assert uri.isascii()
    assert "conn" not in uri
    assert Asset(uri).uri == uri


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("s3://c@bucket/a b/song.mp3", "https://s3.console.aws.amazon.com/s3/object/bucket?prefix=a%20b/song.mp3"),
        ("s3://bucket/a/", "https://s3.console.aws.amazon.com/s3/buckets/bucket?prefix=a/"),
        ("gs://bucket/a.mp3", "https://console.cloud.google.com/storage/browser/_details/bucket/a.mp3"),
        ("gs://bucket/a/", "https://console.cloud.google.com/storage/browser/bucket/a/"),
        ("https://u:p@host/a.mp3?sig=1", "https://host/a.mp3"),
        ("file:///a.mp3", None),
        ("/a.mp3", None),
        ("abfs://c/a.mp3", None),
    ],
)
def test_a_page_is_there_where_the_store_has_one(url, page):
    assert page_of(url) == page
