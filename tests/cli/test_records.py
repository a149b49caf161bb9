# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""songs, show and adopt: what records say, and the one fact that a person may add."""

from __future__ import annotations

import json

import pytest

from airflow_provider_music.exceptions import UnknownOutcomeError
from airflow_provider_music.operators.music import GenerateMusicOperator, PreprocessCoverOperator

pytestmark = pytest.mark.usefixtures("quick_clock")


@pytest.fixture
def song(tmp_path):
    def make(task_id="song", **arguments):
        given = {"model": "minimax/music-2.6", "prompt": "calm piano", "lyrics": "[Verse]\nquagmire"}
        given["output_dir"] = str(tmp_path / "songs")
        return GenerateMusicOperator(task_id=task_id, **{**given, **arguments})

    return make


@pytest.fixture
def lost(music_sandbox, airflow, song, tmp_path):
    """A task whose answer is lost: the generation's id, and the record."""
    music_sandbox.settings(log_lag=3600)
    music_sandbox.fault("submit:cut-after")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song(timeout=1))
    (made,) = music_sandbox.generations()
    (record,) = (path.parent for path in (tmp_path / "songs").rglob("take-1"))
    return made["id"], record


def facts(record):
    return sorted(path.stem for path in (record / "take-1").glob("*.json") if path.stem != "post")


# songs


def test_songs_are_listed_newest_first_with_what_they_cost(music_sandbox, airflow, song, command):
    airflow.run(song("first"))
    airflow.run(song("second"))
    done = command("songs")
    assert done.code == 0
    assert ["second" in done.lines[1], "first" in done.lines[2]] == [True, True]
    assert "2 takes below" in done.lines[-1]
    assert "$0.39 known to be spent" in done.lines[-1]
    assert command("songs", "--limit", "1", "-o", "json").json["takes"] == 2


def test_a_song_that_failed_says_so_and_costs_nothing(music_sandbox, airflow, song, command):
    music_sandbox.fault("submit:status=400")
    with pytest.raises(Exception, match="not billed"):
        airflow.run(song())
    (row,) = command("songs", "-o", "json").json["songs"]
    assert (row["state"], row["billing"], row["usd_spent"]) == ("failed", "not_billed", None)


def test_a_record_that_cannot_be_read_is_a_row_and_ends_with_1(music_sandbox, airflow, song, command, tmp_path):
    airflow.run(song())
    (fact,) = (tmp_path / "songs").rglob("completed.json")
    fact.write_text("{")
    done = command("songs", "-o", "json")
    assert done.code == 1
    assert "is no JSON" in done.json["songs"][0]["error"]


def test_a_folder_without_records_is_no_error(command, tmp_path):
    done = command("songs", tmp_path)
    assert (done.code, done.lines) == (0, [f"0 takes below {tmp_path}; $0.00 known to be spent."])


@pytest.mark.parametrize("folder", ["nosuchstore://bucket/songs", "s3://"])
def test_a_folder_that_cannot_be_meant_ends_with_2(folder, command):
    done = command("songs", folder)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_an_analysis_of_a_reference_is_listed_too(music_sandbox, airflow, command, tmp_path):
    task = PreprocessCoverOperator(
        task_id="heard", reference_audio_url="https://example.org/a.mp3", record_dir=str(tmp_path / "songs")
    )
    airflow.run(task)
    (row,) = command("songs", "-o", "json").json["songs"]
    assert (row["state"], row["usd_spent"]) == ("delivered", 0.01)


# show


def test_a_song_s_facts_are_shown_in_their_order(music_sandbox, airflow, song, command):
    result = airflow.run(song())
    for path in (result["record_uri"], result["audio_uri"], result["record_uri"].rpartition("/")[0]):
        done = command("show", path)
        assert done.code == 0
        assert [line.split()[5] for line in done.lines if line.startswith("1 ")] == [
            *("intent", "sent", "accepted", "completed", "delivered")
        ]
        assert "take 1 is delivered, billed ($0.195)." in done.out


def test_every_take_of_a_song_is_shown(music_sandbox, airflow, song, command):
    airflow.run(song())
    airflow.clear()
    result = airflow.run(song())
    shown = command("show", result["record_uri"], "-o", "json").json
    assert [take["take"] for take in shown["takes"]] == [1, 2]
    assert shown["takes"][1]["facts"][0]["fact"] == "intent"


def test_no_words_of_the_request_are_shown(music_sandbox, airflow, song, command):
    result = airflow.run(song())
    assert "quagmire" not in command("show", result["record_uri"], "-o", "json").out


def test_a_path_without_a_record_ends_with_2(command, tmp_path):
    done = command("show", tmp_path)
    assert done.code == 2
    assert "There is no record in" in done.err


