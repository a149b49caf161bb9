# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_music.api.endpoints import LogPage, LogRow
from airflow_provider_music.api.request import prepare
from airflow_provider_music.exceptions import ApiUnreachableError, AuthenticationError, ServerFailureError
from airflow_provider_music.generation import earlier_tries, usage_log
from airflow_provider_music.generation.attempt import SongAttempt
from airflow_provider_music.generation.earlier_tries import (
    moved_record,
    newest_takes,
    remembered_take,
    searched_again,
    searched_takes,
)
from airflow_provider_music.generation.folders import SongFolders
from airflow_provider_music.record.identity import SongIdentity, TaskAttempt
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.record.task_memory import TaskMemory

LANES = {
    "queued": {"model": "minimax/music-2.6", "fields": {"prompt": "a calm song of the sea"}},
    "synchronous": {
        "model": "music-01",
        "fields": {"lyrics": "##we row##", "refer_voice": "vocal-2025082518145625-6XW9wCOF"},
    },
}
NOW = datetime.now(UTC)
BEGAN = NOW - timedelta(hours=2)


@pytest.fixture
def song(tmp_path):
    def make(lane="queued", index=None, **attempt):
        identity = SongIdentity("dag", "run", "song", index=index, deployment="here", base_url="https://api")
        numbers = {"try_number": 2, "max_tries": 2, "run_started_at": BEGAN.isoformat(), "clear_number": 0, **attempt}
        place = f"/song-{index}" if index is not None else ""
        folders = SongFolders(f"file://{tmp_path}/records{place}", f"file://{tmp_path}/audio{place}")
        options = SimpleNamespace(conn_id="music_default", on_unknown="fail")
        request = prepare(**LANES[lane], extra_body=None)
        return SongAttempt(request, folders, options, TaskAttempt(identity, **numbers))

    return make


class Log:
    """The API's usage log; counts how often it is read, and since when."""

    def __init__(self, monkeypatch, clocks):
        self.rows, self.broken, self.calls, self.periods = [], [], 0, []

        async def client_of(_):
            return self

        monkeypatch.setattr(earlier_tries, "client_of", client_of)

    async def call(self, call):
        self.calls += 1
        self.periods.append(call.arguments["params"].get("period"))
        if self.broken:
            raise self.broken.pop(0)
        return LogPage(tuple(self.rows), has_more=False)

    def has(self, song, n=1, status="succeeded", fingerprint=None, created=NOW, inference_id="an-id"):
        fingerprint = (fingerprint or song.fingerprint)[: usage_log.FINGERPRINT_LENGTH]
        request_id = f"airflow-music-{song.attempt.identity.key}-{n}-{fingerprint}-{'0' * 12}"
        made = created.isoformat() if created else None
        self.rows.append(LogRow(status, request_id, inference_id, 0.2, 400_000, made))


@pytest.fixture
def log(monkeypatch, clocks):
    return Log(monkeypatch, clocks)


def searched(song):
    return searched_takes("music_default", [song])[0]


# The usage log, where there is no record


def test_a_queued_request_is_written_down_as_accepted_under_its_own_number(song, log):
    one = song()
    log.has(one, n=3)

    take = searched(one)

    assert (take.n, take.state, take.generation_id) == (3, "accepted", "an-id")
    assert take["intent"]["fingerprint"] == one.fingerprint
    assert take["intent"]["client_request_id"] == log.rows[0].client_request_id
    assert take["intent"]["written_at"] == NOW.isoformat()
    assert take.audio_folder.url == f"{one.folders.audio_url}/take-3"
    assert "says_when_sent" not in take["intent"]
    assert one.record.latest().facts == take.facts
    assert one.decide(take).step == "attach"


def test_the_newest_number_of_several_counts(song, log):
    one = song()
    for n, status in ((1, "failed"), (3, "succeeded"), (2, "failed")):
        log.has(one, n=n, status=status)

    assert searched(one).n == 3


@pytest.mark.parametrize("lane", list(LANES))
def test_a_request_that_failed_is_not_billed_and_the_next_is_submitted(lane, song, log):
    one = song(lane)
    log.has(one, status="failed")

    take = searched(one)

    assert (take.state, take.billing) == ("failed", "not_billed")
    assert (one.decide(take).step, one.decide(take).n) == ("submit", 2)


def test_a_synchronous_request_that_succeeded_is_billed_and_its_song_is_gone(song, log):
    one = song("synchronous")
    log.has(one)

    take = searched(one)

    assert (take.state, take.billing, take["unknown"]["usd_spent"]) == ("unknown", "billed", 0.2)
    assert one.decide(take).step == "refuse_unknown"


def test_a_queued_request_without_an_id_yet_is_searched_for_until_the_deadline(song, log):
    one = song()
    log.has(one, status="processing", inference_id=None)

    assert one.decide(searched(one)).step == "reconcile"


