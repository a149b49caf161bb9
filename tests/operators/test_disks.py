# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One bill on any disk, under any folder, at any try: what each deployment does, with the server's POSTs counted."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_music.compat import TaskDeferred
from airflow_provider_music.exceptions import (
    ChangedRequestError,
    GenerationFailedError,
    MusicError,
    OutputError,
    PartialBatchError,
    RateLimitedError,
    RecordError,
    StorageNotSharedError,
    UnknownOutcomeError,
    UnsafeStoreError,
)
from airflow_provider_music.generation import submit
from airflow_provider_music.record.lease import LeaseWatch
from airflow_provider_music.record.store import SongRecord
from airflow_provider_music.storage.folder import Folder
from tests.lanes import LANES, ROUTES


@dataclass
class Disks:
    """Lets one path lead to another disk in each process."""

    mount: str
    behind: Path
    now: str = "shared"

    def root(self, path: str) -> str:
        on_it = path == self.mount or path.startswith(f"{self.mount}/")
        return f"{self.behind / self.now}{path.removeprefix(self.mount)}" if on_it else path


def until_logged(sandbox):
    """Wait until the usage log has a row: the song is done."""
    for _ in range(1500):
        if sandbox.generations()[0]["status"] == "completed":
            return
        time.sleep(0.02)
    raise AssertionError("the song is never done")


