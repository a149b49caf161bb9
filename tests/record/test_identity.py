# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_music.record import identity as identities
from airflow_provider_music.record.identity import SongIdentity, TaskAttempt, deployment_name, is_of_try

ONE = SongIdentity("dag", "run", "task", deployment="here", base_url="https://api")

VARIANTS = {
    "dag": dataclasses.replace(ONE, dag_id="other"),
    "run": dataclasses.replace(ONE, run_id="other"),
    "task": dataclasses.replace(ONE, task_id="other"),
    "map index": dataclasses.replace(ONE, map_index=0),
    "loop": dataclasses.replace(ONE, loop="body-0"),
    "the loop's next iteration": dataclasses.replace(ONE, loop="body-1"),
    "place in a batch": ONE.song(0),
    "next place in a batch": ONE.song(1),
    "Airflow": ONE.within("there", "https://api"),
    "API": ONE.within("here", "https://other"),
    "map index in place of a batch's": dataclasses.replace(ONE, map_index=1),
}


def test_whatever_tells_two_songs_apart_gives_them_another_key_and_another_folder():
    every = [ONE, *VARIANTS.values()]

    assert len({one.key for one in every}) == len(every)
    assert len({one.path for one in every}) == len(every)


def test_a_key_is_the_same_in_every_process_and_fit_for_a_requests_id():
    assert ONE.key == dataclasses.replace(ONE).key == "df46b68cc4b4a5239027166b"
    assert len(ONE.key) == 24
    assert all(character in "0123456789abcdef" for character in ONE.key)


def test_a_path_says_whose_it_is_and_names_nothing_outside():
    mapped = dataclasses.replace(ONE, run_id="../../run:1", map_index=3, loop="body/x-2", index=4)

    dag, realm, run, task, map_index, loop, song = mapped.path.split("/")

    assert (dag, task, map_index, song) == ("dag", "task", "3", "song-4")
    assert realm.startswith("airflow~")
    assert "~" in run
    assert loop.startswith("loop-body_x-2~")


def test_a_name_that_a_person_gave_to_the_deployment_is_in_the_path(monkeypatch):
    monkeypatch.setenv("AIRFLOW__MUSIC__DEPLOYMENT", " production ")

    assert deployment_name() == "production"
    assert ONE.path.split("/")[1].startswith("production~")


def test_a_name_says_which_song_it_is():
    assert dataclasses.replace(ONE, map_index=3, loop="body-1").name == "dag / run / task[3] loop body-1"
    assert ONE.name == "dag / run / task"


@pytest.mark.parametrize(
    ("region", "loop"),
    [
        ({}, None),
        ({"region_id": None, "region_index": None}, None),
        # What Airflow gives a task that is in no region, mapped or not.
        ({"region_id": uuid.UUID(int=0), "region_index": 3}, None),
        ({"region_id": uuid.UUID(int=7), "region_index": 0}, "0d25a51a-0"),
        ({"region_id": uuid.UUID(int=7), "region_index": 1}, "0d25a51a-1"),
        ({"region_id": uuid.UUID(int=8), "region_index": 0}, "a7d7e8b7-0"),
    ],
)
def test_the_iterations_of_a_task_loop_are_told_by_their_region(region, loop):
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1, **region)

    assert SongIdentity.of(ti).loop == loop


def options(monkeypatch, version, **given):
    monkeypatch.setattr("airflow.__version__", version)
    monkeypatch.setattr(identities, "_option", lambda section, name: given.get(f"{section}.{name}", ""))
    return deployment_name()


def test_two_airflows_of_version_3_differ_by_their_addresses(monkeypatch):
    one = options(monkeypatch, "3.3.2", **{"api.base_url": "https://staging"})

    assert one == options(monkeypatch, "3.3.2", **{"api.base_url": "https://staging"})
    assert one != options(monkeypatch, "3.3.2", **{"api.base_url": "https://production"})
    assert one != options(monkeypatch, "3.3.2", **{"core.execution_api_server_url": "https://staging"})
    assert one == options(
        monkeypatch, "3.3.2", **{"api.base_url": "https://staging", "database.sql_alchemy_conn": "postgresql://x/y"}
    ), "a worker of Airflow 3 is not told the database"


