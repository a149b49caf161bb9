# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A function returns the request, once a try, and the task is the song."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_music.compat import DAG, TaskDeferred, task
from airflow_provider_music.exceptions import (
    ChangedRequestError,
    InvalidRequestError,
    OverBudgetError,
    ResubmissionLostError,
    UnknownOutcomeError,
)
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.requests import MiniMaxMusic26
from tests.conftest import let_this_thread_execute

MODEL = "minimax/music-2.6"
PROMPT = "a calm song of the sea"


@pytest.fixture
def calls():
    return []


@pytest.fixture
def music(output_dir, calls):
    """Makes the task of a function that returns what it is told to; a list is returned piece by piece, call by call."""

    def make(*returned, op_kwargs=None, decorator="music", **arguments):
        left = list(returned)

        def song(**given):
            calls.append(given)
            return left.pop(0) if len(left) > 1 else left[0]

        def words(text):
            calls.append(text)
            return left[0]

        chosen = song if op_kwargs is None else words
        with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
            decorated = getattr(task, decorator)(
                **{"task_id": "song", "output_dir": str(output_dir), "poll_interval": 0.05, **arguments}
            )(chosen)
            return decorated(**(op_kwargs or {})).operator

    return make


def run(airflow, task):
    """One try whose halves are run by two processes: nothing of the first is left in the second."""
    let_this_thread_execute()
    first = copy.deepcopy(task)
    try:
        return first.execute(airflow.context(first))
    except TaskDeferred as deferred:
        return airflow.resume(copy.deepcopy(task), deferred)


@pytest.mark.parametrize(
    ("returned", "arguments"),
    [
        (PROMPT, {"model": MODEL}),
        ({"model": MODEL, "prompt": PROMPT}, {}),
        ({"prompt": PROMPT, "lyrics": None}, {"model": MODEL, "is_instrumental": True}),
        (MiniMaxMusic26(prompt=PROMPT, is_instrumental=True), {}),
    ],
    ids=["text", "dict", "both", "typed"],
)
def test_what_the_function_returns_is_the_song(returned, arguments, music, airflow, music_sandbox, calls):
    op = music(returned, **arguments)
    result = run(airflow, op)

    assert isinstance(op, GenerateMusicOperator)
    assert result["status"] == "completed"
    assert result["model"] == MODEL
    assert Path(result["audio_uri"].removeprefix("file://")).is_file()
    assert len(airflow.deferrals) == 1
    assert airflow.deferrals[0][1]["spec"]["body"]["prompt"] == PROMPT
    assert music_sandbox.posts("submit") == 1
    assert len(calls) == 1


def test_the_function_may_name_the_song_and_so_may_the_call(music, airflow, music_sandbox):
    op = music({"prompt": PROMPT, "name": "of the function"}, model=MODEL)
    assert run(airflow, op)["audio_uri"].endswith("/of_the_function.mp3")
    airflow.clear()
    assert run(airflow, music(PROMPT, model=MODEL, name="of the call"))["audio_uri"].endswith("/of_the_call.mp3")
    with pytest.raises(InvalidRequestError, match="name: given in the decorator's call, and returned"):
        run(airflow, music({"prompt": PROMPT, "name": "a"}, model=MODEL, name="b"))
    batch = [{"model": MODEL, "prompt": PROMPT, "name": "of a batch"}]
    assert run(airflow, music(batch, task_id="songs", decorator="music_batch"))["delivered"] == 1
    assert music_sandbox.posts("submit") == 3


def test_it_waits_on_the_worker_too(music, airflow, music_sandbox, calls):
    assert run(airflow, music(PROMPT, model=MODEL, deferrable=False))["status"] == "completed"
    assert (airflow.deferrals, len(calls)) == ([], 1)


def test_its_result_is_under_its_own_keys_whatever_the_function_is_said_to_return(music):
    from airflow_provider_music.compat import MULTIPLE_OUTPUTS

    assert music(PROMPT, model=MODEL, multiple_outputs=False).multiple_outputs is MULTIPLE_OUTPUTS


def test_a_retry_resumes_with_the_same_song(music, airflow, music_sandbox, calls):
    op = music(PROMPT, model=MODEL)
    first = run(airflow, op)
    airflow.retry()

    assert run(airflow, op)["generation_id"] == first["generation_id"]
    assert music_sandbox.posts("submit") == 1
    assert len(calls) == 2


