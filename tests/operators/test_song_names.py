# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""``name``: readable files, one song however often the name changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_music.compat import DAG
from airflow_provider_music.exceptions import InvalidRequestError
from airflow_provider_music.generation import fetch
from airflow_provider_music.operators.music import GenerateMusicBatchOperator, GenerateMusicOperator
from airflow_provider_music.requests import MiniMaxMusic26
from airflow_provider_music.sensors.music import MusicGenerationSensor
from airflow_provider_music.storage.audio_writer import is_rejected

MODEL = "minimax/music-2.6"
PROMPT = "a calm song of the sea"


def names(output_dir, take="take-*"):
    """Of what lies beside a song and is no fact of its record."""
    facts = ("intent", "sent", "accepted", "completed", "delivered", "try-", "returned-by", "post")
    found = [path.name for path in output_dir.rglob(f"{take}/*") if path.is_file()]
    return sorted(name for name in found if not name.startswith(facts))


def intent(output_dir, take=1):
    (found,) = output_dir.rglob(f"take-{take}/intent.json")
    return json.loads(found.read_text())


@pytest.mark.parametrize("lane", ["queued", "synchronous"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_all_files_of_a_song_have_its_name(lane, deferrable, song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(any_reference=True)
    result = airflow.run(song(lane, name="2026-11-28-jingle", keep_request=True, deferrable=deferrable))

    assert result["audio_uri"].endswith("/take-1/2026-11-28-jingle.mp3")
    assert names(output_dir) == [
        "2026-11-28-jingle.mp3",
        "2026-11-28-jingle.mp3.provenance.json",
        "2026-11-28-jingle.request.json",
    ]
    assert intent(output_dir)["name"] == "2026-11-28-jingle"
    assert music_sandbox.posts() == 1


def test_without_a_name_nothing_changes(song, airflow, music_sandbox, output_dir):
    assert airflow.run(song())["audio_uri"].endswith("/take-1/song.mp3")
    assert "name" not in intent(output_dir)


def test_a_template_makes_it(tmp_path, monkeypatch):
    with DAG("named", schedule=None):
        op = GenerateMusicOperator(task_id="song", model=MODEL, prompt=PROMPT, name="{{ ds }}-jingle")
        sensor = MusicGenerationSensor(task_id="wait", generation="x", name="{{ ds }}-jingle")
    for task in (op, sensor):
        task.render_template_fields({"ds": "2026-11-28"})
        assert task.name == "2026-11-28-jingle"


@pytest.mark.parametrize(
    ("source", "value"), [("{{ params.x }}", None), ("{{ params.x }}", ""), ("{{ x }}-a", "None-a")]
)
def test_a_template_that_came_out_as_nothing_costs_nothing(source, value, song, airflow, music_sandbox):
    op = song(name=source)
    op.name = value
    with pytest.raises(InvalidRequestError, match="name"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


def test_a_name_of_which_nothing_is_left_costs_nothing(song, airflow, music_sandbox):
    op = song(name="{{ x }}")
    op.name = "///"
    with pytest.raises(InvalidRequestError, match="leaves no name for a file"):
        airflow.run(op)
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("more", [{"name": "..."}, {"request": {"model": MODEL, "prompt": PROMPT, "name": ""}}])
def test_a_written_name_that_is_none_breaks_the_dag_file_s_import(more):
    fields = {} if "request" in more else {"model": MODEL, "prompt": PROMPT}
    with pytest.raises(InvalidRequestError, match="name: "):
        GenerateMusicOperator(task_id="song", **fields, **more)
    with pytest.raises(InvalidRequestError, match=r"requests\[0\] name: "):
        GenerateMusicBatchOperator(task_id="songs", requests=[{"model": MODEL, "prompt": PROMPT, "name": "..."}])


def test_a_retry_whose_template_renders_otherwise_finds_the_song(song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(delay=2)
    with pytest.raises(Exception, match="not done within"):
        airflow.run(song(name="07-52-40", keep_request=True, timeout=0.3))
    airflow.retry()
    result = airflow.run(song(name="07-53-10", keep_request=True, timeout=20))

    assert result["audio_uri"].endswith("/take-1/07-52-40.mp3")
    assert names(output_dir) == ["07-52-40.mp3", "07-52-40.mp3.provenance.json", "07-52-40.request.json"]
    assert music_sandbox.posts() == 1


def test_a_landing_that_broke_is_repeated_under_the_recorded_name(
    song, airflow, music_sandbox, output_dir, monkeypatch
):
    def dying(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fetch.AudioWriter, "finish", dying)
        airflow.run(song(name="first", deferrable=False))
    airflow.retry()
    assert airflow.run(song(name="second"))["audio_uri"].endswith("/take-1/first.mp3")
    assert music_sandbox.posts() == 1


def test_a_synchronous_song_in_place_is_found_by_its_recorded_name(song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(any_reference=True)
    airflow.run(song("synchronous", name="first"))
    for path in output_dir.rglob("take-1/*.json"):
        if path.name in ("completed.json", "delivered.json") or path.name.endswith(".provenance.json"):
            path.unlink()
    airflow.retry()
    result = airflow.run(song("synchronous", name="second", timeout=20))
    assert result["audio_uri"].endswith("/take-1/first.mp3")
    assert music_sandbox.posts() == 1


def test_a_name_that_changed_after_the_delivery_is_no_changed_request(song, airflow, music_sandbox, output_dir):
    first = airflow.run(song(name="first"))
    airflow.retry()
    assert airflow.run(song(name="second")) == first
    assert music_sandbox.posts() == 1

    airflow.clear()
    assert airflow.run(song(name="third"))["audio_uri"].endswith("/take-2/third.mp3")
    assert names(output_dir, "take-1")[0] == "first.mp3"
    assert music_sandbox.posts() == 2


def test_two_tasks_of_one_name_in_one_folder_leave_each_other_s_song_alone(airflow, music_sandbox, output_dir):
    found = {}
    for task_id in ("one", "two"):
        op = GenerateMusicOperator(
            task_id=task_id, model=MODEL, prompt=f"{PROMPT}, {task_id}", name="jingle", output_dir=str(output_dir)
        )
        found[task_id] = airflow.run(op)
    paths = [Path(result["audio_uri"].removeprefix("file://")) for result in found.values()]
    assert [path.name for path in paths] == ["jingle.mp3"] * 2
    assert len({path.read_bytes() for path in paths}) == 2


def test_each_request_of_a_batch_has_its_own(airflow, music_sandbox, output_dir):
    requests = [
        {"model": MODEL, "prompt": f"{PROMPT}, one", "name": "opening"},
        MiniMaxMusic26(prompt=f"{PROMPT}, two", name="opening"),
        {"model": MODEL, "prompt": f"{PROMPT}, three"},
    ]

    def batch(given):
        return GenerateMusicBatchOperator(
            task_id="songs", requests=given, output_dir=str(output_dir), poll_interval=0.05
        )

    result = airflow.run(batch(requests))
    found = sorted(path.relative_to(path.parents[2]).as_posix() for path in output_dir.rglob("*.mp3"))
    assert found == ["song-0/take-1/opening.mp3", "song-1/take-1/opening.mp3", "song-2/take-1/song.mp3"]

    airflow.retry()
    renamed = [{**request, "name": "another"} for request in requests]
    again = airflow.run(batch(renamed))
    assert (again["delivered"], again["usage"]) == (result["delivered"], result["usage"])
    assert list(output_dir.rglob("another*")) == []
    assert music_sandbox.posts() == 3


@pytest.mark.parametrize("written", [True, False], ids=["written", "of a template"])
def test_a_whole_request_may_have_one_and_so_may_the_task(written, airflow, music_sandbox, output_dir):
    def whole(request, **more):
        given = request if written else "{{ params.song }}"
        op = GenerateMusicOperator(
            task_id="song", request=given, output_dir=str(output_dir), poll_interval=0.05, **more
        )
        if not written:
            op.request = request
        return op

    request = {"model": MODEL, "prompt": PROMPT}
    assert airflow.run(whole({**request, "name": "inside"}))["audio_uri"].endswith("/inside.mp3")
    airflow.clear()
    assert airflow.run(whole(request, name="beside"))["audio_uri"].endswith("/beside.mp3")
    with pytest.raises(InvalidRequestError, match="name: 'b' beside the request, 'a' in it"):
        airflow.run(whole({**request, "name": "a"}, name="b"))
    assert music_sandbox.posts() == 2


def test_a_sensor_gives_the_name_that_was_submitted_or_its_own(song, airflow, music_sandbox, output_dir, tmp_path):
    accepted = airflow.run(song(name="jingle", wait_for_completion=False))

    def sensor(**more):
        return MusicGenerationSensor(
            task_id="wait", generation=accepted, poll_interval=0.05, output_dir=str(tmp_path / "sensed"), **more
        )

    first = airflow.run(sensor())
    assert first["audio_uri"].endswith("/jingle.mp3")
    # A later try finds what is there, whatever its template gives now.
    assert airflow.run(sensor(name="later")) == first


def test_a_sensor_names_the_song_of_a_bare_id(song, airflow, music_sandbox, tmp_path):
    accepted = airflow.run(song(wait_for_completion=False))
    op = MusicGenerationSensor(
        task_id="wait",
        generation=accepted["generation_id"],
        name="a/b",
        poll_interval=0.05,
        output_dir=str(tmp_path / "sensed"),
    )
    assert airflow.run(op)["audio_uri"].endswith("/a_b.mp3")
    op.name = "..."
    with pytest.raises(InvalidRequestError, match="leaves no name"):
        airflow.run(op)


def test_what_is_no_song_is_kept_under_its_name(song, airflow, music_sandbox, output_dir):
    op = song(name="jingle", audio_setting={"format": "wav"}, deferrable=False)
    music_sandbox.fault("download:audio=other,times=all")
    with pytest.raises(Exception, match=r"jingle\.rejected"):
        airflow.run(op)
    (kept,) = (path.name for path in output_dir.rglob("*rejected*"))
    assert is_rejected(kept)


@pytest.mark.parametrize("name", ["../x", ".x", "", 5, None, "a\\b", "x" * 300])
def test_a_name_that_somebody_wrote_into_a_record_is_no_path(name, song, airflow, music_sandbox, output_dir):
    music_sandbox.settings(delay=1)
    with pytest.raises(Exception, match="not done within"):
        airflow.run(song(timeout=0.3))
    (path,) = output_dir.rglob("intent.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": name}))
    airflow.retry()
    assert airflow.run(song(timeout=20))["audio_uri"].endswith("/take-1/song.mp3")
