# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import httpx
import pytest

from airflow_provider_music.cost import budget
from airflow_provider_music.exceptions import (
    AmbiguousRunError,
    BudgetExceededError,
    ChangedRequestError,
    CredentialsError,
    GenerationTimeoutError,
    InvalidRequestError,
    OutputError,
    OverBudgetError,
    RequestRejectedError,
    ResubmissionLostError,
    SigningError,
    UnknownBudgetError,
    UnknownOutcomeError,
)
from airflow_provider_music.generation import same_request, submit
from airflow_provider_music.generation import task as tasks
from airflow_provider_music.generation.batch_list import BatchList
from airflow_provider_music.generation.folders import FolderOptions
from airflow_provider_music.generation.quality import QualityOptions
from airflow_provider_music.generation.spending import Spending
from airflow_provider_music.provenance.attach import ProvenanceOptions
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder
from tests.generation.conftest import AUDIO, DONE, REQUESTS, claimed, lost, record_of, second_half, song_of, triggered

LANES = ["queued", "synchronous"]
REFUSED = {"message": "no", "statusCode": 400}
BUSY = httpx.Response(429, json={"message": "busy", "statusCode": 429})


# One song, from start to end


def test_a_queued_song_is_submitted_by_the_worker_polled_by_the_triggerer_and_landed_by_the_worker(task, api):
    one = task()

    deferred = one.start()

    assert (len(api.posted), api.polled, deferred.spec.marker) == (1, 0, None)
    assert deferred.spec.facts["accepted"]["generation_id"] == "gen-1"
    event = triggered(deferred)
    result = second_half(one, event)
    assert (result["status"], result["generation_id"], result["submissions"]) == ("completed", "gen-1", 1)
    assert Folder(result["audio_uri"].rpartition("/")[0]).read("song.wav") == AUDIO
    assert (len(api.posted), record_of(one).latest().state) == (1, "delivered")


def test_a_synchronous_song_is_submitted_by_the_triggerer_alone(task, api):
    one = task("synchronous")

    deferred = one.start()

    assert api.posted == []
    assert deferred.spec.facts is None
    assert record_of(one).folder.read(deferred.spec.marker)
    result = second_half(one, triggered(deferred))
    assert (result["status"], result["submissions"], len(api.posted)) == ("completed", 1, 1)


def test_a_marker_is_removed_by_the_second_half(task):
    one = task("synchronous")
    deferred = one.start()
    event = triggered(deferred)
    assert deferred.spec.marker in record_of(one).folder.names()

    second_half(one, event)

    assert not [name for name in record_of(one).folder.names() if name.startswith("deferred-")]


@pytest.mark.parametrize("lane", LANES)
def test_without_deferring_the_worker_does_it_all_with_one_post(lane, task, api):
    one = task(lane, deferrable=False)

    result = one.start()

    assert (result["status"], len(api.posted)) == ("completed", 1)
    assert (one.delivered.n, one.delivered.state) == (1, "completed")
    assert not [name for name in record_of(one).folder.names() if name.startswith("deferred-")]


def test_where_nobody_waits_the_id_is_the_result_and_no_poll_is_made(task, api):
    one = task(wait_for_completion=False)

    result = one.start()

    assert (result["status"], result["generation_id"], result["audio_uri"]) == ("accepted", "gen-1", None)
    assert (len(api.posted), api.polled) == (1, 0)
    assert one.delivered.generation_id == "gen-1"


def test_a_task_knows_where_its_record_lies_in_both_halves(task, tmp_path):
    one = task()
    event = triggered(one.start())
    assert one.record_url.startswith(f"file://{tmp_path}/songs/dag/")
    again = task()

    again.resume(event)

    assert again.record_url == one.record_url


def test_what_is_odd_about_the_request_is_in_the_tasks_log(task, caplog):
    task(request={"model": "of-tomorrow/song-1", "prompt": "the sea"}).start()
    assert "of-tomorrow/song-1" in " ".join(
        record.getMessage() for record in caplog.records if record.levelname == "WARNING"
    )


# Before anything is sent


def test_what_could_not_be_measured_is_refused_before_it_is_paid(task, api, monkeypatch):
    monkeypatch.setattr("airflow_provider_music.generation.quality.is_installed", lambda: False)
    with pytest.raises(InvalidRequestError, match="PyAV"):
        task(quality=QualityOptions("fail")).start()
    assert api.posted == []


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_song_whose_price_nobody_knows_is_not_submitted_under_a_budget(deferrable, lane, task, api, monkeypatch):
    monkeypatch.setattr(budget, "_PAUSE_SECONDS", 0.0)
    with pytest.raises(OverBudgetError, match="Nothing was sent"):
        task(lane, max_usd=1.0, deferrable=deferrable).start()
    assert api.posted == []


