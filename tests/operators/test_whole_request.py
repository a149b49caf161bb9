# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``request=``: a song's fields as one value, beside the arguments of their own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_music.compat import DAG, BaseOperator
from airflow_provider_music.exceptions import ChangedRequestError, InvalidRequestError
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.requests import MiniMaxMusic26

MODEL = "minimax/music-2.6"
PROMPT = "a calm song of the sea"
REQUEST = {"model": MODEL, "prompt": PROMPT, "audio_setting": {"format": "mp3", "sample_rate": 44100}}


class Upstream(BaseOperator):
    """A task whose result is handed on."""

    def execute(self, context):
        """Not run here."""


@pytest.fixture
def whole(output_dir):
    def make(request, **more):
        fields = {"task_id": "song", "output_dir": str(output_dir), "poll_interval": 0.05}
        return GenerateMusicOperator(request=request, **{**fields, **more})

    return make


def rendered(op, **fields):
    """As Airflow leaves it before execute."""
    for name, value in fields.items():
        setattr(op, name, value)
    return op


def test_a_request_is_sent_as_its_fields_are(whole, airflow, music_sandbox, output_dir):
    op = whole(REQUEST)
    assert (op.model, op.prompt, op.audio_setting, op.request) == (MODEL, PROMPT, REQUEST["audio_setting"], None)

    first = airflow.run(op)
    airflow.retry()
    apart = GenerateMusicOperator(task_id="song", output_dir=str(output_dir), poll_interval=0.05, **REQUEST)
    assert airflow.run(apart)["generation_id"] == first["generation_id"]
    assert music_sandbox.posts() == 1


def test_a_typed_request_names_its_model(whole, airflow, music_sandbox):
    assert airflow.run(whole(MiniMaxMusic26(prompt=PROMPT, is_instrumental=True)))["model"] == MODEL
    assert airflow.deferrals[0][1]["spec"]["body"] == {"model": MODEL, "prompt": PROMPT, "is_instrumental": True}


@pytest.mark.parametrize(
    ("beside", "named"), [({"model": MODEL}, "model"), ({"prompt": PROMPT, "seed": 5}, "prompt, seed")]
)
@pytest.mark.parametrize("request_", [REQUEST, "{{ params.song }}"], ids=["dict", "template"])
def test_fields_beside_a_request_are_refused_by_name(request_, beside, named, whole):
    with pytest.raises(ValueError, match=f"request and {named}: both given"):
        whole(request_, **beside)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({}, "model: not given"),
        ({"prompt": PROMPT}, "model: not given"),
        ({"model": MODEL, "promt": PROMPT}, "promt: no such field; did you mean prompt"),
        ({"model": "vendor/of-tomorrow", "promt": PROMPT}, "promt: no such field; did you mean prompt"),
        ({"model": MODEL, "output_dir": "/songs"}, "output_dir: no such field"),
        ({"model": MODEL, "prompt": PROMPT, "lyrics": "x" * 3001}, "lyrics: 3001 characters"),
    ],
)
def test_its_mistakes_are_found_when_the_dag_file_is_parsed(request_, says, whole):
    with pytest.raises(InvalidRequestError, match=says):
        whole(request_)


def test_a_task_without_a_request_is_refused_when_the_dag_file_is_parsed():
    with pytest.raises(InvalidRequestError, match="model: not given"):
        GenerateMusicOperator(task_id="song", prompt="{{ ds }}")


def test_templates_and_xcoms_inside_are_rendered_by_name(whole):
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        writer = Upstream(task_id="writer")
        op = whole(MiniMaxMusic26(prompt="a song of {{ ds }}", lyrics=writer.output))

    assert op.upstream_task_ids == {"writer"}
    assert op.template_sources["prompt"] == "a song of {{ ds }}"
    assert "prompt" in op.template_fields


def test_a_template_inside_that_came_out_as_nothing_is_refused(whole, airflow, music_sandbox):
    op = rendered(whole(MiniMaxMusic26(prompt="a song of {{ x }}")), prompt="a song of None")
    with pytest.raises(InvalidRequestError, match="prompt: a part of its template"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("value", [REQUEST, str(REQUEST)], ids=["native", "text"])
def test_a_request_may_come_whole_from_upstream(value, whole, airflow, music_sandbox):
    op = rendered(whole("{{ ti.xcom_pull(task_ids='writer') }}"), request=value)
    assert airflow.run(op)["status"] == "completed"
    assert music_sandbox.posts() == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "request: its template .* came out as None"),
        ("None", "request: its template .* came out as 'None'"),
        ("a song", "request: 'a song'; give a dict"),
        ({"model": MODEL, "promt": PROMPT}, "promt: no such field"),
        ({"model": MODEL, "prompt": "None"}, r"request\.prompt: the text 'None'"),
        ({"prompt": PROMPT}, "model: not given"),
    ],
)
def test_a_wrong_one_from_upstream_is_refused_and_nothing_sent(value, says, whole, airflow, music_sandbox, output_dir):
    op = rendered(whole("{{ ti.xcom_pull(task_ids='writer') }}"), request=value)
    with pytest.raises(InvalidRequestError, match=says):
        airflow.run(op)
    assert music_sandbox.posts() == 0
    assert not output_dir.exists()


def test_another_request_from_upstream_is_refused_while_a_song_is_open(whole, airflow, music_sandbox):
    def op(words):
        return rendered(whole("{{ ti.xcom_pull(task_ids='writer') }}"), request={**REQUEST, "prompt": words})

    music_sandbox.settings(delay=60)
    with pytest.raises(Exception, match="not done within"):
        airflow.run(rendered(op(PROMPT), timeout=0.3))
    airflow.retry()
    with pytest.raises(ChangedRequestError):
        airflow.run(op("a wild song of the hills"))
    assert music_sandbox.posts() == 1


def test_each_mapped_task_has_its_own(output_dir, airflow, music_sandbox):
    requests = [MiniMaxMusic26(prompt=f"a {mood} song of the sea") for mood in ("calm", "wild")]
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        partial = GenerateMusicOperator.partial(task_id="song", output_dir=str(output_dir), poll_interval=0.05)
        mapped = partial.expand(request=requests)

    for index, request in enumerate(requests):
        airflow.map_index = index
        assert airflow.run(mapped.unmap({"request": request}))["status"] == "completed"
    assert [kwargs["spec"]["body"]["prompt"] for _, kwargs in airflow.deferrals] == [
        "a calm song of the sea",
        "a wild song of the sea",
    ]
    with pytest.raises(InvalidRequestError, match="promt"):
        airflow.run(mapped.unmap({"request": {"model": MODEL, "promt": "x"}}))


def test_a_batch_takes_typed_requests_and_dicts(output_dir, airflow, music_sandbox):
    requests = [MiniMaxMusic26(prompt=PROMPT), {"model": MODEL, "prompt": f"{PROMPT}, again"}]
    op = GenerateMusicBatchOperator(task_id="songs", requests=requests, output_dir=str(output_dir), poll_interval=0.05)
    assert airflow.run(op)["delivered"] == 2
    with pytest.raises(InvalidRequestError, match=r"requests\[0\] lyrics: 3001"):
        GenerateMusicBatchOperator(task_id="songs", requests=[MiniMaxMusic26(lyrics="x" * 3001)])
