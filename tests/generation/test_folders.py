# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_music.compat import DAG, ObjectStoragePath
from airflow_provider_music.exceptions import InvalidFolderError, StorageNotSharedError
from airflow_provider_music.generation.folders import FolderOptions, SongFolders, folders_of, is_mapped, record_root
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.record.identity import SongIdentity
from airflow_provider_music.record.take import Take

ONE = SongIdentity("dag", "run", "task")
SONG = {"model": "minimax/music-2.6", "prompt": "a calm song of the sea"}


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """Both settings are given, so that it shows which one is taken."""
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", "/setting/songs")
    monkeypatch.setenv("AIRFLOW__MUSIC__RECORD_DIR", "/setting/records")


def options(output_dir=None, template=None, *, rendered=None, **more):
    fields = {"is_mapped": False, "record_dir": None, "executor": "LocalExecutor", **more}
    return FolderOptions(rendered or output_dir, template if template is not None else output_dir, **fields)


@pytest.mark.parametrize(
    ("given", "root"),
    [
        (options("/songs"), "/songs"),
        (options("s3://b/songs"), "s3://b/songs"),
        (options(Path("/songs")), "/songs"),
        (options(ObjectStoragePath("s3://conn@b/songs")), "s3://conn@b/songs"),
        (options("s3://b/songs/{{ ds }}", rendered="s3://b/songs/2026"), "s3://b/songs"),
        (options("s3://b/songs/{{ ti.try_number }}/x", rendered="s3://b/songs/2/x"), "s3://b/songs"),
        (options("s3://b/x-{{ ds }}/songs", rendered="s3://b/x-2026/songs"), "s3://b"),
        (options("/songs/{% if x %}a{% endif %}", rendered="/songs/a"), "/songs"),
        (options("{{ var.value.songs }}", rendered="/elsewhere"), "/setting/records"),
        (options("s3://{{ var.value.bucket }}/songs", rendered="s3://b/songs"), "/setting/records"),
        (options("/{{ x }}", rendered="/elsewhere"), "/setting/records"),
        (options("/songs/1", template=object()), "/setting/records"),
        (options("/songs/1", is_mapped=True), "/setting/records"),
        (options(), "/setting/records"),
        (options("/songs/{{ ds }}", rendered="/songs/2026", record_dir="/given"), "/given"),
        (options("/songs/1", is_mapped=True, record_dir="s3://b/given"), "s3://b/given"),
        (options(record_dir=Path("/given")), "/given"),
    ],
)
def test_the_record_lies_where_no_template_decides(given, root):
    assert record_root(given) == root


def test_without_a_record_dir_the_setting_is_output_dir(monkeypatch):
    monkeypatch.delenv("AIRFLOW__MUSIC__RECORD_DIR")

    assert record_root(options()) == "/setting/songs"


