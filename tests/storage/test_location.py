# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from airflow_provider_music.compat import AirflowFailException, ObjectStoragePath
from airflow_provider_music.exceptions import InvalidFolderError, OutputError
from airflow_provider_music.storage.location import location, static_part


class Markup(str):
    """A text of another library."""

    __slots__ = ()

    def __str__(self):
        return str.__str__(self)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("/data/songs", "/data/songs"),
        ("  /data/songs \n", "/data/songs"),
        ("/data/with space/a#b?c=d%20e", "/data/with space/a#b?c=d%20e"),
        ("/data/songs [2026]*", "/data/songs [2026]*"),
        ("/", "/"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/songs/", "s3://bucket/songs/"),
        ("s3://conn@bucket/songs", "s3://conn@bucket/songs"),
        ("S3://conn@bucket/Songs", "s3://conn@bucket/Songs"),
        ("gs://bucket/songs", "gs://bucket/songs"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("file:///data/songs", "file:///data/songs"),
        ("FILE:///data/songs", "file:///data/songs"),
        ("local:///data/songs", "local:///data/songs"),
        ("memory://songs", "memory://songs"),
        ("memory:///songs", "memory:///songs"),
        ("hdfs:///songs", "hdfs:///songs"),
        ("nosuchstore://anything", "nosuchstore://anything"),
        ("s3://bucket/%C3%A4/100%25", "s3://bucket/%C3%A4/100%25"),
        ("s3://bucket/5$", "s3://bucket/5$"),
        ("s3://bucket/none/None", "s3://bucket/none/None"),
        (Markup("/data"), "/data"),
        (Path("/data/songs"), "/data/songs"),
        (PurePosixPath("/data/songs"), "/data/songs"),
    ],
)
def test_an_absolute_path_or_a_url_stands_as_it_is(value, found):
    assert location(value, "output_dir") == found
    assert type(location(value, "output_dir")) is str


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (lambda: ObjectStoragePath("s3://conn@bucket/songs/x"), "s3://conn@bucket/songs/x"),
        (lambda: ObjectStoragePath("s3://bucket/songs", conn_id="conn"), "s3://conn@bucket/songs"),
        (lambda: ObjectStoragePath("s3://bucket/songs") / "x", "s3://bucket/songs/x"),
        (lambda: ObjectStoragePath("s3://conn@bucket"), "s3://conn@bucket/"),
        (lambda: ObjectStoragePath("file:///data/songs"), "file:///data/songs"),
        (lambda: ObjectStoragePath("/data/songs"), "/data/songs"),
        (lambda: UPath("/data/songs"), "/data/songs"),
        (lambda: UPath("s3://bucket/songs"), "s3://bucket/songs"),
        (lambda: UPath("memory:///songs"), "memory://"),
    ],
)
def test_a_path_of_an_object_store_keeps_its_connection(value, found):
    assert location(value(), "output_dir").startswith(found)


class CloudPath:
    """As cloudpathlib's: a path on disk is a copy of it."""

    __module__ = "cloudpathlib.cloudpath"

    def __str__(self):
        return "s3://bucket/songs"

    def __fspath__(self):
        pytest.fail("it would be downloaded")


def test_a_path_of_cloudpathlib_is_its_url_and_is_not_downloaded():
    assert location(CloudPath(), "output_dir") == "s3://bucket/songs"


def test_storage_options_that_only_this_process_has_are_refused():
    with pytest.raises(InvalidFolderError, match=r"has storage options \(anon, endpoint_url\) that a triggerer"):
        location(UPath("s3://bucket/songs", endpoint_url="http://localhost:9", anon=True), "output_dir")


def test_a_home_directory_is_made_an_absolute_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert location("~/songs", "output_dir") == f"{tmp_path}/songs"
    assert location(Path("~/songs"), "output_dir") == f"{tmp_path}/songs"
    assert location("~", "output_dir") == str(tmp_path)
    assert location("~root/songs", "output_dir") == str(Path("~root/songs").expanduser())


def test_a_home_directory_that_leads_nowhere_is_refused(monkeypatch):
    with pytest.raises(InvalidFolderError, match="home directory that this machine does not know"):
        location("~no-such-user/songs", "output_dir")
    monkeypatch.setenv("HOME", "home/me")
    with pytest.raises(InvalidFolderError, match="home directory that is a relative path"):
        location("~/songs", "output_dir")