def test_a_request_of_other_words_is_refused_as_changed(song, log):
    one = song()
    log.has(one, fingerprint="f" * 64)

    assert one.decide(searched(one)).step == "refuse_changed"


def test_a_log_that_answers_and_has_none_leaves_no_record_and_lets_the_song_be_submitted(song, log):
    one, other = song(), song(index=0)
    log.has(other)

    assert searched(one) is None
    assert one.record.latest() is None
    assert one.decide(None).step == "submit"


def test_a_row_from_before_the_run_is_of_a_former_run_of_the_same_id(song, log):
    one = song()
    log.has(one, created=BEGAN - timedelta(hours=1))
    assert searched(one) is None

    log.has(one, created=BEGAN - timedelta(minutes=5))
    assert searched(one).generation_id == "an-id", "clocks differ"


@pytest.mark.parametrize("run", [{"clear_number": 1}, {"clear_number": None}, {"run_started_at": None}])
def test_a_run_that_may_have_been_cleared_began_earlier_than_airflow_says(run, song, log):
    one = song(**run)
    log.has(one, created=NOW - timedelta(days=3))

    assert searched(one).generation_id == "an-id"


def test_a_row_without_a_time_is_taken(song, log):
    one = song()
    log.has(one, created=None)

    assert searched(one).generation_id == "an-id"


def test_many_songs_are_searched_for_at_once(song, log):
    songs = [song(index=index) for index in range(3)]
    log.has(songs[2], status="failed")
    log.has(songs[0])

    takes = searched_takes("music_default", songs)

    assert [take and take.state for take in takes] == ["accepted", None, "failed"]
    assert log.calls == 1


@pytest.mark.parametrize("error", [ServerFailureError("away"), ApiUnreachableError("away")])
def test_a_silent_log_is_tried_four_times_and_then_the_song_is_as_good_as_lost(error, song, log):
    one = song()
    log.broken = [error] * 99

    take = searched(one)

    assert log.calls == 4
    assert (take.n, take.state, take.billing) == (1, "unknown", "may_be_billed")
    reason = take["unknown"]["reason"]
    assert f"no record of an earlier try is in {one.folders.record_url}" in reason
    assert "the usage log does not answer (away)" in reason
    assert "Three ways out: bring that folder back" in reason
    assert one.decide(take).step == "refuse_unknown"


def test_a_log_that_answers_at_the_last_time_is_as_good_as_one_that_did_at_once(song, log):
    one = song()
    log.broken = [ApiUnreachableError("away")] * 3
    log.has(one)

    assert searched(one).generation_id == "an-id"


def test_a_wrong_key_is_its_own_error_at_once_and_leaves_no_record(song, log):
    one = song()
    log.broken = [AuthenticationError("401")] * 99
    with pytest.raises(AuthenticationError):
        searched(one)
    assert (log.calls, one.record.latest()) == (1, None)


# The usage log once more, where an answer was lost


def lost(song, n=1, **by):
    metadata = {**song.attempt.metadata, "try_number": 1, **by}
    record = song.record
    take = record.claim(n, **metadata, fingerprint=song.fingerprint, client_request_id="x")
    return record.write(take, "unknown", **metadata)


def again(song, take):
    return searched_again("music_default", [song], [take])[0]


def test_an_answer_that_an_earlier_try_gave_up_is_looked_for_once_more(song, log):
    one = song()
    take = lost(one)
    assert again(one, take) == take

    log.has(one)
    found = again(one, take)
    assert (found.state, found.generation_id) == ("accepted", "an-id")
    assert one.record.latest().state == "accepted"


def test_a_newer_request_than_the_record_knows_of_is_found_too(song, log):
    one = song()
    log.has(one, n=2)

    found = again(one, lost(one))

    assert (found.n, found.state) == (2, "accepted")
    assert one.record.latest().n == 2


def test_an_older_request_than_the_lost_one_says_nothing_of_it(song, log):
    one = song()
    take = lost(one, n=2)
    log.has(one, n=1)

    assert again(one, take) == take


def test_what_a_silent_log_left_is_searched_for_from_when_the_run_began(song, log):
    """The request may be hours older than what was written down about it."""
    one = song()
    log.broken = [ApiUnreachableError("away")] * 4
    take = searched(one)
    log.has(one, created=BEGAN + timedelta(minutes=1))

    assert again(song(try_number=3), take).generation_id == "an-id"


def test_the_try_that_gave_up_does_not_search_again_and_nobody_searches_for_nothing(song, log):
    one = song()
    take = lost(one, try_number=2)

    assert again(one, take) == take
    assert searched_again("music_default", [one], [None]) == [None]
    assert log.calls == 0