@pytest.mark.parametrize(
    "given",
    [
        options("songs"),
        options("./{{ ds }}", rendered="./2026"),
        options("/songs", record_dir="records"),
        options("/songs", record_dir="/records/{{ ds }}"),
        options("/songs", record_dir=""),
        options("/songs", record_dir="None"),
        options("/songs/{{ x }}", rendered=object()),
        options("{{ x }}", rendered="None"),
        options("{{ x }}", rendered="relative"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_refused(given):
    with pytest.raises(InvalidFolderError, match="Nothing was sent"):
        SongFolders.of(given, ONE)


@pytest.mark.parametrize("name", ["OUTPUT_DIR", "RECORD_DIR"])
def test_a_setting_that_cannot_be_meant_is_refused_by_its_name(name, monkeypatch):
    monkeypatch.setenv(f"AIRFLOW__MUSIC__{name}", "songs")
    with pytest.raises(InvalidFolderError, match=rf"\[music\] {name.lower()}.*relative path"):
        SongFolders.of(options(), ONE)


def test_audio_lies_where_the_template_says_and_both_have_the_same_path_below():
    folders = SongFolders.of(options("/songs/{{ ds }}", rendered="/songs/2026"), ONE)

    assert folders == SongFolders("file:///songs/dag/run/task", "file:///songs/2026/dag/run/task")
    assert folders.song(3) == SongFolders("file:///songs/dag/run/task/song-3", "file:///songs/2026/dag/run/task/song-3")


def test_both_lie_together_where_nothing_tells_them_apart():
    folders = SongFolders.of(options("/songs"), ONE)

    assert folders.record_url == folders.audio_url


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (options("/songs", executor="CeleryExecutor"), "output_dir: '/songs'"),
        (options("s3://b/x", executor="CeleryExecutor", record_dir="/records"), "record_dir: '/records'"),
        (
            options("/songs/x", executor="KubernetesExecutor", record_dir="s3://b/records"),
            "output_dir: '/songs/x'",
        ),
    ],
)
def test_a_folder_of_one_machine_is_refused_where_tasks_run_on_others(given, named):
    with pytest.raises(StorageNotSharedError, match=f"{named}.*(.|\n)*Nothing was sent"):
        SongFolders.of(given, ONE)


def test_a_take_says_where_its_audio_lies_whatever_the_template_gives_now():
    take = Take(2, {"intent": {"audio_url": "file:///songs/noon/dag/run/task/take-2"}})

    assert folders_of(take, "file:///songs/dag/run/task") == SongFolders(
        "file:///songs/dag/run/task", "file:///songs/noon/dag/run/task"
    )
    assert folders_of(Take(2, {"intent": {}}), "file:///songs/x").audio_url == "file:///songs/x"


def mapped(expand):
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)) as dag:  # noqa: DTZ001
        upstream = GenerateMusicOperator(task_id="upstream", **SONG)
        expand(upstream)
    return dag


def one_of(dag, **fields):
    task = GenerateMusicOperator(task_id="song", dag=None, **{**SONG, **fields})
    return is_mapped(task, {"dag": dag}, "output_dir")


PARTIAL = {"task_id": "song", "model": SONG["model"]}


@pytest.mark.parametrize(
    ("expand", "found"),
    [
        (lambda _: GenerateMusicOperator.partial(**PARTIAL).expand(output_dir=["/a", "/b"]), True),
        (lambda _: GenerateMusicOperator.partial(**PARTIAL, output_dir="/a").expand(prompt=["x", "y"]), False),
        (lambda up: GenerateMusicOperator.partial(**PARTIAL).expand(output_dir=up.output), True),
        (
            lambda _: GenerateMusicOperator.partial(**PARTIAL).expand_kwargs([{"prompt": "x", "output_dir": "/a"}]),
            True,
        ),
        (lambda _: GenerateMusicOperator.partial(**PARTIAL).expand_kwargs([{"prompt": "x"}]), False),
        (lambda up: GenerateMusicOperator.partial(**PARTIAL).expand_kwargs(up.output), True),
        (lambda up: GenerateMusicOperator.partial(**PARTIAL).expand_kwargs([{"prompt": "x"}, up.output]), True),
        (lambda _: GenerateMusicOperator(**PARTIAL, prompt="x"), False),
    ],
    ids=[
        *("expand", "expand of another", "expand over an XCom", "expand_kwargs", "expand_kwargs of another"),
        *("expand_kwargs over an XCom", "expand_kwargs with an XCom in it", "not mapped"),
    ],
)
def test_a_mapped_folder_is_seen_though_each_task_has_a_plain_one(expand, found):
    assert one_of(mapped(expand)) is found


@pytest.mark.parametrize("context", [{}, {"dag": None}, {"dag": SimpleNamespace(task_dict={})}, {"dag": object()}])
def test_a_task_without_its_dag_is_taken_for_not_mapped(context):
    assert is_mapped(SimpleNamespace(task_id="song"), context, "output_dir") is False


def test_an_xcom_for_a_folder_has_its_record_where_the_setting_says():
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):  # noqa: DTZ001
        upstream = GenerateMusicOperator(task_id="upstream", **SONG)
        task = GenerateMusicOperator(task_id="song", output_dir=upstream.output["folder"], **SONG)
    given = options("/rendered", template=task.output_dir_template)

    assert record_root(given) == "/setting/records"
    assert SongFolders.of(given, ONE).audio_url == "file:///rendered/dag/run/task"
