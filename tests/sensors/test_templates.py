# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_music.sensors.templates import CannotRenderError, render

XCOMS = {
    ("ask", "return_value"): {"generation_id": "an-id", "model": "stable-audio"},
    ("ask", "generation_id"): "an-id",
}


class RunningTask:
    """A task instance as the triggerer has it; it counts what it is asked for."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "run-1", "wait", -1, 1

    def __init__(self):
        self.pulls = []

    def xcom_pull(self, **arguments):
        self.pulls.append(arguments)
        return XCOMS.get((arguments["task_ids"], arguments["key"]))


@pytest.fixture
def ti():
    return RunningTask()


@pytest.fixture
def context(ti):
    return {
        "ti": ti,
        "task_instance": ti,
        "run_id": "run-1",
        "ds": "2026-11-01",
        "params": {"id": "of-params"},
        "dag_run": SimpleNamespace(conf={"id": "of-conf"}),
        "var": {"value": {"id": "of-a-variable"}},
        "conn": SimpleNamespace(music_default=SimpleNamespace(password="sk-secret")),
        "task_state_store": SimpleNamespace(get=lambda _: "never answered"),
    }


@pytest.mark.parametrize("plain", ["an-id", "", None, 7, 2.5, True, "music {default"])
def test_what_is_no_template_stays_as_it_is(plain, context, ti):
    assert render(plain, context) == plain
    assert ti.pulls == []


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ run_id }}", "run-1"),
        ("song-{{ ds }}", "song-2026-11-01"),
        ("{{ params.id }}", "of-params"),
        ("{{ dag_run.conf['id'] }}", "of-conf"),
        ("{{ ti.task_id }} of {{ task_instance.dag_id }}", "wait of dag"),
        ("{% if params.id %}yes{% endif %}", "yes"),
    ],
)
def test_a_template_sees_the_run(template, text, context):
    assert render(template, context) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ ti.xcom_pull(task_ids='ask')['generation_id'] }}",
        "{{ ti.xcom_pull('ask').generation_id }}",
        "{{ task_instance.xcom_pull(task_ids='ask', dag_id='dag', key='generation_id') }}",
        "{{ ti.xcom_pull(task_ids='ask', key='return_value')['generation_id'] }}",
    ],
)
def test_a_template_pulls_xcoms_in_the_one_way_that_the_triggerer_answers(template, context, ti):
    assert render(template, context) == "an-id"
    assert [each["map_indexes"] for each in ti.pulls] == [None]


def test_dicts_and_lists_are_rendered_inside(context):
    rendered = render({"a": ["{{ run_id }}", 1], "b": {"c": "{{ ds }}"}}, context)

    assert rendered == {"a": ["run-1", 1], "b": {"c": "2026-11-01"}}


@pytest.mark.parametrize(
    "template",
    [
        "{{ macro_of_the_dag() }}",  # Airflow itself renders an unknown name as nothing
        "{{ unknown }}",
        "{{ params.unknown }}",
        "{{ dag_run.conf['unknown'] }}",
        "{{ run_id | filter_of_the_dag }}",
        "{% include 'file.txt' %}",
        "{{ var.value.id }}",  # a worker's variables may be others
        "{{ conn.music_default.password }}",
        "{{ task_state_store.get('id') }}",  # a call that is never answered
        "{{ ti.get_first_reschedule_date() }}",
        "{{ ti._pull }}",
        "{{ ti.xcom_pull(task_ids=['ask', 'other']) }}",
        "{{ ti.xcom_pull(task_ids='ask', dag_id='another') }}",
        "{{ ti.xcom_pull(task_ids='ask', map_indexes=[0, 1]) }}",
        "{{ ti.xcom_pull(task_ids='ask', include_prior_dates=True) }}",
        "{{ ti.xcom_pull() }}",
        "{{ ti.xcom_pull(task_ids='mapped') }}",
        "{{ ti.xcom_pull(task_ids='ask', key='unknown') }}",
        "{{ 1 / 0 }}",
        "{{ not closed",
    ],
)
def test_what_a_worker_could_see_otherwise_is_left_to_a_worker(template, context):
    with pytest.raises(CannotRenderError):
        render(template, context)


def test_an_error_says_which_template_and_why_in_one_short_line(context):
    with pytest.raises(CannotRenderError, match=r"unknown \}\}.*UndefinedError") as caught:
        render("{{ unknown }}" + "x" * 5000, context)
    assert len(str(caught.value)) < 300


def test_an_xcom_that_cannot_be_pulled_is_left_to_a_worker(context, ti):
    def away(**arguments):
        raise RuntimeError("the API server is away")

    ti.xcom_pull = away
    with pytest.raises(CannotRenderError, match="the API server is away"):
        render("{{ ti.xcom_pull('ask') }}", context)
