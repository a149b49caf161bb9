# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_music.compat import AIRFLOW, DAG
from airflow_provider_music.lineage import links
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.plugin.listen_link import page_path
from airflow_provider_music.sensors.music import MusicGenerationSensor


class Store:
    def __init__(self, **fs):
        self.fs = type("Fs", (), fs)()


@pytest.fixture
def pushed(airflow, song):
    left, task = {}, song()
    links.drop_links(task)
    context = {**airflow.context(task), "task": task}
    context["ti"].xcom_push = lambda key, value: left.update({key: value})
    return context, left


def test_a_store_with_pages_gets_a_link(pushed):
    context, left = pushed
    links._push(
        context["task"], context, links.SongLink(), Store(endpoint_url=None, client_kwargs={}), "s3://b/song.mp3"
    )
    assert left == {"_link_SongLink": "https://s3.console.aws.amazon.com/s3/object/b?prefix=song.mp3"}


@pytest.mark.parametrize("fs", [{"endpoint_url": "http://minio"}, {"client_kwargs": {"endpoint_url": "http://minio"}}])
def test_a_store_that_only_speaks_s3_gets_none(pushed, fs):
    context, left = pushed
    links._push(context["task"], context, links.SongLink(), Store(**fs), "s3://b/song.mp3")
    assert left == {}


def test_files_on_disk_have_no_page(pushed, output_dir):
    context, left = pushed
    links.push_record_link(context["task"], context, str(output_dir))
    links.push_song_link(context["task"], context, {"audio_uri": f"file://{output_dir}/song.mp3"})
    assert left == {}


def test_the_record_has_its_link_before_the_task_waits(monkeypatch, pushed, song):
    from airflow_provider_music.compat import TaskDeferred

    context, left = pushed
    monkeypatch.setattr(links, "page_of", lambda url: f"https://pages/{url}")
    monkeypatch.setattr(links, "_has_endpoint_of_its_own", lambda folder: False)
    task = song()

    def work():
        task.lineage_record_url = "s3://b/songs/dag/scheduled__2026-11-01T00_00_00_00_00~d3fa2278ec06/song"
        task.defer(trigger=None, method_name="execute_complete")

    with pytest.raises(TaskDeferred):
        task._run_with_lineage(context, work)
    assert list(left) == ["_link_RecordLink"]
    assert left["_link_RecordLink"].endswith("/dag/scheduled__2026-11-01T00_00_00_00_00~d3fa2278ec06/song/")


class Jingle(GenerateMusicOperator):
    """A class of a user's own."""


class Sting(Jingle):
    """What inherits from that."""

    template_fields = (*Jingle.template_fields, "length")


class Heard(MusicGenerationSensor):
    """A sensor of a user's own, with a link of its own."""

    operator_extra_links = (links.RecordLink(),)


def names_of(task):
    return [link.name for link in task.operator_extra_links]


@pytest.mark.skipif(AIRFLOW < (3, 1, 0), reason="Airflow has such pages since 3.1")
def test_a_class_that_inherits_has_the_link_to_its_page_once():
    assert names_of(GenerateMusicOperator) == ["Song", "Record"]
    assert names_of(Jingle) == names_of(Sting) == ["Song", "Record", "Listen"]
    assert names_of(Heard) == ["Record", "Listen"]
    with DAG("linked", schedule=None) as dag:
        Sting.partial(task_id="song", model="stable-audio").expand(prompt=["a", "b"])
    assert names_of(dag.get_task("song")) == ["Song", "Record", "Listen"]


@pytest.mark.skipif(AIRFLOW < (3, 1, 0), reason="Airflow has such pages since 3.1")
def test_a_task_of_it_pushes_the_link_before_it_waits_and_has_it_when_it_ends(airflow, music_sandbox, output_dir):
    op = Jingle(task_id="song", model="stable-audio", prompt="rain", output_dir=str(output_dir), poll_interval=0.05)
    airflow.run(op)
    context = airflow.context(op)
    page = page_path("", context["ti"].dag_id, context["ti"].run_id, "song", context["ti"].map_index)
    assert airflow.pushed["_link_ListenLink"] == page
    (link,) = op.operator_extra_links
    assert link.get_link(op, ti_key=None) == page


@pytest.mark.skipif(AIRFLOW >= (3, 1, 0), reason="Airflow has such pages since 3.1")
def test_without_pages_a_class_that_inherits_has_no_link_to_one():
    assert names_of(Jingle) == ["Song", "Record"]