# adopt


def test_a_paid_generation_is_adopted_and_a_clear_returns_its_song(lost, music_sandbox, airflow, song, command):
    number, record = lost
    assert command("adopt", "--yes", "--", number, record).code == 0
    fact = json.loads((record / "take-1" / "accepted.json").read_text())
    assert (fact["generation_id"], fact["source"]) == (number, "adopted by hand")
    airflow.clear()
    assert airflow.run(song())["generation_id"] == number
    assert music_sandbox.posts("submit") == 1


def test_without_the_log_s_word_it_wants_a_person_s(lost, command):
    number, record = lost
    before = facts(record)
    done = command("adopt", "--", number, record)
    assert done.code == 1
    assert "give --yes" in done.err
    assert facts(record) == before


def test_where_the_log_ties_them_together_nobody_has_to_say_so(lost, music_sandbox, command):
    number, record = lost
    music_sandbox.settings(log_lag=0)
    music_sandbox_rows_visible(music_sandbox)
    assert command("adopt", "--", number, record / "take-1").code == 0


def music_sandbox_rows_visible(sandbox):
    """Show the rows whose time had not come."""
    import dataclasses

    ledger = sandbox._state.ledger
    ledger.rows[:] = [dataclasses.replace(row, visible=0.0) for row in ledger.rows]


def test_a_generation_of_another_request_is_refused_even_with_yes(lost, music_sandbox, airflow, song, command):
    _, record = lost
    music_sandbox.settings(log_lag=0)
    airflow.run_id = "another"
    other = airflow.run(song())["generation_id"]
    before = facts(record)
    done = command("adopt", "--yes", "--", other, record)
    assert done.code == 1
    assert "is of another request" in done.err
    assert facts(record) == before


def test_an_id_that_the_account_does_not_know_is_refused(lost, command):
    _, record = lost
    done = command("adopt", "--yes", "--", "no-such-generation", record)
    assert done.code == 2
    assert "not found" in done.err
    assert "accepted" not in facts(record)


def test_a_failed_generation_is_refused(music_sandbox, airflow, song, command, tmp_path):
    music_sandbox.settings(log_lag=3600)
    music_sandbox.fault("submit:cut-after,failed")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song(timeout=1))
    (record,) = (path.parent for path in (tmp_path / "songs").rglob("take-1"))
    done = command("adopt", "--yes", "--", music_sandbox.generations()[0]["id"], record)
    assert done.code == 1
    assert "not billed" in done.err


@pytest.mark.parametrize(
    "removed", [[], ["delivered"], ["delivered", "completed"], ["delivered", "completed", "accepted"]]
)
def test_a_take_that_is_delivered_or_open_is_left_as_it_is(removed, music_sandbox, airflow, song, command, tmp_path):
    number = airflow.run(song())["generation_id"]
    (record,) = (path.parent for path in (tmp_path / "songs").rglob("take-1"))
    for name in removed:
        (record / "take-1" / f"{name}.json").unlink()
    before = facts(record)
    done = command("adopt", "--yes", "--", number, record)
    assert done.code == 1
    assert "nothing was written" in done.err
    assert facts(record) == before


def test_a_second_adoption_writes_nothing(lost, command):
    number, record = lost
    assert command("adopt", "--yes", "--", number, record).code == 0
    assert command("adopt", "--yes", "--", number, record).code == 1


def test_records_in_a_bucket_are_read_too(music_sandbox, airflow, song, command, bucket):
    result = airflow.run(song(output_dir=bucket.url))
    (row,) = command("songs", bucket.url, "-o", "json").json["songs"]
    assert row["audio_uri"] == result["audio_uri"]
    assert "take 1 is delivered" in command("show", result["record_uri"]).out


def test_show_lists_the_disclosure_sheet_as_text(music_sandbox, airflow, song, command):
    result = airflow.run(song(rights="Licence 7 \x1b[31m with <b>the label</b>"))
    done = command("show", result["record_uri"])
    assert done.lines[-10:] == [
        "Disclosure sheet of take 1:",
        "  Model: minimax/music-2.6",
        "  Lyrics: given to the model; by people or another model: unknown",
        "  Vocals: made by the model",
        "  Music: made by the model",
        "  Given to the model: lyrics, prompt",
        "  References: none",
        "  Rights: Licence 7 [31m with <b>the label</b>",
        "  Changed by people: lyrics: unknown",
        "  Changed by people: audio: nothing until this sheet was written; later changes: unknown",
    ]
    shown = command("show", result["record_uri"], "-o", "json").json["takes"][0]["disclosure"]
    assert shown["rights"] == "Licence 7 [31m with <b>the label</b>"
