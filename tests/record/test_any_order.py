# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""Any order of tries, crashes, retries, clears, lost answers and late log rows: the promises about money hold."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import tempfile
import wave
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from dying import Died, Mortality, instrument
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from airflow_provider_music.api.testing import use_transport
from airflow_provider_music.compat import AirflowException, TaskDeferred
from airflow_provider_music.generation import quality, reconcile
from airflow_provider_music.generation import runtime as clock
from airflow_provider_music.hooks.clients import close_clients
from airflow_provider_music.operators.music import GenerateMusicOperator
from airflow_provider_music.record import lease
from airflow_provider_music.storage.folder import Folder

KEY = "a-made-up-key"


def _tone(number: int) -> bytes:
    """A song like no other."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(range(256)) * 124 + bytes([number]) * 256)
    return buffer.getvalue()


def _words_of(body: dict[str, Any]) -> str:
    return str(body.get("prompt") or body.get("lyrics"))


class FakeApi:
    """The queued and the synchronous lane, and a log, in one process; counts every POST."""

    def __init__(self) -> None:
        self.next_answers: list[str] = []
        self.posts: list[str] = []
        self.songs: dict[str, dict[str, Any]] = {}
        self.log_is_up = True
        self.log_shows_all = True

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return self._post(request)
        if request.url.path == "/v2/logs":
            return self._log()
        if request.url.path.startswith("/song-"):
            return httpx.Response(200, content=self.songs[request.url.path.strip("/")]["audio"])
        song = self.songs[request.url.params["generation_id"]]
        if song["fate"] == "error":
            song["done"] = True
            body = {"id": song["id"], "status": "error", "error": {"name": "x", "message": "y"}}
        else:
            song["done"] = True
            body = {"id": song["id"], "status": "completed", "audio_file": {"url": f"http://127.0.0.1/{song['id']}"}}
        return httpx.Response(200, json=body)

    def _post(self, request: httpx.Request) -> httpx.Response:
        number = request.headers["X-Client-Request-Id"]
        self.posts.append(number)
        answer = self.next_answers.pop(0) if self.next_answers else "ok"
        if answer == "refused":
            raise httpx.ConnectError("refused")
        if answer == "busy":
            return httpx.Response(429, json={"message": "busy", "statusCode": 429})
        if answer == "broken":
            return httpx.Response(500, json={"message": "broken", "statusCode": 500})
        fate = "error" if answer in ("error", "lost-error") else "ok"
        song = {"id": f"song-{len(self.songs)}", "request": number, "fate": fate, "done": False}
        song |= {"words": _words_of(json.loads(request.content)), "audio": _tone(len(self.songs))}
        self.songs[song["id"]] = song
        synchronous = request.url.path.endswith("minimax/generate")
        song["done"] = synchronous
        if answer in ("lost", "lost-error"):
            raise httpx.ReadError("cut")
        if answer == "gateway":
            return httpx.Response(502, text="<html>")
        if synchronous:
            if fate == "error":
                return httpx.Response(200, json={"base_resp": {"status_code": 1013, "status_msg": "x"}})
            body = {"data": {"status": 2, "audio": song["audio"].hex()}, "base_resp": {"status_code": 0}}
            return httpx.Response(200, json=body)
        return httpx.Response(200, json={"id": song["id"], "status": "queued"})

    def _log(self) -> httpx.Response:
        if not self.log_is_up:
            return httpx.Response(503, text="away")
        rows = [
            {
                "status": "failed" if song["fate"] == "error" else "succeeded",
                "client_request_id": song["request"],
                "inference_id": song["id"],
                "cost": {"usd": 0.1, "credits": 200000},
            }
            for song in self.songs.values()
            if song["done"] or self.log_shows_all
        ]
        return httpx.Response(200, json={"data": rows, "pagination": {"has_more": False}})


ANSWERS = st.sampled_from(["ok", "refused", "busy", "broken", "error", "lost", "lost-error", "gateway"])


DEATHS = st.sampled_from(
    [
        f"{when} folder.create({fact}.json)"
        for fact in ("intent", "sent", "accepted", "completed", "failed", "delivered")
        for when in ("before", "after")
    ]
)


WORDS = ["the sea", "the hills"]
#: How often each rule was reached in which phase, for whoever doubts it.
reached: Counter[tuple[Any, ...]] = Counter()


class StateStore(dict):
    """Airflow's task state store."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.dumps(value)

    def get(self, key: str) -> Any:
        return json.loads(self[key]) if key in self else None