def test_a_retry_for_which_it_returns_another_request_is_refused_while_a_take_is_open(music, airflow, music_sandbox):
    op = music(PROMPT, "a wild song of the hills", model=MODEL)
    let_this_thread_execute()
    with pytest.raises(TaskDeferred):
        op.execute(airflow.context(op))
    airflow.retry()

    with pytest.raises(ChangedRequestError, match="differs"):
        run(airflow, op)
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize(
    ("on_unknown", "error", "posts"), [("fail", UnknownOutcomeError, 1), ("resubmit", ResubmissionLostError, 2)]
)
def test_a_lost_response_never_calls_the_function_again_in_the_second_half(
    on_unknown, error, posts, music, airflow, music_sandbox, calls, quick_clock
):
    music_sandbox.fault("submit:cut-before", "logs:status=500,times=all")
    op = music(PROMPT, model=MODEL, on_unknown=on_unknown)
    with pytest.raises(error):
        run(airflow, op)
    assert len(calls) == 1
    assert music_sandbox.posts("submit") == 1

    airflow.retry()
    if on_unknown == "fail":
        with pytest.raises(UnknownOutcomeError):
            run(airflow, op)
    else:
        assert run(airflow, op)["submissions"] == 2
    assert music_sandbox.posts("submit") == posts
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "The function returned None"),
        (5, "The function returned 5"),
        ([{"prompt": PROMPT}], "return a dict"),
        (" ", "The function returned ' '"),
        ("None", "prompt: .*'None'"),
        ({"prompt": " None "}, "prompt: .*None"),
        ({"prompt": PROMPT, "audio_setting": {"format": "None"}}, r"format"),
        ({"promt": PROMPT}, "promt: no such field; did you mean prompt"),
        ({"prompt": PROMPT, "output_dir": "/etc"}, "output_dir: no such field"),
        ({"prompt": PROMPT, "max_usd": 100}, "max_usd: no such field"),
        ({"prompt": PROMPT, 5: "x"}, "5: no such field"),
        ({"prompt": PROMPT, "model": "google/lyria2"}, "model: given in the decorator's call"),
        ({"prompt": "a song of {{ ds }}"}, "is a template, and what a function returns is not rendered"),
        ({"prompt": PROMPT, "extra_body": {"a": ["{{ conn.x.password }}"]}}, "is a template"),
        ({"prompt": PROMPT, "extra_body": {"stream": True}}, "stream"),
        ({"prompt": "x" * 3000}, "3000 characters, but"),
        ({f"field_{number}": 1 for number in range(50)}, "and 30 more"),
    ],
)
def test_no_wrong_request_of_a_function_is_sent(returned, says, music, airflow, music_sandbox, output_dir):
    with pytest.raises(InvalidRequestError, match=says) as caught:
        run(airflow, music(returned, model=MODEL))

    assert len(str(caught.value)) < 4000
    assert music_sandbox.posts() == 0
    assert not output_dir.exists()


def test_a_name_that_is_no_field_is_refused_for_a_model_that_nobody_knows_as_well(music, airflow, music_sandbox):
    with pytest.raises(InvalidRequestError, match="did you mean prompt"):
        run(airflow, music({"model": "vendor/of-tomorrow", "promt": PROMPT}))
    assert music_sandbox.posts() == 0


def test_the_limit_of_what_it_may_cost_holds(music, airflow, music_sandbox):
    with pytest.raises(OverBudgetError):
        run(airflow, music(PROMPT, model=MODEL, max_usd=0.01))
    assert music_sandbox.posts() == 0


def test_the_function_takes_arguments_and_the_context(output_dir, airflow, music_sandbox):
    seen = []
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

        @task.music(model=MODEL, output_dir=str(output_dir), poll_interval=0.05)
        def song(mood, dag_run, run_id=None, **more):
            """Words for the page."""
            seen.extend([mood, dag_run, run_id, "ti" in more])
            return f"a {mood} song of the sea"

        # "dag_run" as an argument of the function hides the context's, from the function only.
        op = song("calm", dag_run="mine").operator

    assert op.task_id == "song"
    assert op.doc_md == "Words for the page."
    assert run(airflow, op)["status"] == "completed"
    assert seen == ["calm", "mine", airflow.run_id, True]


def test_a_template_that_came_out_as_nothing_never_reaches_the_function(music, airflow, music_sandbox, calls):
    op = music(PROMPT, model=MODEL, op_kwargs={"text": "about {{ x }}"})
    op.op_kwargs = {"text": "about None"}
    with pytest.raises(InvalidRequestError, match=r"op_kwargs\.text"):
        run(airflow, op)
    assert calls == []


def test_the_result_of_another_task_that_is_none_is_for_the_function_to_judge(output_dir, airflow, music_sandbox):
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

        @task
        def writer():
            return None

        @task.music(model=MODEL, output_dir=str(output_dir), poll_interval=0.05)
        def song(words):
            return words or PROMPT

        op = song(writer()).operator

    assert op.upstream_task_ids == {"writer"}
    op.op_args = (None,)
    assert run(airflow, op)["status"] == "completed"


def test_it_can_be_mapped(output_dir, airflow, music_sandbox):
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):

        @task.music(model=MODEL, output_dir=str(output_dir), poll_interval=0.05, max_usd=5)
        def song(mood, of="the sea"):
            return f"a {mood} song of {of}"

        mapped = song.partial(of="the hills").expand(mood=["calm", "wild"]).operator

    for index, mood in enumerate(["calm", "wild"]):
        op = mapped.unmap({"op_kwargs": {"mood": mood}})
        airflow.map_index = index
        assert run(airflow, op)["status"] == "completed"
    assert [spec["spec"]["body"]["prompt"] for _, spec in airflow.deferrals] == [
        "a calm song of the hills",
        "a wild song of the hills",
    ]


