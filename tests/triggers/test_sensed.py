# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_music.generation import clock
from airflow_provider_music.generation.inline import run_here
from airflow_provider_music.triggers.sensed import SensedSongTrigger

SONG = {
    "generation": "an-id",
    "model": None,
    "conn_id": "music_default",
    "poll_interval": 0.05,
    "timeout": 60.0,
    "limit": 120.0,
}


@pytest.fixture
def trigger():
    """A trigger as the triggerer makes it: its arguments, then its deadline and context."""
    made = SensedSongTrigger(song=SONG)
    made.timeout_after = datetime.fromtimestamp(clock.now() + SONG["limit"], UTC)
    return made


async def fire(trigger):
    return [event.payload async for event in trigger.run()]


def context(**more):
    return {"ti": SimpleNamespace(**{"try_number": 1, "dag_id": "dag", "run_id": "r", "task_id": "wait", **more})}


def test_what_airflow_keeps_makes_the_same_trigger_again(trigger):
    path, kwargs = trigger.serialize()

    assert path == "airflow_provider_music.triggers.sensed.SensedSongTrigger"
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert SensedSongTrigger(**kwargs).serialize() == (path, kwargs)


def test_rendering_is_put_off_so_that_airflow_is_not_held_up_in_its_loop(trigger):
    pulled = []
    trigger.song["generation"] = "{{ ti.xcom_pull('ask') }}"
    seen = context()
    seen["ti"].xcom_pull = lambda **arguments: pulled.append(arguments)
    trigger.render_template_fields(context=seen)

    assert pulled == []
    assert run_here(fire(trigger))[0]["status"] == "look"
    assert len(pulled) == 1


def test_it_fires_once_and_lets_the_run_go(trigger, music_sandbox):
    given = context()
    trigger.render_template_fields(context=given)
    events = run_here(fire(trigger))

    assert len(events) == 1
    assert trigger._context is None


@pytest.mark.parametrize("missing", ["context", "deadline"])
def test_an_airflow_that_tells_it_less_has_a_worker_begin(trigger, missing, music_sandbox):
    if missing == "deadline":
        trigger.timeout_after = None
        trigger.render_template_fields(context=context())

    assert run_here(fire(trigger))[0]["status"] == "look"
    assert music_sandbox.requests("poll") == 0