def test_a_request_without_the_rights_that_are_required_is_not_sent(task, api):
    with pytest.raises(InvalidRequestError, match="rights"):
        task(require_rights=True).start()
    assert api.posted == []


def test_a_song_that_nobody_could_sign_is_not_paid(task, api, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_C2PA_DEFAULT", raising=False)
    with pytest.raises(SigningError, match="Nothing was sent"):
        task(provenance=ProvenanceOptions("c2pa")).start()
    assert api.posted == []


def test_a_budget_that_allows_it_stops_nothing(task, api, monkeypatch):
    monkeypatch.setattr(budget, "_PAUSE_SECONDS", 0.0)
    assert task(max_usd=1.0, on_unknown_price="allow", deferrable=False).start()["status"] == "completed"
    assert len(api.posted) == 1


def test_without_a_budget_no_price_is_requested(task, api):
    task(wait_for_completion=False).start()
    assert (len(api.posted), api.polled) == (1, 0)


def test_the_words_are_in_place_before_the_request_leaves(task, api, tmp_path):
    there = []
    api.on_post = lambda: there.extend(tmp_path.rglob("song.request.json"))

    task(keep_request=True).start()

    assert len(there) == 1
    assert json.loads(there[0].read_text())["prompt"] == "a calm song of the sea"


# What an earlier try did


def test_a_first_try_searches_for_nothing_and_submits(task, api):
    task().start()
    assert (len(api.posted), api.searched) == (1, 0)


def test_a_later_try_without_a_record_searches_the_usage_log_before_it_submits(task, api):
    task(try_number=2).start()
    assert (api.searched, len(api.posted)) == (1, 1)


def test_a_request_that_only_the_usage_log_knows_is_not_paid_again(task, api):
    first = task()
    first.start()
    lost(first)
    api.has_row(api.posted[0][0], inference_id="gen-1")

    result = task(try_number=2).start()

    assert (result["status"], result["generation_id"], len(api.posted)) == ("completed", "gen-1", 1)


def test_where_each_earlier_try_began_here_and_sent_nothing_nobody_searches(task, api):
    record = song_of(task()).record
    for earlier in (1, 2):
        record.begin(earlier)

    task(try_number=3).start()

    assert (api.searched, len(api.posted)) == (0, 1)


def test_a_try_that_was_put_off_may_have_sent_something_itself(task, api):
    task(attempt={"rescheduled": True}).start()
    assert (api.searched, len(api.posted)) == (1, 1)


def test_a_record_that_an_earlier_try_wrote_elsewhere_is_used_on(task, api, store, tmp_path):
    first = task(store=store)
    first.start()
    elsewhere = str(tmp_path / "other songs")
    folders = FolderOptions(elsewhere, elsewhere, is_mapped=False, record_dir=None, executor="LocalExecutor")
    second = task(store=store, try_number=2, folders=folders)

    result = second.start()

    assert (result["status"], result["generation_id"], len(api.posted)) == ("completed", "gen-1", 1)
    assert second.record_url == first.record_url
    assert result["record_uri"].startswith(first.record_url)
    # For what it cost.
    assert api.searched == 1


def test_an_id_that_airflow_remembers_is_polled_where_the_record_is_gone(task, api, store):
    first = task(store=store)
    first.start()
    lost(first)
    api.polls = [{"id": "gen-1", "status": "generating"}]

    deferred = task(store=store, try_number=2).start()

    assert deferred.spec.facts["accepted"]["generation_id"] == "gen-1"
    assert (len(api.posted), api.searched) == (1, 0)


# What the record says decides


@pytest.mark.parametrize("facts", [("accepted", "completed"), ("accepted", "completed", "delivered")])
def test_a_song_that_is_in_storage_is_returned_without_a_call(facts, task, api):
    claimed(task(), *facts)

    second = task(try_number=2)
    result = second.start()

    assert (result["generation_id"], result["status"]) == ("gen-1", "completed")
    assert (len(api.posted), api.polled, api.searched) == (0, 0, 0)
    assert second.delivered.n == 1


def test_a_lost_answer_is_not_paid_again_by_a_retry(task, api):
    claimed(task(), "unknown")
    with pytest.raises(UnknownOutcomeError, match="r-1"):
        task(try_number=2).start()
    assert api.posted == []


def test_a_resubmission_whose_answer_is_lost_too_is_left_to_the_next_try(task, api):
    claimed(task(), "unknown", resubmission=True)
    with pytest.raises(ResubmissionLostError):
        task(on_unknown="resubmit").start()
    assert api.posted == []


@pytest.mark.parametrize("facts", [(), ("accepted",), ("accepted", "completed")])
def test_a_changed_request_is_refused_while_its_take_is_open_and_the_record_says_so(facts, task, api):
    record = claimed(task(), *facts)
    with pytest.raises(ChangedRequestError):
        task(request={**REQUESTS["queued"], "prompt": "a storm"}, try_number=2).start()
    assert "changed" in record.latest()
    assert api.posted == []


def test_a_try_of_which_cannot_be_told_whether_it_delivered_is_refused(task, api):
    claimed(task(attempt={"run_started_at": "2026-11-27T00:00:00+00:00"}), "accepted", "completed", "delivered")
    with pytest.raises(AmbiguousRunError):
        task(attempt={"run_started_at": "2026-11-28T00:00:00+00:00"}).start()
    assert api.posted == []


@pytest.mark.parametrize("lane", LANES)
def test_an_open_take_is_left_to_the_triggerer_with_what_is_known_of_it(lane, task, api):
    claimed(task(lane), says_when_sent=True)

    deferred = task(lane, try_number=2).start()

    assert deferred.spec.n == 1
    assert (deferred.spec.facts["intent"]["client_request_id"], deferred.spec.marker) == ("r-1", None)
    assert (api.posted, api.polled) == ([], 0)


@pytest.mark.parametrize("lane", LANES)
def test_after_a_failed_take_the_next_is_submitted_once(lane, task, api):
    claimed(task(lane), "failed")

    result = task(lane, try_number=2, deferrable=False).start()

    assert (result["status"], len(api.posted)) == ("completed", 1)


def test_after_a_failed_take_the_triggerer_submits_the_next_synchronous_one(task, api):
    claimed(task("synchronous"), "failed")

    deferred = task("synchronous", try_number=2).start()

    assert (deferred.spec.n, deferred.spec.facts, api.posted) == (2, None, [])
    assert deferred.spec.marker


# A task that had several takes before


def had_two(task, **usage):
    """Leave the second of two songs that the task had then: in storage, and not delivered."""
    folder = song_of(task).record.folder
    BatchList(folder, ["a" * 64, "b" * 64], task._attempt, "takes").write()
    record = SongRecord(folder.url_of("song-1"))
    take = record.claim(1, **task._attempt.metadata, lane="queued", model="minimax/music-2.6", fingerprint="b" * 64)
    record.write(take, "completed", **task._attempt.metadata, usage=usage)


def test_one_song_in_place_of_several_is_refused_while_a_paid_one_is_not_delivered(task, api):
    had_two(task())
    with pytest.raises(ChangedRequestError, match="takes was 2 and is 1 now"):
        task(try_number=2).start()
    assert api.posted == []


def test_after_a_clear_what_the_former_songs_cost_counts_against_the_budget(task, api, monkeypatch):
    monkeypatch.setattr(budget, "_PAUSE_SECONDS", 0.0)
    had_two(task(), usd_spent=0.9)
    with pytest.raises(ChangedRequestError):
        task(try_number=2).start()
    cleared = {"try_number": 3, "max_tries": 5, "on_unknown_price": "allow", "wait_for_completion": False}

    with pytest.raises(OverBudgetError, match=r"0\.9"):
        task(max_usd=0.5, **cleared).start()
    assert api.posted == []
    task(max_usd=1.5, **cleared).start()
    assert len(api.posted) == 1


# A retry while the generation runs


def test_a_retry_lands_what_is_done_by_now_with_no_second_wait(task, api):
    claimed(task(), "accepted")

    result = task(try_number=2).start()

    assert (result["status"], result["generation_id"], api.posted) == ("completed", "gen-1", [])


@pytest.mark.parametrize(
    "poll",
    [
        {"id": "gen-1", "status": "generating"},
        {"id": "gen-1", "status": "generating", "audio_file": DONE["audio_file"]},
        {"id": "gen-1", "status": "completed"},
        httpx.Response(503),
        httpx.ReadError("cut"),
    ],
    ids=["under way", "under way, with a link", "done, without a link", "503", "cut"],
)
def test_a_retry_waits_on_for_what_is_not_there_yet(poll, task, api):
    claimed(task(), "accepted")
    api.polls = [poll]

    deferred = task(try_number=2).start()

    assert (deferred.spec.n, deferred.spec.facts["accepted"]["generation_id"]) == (1, "gen-1")
    assert (api.posted, api.polled) == ([], 1)


def test_a_retry_that_waits_for_nothing_returns_the_id_without_a_poll(task, api):
    claimed(task(), "accepted")

    result = task(try_number=2, wait_for_completion=False).start()

    assert (result["status"], result["generation_id"]) == ("accepted", "gen-1")
    assert (api.posted, api.polled) == ([], 0)


# The quick POST of a worker


def test_a_request_that_the_api_refuses_fails_at_once_and_is_counted(task, api, store, stats):
    api.answers = [httpx.Response(400, json=REFUSED)]
    with pytest.raises(RequestRejectedError, match="not billed"):
        task(store=store).start()
    assert len(api.posted) == 1
    assert stats.counted.count(("music.generations", "minimax_music-2.6", "failed")) == 1
    assert [sorted(value["facts"]) for value in store.values] == [["intent"], ["failed", "intent"]]


def test_a_request_that_was_not_accepted_is_left_to_the_triggerer_which_submits_the_next(task, api):
    api.answers = [BUSY]
    one = task()

    deferred = one.start()

    assert (deferred.spec.facts["failed"]["sent"], len(api.posted)) == (False, 1)
    event = triggered(deferred)
    assert (event["status"], event["n"], len(api.posted)) == ("ready", 2, 2)
    assert second_half(one, event)["submissions"] == 1


def test_a_lost_answer_is_left_to_the_triggerer_and_not_submitted_again(task, api):
    api.answers = [httpx.ReadError("cut")]

    deferred = task().start()

    assert deferred.spec.n == 1
    assert deferred.spec.facts["intent"]["client_request_id"] == api.posted[0][0]
    assert len(api.posted) == 1


def test_a_take_that_another_process_claimed_in_between_is_waited_for(task, api, monkeypatch):
    real = submit.Submission._claim

    async def late(self):
        self._record.claim(1, client_request_id="of another", lane="queued")
        return await real(self)

    monkeypatch.setattr(submit.Submission, "_claim", late)

    deferred = task().start()

    assert (deferred.spec.facts["intent"]["client_request_id"], api.posted) == ("of another", [])


def test_a_deadline_before_the_request_is_a_timeout_with_nothing_sent(task, api):
    one = task(timeout=0.0)

    deferred = one.start()

    assert deferred.spec.marker
    with pytest.raises(GenerationTimeoutError, match="nothing was sent"):
        second_half(one, triggered(deferred))
    assert (api.posted, record_of(one).latest()) == ([], None)


# What Airflow remembers


def test_before_the_request_leaves_airflow_knows_where_and_under_which_id(task, api, store):
    seen = []
    api.on_post = lambda: seen.append(store.get(None))
    one = task(store=store)

    one.start()

    (known,) = seen
    assert (known["record_url"], known["n"]) == (one.record_url, 1)
    assert (known["facts"]["intent"]["fact"], known["facts"]["intent"]["n"]) == ("intent", 1)
    assert known["facts"]["intent"]["client_request_id"] == api.posted[0][0]
    assert "accepted" not in known["facts"]
    assert store.values[-1]["facts"]["accepted"]["generation_id"] == "gen-1"
    assert len(store.values) == 2


def began(task):
    return sorted(name for name in record_of(task).take_folder(1).names() if name.startswith("try-"))


def test_where_airflow_remembers_a_try_leaves_a_sign_that_it_began_before_its_first_claim(task, api, store):
    signs = []
    one = task(store=store)
    api.on_post = lambda: signs.extend(began(one))

    one.start()

    assert signs == ["try-1-began.json"]


def test_where_airflow_keeps_nothing_no_sign_is_left(task):
    one = task()
    one.start()
    assert began(one) == []


def test_a_second_take_needs_no_sign_of_its_try(task, store):
    claimed(task(), "failed")
    two = task(store=store, try_number=2)
    two.start()
    assert began(two) == []


def no_intent(monkeypatch):
    real = Folder.create

    def fails(folder, name, *args, **kwargs):
        if name == "intent.json":
            raise OSError(28, "No space left on device")
        return real(folder, name, *args, **kwargs)

    monkeypatch.setattr(Folder, "create", fails)


def no_key(monkeypatch):
    async def client_of(_):
        raise CredentialsError("There is no key any more")

    monkeypatch.setattr(submit, "client_of", client_of)


def submits(monkeypatch, error):
    """Let the request of a take end so, with nothing sent; return whether each would have waited for another task."""
    asked = []

    class Submission:
        def __init__(self, *_, waits=True):
            asked.append(waits)

        async def submit(self):
            raise error

    monkeypatch.setattr(tasks, "submission_of", Submission)
    return asked


def no_room(monkeypatch):
    """Another task spends the rest of the budget just before this one."""
    submits(monkeypatch, BudgetExceededError("budget marketing: nothing is left"))


@pytest.mark.parametrize(
    ("breaks", "error"), [(no_intent, OutputError), (no_key, CredentialsError), (no_room, BudgetExceededError)]
)
def test_what_certainly_sent_nothing_is_not_searched_for_by_the_next_try(breaks, error, task, api, store, monkeypatch):
    breaks(monkeypatch)
    one = task(store=store)
    with pytest.raises(error):
        one.start()
    assert api.posted == []
    assert [sorted(value) for value in store.values] == [["facts", "n", "record_url"], ["record_url"]]


def test_while_another_task_pays_for_the_request_the_wait_is_the_triggerers(task, store, monkeypatch):
    asked = submits(monkeypatch, submit.WaitsForAnother("another task pays"))
    one = task(store=store)

    deferred = one.start()

    assert asked == [False]
    assert (deferred.spec.facts, deferred.spec.n) == (None, 1)
    assert record_of(one).sees(deferred.spec.marker)
    assert [sorted(value) for value in store.values] == [["facts", "n", "record_url"], ["record_url"]]


def test_a_budget_that_nobody_defined_is_refused_before_the_log_is_searched(task, api, store):
    one = task("synchronous", try_number=2, budget="no-such", store=store)

    with pytest.raises(UnknownBudgetError, match="no-such"):
        one.start()

    assert (api.posted, api.searched, store.values) == ([], 0, [])


# What tasks share


@pytest.fixture
def reusing(task, tmp_path, monkeypatch):
    """Makes tasks whose request may be paid by one of another run."""
    monkeypatch.setenv("AIRFLOW__MUSIC__RECORD_DIR", str(tmp_path / "records"))
    return lambda run, **more: task(run=run, reuse_age=86_400.0, **more)


def test_a_song_that_another_task_paid_for_is_handed_out_at_once(reusing, api, store):
    paid = reusing("one", deferrable=False).start()
    one = reusing("two", store=store)

    result = one.start()

    assert (result["status"], result["audio_uri"], len(api.posted)) == ("completed", paid["audio_uri"], 1)
    assert one.delivered.is_reused
    assert [sorted(value) for value in store.values] == [["record_url"]]


def test_a_generation_that_its_task_left_is_waited_for_by_its_id(reusing, api, store, monkeypatch):
    reusing("one").start()
    monkeypatch.setattr(same_request, "_age", lambda _: 10_000.0)

    deferred = reusing("two", store=store).start()

    assert len(api.posted) == 1
    assert deferred.spec.facts["accepted"]["generation_id"] == "gen-1"
    assert deferred.spec.n == 1
    assert [sorted(value) for value in store.values] == [["record_url"]]


@pytest.fixture
def settled(monkeypatch):
    """The states of the takes whose reservations were settled."""
    states = []
    monkeypatch.setattr(tasks, "settle", lambda take: states.append(take.state))
    return states


def test_what_a_song_cost_is_settled_when_it_is_delivered(task, settled):
    task(deferrable=False).start()
    assert settled == ["completed"]


def test_what_a_failed_request_had_reserved_is_settled(task, api, settled):
    api.answers = [httpx.Response(400, json=REFUSED)]
    with pytest.raises(RequestRejectedError):
        task().start()
    assert settled == ["failed"]


@pytest.fixture
def spent(monkeypatch):
    """A shared budget that has room for nothing, and the steps for which it was asked."""
    steps = []

    def has_no_room(_, songs, decisions):
        steps.extend(decision.step for decision in decisions)
        return BudgetExceededError("budget marketing: nothing is left")

    monkeypatch.setattr(Spending, "has_no_room", has_no_room)
    return steps


def test_a_synchronous_request_that_a_spent_budget_cannot_pay_is_not_deferred(task, api, spent):
    with pytest.raises(BudgetExceededError):
        task("synchronous").start()
    assert (spent, api.posted) == (["submit"], [])


def test_a_queued_request_reserves_its_part_of_a_budget_when_it_is_sent(task, api, spent):
    task().start()
    assert (spent, len(api.posted)) == ([], 1)


def test_what_was_submitted_before_is_waited_for_whatever_is_left_of_the_budget(task, spent):
    one = task("synchronous", try_number=2)
    claimed(one)

    assert one.start().spec.n == 1
    assert spent == []