class Promises(RuleBasedStateMachine):
    """One task instance, its API, and an Airflow that does to it whatever it likes.

    Where a record is lost, the usage log has to show what was submitted, so from then on it does: a row that comes only
    when the song is done is a limit of the promise, see docs/money.md.
    """

    lane = "queued"
    remembers = False

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.life = Mortality()
        instrument(self.patch, lambda: self.life)
        self._hold_the_clock()
        self.patch.setattr(lease, "SILENCE_SECONDS", 0.0)
        self.patch.setenv(
            "AIRFLOW_CONN_MUSIC_DEFAULT",
            json.dumps({"conn_type": "music", "host": "http://127.0.0.1:1", "password": KEY}),
        )
        self.folder = tempfile.TemporaryDirectory()
        self.move_to("songs")
        self._give_triggerers_a_disk()
        self.api = FakeApi()
        transport = httpx.MockTransport(self.api.handle)
        self.network = use_transport(transport)
        self.network.__enter__()
        self.try_number, self.max_tries = 1, 2
        self.phase, self.trigger, self.event = "execute", None, None
        self.clears = self.runs = self.lost_intents = 0
        self.run_began, self.clear_number = datetime(2026, 11, 1, tzinfo=UTC), 0
        self.state = StateStore()
        self.wanted = ""
        self.results: list[tuple[dict[str, Any], str]] = []
        self.words, self.quality = WORDS[0], "none"
        self.patch.setattr(quality, "is_installed", lambda: True)
        # Every song breaks a limit, whatever it sounds like.
        self.patch.setattr(quality, "_figures", lambda *_: ({"loudness_lufs": -60.0}, True))
        self.record_was_lost = False
        self.first_on_this_disk = 0

    def _give_triggerers_a_disk(self) -> None:
        self.blind = False
        make = Folder.__init__

        def on_this_disk(folder: Folder, url: str) -> None:
            make(folder, url)
            if self.blind:
                folder._root = folder._root.replace(self.folder.name, f"{self.folder.name}/of-the-triggerer", 1)

        self.patch.setattr(Folder, "__init__", on_this_disk)

    def move_to(self, name: str) -> None:
        self.root = Path(self.folder.name, name)
        self.patch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(self.root))

    def _hold_the_clock(self) -> None:
        self.ahead = 0.0
        skipped, real_now, real_monotonic = [0.0], clock.now, clock.monotonic

        async def sleep(seconds: float) -> None:
            skipped[0] += seconds
            await asyncio.sleep(0)

        self.patch.setattr(clock, "now", lambda: real_now() + skipped[0] + self.ahead)
        self.patch.setattr(clock, "monotonic", lambda: real_monotonic() + skipped[0])
        self.patch.setattr(clock, "sleep", sleep)
        self.patch.setattr(reconcile, "_WATCH_SECONDS", 30.0)

    def teardown(self) -> None:
        self.network.__exit__(None, None, None)
        self.patch.undo()
        self.folder.cleanup()

    def task(self) -> GenerateMusicOperator:
        fields = {"model": "minimax/music-2.6", "prompt": self.words}
        if self.lane == "synchronous":
            fields = {"model": "music-01", "lyrics": self.words, "refer_voice": "vocal-2025082518145625-6XW9wCOF"}
        return GenerateMusicOperator(task_id="song", timeout=300, quality=self.quality, **fields)

    def context(self) -> dict[str, Any]:
        ti = type("Ti", (), {})()
        ti.dag_id, ti.run_id, ti.task_id, ti.map_index = "dag", "run", "song", -1
        ti.try_number, ti.max_tries = self.try_number, self.max_tries
        ti.id = f"{self.runs}-{self.try_number}" if self.remembers else None
        run = SimpleNamespace(start_date=self.run_began, clear_number=self.clear_number)
        return {"ti": ti, "dag_run": run, "task_state_store": self.state if self.remembers else None}

    async def fire(self) -> dict[str, Any]:
        cls, kwargs = self.trigger
        try:
            return (await anext(aiter(cls(**kwargs).run()))).payload
        finally:
            await close_clients()

    def step(self) -> None:
        """Run one process of the task; Airflow notes how it ended."""
        try:
            if self.phase == "trigger":
                self.event, self.phase = asyncio.run(self.fire()), "resume"
                return
            task = self.task()
            if self.phase == "execute":
                self.wanted = self.words
            result = (
                task.execute_complete(self.context(), self.event)
                if self.phase == "resume"
                else task.execute(self.context())
            )
            self.phase = "success"
            self.results.append((result, self.wanted))
        except TaskDeferred as deferred:
            self.trigger = (type(deferred.trigger), deferred.trigger.serialize()[1])
            self.phase = "trigger"
        except AirflowException:
            self.phase = "failed"

    @rule(answers=st.lists(ANSWERS, max_size=3))
    def the_api_will_answer(self, answers):
        self.api.next_answers = answers

    @rule(up=st.booleans(), shows_all=st.booleans())
    def the_log_changes(self, up, shows_all):
        self.api.log_is_up, self.api.log_shows_all = up, shows_all or self.record_was_lost

    @rule()
    def a_disk_is_lost(self):
        """With all that is on it: the next process of the task begins on an empty one."""
        self.lost_intents += len(self.intents())
        for root in Path(self.folder.name).iterdir():
            shutil.rmtree(root)
        self.record_was_lost = self.api.log_shows_all = True
        self.first_on_this_disk = len(self.results)
        reached["a disk is lost", self.phase, bool(self.api.songs)] += 1

    @rule()
    def the_folder_moves(self):
        self.move_to(f"{self.root}-")
        self.record_was_lost = self.api.log_shows_all = True
        reached["the folder moves", self.phase, bool(self.api.songs)] += 1

    @rule(data=st.data())
    def a_former_folder_comes_back(self, data):
        """With what was in it then."""
        former = [f"songs{'-' * n}" for n in range(len(self.root.name) - len("songs"))]
        if former:
            self.root = Path(self.folder.name, data.draw(st.sampled_from(former)))
            self.patch.setenv("AIRFLOW__MUSIC__OUTPUT_DIR", str(self.root))
            reached["a former folder comes back", self.phase, bool(self.intents())] += 1

    @rule(seconds=st.sampled_from([-900.0, 900.0]))
    def the_clock_moves(self, seconds):
        self.ahead += seconds
        reached["the clock moves", self.phase] += 1

    @rule()
    def the_run_is_deleted_and_created_again(self):
        self.runs += 1
        self.try_number, self.max_tries, self.clear_number = 1, 2, 0
        self.run_began += timedelta(hours=1)
        self.state.clear()
        reached["the run is created again", self.phase, bool(self.results)] += 1
        self.phase = "execute"

    @rule()
    def the_triggerer_does_not_see_the_record(self):
        self.life = Mortality()
        if self.phase == "trigger":
            self.blind = True
            try:
                self.step()
            finally:
                self.blind = False
            reached["a blind triggerer", self.event["status"]] += 1

    @rule(retries=st.integers(0, 2))
    def a_person_lowers_retries_and_clears(self, retries):
        if self.phase in ("failed", "success", "trigger"):
            reached["retries lowered", self.phase, self.try_number + retries - self.max_tries] += 1
            self.clear(retries)

    @rule(words=st.sampled_from(WORDS))
    def a_person_edits_the_request(self, words):
        """Between processes, as a new version of the DAG file does; also back to what it was."""
        self.words = words

    @rule(then=st.sampled_from(["none", "fail"]))
    def a_song_is_rejected_for_its_quality_and_a_person_clears(self, then):
        self.quality = "fail"
        self.airflow_goes_on_to_the_end()
        self.airflow_retries()
        self.airflow_goes_on_to_the_end()
        rejected = list(Path(self.folder.name).rglob("rejected.json"))
        reached["rejected", self.phase, bool(rejected), then] += 1
        self.quality = then
        self.a_person_clears()

    @rule()
    def airflow_goes_on(self):
        self.life = Mortality()
        if self.phase in ("execute", "trigger", "resume"):
            self.step()

    @rule(at=st.integers(0, 70))
    def a_process_dies_somewhere(self, at):
        self.live_until_death(Mortality(at))

    @rule(on=DEATHS)
    def a_process_dies_at_a_bad_moment(self, on):
        self.live_until_death(Mortality(on=on))

    def live_until_death(self, life):
        if self.phase not in ("execute", "trigger", "resume"):
            return
        before = self.phase
        self.life = life
        try:
            self.step()
        except Died:
            if before != "trigger":
                self.phase, self.try_number = "execute", self.try_number + 1

    @rule()
    def airflow_goes_on_to_the_end(self):
        for _ in range(4):
            self.airflow_goes_on()

    @rule()
    def a_second_copy_of_the_trigger_runs(self):
        self.life = Mortality()
        if self.phase == "trigger":
            asyncio.run(self.fire())

    @rule()
    def airflow_retries(self):
        """Also after a success that it lost, as its scheduler can."""
        if self.phase in ("failed", "success"):
            self.phase, self.try_number = "execute", self.try_number + 1

    @rule()
    def a_person_clears(self):
        if self.phase in ("failed", "success", "trigger"):
            self.clear(2)

    def clear(self, retries):
        self.clears += 1
        self.max_tries = self.try_number + retries
        self.phase, self.try_number = "execute", self.try_number + 1
        self.clear_number += 1
        self.run_began += timedelta(hours=1)

    def intents(self):
        return list(Path(self.folder.name).rglob("intent.json"))

    @invariant()
    def no_request_is_posted_twice(self):
        assert len(set(self.api.posts)) == len(self.api.posts)

    @invariant()
    def what_is_billed_was_asked_for_by_a_person(self):
        billed = [song for song in self.api.songs.values() if song["fate"] == "ok"]
        assert len(billed) <= 1 + self.clears + self.runs

    @invariant()
    def a_delivered_song_has_its_audio(self):
        for result, _ in self.results[self.first_on_this_disk :]:
            audio = Path(result["audio_uri"].removeprefix("file://")).read_bytes()
            assert hashlib.sha256(audio).hexdigest() == result["audio"]["sha256"]

    @invariant()
    def a_delivered_song_is_the_one_that_was_wanted(self):
        for result, wanted in self.results:
            (song,) = [
                song
                for song in self.api.songs.values()
                if hashlib.sha256(song["audio"]).hexdigest() == result["audio"]["sha256"]
            ]
            assert song["words"] == wanted

    @invariant()
    def no_more_songs_are_live_than_takes_allow(self):
        assert len(self.api.posts) <= len(self.intents()) + self.lost_intents


class SynchronousPromises(Promises):
    lane = "synchronous"


class RememberedPromises(Promises):
    """On Airflow 3.3 and later: with a task state store, and ids of tries."""

    remembers = True


LIMITS = settings(
    max_examples=200, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestQueued = Promises.TestCase
TestQueued.settings = LIMITS
TestSynchronous = SynchronousPromises.TestCase
TestSynchronous.settings = LIMITS
TestRemembered = RememberedPromises.TestCase
TestRemembered.settings = settings(LIMITS, max_examples=100)