def test_both_links_lead_to_the_same_pages():
    assert page_path("", "d", "r", "t", -1) == f"{links.LISTEN}/d/r/t/-1"


@pytest.mark.skipif(AIRFLOW < (3, 0, 0), reason="Airflow 2 asks for links in its web server")
@pytest.mark.parametrize("mapped", [False, True])
def test_a_task_that_fails_over_its_template_has_no_link_for_its_worker_to_push(mapped, airflow):
    fields = {"task_id": "song", "model": "stable-audio"}
    with DAG("linked", schedule=None) as dag:
        if mapped:
            GenerateMusicOperator.partial(**fields).expand(prompt=["{{ 1 / 0 }}"])
        else:
            GenerateMusicOperator(prompt="{{ 1 / 0 }}", **fields)
    task = dag.get_task("song")
    assert [link.name for link in task.operator_extra_links] == ["Song", "Record"]
    if mapped:
        task = task.unmap({"prompt": "{{ 1 / 0 }}"})
    with pytest.raises(ZeroDivisionError):
        task._do_render_template_fields(task, task.template_fields, {}, task.get_template_env(), set())
    # The worker pushes what each link of the task says when it ends.
    assert list(task.operator_extra_links) == []
    assert [link.name for link in GenerateMusicOperator.operator_extra_links] == ["Song", "Record"]


def test_a_link_that_nobody_pushed_is_empty(monkeypatch, song):
    monkeypatch.setattr(links, "AIRFLOW", (2, 11, 0))
    monkeypatch.setattr("airflow_provider_music.compat.XCom.get_value", lambda **_: None)
    assert links.RecordLink().get_link(song(), ti_key=None) == ""


def test_links_are_on_every_task_that_makes_a_song(song, batch):
    assert [link.name for link in song().operator_extra_links] == ["Song", "Record"]
    assert [link.name for link in batch().operator_extra_links] == ["Record"]


@pytest.fixture
def ended(monkeypatch):
    """End a task as a worker of Airflow 3 does; return the links that it left, and fail where it looks for an XCom."""
    runner = pytest.importorskip("airflow.sdk.execution_time.task_runner")
    from types import SimpleNamespace

    from airflow_provider_music.compat import AIRFLOW, XCom

    def look_up(**_):
        raise AssertionError("a look-up of an XCom that is not there logs an error")

    def end(task, context):
        left, errors = {}, []
        monkeypatch.setattr(XCom, "get_value", look_up)
        monkeypatch.setattr(XCom, "get_one", look_up)
        quiet = lambda *_, **more: None  # noqa: E731
        log = SimpleNamespace(info=quiet, exception=lambda *_, **more: errors.append(more), debug=quiet)
        if AIRFLOW >= (3, 3, 0):
            monkeypatch.setattr(runner, "_xcom_push_to_db", lambda ti, key, value: left.update({key: value}))
            ti = SimpleNamespace(**{**vars(context["ti"]), "task": task, "start_date": None, "end_date": None})
            runner.finalize(ti, "deferred", context, log)
        else:
            for link in task.operator_extra_links:
                left[link.xcom_key] = link.get_link(operator=task, ti_key=context["ti"])
        assert errors == []
        return left

    return end


@pytest.mark.parametrize("work", [dict, None], ids=["ended", "failed"])
def test_a_task_whose_store_has_no_pages_leaves_neither_rows_nor_red_lines(work, ended, pushed, song, output_dir):
    context, _ = pushed
    task = context["task"] = song()

    def run():
        task.lineage_record_url = str(output_dir)
        return {"status": "completed", "audio_uri": f"file://{output_dir}/song.mp3"} if work else {}["broken"]

    if work:
        task._run_with_lineage(context, run)
    else:
        with pytest.raises(KeyError):
            task._run_with_lineage(context, run)
    assert ended(task, context) == {}


def test_a_task_leaves_the_links_that_there_are(monkeypatch, ended, pushed, song):
    monkeypatch.setattr(links, "_has_endpoint_of_its_own", lambda folder: False)
    context, left = pushed
    task = context["task"] = song()

    def run():
        task.lineage_record_url = "s3://b/songs/dag/run/song"

    task._run_with_lineage(context, run)
    assert list(ended(task, context)) == ["_link_RecordLink"]
    assert ended(task, context) == left


def test_the_links_of_a_dag_are_still_on_its_tasks_where_it_is_parsed(song):
    assert [link.name for link in song().operator_extra_links] == ["Song", "Record"]