def test_a_dag_with_it_can_be_stored_and_holds_no_words(output_dir):
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:

        @task.music(model=MODEL, output_dir=str(output_dir))
        def song(mood):
            return f"a {mood} song of the sea"

        @task.music_batch(output_dir=str(output_dir))
        def songs():
            return [{"model": MODEL, "prompt": PROMPT}]

        song("calm") >> songs()
        song.expand(mood=["wild", "slow"])

    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialized
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialized
    stored = json.dumps(Serialized.to_dict(dag))
    assert "@task.music" in stored
    assert PROMPT not in stored


@pytest.mark.parametrize("name", ["request", "requests"])
def test_what_the_function_returns_is_no_argument_of_the_decorator(name):
    decorator = task.music if name == "request" else task.music_batch
    with pytest.raises(TypeError, match=f"{name}: the function returns it"):
        decorator(**{name: {"model": MODEL}})(lambda: PROMPT)()


def test_a_function_that_is_awaited_or_that_yields_is_refused_by_name():
    async def awaited():
        return PROMPT

    def yielded():
        yield PROMPT

    for function in (awaited, yielded):
        with pytest.raises(TypeError, match=f"{function.__name__} is no plain function"):
            task.music(model=MODEL)(function)()


def test_an_argument_of_the_decorator_that_there_is_not_is_named():
    with pytest.raises(TypeError, match="did you mean output_dir"):
        task.music(model=MODEL, output_dri="/songs")(lambda: PROMPT)()


# A batch


def requests_of(*words):
    return [{"model": MODEL, "prompt": f"a calm song of the sea, {word}"} for word in words]


def test_a_list_that_the_function_returns_is_the_batch(music, airflow, music_sandbox, calls):
    op = music([*requests_of("one"), MiniMaxMusic26(prompt="a song of two")], decorator="music_batch")
    result = run(airflow, op)

    assert isinstance(op, GenerateMusicBatchOperator)
    assert (result["requested"], result["delivered"]) == (2, 2)
    assert (music_sandbox.posts("submit"), len(calls)) == (2, 1)


def test_a_retry_of_a_batch_with_another_list_is_refused_while_songs_are_open(music, airflow, music_sandbox):
    op = music(requests_of("one", "two"), requests_of("one"), decorator="music_batch")
    first = copy.deepcopy(op)
    with pytest.raises(TaskDeferred) as deferred:
        first.execute(airflow.context(first))
    asyncio.run(airflow.fire(deferred.value.trigger))
    posts = music_sandbox.posts("submit")
    airflow.retry()
    with pytest.raises(ChangedRequestError, match="had 2, now it has 1"):
        run(airflow, op)
    assert music_sandbox.posts("submit") == posts


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "The function returned None"),
        ([], "the list is empty"),
        (requests_of("one")[0], "return a list"),
        ((one for one in requests_of("one")), "return a list"),
        ([PROMPT], r"requests\[0\] is 'a calm"),
        ([None], r"requests\[0\] is None"),
        ([*requests_of("one"), {"model": MODEL, "promt": PROMPT}], r"requests\[1\] promt: no such field"),
        ([{"model": MODEL, "prompt": "None"}], r"requests\[0\] prompt"),
        ([{"model": MODEL, "prompt": "{% if x %}"}], r"requests\[0\] prompt: .* is a template"),
        ([{"model": MODEL, "prompt": "x" * 3000}], r"requests\[0\] prompt: 3000 characters"),
    ],
)
def test_no_wrong_list_of_a_function_is_sent(returned, says, music, airflow, music_sandbox, output_dir):
    op = music(PROMPT, decorator="music_batch")
    op.python_callable = lambda: returned
    with pytest.raises(InvalidRequestError, match=says):
        op.execute(airflow.context(op))
    assert music_sandbox.posts() == 0
    assert not output_dir.exists()


def test_rights_are_given_in_the_call_or_by_the_function(music, airflow, music_sandbox, output_dir):
    def recorded(take):
        (found,) = output_dir.rglob(f"take-{take}/intent.json")
        return json.loads(found.read_text())["disclosure"]["rights"]

    run(airflow, music(PROMPT, model=MODEL, rights="of the call", require_rights=True))
    airflow.clear()
    run(airflow, music({"prompt": PROMPT, "rights": "of the function"}, model=MODEL, rights="of the call"))
    assert (recorded(1), recorded(2)) == ("of the call", "of the function")
    airflow.clear()
    with pytest.raises(InvalidRequestError, match="rights: not given"):
        run(airflow, music(PROMPT, model=MODEL, require_rights=True))
    assert music_sandbox.posts("submit") == 2
