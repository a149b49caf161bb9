# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

import airflow_provider_music

EXAMPLES = Path(airflow_provider_music.__file__).parent.parent / "dags_examples"
HEAD = """
import pendulum
from airflow_provider_music.compat import DAG
from airflow_provider_music.operators.music import *
PLAIN = {"model": "stable-audio", "prompt": "x"}
with DAG("dag", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
    pass
"""


@pytest.fixture
def dag_file(tmp_path):
    def write(*tasks):
        path = tmp_path / "dags" / "dag.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD + "".join(f"    {task}\n" for task in tasks))
        return path

    return write


def tasks_of(done):
    return {task["task_id"]: task for task in done.json["tasks"]}


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="an installed package has no examples beside it")
def test_the_examples_have_no_mistake_and_a_price(music_sandbox, command):
    done = command("check", EXAMPLES)
    assert done.code == 0, done.out
    assert "a run: at most $" in done.lines[-1]
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='')", "add 1 or more"),
        ("GenerateMusicOperator(task_id='t', model='minimax/music-2.6', prompt='p' * 3000)", "shorten by 1000"),
        ("GenerateMusicOperator(task_id='t', model='minimax/musik-2.6')", "did you mean minimax/music-2.6?"),
        ("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='p', output_dir='songs')", "relative path"),
        (
            "GenerateMusicOperator(task_id='t', model='minimax/music-2.6', audio_setting={'bitrat': 1})",
            "did you mean bitrate?",
        ),
        ("GenerateMusicBatchOperator(task_id='t', requests=[{'modle': 'stable-audio'}])", "did you mean model?"),
        ("GenerateMusicBatchOperator(task_id='t', requests=[])", "list is empty"),
        ("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='rain', name='/')", "no name for a file"),
        ("UploadReferenceOperator(task_id='t', file='/a.mp3', purpose='songs')", "did you mean song?"),
        ("UploadReferenceOperator(task_id='t', file='/a.mp3', require_rights=True)", "rights: not given"),
        ("PreprocessCoverOperator(task_id='t', file='/a.mp3', require_rights=True)", "rights: not given"),
        ("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='x', require_rights=True)", "rights: not"),
        ("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='x', rights='')", "rights: '' says nothing"),
        (
            "GenerateMusicBatchOperator(task_id='t', require_rights=True, requests=[{**PLAIN, 'rights': 'a'}, PLAIN])",
            "requests[1] rights: not given",
        ),
        (
            "GenerateMusicOperator.partial(task_id='t', model='stable-audio').expand(prompt=['rain', ''])",
            "[1] prompt",
        ),
    ],
)
def test_a_static_mistake_is_named(task, words, music_sandbox, command, dag_file):
    done = command("check", dag_file(task), "-o", "json")
    assert done.code == 1
    shown = [*tasks_of(done)["t"]["problems"]] if done.json["tasks"] else [*done.json["import_errors"].values()]
    assert words in "\n".join(shown)


def test_a_misspelled_argument_is_an_import_error_with_the_nearest_name(music_sandbox, command, dag_file):
    path = dag_file("GenerateMusicOperator(task_id='t', model='stable-audio', lyric='la')")
    done = command("check", path.parent)
    assert done.code == 1
    assert "did you mean lyrics?" in done.out


@pytest.mark.parametrize(
    "task",
    [
        "GenerateMusicOperator(task_id='t', model='stable-audio', prompt='{{ ds }}')",
        "GenerateMusicOperator(task_id='t', model='minimax/music-2.0', prompt='{{ ds }}', lyrics='{{ ds }}')",
        "GenerateMusicBatchOperator(task_id='t', requests=[{'model': 'stable-audio', 'prompt': '{{ ds }}'}])",
        "GenerateMusicOperator(task_id='t', model='stable-audio', prompt='rain', name='{{ ds }}-jingle')",
        "GenerateMusicBatchOperator(task_id='t', requests=[{'model': 'stable-audio', 'prompt': 'x', 'name': '{{x}}'}])",
        "GenerateMusicOperator(task_id='t', model='stable-audio', prompt='x', rights='{{ x }}', require_rights=True)",
    ],
)
def test_what_a_template_makes_is_neither_checked_nor_missed(task, music_sandbox, command, dag_file):
    done = command("check", dag_file(task), "-o", "json")
    assert (done.code, tasks_of(done)["t"]["songs"]) == (0, 1)
    assert tasks_of(done)["t"]["max_usd"] > 0


@pytest.mark.parametrize(
    "task",
    [
        "GenerateMusicBatchOperator(task_id='t', requests='{{ ti.xcom_pull() }}')",
        "GenerateMusicOperator(task_id='t', model='{{ params.model }}', prompt='rain')",
        "PreprocessCoverOperator(task_id='t', file='/a.mp3')",
    ],
)
def test_what_only_a_run_knows_is_said_and_keeps_no_limit(task, music_sandbox, command, dag_file):
    done = command("check", dag_file(task), "-o", "json")
    assert (done.code, done.json["unknown"]) == (0, 1)
    assert tasks_of(done)["t"]["unknown"]
    assert command("check", dag_file(task), "--max-usd", "5").code == 1