@pytest.mark.parametrize("error", [ServerFailureError("away"), ApiUnreachableError("away"), AuthenticationError("x")])
def test_a_log_that_does_not_answer_changes_nothing(error, song, log):
    one = song()
    take = lost(one)
    log.broken = [error] * 99

    assert again(one, take) == take


# A record that a try in between did not see


def newer_take(one, take):
    [now] = newest_takes(one.conn_id, [one], [take])
    return None if now is take else now


def refused(song, n=1):
    metadata = {**song.attempt.metadata, "try_number": 1}
    take = song.record.claim(n, **metadata, client_request_id="own")
    return song.record.write(take, "failed", **metadata, sent=False)


def test_what_a_try_paid_elsewhere_is_found_whatever_number_it_gave(song, log):
    one = song(try_number=3)
    take = refused(one, n=2)
    log.has(one, n=1)

    newer = newer_take(one, take)

    assert (newer.n, newer.state, one.record.latest().n) == (3, "accepted", 3)


def test_the_records_own_request_is_no_news_and_neither_is_a_log_without_one(song, log):
    one = song(try_number=3)
    take = refused(one)
    assert newer_take(one, take) is None

    log.has(one)
    own = one.record.write(
        one.record.claim(2, client_request_id=log.rows[0].client_request_id.replace("-1-", "-2-", 1), try_number=1),
        "failed",
        try_number=1,
    )
    log.rows[0] = dataclasses.replace(log.rows[0], client_request_id=own["intent"]["client_request_id"])
    assert newer_take(one, own) is None


@pytest.mark.parametrize("try_number", [1, 2])
def test_a_record_that_the_try_before_wrote_is_believed(try_number, song, log):
    one = song(try_number=try_number)

    assert newer_take(one, refused(one)) is None
    assert log.calls == 0


@pytest.mark.parametrize(("intent", "searches"), [({"says_when_sent": True}, 1), ({}, 0)])
def test_a_claim_that_may_be_called_unsent_is_stale_too(intent, searches, song, log):
    one = song(try_number=3)
    take = one.record.claim(1, **intent, try_number=1, client_request_id="own", fingerprint=one.fingerprint)
    log.has(one)

    assert (newer_take(one, take) is not None, log.calls) == (bool(searches), searches)


def test_a_stale_record_and_a_silent_log_are_as_good_as_a_lost_song(song, log):
    one = song(try_number=3)
    log.broken = [ApiUnreachableError("away")] * 4

    newer = newer_take(one, refused(one))

    assert (newer.n, newer.state) == (2, "unknown")
    assert one.decide(newer).step == "refuse_unknown"


# Airflow's task state store


class Store(dict):
    def set(self, key, value):
        self[key] = value


def remembering(**value):
    store = Store()
    store.set("airflow_provider_music", value)
    return TaskMemory(store)


def test_a_record_that_an_earlier_try_wrote_elsewhere_is_used_on(song, tmp_path):
    one = song()
    before = f"file://{tmp_path}/before"
    SongRecord(before).claim(2)

    moved = moved_record(one, remembering(record_url=before))

    assert moved.record.latest().n == 2
    assert moved.folders == SongFolders(before, one.folders.audio_url)
    assert (moved.fingerprint, moved.attempt) == (one.fingerprint, one.attempt)


@pytest.mark.parametrize("value", [{}, {"record_url": 3}, {"record_url": None}, {"record_url": "nowhere://x"}])
def test_a_place_that_is_none_is_not_used(value, song):
    assert moved_record(song(), remembering(**value)) is None


def test_the_same_place_and_an_empty_one_are_not_used(song, tmp_path):
    one = song()

    assert moved_record(one, remembering(record_url=one.folders.record_url)) is None
    assert moved_record(one, remembering(record_url=f"file://{tmp_path}/empty")) is None


def test_a_record_elsewhere_that_cannot_be_read_is_said_and_not_used(song, tmp_path, caplog):
    folder = tmp_path / "before" / "take-1"
    folder.mkdir(parents=True)
    (folder / "intent.json").write_text("{")

    assert moved_record(song(), remembering(record_url=f"file://{tmp_path}/before")) is None
    assert "cannot be read" in caplog.text


def test_a_take_that_airflow_remembers_is_written_into_this_record(song):
    one = song()
    facts = {"intent": {"fingerprint": one.fingerprint}, "accepted": {"generation_id": "an-id"}}

    take = remembered_take(one, remembering(record_url="x", n=2, facts=facts))

    assert (take.n, take.generation_id) == (2, "an-id")
    assert one.record.latest().facts == take.facts


@pytest.mark.parametrize("value", [{}, {"n": 1}, {"n": 1, "facts": {}}, {"facts": {"intent": {}}}, {"n": "1"}])
def test_a_memory_without_a_take_gives_none(value, song):
    assert remembered_take(song(), remembering(record_url="x", **value)) is None