REFUSED = {
    "names no folder": [None, "None", " None\n", "", "  \t"],
    "is no folder's name": [0, 5, 1.5, True, b"/data", ["/data"], {"a": 1}, object()],
    "is a relative path": [
        "songs",
        "./x",
        "../x",
        ".",
        "songs/s3://b",
        "://b/x",
        "conn@s3://b/x",
        "C:/songs",
        "C:\\songs",
        "'/data'",
        "simplecache::s3://b/x",
        "s3:songs",
        "file:songs",
        Path("songs"),
        Path(),
        PureWindowsPath("C:/songs"),
    ],
    "holds a variable": [
        "$HOME/songs",
        "${HOME}/songs",
        "$(pwd)/songs",
        "/data/$USER",
        "s3://$BUCKET/x",
        "s3://b/${ENV}/x",
        "%TEMP%/songs",
        "/data/%DATA%/songs",
        Path("$HOME/songs"),
    ],
    "names no bucket": ["s3://", "s3:///x", "s3://conn@/x", "s3://conn@", "gs:///x", "S3:///x", "s3://?x", "s3://#x"],
    "has one slash after s3": ["s3:/b/x", "S3:/b", Path("s3://b/x"), Path("s3:///b/x")],
    "has one slash after gs": ["gs:/b/x"],
    "is no URL of a folder": ["file:/abs", "local:/abs", Path("file:///abs")],
    "names a host": ["file://host/abs", "file://localhost/abs", "local://abs", "file://"],
    "holds a template": ["{{ ds }}", "/data/{{ ds }}", "s3://b/{% if x %}", "/data/{# x #}", Path("/data/{{ ds }}")],
    "holds a control character": ["/data/a\nb", "/data/\0", "s3://b/\x7f", "/data/\ud800", "/data/\u2028x"],
}


@pytest.mark.parametrize(("fault", "value"), [(fault, value) for fault, values in REFUSED.items() for value in values])
def test_anything_else_is_refused_by_name_with_the_fix(fault, value):
    with pytest.raises(InvalidFolderError) as raised:
        location(value, "record_dir")
    said = str(raised.value)
    assert said.startswith("record_dir: ")
    assert fault in said
    assert f"{value!r:.200}" in said
    assert said.endswith("Give an absolute path, or a URL such as 's3://conn_id@bucket/songs'. Nothing was sent.")


def test_a_refusal_ends_the_task_and_quotes_at_most_200_characters():
    with pytest.raises(InvalidFolderError) as raised:
        location("x" * 10_000, "output_dir")
    assert isinstance(raised.value, OutputError)
    assert isinstance(raised.value, AirflowFailException)
    assert len(str(raised.value)) < 500


@given(st.text(max_size=40) | st.text("s3:/.~$%{}@ fileb\\", max_size=20))
def test_any_text_is_refused_or_absolute_and_stays_as_it_is(text):
    try:
        found = location(text, "output_dir")
    except InvalidFolderError:
        return
    assert found.startswith("/") or "://" in found
    assert location(found, "output_dir") == found


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("s3://b/{{ x }}", "s3://b"),
        ("s3://b/songs-{{ ds }}/x", "s3://b"),
        ("s3://b/songs/{{ ds }}", "s3://b/songs"),
        ("s3://conn@b/songs/{{ ds }}", "s3://conn@b/songs"),
        ("s3://b//{{ x }}", "s3://b"),
        ("/data/{{ ds }}", "/data"),
        ("/data/a/{% if x %}b{% endif %}", "/data/a"),
        ("/data/a/{# why #}b", "/data/a"),
        ("  /data/{{- ds }}", "/data"),
        ("file:///data/{{ ds }}", "file:///data"),
        ("memory://songs/{{ ds }}", "memory://songs"),
        ("memory:///songs/{{ ds }}", "memory:///songs"),
        ("~/songs/{{ ds }}", "~/songs"),
        ("songs/{{ ds }}", "songs"),
        ("/{{ ds }}", None),
        ("//{{ ds }}", None),
        ("{{ x }}", None),
        ("{{ x }}/y", None),
        ("{% if x %}s3://b{% endif %}/y", None),
        ("songs-{{ x }}", None),
        ("s3://{{ b }}/y", None),
        ("s3://b-{{ env }}/x", None),
        ("s3://{{ conn }}@b/x", None),
        ("s3://conn@{{ b }}/x", None),
        ("s3://conn@/{{ x }}", None),
        ("s3:///{{ x }}", None),
        ("file:///{{ x }}", None),
        ("file://{{ x }}", None),
        ("memory:///{{ x }}", None),
        ("", None),
        ("  ", None),
        (None, None),
        (5, None),
        (["/data"], None),
        ("/data", "/data"),
        ("s3://b/x/", "s3://b/x/"),
        ("[[ ds ]]", "[[ ds ]]"),
        (Path("/data/songs"), "/data/songs"),
        (Path("/data/{{ ds }}/x"), "/data"),
    ],
)
def test_the_part_before_the_first_tag_is_the_same_at_every_try(template, found):
    assert static_part(template) == found


def test_a_template_may_be_a_path_of_an_object_store():
    assert static_part(ObjectStoragePath("s3://conn@bucket/songs/{{ ds }}/x")) == "s3://conn@bucket/songs"
    assert static_part(ObjectStoragePath("s3://conn@bucket/songs")) == "s3://conn@bucket/songs"


@given(st.text("s3:/b{%#}@ x", max_size=25))
def test_no_tag_is_left_in_a_static_part(template):
    found = static_part(template)
    assert found is None or not any(tag in found for tag in ("{{", "{%", "{#"))
    assert found is None or template.strip().startswith(found.strip())