@pytest.mark.parametrize(
    ("task", "songs"),
    [
        ("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='rain', takes=3)", 3),
        ("GenerateMusicOperator(task_id='t', request={'model': 'stable-audio', 'prompt': '{{ ds }}'}, takes=3)", 3),
        (
            "GenerateMusicOperator.partial(task_id='t', model='stable-audio', takes=3).expand(prompt=['a', 'b'])",
            6,
        ),
        (
            "GenerateMusicOperator.partial(task_id='t', model='stable-audio', prompt='a').expand(takes=[1, 3])",
            4,
        ),
    ],
)
def test_each_of_several_takes_is_a_song_and_a_price(task, songs, music_sandbox, command, dag_file):
    one = "GenerateMusicOperator(task_id='t', model='stable-audio', prompt='rain')"
    price = tasks_of(command("check", dag_file(one), "-o", "json"))["t"]["max_usd"]
    for name in ("check", "estimate"):
        found = tasks_of(command(name, dag_file(task), "-o", "json"))["t"]
        assert found["songs"] == songs
        assert found["max_usd"] == pytest.approx(songs * price)


def test_mapped_tasks_count_as_many_songs(music_sandbox, command, dag_file):
    done = command(
        "check",
        dag_file("GenerateMusicOperator.partial(task_id='t', model='stable-audio').expand(prompt=['a', 'b', 'c'])"),
        "-o",
        "json",
    )
    assert (done.json["max_usd_a_run"], tasks_of(done)["t"]["songs"]) == (0.15, 3)


def test_a_length_that_a_template_makes_costs_as_much_as_the_longest(music_sandbox, command, dag_file):
    second = {"kind": "fixed", "currency": "USD", "units": [{"name": "second", "price": 0.01, "per": 1}]}
    music_sandbox.settings(pricing={"stable-audio": second})
    task = "GenerateMusicOperator(task_id='t', model='stable-audio', prompt='rain', seconds_total='{{ params.s }}')"
    assert command("check", dag_file(task), "-o", "json").json["max_usd_a_run"] == 0.47


def test_a_limit_that_a_run_could_exceed_ends_with_1(music_sandbox, command, dag_file):
    path = dag_file("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='rain')")
    assert command("check", path, "--max-usd", "0.05").code == 0
    assert command("check", path, "--max-usd", "0.04").code == 1
    assert command("estimate", path, "--max-usd", "0.04").code == 1


def test_a_folder_that_is_not_there_ends_with_2(command, tmp_path):
    assert command("check", tmp_path / "nowhere").code == 2


def test_of_a_folder_only_what_looks_like_a_dag_file_is_run(music_sandbox, command, dag_file):
    path = dag_file("GenerateMusicOperator(task_id='t', model='stable-audio', prompt='rain')")
    (path.parent / "script.py").write_text("raise SystemExit('a script of another kind was run')")
    done = command("check", path.parent, "-o", "json")
    assert (done.code, done.json["import_errors"]) == (0, {})


def test_what_a_function_returns_is_known_in_a_run_and_a_whole_request_now(music_sandbox, command, dag_file):
    path = dag_file(
        "from airflow_provider_music.compat import task",
        "task.music(task_id='made', model='stable-audio')(lambda: 'rain')()",
        "GenerateMusicOperator(task_id='whole', request={'model': 'stable-audio', 'prompt': 'rain'})",
        "GenerateMusicOperator(task_id='later', request='{{ params.song }}')",
        "GenerateMusicOperator.partial(task_id='each').expand(request=[{'model': 'stable-audio', 'prompt': ''}])",
    )
    tasks = tasks_of(command("check", path, "--output", "json"))
    assert {name: task["songs"] for name, task in tasks.items() if task["songs"]} == {"whole": 1}
    assert "add 1 or more" in "\n".join(tasks["each"]["problems"])
    texts = {name: str(task) for name, task in tasks.items()}
    assert "a function makes its requests" in texts["made"]
    assert "its request is known in a run only" in texts["later"]


def test_a_right_that_the_configuration_asks_for_is_named_when_it_is_missing(
    music_sandbox, command, dag_file, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__MUSIC__REQUIRE_RIGHTS", "True")
    path = dag_file(
        "GenerateMusicOperator(task_id='a', model='stable-audio', prompt='x')",
        "GenerateMusicOperator(task_id='b', request={'model': 'stable-audio', 'prompt': 'x', 'rights': 'own'})",
        "GenerateMusicOperator(task_id='c', request='{{ ti.xcom_pull() }}')",
        "GenerateMusicOperator.partial(task_id='d', model='stable-audio').expand(prompt=['x', 'y'])",
        "GenerateMusicBatchOperator(task_id='e', rights='own', requests=[{'model': 'stable-audio', 'prompt': 'x'}])",
    )
    done = command("check", path, "-o", "json")
    found = {task_id: [problem[:24] for problem in task["problems"]] for task_id, task in tasks_of(done).items()}
    assert found["a"] == ["rights: not given, and r"]
    assert found["d"] == ["[0] rights: not given, a", "[1] rights: not given, a"]
    assert (found["b"], found["c"], found["e"]) == ([], [], [])
    assert done.code == 1