class StateStore:
    """Airflow's task state store: JSON by key, kept from try to try."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key):
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key, value):
        self.kept[key] = json.dumps(value)


class OwnDisks:
    """Over the stand-in for Airflow: its processes have disks of their own.

    store: of Airflow 3.3 and later; None is an earlier one.
    """

    disks: Disks
    worker = triggerer = second_half = "shared"
    store: StateStore | None = None
    region: tuple[str, int] | None = None
    attempt_id: str | None = None
    pods = 0

    def own(self, **disks):
        for name, disk in disks.items():
            setattr(self, name, disk)
        return self

    def new_pod(self):
        """Every process sees one new, empty disk."""
        self.pods += 1
        self.worker = self.triggerer = self.second_half = f"pod-{self.pods}"

    def context(self, task):
        context = super().context(task)
        if self.store is not None:
            context["task_state_store"] = self.store
        if self.region is not None:
            context["ti"].region_id, context["ti"].region_index = self.region
        if self.attempt_id is not None:
            context["ti"].id = self.attempt_id
        return context

    def run(self, task):
        self.disks.now = self.worker
        return super().run(task)

    async def fire(self, trigger):
        self.disks.now = self.triggerer
        try:
            return await super().fire(trigger)
        finally:
            self.disks.now = self.second_half

    def defer(self, task):
        """Run the first half; the triggerer and all that it would do is lost."""
        self.disks.now = self.worker
        with pytest.raises(TaskDeferred) as caught:
            task.execute(self.context(task))
        return caught.value


@pytest.fixture(autouse=True)
def brisk_markers(monkeypatch):
    monkeypatch.setattr("airflow_provider_music.generation.state_machine._MARKER_PAUSE", 0.01)


@pytest.fixture
def airflow(airflow, monkeypatch, output_dir, tmp_path):
    disks = Disks(str(output_dir), tmp_path / "disks")
    make = Folder.__init__

    def on_this_disk(folder, url):
        make(folder, url)
        if folder.is_local:
            folder._root = disks.root(folder._root)

    monkeypatch.setattr(Folder, "__init__", on_this_disk)
    return type("Machines", (OwnDisks, type(airflow)), {"disks": disks})()


@pytest.fixture(autouse=True)
def any_reference(music_sandbox):
    music_sandbox.settings(any_reference=True)


def billed(sandbox):
    return [generation["id"] for generation in sandbox.generations() if generation["billed"]]


def audio_of(airflow, result):
    path = Path(airflow.disks.root(result["audio_uri"].removeprefix("file://")))
    assert path.stat().st_size == result["audio"]["size_bytes"]
    return path


def manifest(airflow, uri):
    return [json.loads(line) for line in Path(airflow.disks.root(uri.removeprefix("file://"))).read_text().splitlines()]


# Worker and triggerer with a disk of their own each


def test_a_queued_song_needs_no_disk_in_common(song, music_sandbox, airflow):
    result = airflow.own(triggerer="other").run(song())

    assert (result["generation_id"], result["submissions"]) == (music_sandbox.generations()[0]["id"], 1)
    assert audio_of(airflow, result)
    assert music_sandbox.posts("submit") == 1
    assert not list(airflow.disks.behind.joinpath("other").rglob("*.json"))


def test_a_synchronous_song_without_a_disk_in_common_is_refused_and_nothing_is_sent(song, music_sandbox, airflow):
    airflow.own(triggerer="other")
    for _ in range(2):
        with pytest.raises(StorageNotSharedError, match="Nothing was sent"):
            airflow.run(song("synchronous"))
        airflow.retry()
    assert music_sandbox.posts() == 0


def test_a_lost_answer_is_found_by_a_triggerer_that_does_not_see_the_claim(song, music_sandbox, airflow, quick_clock):
    """Where sent.json is out of sight, its absence must not be taken for "never sent"."""
    music_sandbox.fault("submit:cut-after")

    result = airflow.own(triggerer="other").run(song())

    assert (result["generation_id"], result["submissions"]) == (music_sandbox.generations()[0]["id"], 1)
    assert music_sandbox.posts("submit") == 1


def test_a_lost_answer_that_nobody_finds_is_unknown_whatever_disk_the_triggerer_has(
    song, music_sandbox, airflow, quick_clock
):
    music_sandbox.settings(log_lag=10**9)
    music_sandbox.fault("submit:cut-after")
    airflow.own(triggerer="other")
    for _ in range(2):
        with pytest.raises(UnknownOutcomeError, match="may have been billed"):
            airflow.run(song(timeout=60))
        airflow.retry()
    assert music_sandbox.posts("submit") == 1


def test_a_request_that_was_not_accepted_is_submitted_by_the_retry_where_the_triggerer_cannot(
    song, music_sandbox, airflow, quick_clock
):
    music_sandbox.fault("submit:rate-limit=1")
    airflow.own(triggerer="other")
    with pytest.raises(RateLimitedError, match="a retry submits again"):
        airflow.run(song())
    airflow.retry()

    assert airflow.run(song())["status"] == "completed"
    assert len(billed(music_sandbox)) == 1


def test_a_song_that_failed_out_of_sight_is_not_billed_and_the_retry_submits_the_next(song, music_sandbox, airflow):
    music_sandbox.fault("submit:error")
    airflow.own(triggerer="other")
    with pytest.raises(GenerationFailedError, match="not billed"):
        airflow.run(song())
    airflow.retry()

    assert airflow.run(song())["submissions"] == 2
    assert len(billed(music_sandbox)) == 1


@pytest.mark.parametrize("triggerer", ["shared", "other"])
def test_a_second_half_on_another_disk_lands_the_song_from_what_the_event_carries(
    triggerer, song, music_sandbox, airflow
):
    result = airflow.own(triggerer=triggerer, second_half="third").run(song())

    assert audio_of(airflow, result)
    assert result["submissions"] == 1
    assert music_sandbox.posts("submit") == 1
    assert list(airflow.disks.behind.joinpath("third").rglob("song.*"))


def test_a_batch_without_a_disk_in_common_is_refused_and_nothing_is_sent(batch, music_sandbox, airflow):
    airflow.own(triggerer="other")
    for _ in range(2):
        with pytest.raises(StorageNotSharedError, match="Nothing was sent"):
            airflow.run(batch())
        airflow.retry()
    assert music_sandbox.posts() == 0
    assert not list(airflow.disks.behind.rglob("plan-*"))


# A new, empty disk at every try


def test_the_usage_log_has_the_song_of_a_lost_disk(song, music_sandbox, airflow, quick_clock):
    airflow.new_pod()
    airflow.defer(song())
    until_logged(music_sandbox)
    airflow.retry()
    airflow.new_pod()

    result = airflow.run(song())

    assert result["generation_id"] == music_sandbox.generations()[0]["id"]
    assert audio_of(airflow, result)
    assert (result["submissions"], music_sandbox.posts("submit")) == (1, 1)


def test_what_the_log_says_has_failed_is_submitted_anew(song, music_sandbox, airflow, quick_clock):
    music_sandbox.fault("submit:error")
    airflow.new_pod()
    with pytest.raises(GenerationFailedError):
        airflow.run(song())
    airflow.retry()
    airflow.new_pod()

    assert airflow.run(song())["status"] == "completed"
    assert (music_sandbox.posts("submit"), len(billed(music_sandbox))) == (2, 1)


def test_where_the_log_has_no_row_the_song_is_submitted(song, music_sandbox, airflow):
    airflow.try_number = 2
    airflow.new_pod()

    assert airflow.run(song())["submissions"] == 1
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize(("lane", "max_posts"), [("queued", 1), ("synchronous", 1)])
def test_where_the_log_is_silent_nothing_is_sent_and_the_error_names_the_folder_and_three_ways_out(
    lane, max_posts, song, music_sandbox, airflow, quick_clock, output_dir
):
    airflow.new_pod()
    with contextlib.suppress(MusicError):
        airflow.run(song(lane))
    airflow.retry()
    airflow.new_pod()
    music_sandbox.fault("logs:status=500,times=all")
    for _ in range(2):
        with pytest.raises(UnknownOutcomeError) as caught:
            airflow.run(song(lane))
        assert str(output_dir) in str(caught.value)
        assert "Three ways out: bring that folder back" in str(caught.value)
        assert "wait for it with the sensor" in str(caught.value)
        assert "clear the task" in str(caught.value)
        airflow.retry()
    assert music_sandbox.posts(ROUTES[lane]) == max_posts


def test_where_the_log_is_silent_resubmit_submits_once_a_try(song, music_sandbox, airflow, quick_clock):
    airflow.new_pod()
    airflow.defer(song())
    airflow.retry()
    airflow.new_pod()
    music_sandbox.fault("logs:status=500,times=all")

    assert airflow.run(song(on_unknown="resubmit"))["status"] == "completed"
    assert music_sandbox.posts("submit") == 2


@pytest.mark.parametrize("n", [1, 2])
def test_a_clear_after_a_silent_log_finds_the_song_in_it_and_pays_nothing(
    n, song, music_sandbox, airflow, quick_clock, output_dir
):
    """Also where the lost disk had a later take than the first."""
    airflow.new_pod()
    if n == 2:
        music_sandbox.fault("submit:status=500")
        with pytest.raises(MusicError, match="not billed"):
            airflow.run(song())
        airflow.retry()
    airflow.defer(song())
    airflow.retry()
    airflow.new_pod()
    music_sandbox.fault("logs:status=500,times=all")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song())
    music_sandbox.clear_faults()
    airflow.clear()

    result = airflow.run(song())
    assert result["generation_id"] == billed(music_sandbox)[0]
    assert (music_sandbox.posts("submit"), len(billed(music_sandbox))) == (n, 1)


def test_a_clear_after_an_answer_that_was_lost_finds_the_song_in_the_log_and_pays_nothing(
    song, music_sandbox, airflow, quick_clock
):
    music_sandbox.fault("submit:cut-after", "logs:status=500,times=all")
    with pytest.raises(UnknownOutcomeError):
        airflow.run(song(timeout=60))
    music_sandbox.clear_faults()
    airflow.clear()

    assert airflow.run(song())["generation_id"] == music_sandbox.generations()[0]["id"]
    assert music_sandbox.posts("submit") == 1


def test_the_log_of_a_synchronous_song_on_a_lost_disk_says_that_it_is_billed_and_nothing_is_sent(
    song, music_sandbox, airflow
):
    airflow.new_pod()
    airflow.run(song("synchronous"))
    airflow.retry()
    airflow.new_pod()
    with pytest.raises(UnknownOutcomeError, match="It is billed"):
        airflow.run(song("synchronous"))
    assert music_sandbox.posts("generate") == 1


def test_airflows_task_state_store_has_the_id_and_the_log_is_not_searched(song, music_sandbox, airflow):
    music_sandbox.fault("logs:status=500,times=all")
    airflow.store = StateStore()
    airflow.new_pod()
    airflow.defer(song())
    airflow.retry()
    airflow.new_pod()

    result = airflow.run(song())
    assert result["generation_id"] == music_sandbox.generations()[0]["id"]
    assert (result["submissions"], music_sandbox.posts("submit")) == (1, 1)


def test_an_answer_that_was_lost_with_its_disk_is_searched_and_never_taken_for_never_sent(
    song, music_sandbox, airflow, quick_clock
):
    music_sandbox.fault("submit:cut-after")
    airflow.store = StateStore()
    airflow.new_pod()
    airflow.defer(song())
    airflow.retry()
    airflow.new_pod()

    assert airflow.run(song())["generation_id"] == music_sandbox.generations()[0]["id"]
    assert music_sandbox.posts("submit") == 1


def test_a_failed_song_that_only_airflow_remembers_is_submitted_anew(song, music_sandbox, airflow):
    airflow.store = StateStore()
    music_sandbox.fault("submit:error")
    airflow.new_pod()
    with pytest.raises(GenerationFailedError):
        airflow.run(song())
    airflow.retry()
    airflow.new_pod()

    assert airflow.run(song())["status"] == "completed"
    assert (music_sandbox.posts("submit"), len(billed(music_sandbox))) == (2, 1)


def test_a_batch_on_a_lost_disk_is_found_song_by_song(batch, music_sandbox, airflow, quick_clock):
    music_sandbox.fault("download:status=500,times=all")
    airflow.new_pod()
    with pytest.raises(PartialBatchError, match="3 pending"):
        airflow.run(batch())
    music_sandbox.clear_faults()
    airflow.retry()
    airflow.new_pod()

    assert airflow.run(batch())["delivered"] == 3
    assert music_sandbox.posts("submit") == 3


def test_a_try_that_dies_while_it_writes_down_what_the_log_has_is_no_second_bill(
    batch, music_sandbox, airflow, quick_clock, monkeypatch
):
    music_sandbox.fault("download:status=500,times=all")
    airflow.new_pod()
    with pytest.raises(PartialBatchError):
        airflow.run(batch())
    music_sandbox.clear_faults()
    airflow.retry()
    airflow.new_pod()
    adopt, adopted = SongRecord.adopt, []

    def dies(record, n, facts):
        if adopted:
            raise KeyboardInterrupt
        adopted.append(n)
        return adopt(record, n, facts)

    monkeypatch.setattr(SongRecord, "adopt", dies)
    with pytest.raises(KeyboardInterrupt):
        airflow.run(batch())
    monkeypatch.setattr(SongRecord, "adopt", adopt)
    airflow.retry()

    assert airflow.run(batch())["delivered"] == 3
    assert music_sandbox.posts("submit") == 3


@pytest.mark.parametrize("logs", ["has it", "is silent"])
def test_a_disk_that_comes_back_does_not_hide_what_a_try_paid_on_another(
    logs, song, music_sandbox, airflow, quick_clock
):
    """The first node has a request that was refused, the second one the song, and the third try is on the first."""
    music_sandbox.fault("submit:rate-limit=1")
    with pytest.raises(RateLimitedError):
        airflow.own(worker="a", triggerer="other", second_half="a").run(song())
    airflow.retry()
    airflow.own(worker="b", second_half="b").defer(song())
    until_logged(music_sandbox)
    airflow.retry()
    airflow.own(worker="a", second_half="a")
    if logs == "has it":
        assert airflow.run(song())["generation_id"] == billed(music_sandbox)[0]
    else:
        music_sandbox.fault("logs:status=500,times=all")
        with pytest.raises(UnknownOutcomeError, match="Three ways out"):
            airflow.run(song())
    assert len(billed(music_sandbox)) == 1


def test_nor_does_it_for_a_batch(batch, music_sandbox, airflow, quick_clock):
    music_sandbox.fault("submit:status=500,times=3")
    with pytest.raises(PartialBatchError):
        airflow.own(worker="a", triggerer="a", second_half="a").run(batch())
    airflow.retry()
    airflow.own(worker="b", triggerer="b", second_half="b").run(batch())
    airflow.retry()
    airflow.own(worker="a", triggerer="a", second_half="a").run(batch())

    assert len(billed(music_sandbox)) == 3
    assert music_sandbox.posts("submit") == 6


def test_a_record_that_every_try_saw_is_believed_and_no_log_is_read(song, music_sandbox, airflow):
    music_sandbox.fault("submit:status=500,times=2")
    for _ in range(2):
        with pytest.raises(MusicError, match="not billed"):
            airflow.run(song())
        airflow.retry()
    airflow.run(song())
    airflow.clear()
    airflow.run(song())
    assert music_sandbox.requests("logs") == 0


# Folders that move between tries


def rendered(task, folder):
    task.output_dir = folder
    return task


def test_a_template_that_gives_another_folder_at_every_try_is_no_other_song(song, music_sandbox, airflow, output_dir):
    template = f"{output_dir}/{{{{ macros.datetime.now() }}}}/{{{{ ti.try_number }}}}"
    airflow.defer(rendered(song(output_dir=template), f"{output_dir}/noon/1"))
    airflow.retry()

    result = airflow.run(rendered(song(output_dir=template), f"{output_dir}/one/2"))

    assert "/noon/1/" in str(audio_of(airflow, result))
    assert "/noon/" not in result["record_uri"]
    assert (result["submissions"], music_sandbox.posts("submit")) == (1, 1)


def test_a_batch_under_such_a_template_pays_for_each_song_once_and_stays_within_its_budget(
    batch, music_sandbox, airflow, output_dir
):
    template = f"{output_dir}/{{{{ ti.try_number }}}}"
    music_sandbox.fault("download:status=500,times=all")
    for n in (1, 2):
        with pytest.raises(PartialBatchError, match="3 pending"):
            airflow.run(rendered(batch(output_dir=template, max_usd=1.0), f"{output_dir}/{n}"))
        airflow.retry()
    music_sandbox.clear_faults()

    result = airflow.run(rendered(batch(output_dir=template, max_usd=1.0), f"{output_dir}/3"))

    assert (result["delivered"], music_sandbox.posts("submit")) == (3, 3)
    assert all("/1/" in line["audio_uri"] for line in manifest(airflow, result["manifest_uri"]))


@pytest.mark.parametrize("store", [None, StateStore()], ids=["2.11 to 3.2", "3.3"])
def test_a_setting_edited_between_tries_is_no_other_song(
    store, song, music_sandbox, airflow, output_dir, monkeypatch, quick_clock
):
    airflow.store = store
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", f"{output_dir}/before")
    airflow.defer(song(output_dir=None))
    # Before that the usage log has no row of it.
    until_logged(music_sandbox)
    airflow.retry()
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", f"{output_dir}/after")

    result = airflow.run(song(output_dir=None))

    assert (result["generation_id"], result["submissions"]) == (music_sandbox.generations()[0]["id"], 1)
    assert f"/{'before' if store else 'after'}/" in result["record_uri"]
    assert audio_of(airflow, result)
    assert music_sandbox.posts("submit") == 1


@pytest.mark.parametrize("store", [None, StateStore()], ids=["2.11 to 3.2", "3.3"])
def test_a_setting_edited_between_the_tries_of_a_batch_is_no_other_list_of_songs(
    store, batch, music_sandbox, airflow, output_dir, monkeypatch, quick_clock
):
    airflow.store = store
    music_sandbox.fault("download:status=500,times=all")
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", f"{output_dir}/before")
    with pytest.raises(PartialBatchError):
        airflow.run(batch(output_dir=None))
    music_sandbox.clear_faults()
    airflow.retry()
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", f"{output_dir}/after")

    assert airflow.run(batch(output_dir=None))["delivered"] == 3
    assert music_sandbox.posts("submit") == 3


def test_a_setting_edited_between_the_halves_is_no_matter(song, music_sandbox, airflow, output_dir, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", f"{output_dir}/before")
    deferred = airflow.defer(song(output_dir=None))
    monkeypatch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", f"{output_dir}/after")

    assert "/before/" in airflow.resume(song(output_dir=None), deferred)["audio_uri"]
    assert music_sandbox.posts("submit") == 1


# A run created again, a clear, another Airflow


@pytest.mark.parametrize("lane", list(LANES))
@pytest.mark.parametrize("edited", [False, True])
def test_a_run_that_is_created_again_gets_a_song_of_its_own(lane, edited, song, music_sandbox, airflow):
    first = airflow.run(song(lane))
    airflow.create_again()
    words = {"queued": {"prompt": "a loud song"}, "synchronous": {"lyrics": "##we walk until the end of day##"}}

    second = airflow.run(song(lane, **(words[lane] if edited else {})))

    assert second["audio_uri"] != first["audio_uri"]
    assert audio_of(airflow, first)
    assert audio_of(airflow, second)
    assert (second["submissions"], music_sandbox.posts(ROUTES[lane])) == (1, 2)


def test_a_run_of_dags_test_begins_at_the_same_moment_and_is_told_by_the_attempts_id(song, music_sandbox, airflow):
    airflow.attempt_id = "one"
    first = airflow.run(song())
    airflow.attempt_id = "two"

    assert airflow.run(song())["generation_id"] != first["generation_id"]
    assert music_sandbox.posts("submit") == 2


def test_a_run_of_dags_test_that_cannot_be_told_apart_never_gets_the_former_song_for_an_edited_prompt(
    song, music_sandbox, airflow
):
    """Airflow 2.11 gives a try no id of its own."""
    airflow.run(song())
    with pytest.raises(ChangedRequestError, match="clear the task as it is now"):
        airflow.run(song(prompt="a loud song"))
    airflow.clear()
    airflow.run(song(prompt="a loud song"))
    assert music_sandbox.posts("submit") == 2


def test_retries_lowered_and_a_prompt_edited_before_a_clear_never_get_the_former_song(song, music_sandbox, airflow):
    airflow.run(song())
    airflow.clear(retries=1)
    assert airflow.max_tries == 2, "as a retry has it"
    with pytest.raises(ChangedRequestError, match="clear the task as it is now"):
        airflow.run(song(prompt="a loud song"))
    airflow.clear(retries=1)

    assert airflow.run(song(prompt="a loud song"))["submissions"] == 1
    assert music_sandbox.posts("submit") == 2


def test_retries_lowered_further_before_a_clear_make_a_new_take(song, music_sandbox, airflow):
    first = airflow.run(song())
    airflow.clear(retries=0)

    assert airflow.run(song(prompt="a loud song"))["generation_id"] != first["generation_id"]
    assert music_sandbox.posts("submit") == 2


def test_two_airflows_on_one_store_have_a_song_each(song, music_sandbox, airflow, monkeypatch):
    results = []
    for name in ("staging", "production"):
        monkeypatch.setenv("AIRFLOW__MUSIC__DEPLOYMENT", name)
        results.append(airflow.run(song()))
    one, other = results

    assert one["generation_id"] != other["generation_id"]
    assert ("/staging~" in one["audio_uri"], "/production~" in other["audio_uri"]) == (True, True)
    assert music_sandbox.posts("submit") == 2


def test_a_retry_never_attaches_to_the_song_of_another_airflow_that_the_log_has(
    song, music_sandbox, airflow, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__MUSIC__DEPLOYMENT", "staging")
    first = airflow.run(song())
    monkeypatch.setenv("AIRFLOW__MUSIC__DEPLOYMENT", "production")
    airflow.retry()

    assert airflow.run(song())["generation_id"] != first["generation_id"]


def test_iterations_of_a_task_loop_have_a_song_each(song, music_sandbox, airflow):
    results = []
    for index in range(2):
        airflow.region = ("loop", index)
        results.append(airflow.run(song()))
    assert len({result["generation_id"] for result in results}) == 2
    assert len({result["audio_uri"] for result in results}) == 2
    assert music_sandbox.posts("submit") == 2


# A batch is a list


@pytest.fixture
def paid(batch, music_sandbox, airflow):
    """A batch whose songs are paid, and not delivered yet."""
    music_sandbox.fault("download:status=500,times=all")
    with pytest.raises(PartialBatchError, match="3 pending"):
        airflow.run(batch())
    music_sandbox.clear_faults()
    airflow.retry()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("two", "one", "three"), r"2 of 3 requests changed while .* the first is requests\[0\]"),
        (("one", "two"), r"it had 3, now it has 2; requests\[2\] is gone"),
        (("two", "three"), r"it had 3, now it has 2; requests\[0\] is the first that differs"),
        (("new", "one", "two", "three"), r"it had 3, now it has 4; requests\[0\] is the first that differs"),
        (("one", "two", "three", "four"), r"it had 3, now it has 4; requests\[3\] is new"),
    ],
    ids=["reordered", "shortened at its end", "at its start", "lengthened at its start", "lengthened at its end"],
)
def test_a_list_that_differs_while_songs_are_open_is_refused_by_name_and_taken_after_one_clear(
    words, match, paid, batch, music_sandbox, airflow
):
    with pytest.raises(ChangedRequestError, match=match):
        airflow.run(batch(words))
    assert music_sandbox.posts("submit") == 3
    airflow.retry()
    with pytest.raises(ChangedRequestError):
        airflow.run(batch(words))
    assert music_sandbox.posts("submit") == 3
    airflow.clear()

    result = airflow.run(batch(words))

    assert result["delivered"] == len(words)
    same = sum(one == other for one, other in zip(words, ("one", "two", "three"), strict=False))
    assert music_sandbox.posts("submit") == 3 + len(words) - same


def test_the_former_list_brings_the_former_songs(paid, batch, music_sandbox, airflow):
    with pytest.raises(ChangedRequestError):
        airflow.run(batch(("one", "two")))
    airflow.clear()
    assert airflow.run(batch())["delivered"] == 3
    assert music_sandbox.posts("submit") == 3


@pytest.mark.parametrize("words", [("three", "two", "one"), ("one",), ("one", "two", "three", "four")])
def test_the_second_half_works_from_the_plan_whatever_the_list_renders_as_then(words, batch, music_sandbox, airflow):
    deferred = airflow.defer(batch())

    result = airflow.resume(batch(words), deferred)

    assert (result["requested"], result["delivered"]) == (3, 3)
    assert [line["index"] for line in manifest(airflow, result["manifest_uri"])] == [0, 1, 2]
    assert music_sandbox.posts("submit") == 3


def plans(airflow):
    return list(airflow.disks.behind.rglob("plan-*.json"))


def test_a_plan_that_somebody_edits_is_refused_and_nothing_is_sent(batch, music_sandbox, airflow):
    deferred = airflow.defer(batch())
    (plan,) = plans(airflow)
    plan.write_text(plan.read_text().replace("calm", "loud"))
    with pytest.raises(RecordError, match="it was edited"):
        airflow.resume(batch(), deferred)
    assert music_sandbox.posts() == 0
    assert plans(airflow) == []


def test_no_words_stay_behind_whether_the_batch_succeeds_or_fails(batch, music_sandbox, airflow):
    airflow.run(batch())
    assert plans(airflow) == []

    airflow.create_again()
    music_sandbox.fault("submit:status=500,times=all")
    with pytest.raises(PartialBatchError):
        airflow.run(batch())
    assert plans(airflow) == []
    assert not [path for path in airflow.disks.behind.rglob("*.json") if "calm song" in path.read_text()]


def test_the_plan_of_a_try_that_never_came_back_is_removed_by_the_next_even_if_that_is_refused(
    batch, music_sandbox, airflow
):
    airflow.defer(batch())
    airflow.retry()
    airflow.run(batch())
    assert plans(airflow) == []

    airflow.clear()
    airflow.defer(batch(("four", "five", "six")))
    airflow.retry()
    with pytest.raises(MusicError):
        airflow.run(batch(("four", "five", "six"), max_usd=0.001))
    assert plans(airflow) == []


# Between claim and POST


def test_a_claim_whose_process_died_before_it_sent_costs_a_retry_and_no_person(
    song, music_sandbox, airflow, monkeypatch, quick_clock
):
    async def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(submit.Submission, "_post", dies)
    with pytest.raises(KeyboardInterrupt):
        airflow.run(song())
    monkeypatch.undo()
    monkeypatch.setenv("AIRFLOW_CONN_MUSIC_DEFAULT", music_sandbox.connection_json())
    airflow.retry()

    result = airflow.run(song())
    assert (result["submissions"], music_sandbox.posts("submit")) == (1, 1)


@pytest.mark.parametrize("lane", list(LANES))
def test_a_writer_that_comes_back_after_it_was_given_up_sends_nothing(lane, song, music_sandbox, airflow, monkeypatch):
    write_first, finder = SongRecord.write_first, []

    def late(record, take, fact, **values):
        if fact == "sent" and not values["abandoned"] and not finder:
            finder.append(None)
            monkeypatch.setattr(LeaseWatch, "writer_lives", lambda _: False)
            other = type(airflow)(try_number=2)
            finder[0] = other.run(song(lane, deferrable=False))
        return write_first(record, take, fact, **values)

    monkeypatch.setattr(SongRecord, "write_first", late)

    result = airflow.run(song(lane, deferrable=False))

    assert result["audio"] == finder[0]["audio"]
    assert music_sandbox.posts(ROUTES[lane]) == 1


# Stores whose claims do not hold, and what it all costs


@pytest.mark.parametrize("lane", list(LANES))
def test_a_store_that_creates_one_object_twice_is_refused_and_nothing_is_sent(
    lane, song, music_sandbox, airflow, bucket, monkeypatch
):
    """As s3fs before 2024.12: it drops the condition without a word."""
    monkeypatch.setattr("airflow_provider_music.record.exclusive._proven", set())
    write = bucket.fs.pipe_file
    monkeypatch.setattr(bucket.fs, "pipe_file", lambda path, value, **_: write(path, value))
    for _ in range(2):
        with pytest.raises(UnsafeStoreError, match="created twice"):
            airflow.run(song(lane, output_dir=bucket.url))
        airflow.retry()
    assert music_sandbox.posts() == 0


@pytest.mark.parametrize("lane", list(LANES))
def test_a_song_that_goes_well_costs_no_free_call_more_and_a_lost_success_none_at_all(
    lane, song, music_sandbox, airflow
):
    airflow.run(song(lane))
    first = music_sandbox.state()["requests"]
    assert {name: count for name, count in first.items() if name != "poll" and count} == (
        {"submit": 1, "download": 1} if lane == "queued" else {"generate": 1}
    )
    airflow.retry()
    airflow.run(song(lane))
    assert music_sandbox.state()["requests"] == first


@pytest.mark.parametrize(("pod", "store", "logs"), [(False, False, 0), (True, False, 1), (True, True, 0)])
def test_a_retry_reads_the_log_once_and_only_where_nothing_else_says_what_was_done(
    pod, store, logs, song, music_sandbox, airflow
):
    music_sandbox.settings(delay=0.0)
    airflow.store = StateStore() if store else None
    airflow.new_pod()
    airflow.defer(song())
    airflow.retry()
    if pod:
        airflow.new_pod()
    airflow.run(song())
    assert music_sandbox.requests("logs") == logs


def test_a_retry_after_a_try_that_is_known_to_have_sent_nothing_reads_no_log(song, music_sandbox, airflow, monkeypatch):
    write_first = SongRecord.write_first

    def full(record, take, fact, **values):
        if fact == "sent":
            raise RecordError("the disk is full")
        return write_first(record, take, fact, **values)

    monkeypatch.setattr(SongRecord, "write_first", full)
    with pytest.raises(OutputError, match="nothing was sent: the disk is full"):
        airflow.run(song())
    monkeypatch.setattr(SongRecord, "write_first", write_first)
    airflow.retry()

    assert airflow.run(song())["submissions"] == 1
    assert (music_sandbox.requests("logs"), music_sandbox.posts("submit")) == (0, 1)