def test_two_airflows_of_version_2_differ_by_their_address_and_database_and_no_password_is_in_it(monkeypatch):
    def named(database, url="https://here"):
        return options(monkeypatch, "2.11.2", **{"database.sql_alchemy_conn": database, "webserver.base_url": url})

    one = named("postgresql://me:secret@host:5432/airflow?sslmode=require")

    assert "secret" not in one
    assert one == named("postgresql+psycopg2://you:rotated@host:5432/airflow")
    assert one != named("postgresql://me:secret@host:5432/other")
    assert one != named("postgresql://me:secret@other:5432/airflow")
    assert one != named("postgresql://me:secret@host:5432/airflow", "https://there")


def test_the_settings_of_this_airflow_give_a_name_that_does_not_change(monkeypatch):
    monkeypatch.delenv("AIRFLOW__MUSIC__DEPLOYMENT", raising=False)
    assert deployment_name() == deployment_name() != ""


def a_ti(**more):
    fields = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1, "try_number": 2, "max_tries": 4}
    return SimpleNamespace(**{**fields, **more})


def told(keys, *, next_method=None):
    return SimpleNamespace(xcom_keys_to_clear=keys, next_method=next_method)


def test_an_attempt_is_read_with_its_run_as_airflow_has_it():
    began = datetime(2026, 11, 1, 3, tzinfo=timezone(timedelta(hours=2)))
    run = SimpleNamespace(start_date=began, clear_number=1)

    attempt = TaskAttempt.of({"ti": a_ti(id="some-id"), "dag_run": run})

    assert attempt.metadata == {
        "task": "dag / run / task",
        "try_number": 2,
        "max_tries": 4,
        "run_started_at": "2026-11-01T01:00:00+00:00",
        "clear_number": 1,
        "attempt_id": "some-id",
    }


def test_a_moment_without_a_zone_is_that_of_utc():
    run = SimpleNamespace(start_date=datetime(2026, 11, 1), clear_number=0)  # noqa: DTZ001
    aware = SimpleNamespace(start_date=datetime(2026, 11, 1, tzinfo=UTC), clear_number=0)

    assert TaskAttempt.of({"ti": a_ti(), "dag_run": run}) == TaskAttempt.of({"ti": a_ti(), "dag_run": aware})


def test_an_attempt_without_a_run_is_known_by_its_numbers_alone():
    attempt = TaskAttempt.of({"ti": a_ti()})

    assert (attempt.try_number, attempt.max_tries) == (2, 4)
    assert (attempt.run_started_at, attempt.clear_number, attempt.attempt_id, attempt.returned) == (None,) * 4


@pytest.mark.parametrize(
    ("context", "push", "returned"),
    [
        (told(["return_value", "audio_uri"]), True, True),
        (told(["audio_uri"]), True, False),
        (told([]), True, False),
        (told(None), True, None),
        (told([], next_method="execute_complete"), True, None),
        (told([]), False, None),
        (None, True, None),
    ],
    ids=["returned", "only another key", "nothing", "not told", "resumed", "pushes none", "an older Airflow"],
)
def test_whether_the_try_before_returned_is_known_only_where_airflow_says_so(context, push, returned):
    ti = a_ti(_ti_context_from_server=context, task=SimpleNamespace(do_xcom_push=push))

    assert TaskAttempt.of({"ti": ti}).returned is returned


def test_a_songs_attempt_is_that_of_its_task():
    attempt = TaskAttempt.of({"ti": a_ti()}).within("here", "https://api").song(3)

    assert attempt.identity == dataclasses.replace(ONE, index=3)
    assert attempt.metadata["task"] == "dag / run / task"


@pytest.mark.parametrize("name", ["task", "try_number", "max_tries"])
def test_a_fact_is_of_the_try_whose_task_and_numbers_it_has(name):
    metadata = TaskAttempt.of({"ti": a_ti()}).metadata

    assert is_of_try({**metadata, "clear_number": 7}, metadata), "another task of the run may have been cleared"
    assert not is_of_try({**metadata, name: 9}, metadata)
